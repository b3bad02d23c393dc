"""A comparison: table, numbers, figure and page."""

from collections.abc import Sequence
from pathlib import Path

from callbacks.comparison.figures import draw
from callbacks.comparison.page import page
from callbacks.comparison.runs import load_runs
from callbacks.comparison.table import table, table_csv
from datamodules.netcdf import written_whole


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
    paths = [output / f"comparison.{kind}" for kind in ("md", "csv", "png", "html")]
    text = table(runs)
    with written_whole(paths[0]) as temporary:
        temporary.write_text(text + "\n")
    with written_whole(paths[1]) as temporary:
        temporary.write_text(table_csv(runs))
    with written_whole(paths[2]) as temporary:
        draw(runs).savefig(temporary, format="png")
    with written_whole(paths[3]) as temporary:
        temporary.write_text(page(runs, paths[2]))
    return text, paths
