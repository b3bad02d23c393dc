"""The table of a comparison: one row per method."""

import csv
import io
import re
from collections.abc import Sequence
from functools import partial

import numpy as np

from callbacks.comparison.differences import Best, best_of, competing, with_weights
from callbacks.comparison.escaping import in_csv, in_markdown
from callbacks.comparison.found_diagnostics import all_diagnostics, columns_of
from callbacks.comparison.guarded_columns import guarded, has_cells, in_unit
from callbacks.comparison.independence import independence
from callbacks.comparison.words import references
from callbacks.diagnostics.compared import Column, Method, Run, methods


def cost(run: Run, name: str) -> int | float | None:
    """Return a number of `training.json`, such as `seconds_per_step`, or None without it."""
    return run.about.get("training", {}).get(name)


def minutes(run: Run) -> float | None:
    """Return the time of the training [min], or None if it was not measured."""
    seconds = cost(run, "seconds_per_step")
    steps = run.about.get("steps")
    return None if seconds is None or steps is None else seconds * steps / 60


def summary_number(run: Run, name: str) -> float | None:
    """Return a number of a diagnostic that defines no columns, or None if it was not computed."""
    return run.own.get(name)


def columns(runs: Sequence[Run], unit: float | None = None) -> list[Column]:
    """Return the columns that have a number for some run, by their places.

    Args:
        runs: Runs that are compared.
        unit: Unit of the error, whose square is the unit of the MSE; by default the MSE is in
            units of the training variance.

    Raises:
        ValueError: The unit is not positive, or there are several fields.
    """
    check_unit(runs, unit)
    training = [
        Column("training steps", lambda r: r.about.get("steps"), "{:,.0f}", place=50, folded=True),
        Column(
            "batch size", lambda r: cost(r, "samples_per_step"), "{:.0f}", place=50, folded=True
        ),
        Column("s per training step", lambda r: cost(r, "seconds_per_step"), place=50, folded=True),
        Column("training time [min]", minutes, place=50),
    ]
    found = [column for column in training if has_cells(column, runs)]
    for kind in all_diagnostics(runs):
        name = kind.__name__
        for column in columns_of(kind) or []:
            shown = column if unit is None else in_unit(column, unit, name)
            if has_cells(shown, runs):
                found.append(guarded(shown, name))
    names = dict.fromkeys(name for run in runs for name in run.own)
    found += [Column(name, partial(summary_number, name=name), "{:.3g}") for name in names]
    found.sort(key=lambda column: column.place)
    headings = [column.heading for column in found]
    return [column for n, column in enumerate(found) if column.heading not in headings[:n]]


def check_unit(runs: Sequence[Run], unit: float | None) -> None:
    """Check that a unit of the error is positive and all runs have a single field."""
    if unit is None:
        return
    if not (np.isfinite(unit) and unit > 0):
        raise ValueError(f"--mse_unit must be a number above 0, got {unit}.")
    for run in runs:
        if "mse" in run.scores and run.scores.sizes.get("channel", 0) != 1:
            fields = run.scores.get("channel", ["none"])
            raise ValueError(
                f"--mse_unit={unit:g} is for data of one field; {run.name} has "
                f"{', '.join(map(str, np.asarray(fields)))}; leave it out."
            )


def mean_of(column: Column, method: Method) -> float | None:
    """Return the mean over the seeds of a method of the number in a column, None without any."""
    values = [value for run in method.runs if (value := column.value(run)) is not None]
    return float(np.mean(values)) if values else None


def cells(runs: Sequence[Run], unit: float | None = None) -> list[list[str]]:
    """Return the table as texts: the headings, then one row per method.

    A cell is the mean over seeds ± the standard deviation over seeds or, for a single seed, over
    initial conditions.

    Args:
        runs: Runs that are compared.
        unit: Unit of the error [units of the data]; by default the training standard deviation.
    """
    shown = columns(runs, unit)
    rows = [["run", "parameters", *(column.heading for column in shown)]]
    for method in methods(runs):
        parameters = method.runs[0].about.get("parameters")
        row = [method.name, "-" if parameters is None else f"{parameters:,}"]
        if len(method.runs) > 1:
            row[0] += f" ({len(method.runs)} seeds)"
        for column in shown:
            values = [value for run in method.runs if (value := column.value(run)) is not None]
            text = column.form.format(np.mean(values)) if values else "-"
            if values and not np.isfinite(np.mean(values)):
                text = "not finite"
            elif len(set(values)) > 1:
                spread = float(np.std(values, ddof=1))
                text = with_spread(text, float(np.mean(values)), column.form.format(spread))
            elif values and column.spread:
                own = column.spread(method.runs[0])
                text = text if own is None else with_spread(text, values[0], rounded(own))
            row.append(text)
        rows.append(row)
    return rows


def with_spread(text: str, mean: float, spread: str) -> str:
    """Return a mean and its spread, the mean with no fewer decimals than the spread.

    Args:
        text: The mean as a text.
        mean: The mean.
        spread: The spread as a text.

    Example:
        >>> with_spread("2", 1.9995, "0.0074"), with_spread("0.35", 0.351, "0.1")
        ('1.9995 ± 0.0074', '0.35 ± 0.1')
    """
    decimals = len(spread.partition(".")[2])
    plain = re.fullmatch(r"-?[\d.]+", text) and re.fullmatch(r"[\d.]+", spread)
    if plain and len(text.partition(".")[2]) < decimals <= 6:
        text = f"{mean:.{decimals}f}"
    return f"{text} ± {spread}"


def rounded(spread: float) -> str:
    """Return a spread with one digit, without an exponent from 1e-4 to 1e5.

    Example:
        >>> rounded(36.8), rounded(0.072)
        ('40', '0.07')
    """
    text = f"{spread:.1g}"
    return f"{float(text):.0f}" if "e" in text and 1 <= spread < 1e5 else text


def bests(runs: Sequence[Run], unit: float | None = None) -> dict[str, Best]:
    """Return the best method of each column that has a best, by the heading of the column.

    Args:
        runs: Runs that are compared.
        unit: Unit of the error [units of the data]; by default the training standard deviation.
    """
    groups, independent = methods(runs), independence(runs).count
    if len(competing(groups)) < 2:
        return {}
    found = {c.heading: best_of(c, groups, independent) for c in columns(runs, unit)}
    return {heading: best for heading, best in found.items() if best}


def certain_cells(runs: Sequence[Run], unit: float | None = None) -> set[tuple[int, int]]:
    """Return the (row, column) of the cells whose method is best by more than chance."""
    found = bests(runs, unit)
    names = [method.name for method in methods(runs)]
    return {
        (names.index(found[column.heading].name) + 1, number)
        for number, column in enumerate(columns(runs, unit), start=2)
        if column.heading in found and found[column.heading].more_than_chance
    }


def inequalities(runs: Sequence[Run]) -> list[str]:
    """Return a phrase for each of parameters, steps, ... that differs by over 5 %."""
    means = {
        "parameters": lambda run: run.about.get("parameters"),
        "training steps": lambda run: run.about.get("steps"),
        "batch size": lambda run: cost(run, "samples_per_step"),
        "members": lambda run: run.about.get("rollouts", {}).get("members"),
    }
    found = []
    for name, read in means.items():
        values = sorted((value, run.name) for run in runs if (value := read(run)))
        if values and values[-1][0] > 1.05 * values[0][0]:
            (least, fewest), *_, (most, largest) = values
            found.append(f"{name} ({fewest}: {least:,}, {largest}: {most:,})")
    return found


def commits(runs: Sequence[Run]) -> str:
    """Return the commits of the code that tested the runs, as text."""
    known = sorted({run.about.get("commit") or "unknown" for run in runs})
    return f"commit{'s' if len(known) > 1 else ''} {', '.join(known)}"


def note(runs: Sequence[Run], unit: float | None = None) -> str:
    """Return the footnote of the table: units, meaning of ±, and differences between the runs."""
    about = runs[0].about.get("rollouts", {})
    spread = f"{about.get('initial_conditions', 'all')} initial conditions"
    if any(len(method.runs) > 1 for method in methods(runs)):
        spread = f"the seeds of a method with several, else over {spread}"
    text = (
        f"MSE in units of {square(unit)}; mean ± standard deviation over {spread}. "
        f"{certainty(runs)}Stable: "
        "trajectories whose energy stays within the band of the reference for "
        f"{about.get('steps', 'all')} steps. Scores of the climate leave out rollouts that "
        "diverged before their first sample. All runs were "
    )
    trained = all(method.has_weights for method in methods(runs))
    text += "trained and tested" if trained else "tested, and trained if they have weights,"
    text += " on the same data"
    text += f" ({runs[0].about.get('data_hash', 'unknown')[:16]}), at {commits(runs)}."
    unequal = inequalities(runs)
    return f"{text} They differ in {'; '.join(unequal)}." if unequal else text


def certainty(runs: Sequence[Run]) -> str:
    """Return a sentence on the methods in bold; empty for a single method."""
    groups = competing(methods(runs))
    if len(groups) < 2:
        return ""
    left_out = references(methods(runs))
    seeds = [len(group.runs) for group in with_weights(groups)]
    over = "initial conditions"
    if seeds:
        over += ", for these seeds alone" if min(seeds) < 2 else " and seeds"
    return (
        "Bold: better than every other method by more than chance (95 % intervals of the paired "
        f"differences, over {over}). {left_out and left_out + ' '}"
    )


def square(unit: float | None) -> str:
    """Return the unit of the squared error, as text."""
    if unit is None:
        return "the training variance"
    return f"{unit:g}² (squared units of the data)"


def table(runs: Sequence[Run], unit: float | None = None) -> str:
    """Return the comparison of runs as a table in Markdown, one row per method, with a footnote.

    Args:
        runs: Runs that are compared, as `load_runs` returns them.
        unit: Unit of the error [units of the data], whose square is the unit of the MSE; by default
            the MSE is in units of the training variance.
    """
    certain = certain_cells(runs, unit)
    rows = [
        [
            f"**{in_markdown(text)}**" if (row, column) in certain else in_markdown(text)
            for column, text in enumerate(texts)
        ]
        for row, texts in enumerate(cells(runs, unit))
    ]
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{text}\n\n{in_markdown(note(runs, unit))}"


def table_csv(runs: Sequence[Run], unit: float | None = None) -> str:
    """Return the table as comma-separated values, one row per run, with all digits."""
    shown = columns(runs, unit)
    spreads = [(column.heading, column.spread) for column in shown if column.spread]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    stds = [f"std of {heading} over initial conditions" for heading, _ in spreads]
    headings = ["run", "method", "parameters", *(c.heading for c in shown), *stds]
    writer.writerow([in_csv(heading) for heading in headings])
    for run in runs:
        numbers = [*(c.value(run) for c in shown), *(spread(run) for _, spread in spreads)]
        names = [in_csv(run.name), in_csv(run.method)]
        writer.writerow([*names, run.about.get("parameters"), *numbers])
    return text.getvalue()
