"""Draws docs/published_flows.png from runs of published_256_short.yaml and published_flows.yaml.

python docs/draw_flows.py runs/published_256_short runs/published_flows
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray

FOLDER = Path(__file__).parent
TITLES = ("jets, 256² of 512² points", "no jets, 256² points", "jets, 512² points")
LEADS = (0, 1, 2, 3)  # of the panels: 1, 25, 50 and 100 steps


def draw(folders: Sequence[Path]) -> plt.Figure:
    """Return the figure: truth, baseline and hierarchy of each flow, a column per lead time.

    Args:
        folders: Folder of the runs on each flow.
    """
    figure = plt.figure(figsize=(9, 6 * len(folders)), layout="constrained")
    parts = figure.subfigures(len(folders))
    for part, folder, title in zip(parts, folders, TITLES, strict=True):
        part.suptitle(title, fontsize=11)
        runs = {
            name: xarray.load_dataset(folder / name / "scores.nc")
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
    main_flow, others = map(Path, sys.argv[1:])
    flows = (main_flow, others / "nojet256", others / "jet512")
    draw(flows).savefig(FOLDER / "published_flows.png", dpi=75)
