"""Sizes in bytes as text."""


def readable(size: int) -> str:
    """Return a size in bytes with a unit.

    Example:
        >>> readable(20480), readable(3 * 2**30)
        ('20 KiB', '3 GiB')
    """
    units = ("bytes", "KiB", "MiB", "GiB")
    power = min(max(size, 1).bit_length() - 1, 30) // 10
    amount = size / 2 ** (10 * power)
    return f"{amount:{'.3g' if amount < 100 else '.0f'}} {units[power]}"
