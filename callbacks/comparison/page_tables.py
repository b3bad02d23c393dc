"""The tables of the page of a comparison, as HTML."""

import html
from collections.abc import Sequence

from callbacks.comparison.differences import competing
from callbacks.comparison.options import differing_options
from callbacks.comparison.table import (
    bests,
    cells,
    certain_cells,
    columns,
    mean_of,
)
from callbacks.diagnostics.compared import Run, methods

MOST = 9
"""Most scores in the table that is not folded."""


def chosen_table(runs: Sequence[Run], unit: float | None = None) -> str:
    """Return the table of the chosen scores, whose rows are sorted by buttons in its headings."""
    header, *rows = cells(runs, unit)
    certain, shown, groups = certain_cells(runs, unit), columns(runs, unit), methods(runs)
    chosen = [number for number, column in enumerate(shown, start=2) if not column.folded][:MOST]
    heading = "<th scope=col aria-sort=none><button type=button>{}</button></th>"
    head = "".join(heading.format(html.escape(header[number])) for number in (0, *chosen))
    lines = []
    for row, (texts, group) in enumerate(zip(rows, groups, strict=True), start=1):
        parts = []
        for number in chosen:
            value = mean_of(shown[number - 2], group)
            place = f'data-label="{html.escape(header[number])}"'
            sort = "" if value is None or value != value else f"{value:.6g}"
            text = cell(texts[number], (row, number) in certain)
            parts.append(f'<td {place} data-sort="{sort}">{text}</td>')
        name = html.escape(texts[0])
        lines.append(f'<tr><th scope=row data-sort="{name}">{name}</th>{"".join(parts)}</tr>')
    body = "\n".join(lines)
    return (
        "<table class=sortable><caption>Chosen scores of all methods; the buttons in the headings "
        f"sort the rows</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
    )


def cell(text: str, certain: bool = False) -> str:
    """Return a number of the table as HTML, its spread in small letters.

    Args:
        text: Text of the cell.
        certain: True if the method is the best by more than chance.
    """
    number, sign, spread = html.escape(text).partition(" ± ")
    if certain:
        number = f"<b>{number}</b>"
    return f"{number} <small>{sign.strip()} {spread}</small>" if sign else number


def all_scores(runs: Sequence[Run], unit: float | None = None) -> str:
    """Return the fold of all scores, a row for each, with a column for each method."""
    certain, rows = certain_cells(runs, unit), cells(runs, unit)
    turned = [
        [cell(rows[row][number], (row, number) in certain) for row in range(len(rows))]
        for number in range(1, len(rows[0]))
    ]
    return fold("All scores", scrolled("All scores", [html.escape(r[0]) for r in rows], turned))


def all_differences(runs: Sequence[Run], unit: float | None = None) -> str:
    """Return the fold of all differences between the best method and the others."""
    header = ["score", "best", "against", "difference", "95 % interval", "more than chance"]
    rows = []
    for heading, best in bests(runs, unit).items():
        for other in best.others:
            known = other.low is not None
            ends = f"{other.low:.2g} to {other.high:.2g}" if known else "-"
            texts = [heading, best.name, other.other, f"{other.difference:.2g}", ends]
            certain = ("yes" if other.more_than_chance else "no") if known else "-"
            rows.append([html.escape(text) for text in (*texts, certain)])
    title = "Differences and their intervals"
    return fold(title, scrolled(title, header, rows)) if rows else ""


def options_table(runs: Sequence[Run]) -> str:
    """Return the fold of the options that differ between runs."""
    runs = [run for method in competing(methods(runs)) for run in method.runs]
    found = differing_options(runs)
    if not found:
        return ""
    header = ["option", *(html.escape(run.name) for run in runs)]
    rows = [[html.escape(text) for text in (name, *row)] for name, row in found.items()]
    title = "Options that differ"
    return fold(title, scrolled(title, header, rows, texts=True))


def scrolled(
    name: str, header: Sequence[str], rows: Sequence[Sequence[str]], texts: bool = False
) -> str:
    """Return a table in a box of its own, in which it scrolls by touch, wheel and arrow keys.

    Args:
        name: Name of the table.
        header: Headings, HTML.
        rows: Cells of the rows, HTML; the first is the heading of the row.
        texts: True if the cells are texts, aligned to the left.
    """
    kind, kinds = (" class=text", " class=texts") if texts else ("", "")
    head = "".join(f"<th scope=col{kind}>{text}</th>" for text in header)
    body = "\n".join(
        f"<tr><th scope=row>{first}</th>{''.join(f'<td{kind}>{text}</td>' for text in others)}</tr>"
        for first, *others in rows
    )
    return (
        f'<div class=scroll tabindex=0 role=region aria-label="{name}">\n<table{kinds}>'
        f"<caption>{name}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>"
        "</table></div>"
    )


def fold(title: str, content: str) -> str:
    """Return content under a title that opens and closes it."""
    return f"<details><summary>{html.escape(title)}</summary>\n{content}</details>"
