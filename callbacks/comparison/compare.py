"""A comparison: table, numbers, figure and page."""

from collections.abc import Sequence
from pathlib import Path

from callbacks.comparison.figures import draw
from callbacks.comparison.page import page
from callbacks.comparison.runs import load_runs
from callbacks.comparison.table import table, table_csv
from callbacks.pictures import png
from datamodules.netcdf import write_whole


def compare(folders: Sequence[Path], output: Path) -> tuple[str, list[Path]]:
    """Write `comparison.md`, `.csv`, `.png` and `.html` into a folder.

    Args:
        folders: Of tested runs.
        output: Where to write; made if it is missing.

    Returns:
        The table in Markdown, and what was written.
    """
    runs = load_runs(folders)
    output.mkdir(parents=True, exist_ok=True)
    text, figure = table(runs), png(draw(runs))
    contents = {"md": text + "\n", "csv": table_csv(runs), "png": figure}
    contents["html"] = page(runs, figure)
    written = [write_whole(output / f"comparison.{kind}", c) for kind, c in contents.items()]
    return text, written
