"""The table of a comparison: one row per method."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from callbacks.comparison.runs import Run, methods

LEADS = (1, 10, 25, 50, 75, 100, 200)


@dataclass(frozen=True)
class Column:
    """Heading, what it shows of a run (None where it was not computed), and how it is written."""

    heading: str
    value: Callable[[Run], float | None]
    form: str = "{:.2g}"
    spread: Callable[[Run], float] | None = None


def mse_spread(run: Run, lead: int) -> float:
    """Return the standard deviation over initial conditions of the MSE after `lead` steps."""
    return float(run.scores["mse"].isel(lead_time=lead - 1).std(skipna=False))


def stable(run: Run) -> float | None:
    """Return the percentage of rollouts that stayed within the band."""
    share = run.mean("stable")
    return None if share is None else 100 * share


def energy_ratio(run: Run) -> float | None:
    """Return the mean energy of the rollouts over that of the data."""
    if "energy" not in run.scores:
        return None
    return float(run.scores["energy"].mean() / run.scores["reference_energy_mean"])


def cost(run: Run, name: str) -> int | float | None:
    """Return what `TrainingCost` measured, if it did."""
    return run.about.get("training", {}).get(name)


def minutes(run: Run) -> float | None:
    """Return the cost of the training, in minutes of its machine."""
    seconds = cost(run, "seconds_per_step")
    return None if seconds is None else seconds * run.about["steps"] / 60


def columns(runs: Sequence[Run]) -> list[Column]:
    """Return the columns that the scores of some run allow."""
    steps = max(run.scores.sizes.get("lead_time", 0) for run in runs)
    found = [
        Column(
            f"MSE at {lead}",
            lambda run, lead=lead: run.mean("mse", lead_time=lead - 1),
            spread=lambda run, lead=lead: mse_spread(run, lead),
        )
        for lead in LEADS
        if lead <= steps
    ]
    found += [
        Column("valid time", lambda run: run.mean("valid_prediction_time"), "{:.3g}"),
        Column("stable", stable, "{:.0f} %"),
        Column("energy / truth", energy_ratio, "{:.3g}"),
        Column("spectrum error", lambda run: run.mean("spectrum_error")),
        Column("zonal mean error", lambda run: run.mean("zonal_mean_error_absolute")),
        Column("W1 distance", lambda run: run.mean("wasserstein")),
        Column("CRPS", lambda run: run.mean("crps")),
        Column("iterations", lambda run: run.about["steps"], "{:,.0f}"),
        Column("batch", lambda run: cost(run, "samples_per_step"), "{:.0f}"),
        Column("s / iteration", lambda run: cost(run, "seconds_per_step")),
        Column("minutes of training", minutes),
    ]
    return [column for column in found if any(column.value(run) is not None for run in runs)]


def cells(runs: Sequence[Run]) -> list[list[str]]:
    """Return heading and rows of the table."""
    shown = columns(runs)
    rows = [["run", "parameters", *(column.heading for column in shown)]]
    for method in methods(runs):
        row = [method.name, f"{method.runs[0].about['parameters']:,}"]
        if len(method.runs) > 1:
            row[0] += f" ({len(method.runs)} seeds)"
        for column in shown:
            values = [value for run in method.runs if (value := column.value(run)) is not None]
            text = column.form.format(np.mean(values)) if values else "-"
            if values and not np.isfinite(np.mean(values)):
                text = "not finite"
            elif len(set(values)) > 1:
                text += f" ± {column.form.format(np.std(values, ddof=1))}"
            elif values and column.spread:
                text += f" ± {column.spread(method.runs[0]):.1g}"
            row.append(text)
        rows.append(row)
    return rows


def inequalities(runs: Sequence[Run]) -> list[str]:
    """Return in what the runs had unequal means: iterations, samples, or over 5 % in parameters."""
    means = {
        "parameters": lambda run: run.about["parameters"],
        "iterations": lambda run: run.about["steps"],
        "samples per iteration": lambda run: cost(run, "samples_per_step"),
    }
    found = []
    for name, read in means.items():
        values = sorted((value, run.name) for run in runs if (value := read(run)))
        if values and values[-1][0] > 1.05 * values[0][0]:
            (least, fewest), *_, (most, largest) = values
            found.append(f"{name} ({least:,} of {fewest}, {most:,} of {largest})")
    return found


def commits(runs: Sequence[Run]) -> str:
    """Return the states of the code that tested the runs, in words."""
    known = sorted({run.about.get("commit") or "unknown" for run in runs})
    return f"commit{'s' if len(known) > 1 else ''} {', '.join(known)}"


def note(runs: Sequence[Run]) -> str:
    """Return what the numbers of the table are, and what was not equal between the runs."""
    about = runs[0].about["rollouts"]
    spread = f"{about['initial_conditions']} initial conditions"
    if any(len(method.runs) > 1 for method in methods(runs)):
        spread = f"seeds where there are several, else over {spread}"
    text = (
        f"MSE in units of the training variance, mean ± spread over {spread}; stable: energy "
        f"within the band of the truth for {about['steps']} steps; what follows is of the rollouts "
        "that were not lost at once. All runs were trained and tested on the same data"
    )
    text += f" ({runs[0].about['data_hash'][:16]}), at {commits(runs)}."
    unequal = inequalities(runs)
    return f"{text} Not equal: {'; '.join(unequal)}." if unequal else text


def table(runs: Sequence[Run]) -> str:
    """Return the table in Markdown."""
    header, *rows = cells(runs)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{note(runs)}"


def table_csv(runs: Sequence[Run]) -> str:
    """Return the numbers of every run as comma-separated values, unrounded."""
    shown = columns(runs)
    spreads = [column for column in shown if column.spread]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    stds = [f"std of {column.heading} over initial conditions" for column in spreads]
    writer.writerow(["run", "method", "parameters", *(c.heading for c in shown), *stds])
    for run in runs:
        numbers = [*(c.value(run) for c in shown), *(c.spread(run) for c in spreads)]
        writer.writerow([run.name, run.method, run.about["parameters"], *numbers])
    return text.getvalue()
