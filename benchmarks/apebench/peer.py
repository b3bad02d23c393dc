"""Train by APEBench itself and keep its scores, beside the seconds that it took.

    python benchmarks/apebench/peer.py --folder data/apebench --train one --updates 10000

runs in APEBench's environment, on the trajectories that `export.py` wrote. APEBench trains all
seeds in one call. The seconds per seed are the time of this call, which includes compilation and
scoring, divided by the number of seeds. Adam, its warm-up over a fifth of the updates and the
cosine after it are APEBench's defaults. Results go to `peer.jsonl` in the folder, one line per
scenario.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from apebench import aggregate_gmean, melt_metrics
from apebench.scenarios import scenario_dict
from export import read
from problems import DIMENSIONS, of_dimensions


def stored(kind: type, folder: Path, name: str) -> type:
    """Return a kind of scenario whose trajectories are read, not simulated again."""

    class Stored(kind):
        def get_train_data(self) -> np.ndarray:
            return read(folder, name, "train")

        def get_test_data(self) -> np.ndarray:
            return read(folder, name, "test")

    return Stored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--scenarios", nargs="+", choices=DIMENSIONS, default=of_dimensions(1))
    parser.add_argument("--network", default="FNO;12;18;4;gelu")
    parser.add_argument("--train", default="one", help="one, or sup;5 for five steps unrolled")
    parser.add_argument("--updates", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for name in options.scenarios:
        warmup = options.updates // 5
        optimisation = f"adam;{options.updates};warmup_cosine;0.0;1e-3;{warmup}"
        scenario = stored(scenario_dict[name], options.folder, name)(
            num_spatial_dims=DIMENSIONS[name], optim_config=optimisation
        )
        wall, cpu = time.perf_counter(), time.process_time()
        frame, _ = scenario(
            network_config=options.network, train_config=options.train, num_seeds=options.seeds
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        scores = aggregate_gmean(melt_metrics(frame))
        result = {
            "scenario": name,
            "network": options.network,
            "parameters": scenario.get_parameter_count(options.network),
            "train": options.train,
            "updates": options.updates,
            "error": [float(score) for score in scores.sort_values("seed")["gmean_mean_nRMSE"]],
            "cpu_seconds": cpu / options.seeds,
            "wall_seconds": wall / options.seeds,
        }
        with open(options.folder / "peer.jsonl", "a") as file:
            file.write(json.dumps(result) + "\n")
        print(result, flush=True)


if __name__ == "__main__":
    main()
