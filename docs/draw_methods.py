"""Draws docs/methods_64.png from the table of docs/methods.md.

python docs/draw_methods.py
"""

import re
from pathlib import Path

import matplotlib.pyplot as plt

FOLDER = Path(__file__).parent
NUMBER = r"[-+]?\d+(?:\.\d+)?"
BASELINE, SOLVER = "#777777", "#000000"


def rows() -> list[list[str]]:
    """Return the cells of the table of the section *Every method, three seeds*."""
    section = (FOLDER / "methods.md").read_text().partition("## Every method, three seeds")[2]
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines[1:]]


def draw(table: list[list[str]]) -> plt.Figure:
    """Return the figure: error, stability and energy of the high wavenumbers of each method."""
    *methods, solver = table
    numbers = [
        [[float(one) for one in re.findall(NUMBER, cell)] for cell in row] for row in methods
    ]
    names = [row[0] for row in methods]
    colours = ["C0" if name.startswith("hierarchical") else "C1" for name in names]
    heights = range(len(names), 0, -1)
    figure, axes = plt.subplots(1, 3, figsize=(11, 4.6), sharey=True, layout="constrained")
    baseline = next(row for row, name in zip(numbers, names, strict=True) if name == "baseline")
    for row, height, colour in zip(numbers, heights, colours, strict=True):
        error, stable, bands = row[2], row[6], row[8]
        axes[0].errorbar(error[0], height, xerr=error[1], fmt="o", color=colour, capsize=3)
        for seed, share in enumerate(stable):
            axes[1].plot(share, height + 0.22 * (1 - seed), "o", color=colour, markersize=5)
        axes[2].plot(bands[2], height, "o", color=colour)
    axes[0].axvline(baseline[2][0], color=BASELINE, linestyle=":", label="baseline")
    axes[0].axvline(float(solver[2]), color=SOLVER, linestyle="--", label="exact solver")
    axes[2].axvline(0, color=SOLVER, linestyle="--", label="data")
    axes[0].set(xlabel="MSE at 25 steps [training variance]", title="Error", xlim=(0, None))
    axes[1].set(xlabel="stable for 10⁴ steps [%]", title="Stability, each seed", xlim=(-5, 105))
    axes[2].set(xlabel="energy, k = 11 to 32 [% from data]", title="High wavenumbers")
    axes[0].set_yticks(list(heights), names)
    for axis in axes:
        axis.grid(alpha=0.3)
    axes[0].legend(loc="lower center", fontsize=8)
    axes[2].legend(loc="lower right", fontsize=8)
    return figure


if __name__ == "__main__":
    draw(rows()).savefig(FOLDER / "methods_64.png", dpi=120)
