"""A comparison: table, numbers, figure and page."""

from collections.abc import Collection, Sequence
from pathlib import Path

from callbacks.comparison.figures import draw, draw_climate
from callbacks.comparison.json_file import comparison_json
from callbacks.comparison.page import page
from callbacks.comparison.runs import load_runs
from callbacks.comparison.searches import read_searches
from callbacks.comparison.table import table, table_csv
from callbacks.plotting.export import png
from datamodules.files.netcdf_writer import atomic_write


def compare(
    folders: Sequence[Path],
    output: Path,
    mse_unit: float | None = None,
    modules: Collection[str] = (),
) -> tuple[str, list[Path]]:
    """Write `comparison.md`, `.csv`, `.json`, `.html` and two figures, `.png`, into a folder.

    Args:
        folders: Folders of tested runs.
        output: Folder of the files, created if it does not exist. The page shows the searches that
            a study has written there.
        mse_unit: Unit of the error [units of the data], whose square is the unit of the MSE; by
            default the MSE is in units of the training variance.
        modules: Names of modules of the user's own diagnostics, which may be anywhere.

    Returns:
        The table in Markdown, and the paths of the files.
    """
    runs = load_runs(folders, modules)
    text = table(runs, mse_unit)
    output.mkdir(parents=True, exist_ok=True)
    figures = [png(draw(runs)), png(draw_climate(runs))]
    contents: dict[str, bytes | str] = {
        "comparison.md": text + "\n",
        "comparison.csv": table_csv(runs, mse_unit),
        "comparison.json": comparison_json(runs, mse_unit),
        "comparison.png": figures[0],
        "comparison_climate.png": figures[1],
        "comparison.html": page(runs, mse_unit, read_searches(output)),
    }
    return text, [atomic_write(output / name, content) for name, content in contents.items()]
