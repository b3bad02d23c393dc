"""In which precisions an emulator runs: weights, statistics and states in 32 bits or more."""


def check_precision(precision: str) -> None:
    """Refuse to keep everything in half precision.

    `bf16-mixed` rounds what is inside a network only: weights, statistics of the data, states
    between steps and sums of scores stay in float32 or float64.

    Args:
        precision: The trainer's.

    Raises:
        ValueError: It is bf16-true or 16-true.
    """
    if precision in ("bf16-true", "16-true"):
        raise ValueError(
            f"trainer.precision is {precision}, which would round weights, the statistics of the "
            "data and the state between two steps to two or three digits; set it to bf16-mixed, "
            "32-true or 64-true."
        )
