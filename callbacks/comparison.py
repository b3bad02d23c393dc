"""Runs side by side: one table and one figure from the scores that tests left behind."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callbacks.figures import COLOURS, draw_field
from datamodules.netcdf import written_whole

LEADS = (1, 10, 25, 50, 100, 200)


@dataclass(frozen=True)
class Run:
    """Scores of one tested run: its name, its labelled arrays, and what determined them."""

    name: str
    scores: xarray.Dataset
    about: dict[str, Any]

    def mse(self, lead: int) -> tuple[float, float]:
        """Return mean and spread over initial conditions of the MSE after `lead` steps."""
        at = self.scores["mse"].isel(lead_time=lead - 1)
        return float(at.mean()), float(at.std())


def load_runs(folders: Sequence[Path]) -> list[Run]:
    """Return the scores of tested runs.

    Raises:
        FileNotFoundError: A folder holds no scores.
        ValueError: Two runs were scored on different data or by different definitions.
    """
    runs = []
    for folder in map(Path, folders):
        path = folder / "scores.nc"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no such file; run `emulate test --ckpt_path {folder}/last.ckpt` first."
            )
        with xarray.open_dataset(path, decode_times=False) as dataset:
            scores = dataset.load()
        runs.append(Run(folder.name, scores, json.loads(scores.attrs["provenance"])))
    for run in runs[1:]:
        for key in ("data_hash", "rollouts", "metric_versions"):
            if run.about[key] != runs[0].about[key]:
                raise ValueError(
                    f"{run.name} and {runs[0].name} cannot be compared: their {key} differ "
                    f"({run.about[key]} and {runs[0].about[key]}); test both in the same way."
                )
    return runs


def compare(folders: Sequence[Path], output: Path) -> str:
    """Write `comparison.md` and `comparison.png` into a folder and return the table."""
    runs = load_runs(folders)
    output.mkdir(parents=True, exist_ok=True)
    text = table(runs)
    with written_whole(output / "comparison.md") as temporary:
        temporary.write_text(text + "\n")
    with written_whole(output / "comparison.png") as temporary:
        draw(runs).savefig(temporary, format="png")
    return text


def table(runs: Sequence[Run]) -> str:
    """Return a Markdown table, one row per run."""
    steps = runs[0].scores.sizes["lead_time"]
    leads = [lead for lead in LEADS if lead <= steps]
    header = ["run", "parameters", *(f"MSE at {lead}" for lead in leads)]
    header += ["valid time", "stable", "energy / truth"]
    rows = []
    for run in runs:
        scores = run.scores
        errors = ["{:.2g} ± {:.1g}".format(*run.mse(lead)) for lead in leads]
        energy = float(scores["energy"].mean() / scores["reference_energy_mean"])
        rows.append(
            [
                run.name,
                f"{run.about['parameters']:,}",
                *errors,
                f"{float(scores['valid_prediction_time'].mean()):.3g}",
                f"{100 * float(scores['stable'].mean()):.0f} %",
                f"{energy:.2f}",
            ]
        )
    lines = [header, ["---"] * len(header), *rows]
    about = runs[0].about["rollouts"]
    note = (
        "MSE in units of the training variance, mean ± spread over "
        f"{about['initial_conditions']} initial conditions; stable: energy within the band of the "
        f"truth for {about['steps']} steps."
    )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{note}"


def draw(runs: Sequence[Run]) -> Figure:
    """Return the figure: error and stability against lead time, and the fields themselves."""
    first = runs[0].scores
    columns = min(4, first.sizes["panel_lead_time"])
    figure = Figure(figsize=(11, 4 + 2.1 * (1 + len(runs))), layout="constrained", dpi=120)
    curves, fields = figure.subfigures(2, 1, height_ratios=[4, 2.1 * (1 + len(runs))])
    error, stable = curves.subplots(1, 2)
    for colour, run in zip(COLOURS, runs, strict=False):
        mean = run.scores["mse"].mean("initial_condition", skipna=False)
        error.plot(run.scores["lead_time"], mean, color=colour, label=run.name)
        rate = 100 * run.scores["stability_rate"]
        stable.plot(run.scores["long_lead_time"], rate, color=colour, label=run.name)
    error.set(yscale="log", xlabel="lead time", ylabel="MSE / variance", title="Forecast error")
    error.axhline(2, color="0.5", linestyle=":", label="two unrelated states")
    error.legend(loc="lower right")
    stable.set(xlabel="lead time", ylabel="%", ylim=(-3, 103), title="Still within the energy band")
    for axes in (error, stable):
        axes.grid(alpha=0.3)
    draw_fields(fields.subplots(1 + len(runs), columns, squeeze=False), runs, columns)
    return figure


def draw_fields(axes: np.ndarray, runs: Sequence[Run], columns: int) -> None:
    """Draw the truth and each run's forecast at the last lead times that were kept."""
    first = runs[0].scores
    shown = np.linspace(0, first.sizes["panel_lead_time"] - 1, columns).round().astype(int)
    truth = first["panel_truth"].values
    limit = 3 * float(np.nanstd(truth))
    rows = [("truth", truth), *((run.name, run.scores["panel_forecast"].values) for run in runs)]
    for row, (name, panels) in enumerate(rows):
        for column, at in enumerate(shown):
            cell: Axes = axes[row, column]
            if row == 0:
                cell.set_title(f"t = {float(first['panel_lead_time'][at]):g}")
            if np.isfinite(panels[at]).any():
                draw_field(cell, panels[at], limit)
            else:
                cell.text(0.5, 0.5, "not finite" if row else "no truth", ha="center", va="center")
                cell.set(xticks=[], yticks=[])
        axes[row, 0].set_ylabel(name)
