"""A comparison: table, numbers, figure and page."""

from collections.abc import Sequence
from pathlib import Path

from callbacks.comparison.figures import draw, draw_climate
from callbacks.comparison.page import page
from callbacks.comparison.runs import load_runs
from callbacks.comparison.table import table, table_csv
from callbacks.pictures import png
from datamodules.netcdf import write_whole


def compare(folders: Sequence[Path], output: Path) -> tuple[str, list[Path]]:
    """Write `comparison.md`, `.csv`, `.png`, `.html` and `comparison_climate.png` into a folder.

    Args:
        folders: Of tested runs.
        output: Where to write; made if it is missing.

    Returns:
        The table in Markdown, and what was written.
    """
    runs = load_runs(folders)
    output.mkdir(parents=True, exist_ok=True)
    text, figures = table(runs), [png(draw(runs)), png(draw_climate(runs))]
    contents = {
        "comparison.md": text + "\n",
        "comparison.csv": table_csv(runs),
        "comparison.png": figures[0],
        "comparison_climate.png": figures[1],
        "comparison.html": page(runs, figures),
    }
    return text, [write_whole(output / name, content) for name, content in contents.items()]
