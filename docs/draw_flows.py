"""Draws docs/published_flows.png from the runs of configs/study/published_flows.yaml.

python docs/draw_flows.py runs/published_flows
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray

FOLDER = Path(__file__).parent
FLOWS = {
    "jet256": "jets, 256² of 512² points",
    "nojet256": "no jets, 256² points",
    "jet512": "jets, 512² points",
}
LEADS = (0, 1, 2, 3)  # of the panels: 1, 25, 50 and 100 steps


def draw(root: Path) -> plt.Figure:
    """Return the figure: truth, baseline and hierarchy of each flow, a column per lead time."""
    figure = plt.figure(figsize=(9, 6 * len(FLOWS)), layout="constrained")
    for part, (flow, title) in zip(figure.subfigures(len(FLOWS)), FLOWS.items(), strict=True):
        part.suptitle(title, fontsize=11)
        runs = {
            name: xarray.load_dataset(root / flow / name / "scores.nc")
            for name in ("baseline", "hierarchical")
        }
        truth = runs["baseline"]["panel_truth"]
        rows = {"truth": truth, **{name: run["panel_forecast"] for name, run in runs.items()}}
        limit = 3 * float(truth.std())
        axes = part.subplots(len(rows), len(LEADS))
        for line, (name, fields) in zip(axes, rows.items(), strict=True):
            for axis, lead in zip(line, LEADS, strict=True):
                field = np.asarray(fields[lead])
                axis.imshow(field, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower")
                axis.set(xticks=[], yticks=[])
            line[0].set_ylabel(name)
        for axis, lead in zip(axes[0], LEADS, strict=True):
            axis.set_title(f"{float(truth['panel_lead_time'][lead]):g} s", fontsize=9)
    return figure


if __name__ == "__main__":
    draw(Path(sys.argv[1])).savefig(FOLDER / "published_flows.png", dpi=75)
