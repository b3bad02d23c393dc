"""Names of runs and scores as each format needs them written: they may hold any letter."""


def in_markdown(text: str) -> str:
    """Return text that stays in its cell of a table in Markdown, and is no HTML."""
    for letter, written in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;")):
        text = text.replace(letter, written)
    return "".join(letter if letter.isprintable() else " " for letter in text)


def in_csv(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text
