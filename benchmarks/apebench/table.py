"""Put APEBench's scores and ours side by side: `benchmarks/results/apebench.{md,json}`.

    python benchmarks/apebench/table.py --folder data/apebench

Published medians are read off the figures of Koehler et al., "APEBench: A Benchmark for
Autoregressive Neural Emulators of PDEs", NeurIPS 2024, to within 0.01 or 0.02: one-step training,
10,000 updates, networks of 27 to 33 thousand parameters.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from machine import header

RESULTS = Path(__file__).parents[1] / "results"
SCENARIOS = {
    "diff_adv": "advection",
    "diff_burgers": "Burgers",
    "diff_kdv": "KdV",
    "diff_ks": "KS",
}
PUBLISHED = {
    "diff_burgers": "FNO 0.07, Res 0.01",
    "diff_kdv": "FNO 0.21, Dil 0.075",
    "diff_ks": "FNO 0.54, Dil 0.155",
}
OBJECTIVES = {"one": "one step", "sup;5": "five steps", "unrolled": "five steps"}
COLUMNS = (
    "problem",
    "trained on",
    "published: FNO, best",
    "by",
    "updates",
    "error: median (range)",
    "CPU s per seed",
    "error ratio",
    "time ratio",
)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the results of a file with one per line; the last of equal settings counts."""
    found = {}
    for line in path.read_text().splitlines():
        result = json.loads(line)
        result["train"] = OBJECTIVES[result["train"]]
        result.setdefault("recipe", "APEBench")
        key = tuple(result[name] for name in ("scenario", "train", "recipe", "updates"))
        found[key] = result
    return list(found.values())


def median(errors: list[float]) -> float:
    """Return the median over the seeds, a forecast that blew up being the largest error."""
    return statistics.median(e if e == e else float("inf") for e in errors)


def row(result: dict[str, Any], peer: dict[str, Any] | None) -> str:
    """Return a line of the table, with ratios to APEBench's own run of the same objective."""
    errors = result["error"]
    middle, low, high = median(errors), min(errors), max(errors)
    ratios = ["", ""]
    if peer is not None and peer is not result:
        ratios = [
            f"{middle / median(peer['error']):.2f}",
            f"{result['cpu_seconds'] / peer['cpu_seconds']:.2f}",
        ]
    cells = [
        SCENARIOS[result["scenario"]],
        result["train"],
        PUBLISHED.get(result["scenario"], "-") if result["train"] == "one step" else "-",
        f"{result['recipe']}, {result['parameters']:,} parameters",
        f"{result['updates']:,}",
        f"{middle:.3g} ({low:.2g} to {high:.2g}; {len(errors)} seeds)",
        f"{result['cpu_seconds']:.0f}",
        *ratios,
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    folder = parser.parse_args().folder
    results = read(folder / "peer.jsonl") + read(folder / "ours.jsonl")
    text = header("APEBench: error and time beside APEBench's own training")
    text += "\n" + (Path(__file__).parent / "notes.md").read_text() + "\n"
    text += f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"
    for scenario in SCENARIOS:
        for train in ("one step", "five steps"):
            mine = [r for r in results if (r["scenario"], r["train"]) == (scenario, train)]
            peers = [r for r in mine if r["recipe"] == "APEBench"]
            peer = max(peers, key=lambda r: r["updates"], default=None)
            order = sorted(mine, key=lambda r: (r["recipe"] != "APEBench", r["recipe"]))
            text += "".join(row(result, peer) + "\n" for result in order)
    (RESULTS / "apebench.md").write_text(text)
    (RESULTS / "apebench.json").write_text(json.dumps(results, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    main()
