"""A comparison as one web page that needs no other file."""

import base64
import html
from collections.abc import Sequence

from callbacks.comparison.runs import Run
from callbacks.comparison.table import cells, note

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .7rem }
th, td { text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
img { max-width: 100% }
.runs { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)) }
figure { margin: 0 }
"""


def page(runs: Sequence[Run], pictures: Sequence[bytes]) -> str:
    """Return the page: the table, the common figures, and every figure of every run.

    Args:
        runs: What is compared.
        pictures: The common figures, PNG.
    """
    header, *rows = cells(runs)
    head = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    about = runs[0].about
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Comparison of emulators</title>",
        f"<style>{STYLE}</style><h1>Comparison of emulators</h1>",
        f"<table><tr>{head}</tr>{body}</table><p>{html.escape(note(runs))}</p>",
        *(embedded(picture, "png", "comparison") for picture in pictures),
        *(figures(name, runs) for name in figure_names(runs)),
        f"<p>Data {html.escape(about['data_hash'][:16])}, commit "
        f"{html.escape(str(about['commit']))}.</p></html>",
    ]
    return "\n".join(parts)


def figure_names(runs: Sequence[Run]) -> list[str]:
    """Return the file names of the figures that the tests left, in alphabetical order."""
    paths = (path for run in runs for path in run.folder.iterdir())
    return sorted({path.name for path in paths if path.suffix in (".png", ".gif")})


def figures(name: str, runs: Sequence[Run]) -> str:
    """Return the figure of that name of every run, side by side."""
    stem, _, kind = name.rpartition(".")
    found = [
        f"<figure><figcaption>{html.escape(run.name)}</figcaption>"
        f"{embedded((run.folder / name).read_bytes(), kind, run.name)}</figure>"
        for run in runs
        if (run.folder / name).is_file()
    ]
    title = html.escape(stem.replace("_", " "))
    return f"<h2>{title}</h2><div class=runs>{''.join(found)}</div>"


def embedded(image: bytes, kind: str, text: str) -> str:
    """Return an image element that holds the image itself, a PNG or GIF as `kind` says."""
    data = base64.b64encode(image).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/{kind};base64,{data}">'
