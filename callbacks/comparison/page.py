"""A comparison as one web page that needs no other file."""

import base64
import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from callbacks.comparison.table import cells, note
from callbacks.diagnostics.compared import Run

SIGNATURES = {".png": b"\x89PNG", ".gif": b"GIF8"}
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


def page(runs: Sequence[Run], pictures: Sequence[bytes], unit: float | None = None) -> str:
    """Return the page: the table, the figures of the comparison, and all figures of all runs.

    Args:
        runs: Runs that are compared.
        pictures: Figures of the comparison, PNG.
        unit: Unit of the error, whose square is the unit of the MSE; by default the MSE is in
            units of the training variance.
    """
    header, *rows = cells(runs, unit)
    head = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in rows
    )
    about = runs[0].about
    data, commit = (str(about.get(key) or "unknown") for key in ("data_hash", "commit"))
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Comparison of emulators</title>",
        f"<style>{STYLE}</style><h1>Comparison of emulators</h1>",
        f"<table><tr>{head}</tr>{body}</table><p>{html.escape(note(runs, unit))}</p>",
        *(embedded(picture, "png", "comparison") for picture in pictures),
        *all_figures(runs),
        f"<p>Data {html.escape(data[:16])}, commit {html.escape(commit)}.</p></html>",
    ]
    return "\n".join(parts)


def all_figures(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the figures of all runs in alphabetical order, figures of one name in a row."""
    pictures = [own_figures(run.folder) for run in runs]
    for name in sorted(set().union(*pictures)):
        stem, _, kind = name.rpartition(".")
        found = [
            f"<figure><figcaption>{html.escape(run.name)}</figcaption>"
            f"{embedded(own[name], kind, run.name)}</figure>"
            for run, own in zip(runs, pictures, strict=True)
            if name in own
        ]
        title = html.escape(stem.replace("_", " "))
        yield f"<h2>{title}</h2><div class=runs>{''.join(found)}</div>"


def own_figures(folder: Path) -> dict[str, bytes]:
    """Return the pictures in a run's folder, without links to files outside of it."""
    found = {}
    for path in folder.iterdir():
        start = SIGNATURES.get(path.suffix)
        if start and path.is_file() and path.resolve().parent == folder.resolve():
            content = path.read_bytes()
            if content.startswith(start):
                found[path.name] = content
    return found


def embedded(image: bytes, kind: str, text: str) -> str:
    """Return an image element that contains the image.

    Args:
        image: PNG or GIF.
        kind: Format of the image, `png` or `gif`.
        text: Alternative text.
    """
    data = base64.b64encode(image).decode()
    return f'<img alt="{html.escape(text)}" src="data:image/{kind};base64,{data}">'
