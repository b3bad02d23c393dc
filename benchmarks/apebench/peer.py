"""Train by APEBench itself and keep its scores, beside the seconds that it took.

    python benchmarks/apebench/peer.py --folder data/apebench --train one --updates 10000

runs in APEBench's environment. All seeds are trained at once, as APEBench does it; seconds per seed
are those of the whole call, with compilation and scoring, divided by the seeds. Adam, its warm-up
over a fifth of the updates and the cosine after it are APEBench's defaults. Results go to
`peer.jsonl` in the folder, one line per scenario.
"""

import argparse
import json
import time
from pathlib import Path

from apebench import aggregate_gmean, melt_metrics
from apebench.scenarios import scenario_dict
from export import SCENARIOS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--scenarios", nargs="+", default=SCENARIOS)
    parser.add_argument("--network", default="FNO;12;18;4;gelu")
    parser.add_argument("--train", default="one", help="one, or sup;5 for five steps unrolled")
    parser.add_argument("--updates", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for name in options.scenarios:
        warmup = options.updates // 5
        optimisation = f"adam;{options.updates};warmup_cosine;0.0;1e-3;{warmup}"
        scenario = scenario_dict[name](optim_config=optimisation)
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
