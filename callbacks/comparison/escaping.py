"""Names of runs and scores, which may contain any character, escaped for each format."""


def in_markdown(text: str) -> str:
    """Return text escaped for a cell of a table in Markdown, without HTML."""
    for letter, written in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;")):
        text = text.replace(letter, written)
    return "".join(letter if letter.isprintable() else " " for letter in text)


def in_csv(text: str) -> str:
    """Return text that no spreadsheet reads as a formula."""
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text
