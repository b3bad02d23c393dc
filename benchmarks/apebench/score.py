"""Score forecasts of the 30 test trajectories by APEBench's own code.

    python benchmarks/apebench/score.py --folder data/apebench

runs in APEBench's environment, on what `train.py` left in `forecasts/`. The error is APEBench's
aggregate: the geometric mean over steps 1 to 100 of the normalised error, averaged over the test
trajectories. Results go to `ours.jsonl` in the folder, one line per recipe and scenario.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from apebench.scenarios import scenario_dict
from export import read
from problems import DIMENSIONS
from scipy.stats import gmean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    folder = parser.parse_args().folder
    runs: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(folder.glob("forecasts/*/*.npz")):
        runs.setdefault((path.parent.name, path.stem.rsplit("-", 1)[0]), []).append(path)
    truths: dict[str, np.ndarray] = {}
    lines = []
    for (name, scenario), paths in runs.items():
        peer = scenario_dict[scenario](num_spatial_dims=DIMENSIONS[scenario])
        if scenario not in truths:
            truths[scenario] = read(folder, scenario, "test")[:, 1:]
        seeds = [np.load(path) for path in paths]
        scores = [  # seed by seed: in two dimensions each has 600 MB
            peer.perform_tests_on_rollout(seed["forecast"][None], truths[scenario])["mean_nRMSE"][0]
            for seed in seeds
        ]
        recipe, objective, updates = name.rsplit("-", 2)
        result = {
            "scenario": scenario,
            "recipe": recipe,
            "train": objective,
            "updates": int(updates),
            "parameters": int(seeds[0]["parameters"]),
            "error": [float(error) for error in gmean(np.asarray(scores)[:, :100], axis=1)],
            "first": [float(error) for error in np.asarray(scores)[:, 0]],
            "cpu_seconds": float(np.median([seed["cpu_seconds"] for seed in seeds])),
            "wall_seconds": float(np.median([seed["wall_seconds"] for seed in seeds])),
        }
        lines.append(json.dumps(result))
        print(lines[-1], flush=True)
    (folder / "ours.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
