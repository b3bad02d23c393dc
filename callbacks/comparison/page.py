"""A comparison as one web page that needs no other file."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from callbacks.comparison.pictures import compressed
from callbacks.comparison.table import cells, certain_cells, note
from callbacks.comparison.words import summary
from callbacks.diagnostics.compared import Run

SIGNATURES = {".png": b"\x89PNG", ".gif": b"GIF8"}
STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --soft: #59636e; --back: #fff; --line: #d1d9e0;
  --shade: #f6f8fa; --focus: #0969da }
@media (prefers-color-scheme: dark) {
  :root { --text: #f0f6fc; --soft: #9198a1; --back: #0d1117; --line: #3d444d; --shade: #151b23;
    --focus: #4493f8 } }
* { box-sizing: border-box }
body { font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  margin: 2rem auto; max-width: 90rem; padding: 0 1rem; overflow-wrap: break-word }
.words { font-size: 1.15rem; max-width: 50rem }
h1, h2, .words, .note { overflow-wrap: anywhere }
.note { color: var(--soft); font-size: .9rem; max-width: 60rem }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem }
table { border-collapse: separate; border-spacing: 0; min-width: 100%; font-size: .76rem }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .3rem; text-align: right }
td small { color: var(--soft); font-size: .85em }
td { white-space: nowrap; font-variant-numeric: tabular-nums }
thead th { vertical-align: bottom; background: var(--shade) }
tr > :first-child { position: sticky; left: 0; text-align: left; max-width: min(40vw, 16rem);
  padding-left: .75rem; background: var(--back); border-right: 1px solid var(--line) }
thead tr > :first-child { background: var(--shade) }
tbody tr:last-child > * { border-bottom: 0 }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: 0 1rem }
summary { cursor: pointer; padding: .6rem 0; font-weight: 600 }
summary:hover { color: var(--focus) }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: .25rem }
.points { image-rendering: pixelated }
.runs { display: grid; gap: 1rem; padding-bottom: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)) }
figure { margin: 0; min-width: 0 }
.whole { margin: 1rem 0 }
figcaption { color: var(--soft) }
"""
HEAD = (
    "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
    '<meta name=viewport content="width=device-width, initial-scale=1">\n'
    "<title>Comparison of emulators</title>"
)
FIGURES = ("Error, stability and forecast fields of all runs", "Climate of all runs")


def page(runs: Sequence[Run], pictures: Sequence[bytes], unit: float | None = None) -> str:
    """Return the page: words, the table, figures of the comparison, and all figures of all runs.

    The figures of the runs are folded, one fold for each kind of figure.

    Args:
        runs: Runs that are compared.
        pictures: Figures of the comparison, PNG.
        unit: Unit of the error, whose square is the unit of the MSE; by default the MSE is in
            units of the training variance.
    """
    about = runs[0].about
    data, commit = (str(about.get(key) or "unknown") for key in ("data_hash", "commit"))
    words = html.escape(" ".join(summary(runs, unit))).replace(" %", "\u00a0%")
    titles = [FIGURES[n] if n < len(FIGURES) else "Comparison" for n in range(len(pictures))]
    parts = [
        HEAD,
        f"<style>{STYLE}</style>\n<main>\n<h1>Comparison of emulators</h1>",
        f"<p class=words>{words}</p>" if words else "",
        table(runs, unit),
        f"<p class=note>{html.escape(note(runs, unit))}</p>",
        *(whole(picture, title) for picture, title in zip(pictures, titles, strict=True)),
        "<h2>Figures of each run</h2>",
        *all_figures(runs),
        f"<p class=note>Data {html.escape(data[:16])}, commit {html.escape(commit)}.</p>",
        "</main>\n</html>",
    ]
    return "\n".join(part for part in parts if part)


def table(runs: Sequence[Run], unit: float | None = None) -> str:
    """Return the table in a box of its own, in which it scrolls by touch, wheel and arrow keys."""
    header, *rows = cells(runs, unit)
    certain = certain_cells(runs, unit)
    head = "".join(f"<th scope=col>{html.escape(text)}</th>" for text in header)
    body = "".join(
        f"<tr><th scope=row>{html.escape(name)}</th>"
        + "".join(
            f"<td><b>{cell(text)}</b></td>"
            if (number, column) in certain
            else f"<td>{cell(text)}</td>"
            for column, text in enumerate(row, start=1)
        )
        + "</tr>\n"
        for number, (name, *row) in enumerate(rows, start=1)
    )
    return (
        '<div class=scroll tabindex=0 role=region aria-label="Scores of all runs">\n<table>'
        "<caption>Scores of all runs</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def cell(text: str) -> str:
    """Return a number of the table as HTML, its spread in small letters."""
    number, sign, spread = html.escape(text).partition(" ± ")
    return f"{number}<small>{sign}{spread}</small>" if sign else number


def whole(picture: bytes, title: str) -> str:
    """Return a figure of the comparison, PNG, with its heading."""
    image = compressed(picture, "png").element(title)
    return f"<h2>{html.escape(title)}</h2>\n<figure class=whole>{image}</figure>"


def all_figures(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the figures of all runs in alphabetical order, folded, figures of one name in a row."""
    pictures = [own_figures(run.folder) for run in runs]
    for name in sorted(set().union(*pictures)):
        stem, _, kind = name.rpartition(".")
        title = stem.replace("_", " ").capitalize()
        found = [
            f"<figure><figcaption>{html.escape(run.name)}</figcaption>"
            f"{compressed(own[name], kind).element(f'{title}, {run.name}')}</figure>"
            for run, own in zip(runs, pictures, strict=True)
            if name in own
        ]
        shown = "\n".join(found)
        yield (
            f"<details><summary>{html.escape(title)}</summary>\n"
            f"<div class=runs>{shown}</div></details>"
        )


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
