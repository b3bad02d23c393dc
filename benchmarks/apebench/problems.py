"""The problems of APEBench that both codes are trained on, by the names of its scenarios.

Read in APEBench's environment and in this project's, so it imports neither.
"""

DIMENSIONS = {
    "diff_adv": 1,
    "diff_burgers": 1,
    "diff_kdv": 1,
    "diff_ks": 1,
    "phy_decay_turb": 2,
    "phy_kolm_flow": 2,
}
TITLES = {
    "diff_adv": "advection",
    "diff_burgers": "Burgers",
    "diff_kdv": "KdV",
    "diff_ks": "KS",
    "phy_decay_turb": "decaying turbulence",
    "phy_kolm_flow": "Kolmogorov flow",
}
AXES = {1: ["x"], 2: ["y", "x"]}
OUR_RECIPES = {1: "ours", 2: "plane"}
"""Name of our recipe, by the number of dimensions."""


def of_dimensions(number: int) -> list[str]:
    """Return the scenarios in a number of dimensions."""
    return [name for name, dimensions in DIMENSIONS.items() if dimensions == number]
