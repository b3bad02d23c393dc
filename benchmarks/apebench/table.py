"""Put APEBench's scores and ours side by side.

    python benchmarks/apebench/table.py --folder data/apebench > table.md

prints a table of what `peer.py` and `score.py` left in the folder, and writes
`benchmarks/results/apebench.json`. Published medians are read off the figures of Koehler et al.,
"APEBench: A Benchmark for Autoregressive Neural Emulators of PDEs", NeurIPS 2024, to within 0.01 or
0.02: one-step training, 10,000 updates, in one dimension with networks of 27 to 33 thousand
parameters.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))
from machine import header
from problems import TITLES

RESULTS = Path(__file__).parents[1] / "results"
PUBLISHED = {  # by network
    "diff_burgers": {"FNO": 0.07, "Res": 0.01},
    "diff_kdv": {"FNO": 0.21, "Dil": 0.075},
    "diff_ks": {"FNO": 0.54, "Dil": 0.155},
    "phy_kolm_flow": {"FNO": 0.69, "UNet": 0.825},
}
OBJECTIVES = {"one": "one step", "sup;5": "five steps", "unrolled": "five steps"}
NAMES = {
    "APEBench": "APEBench, FNO",
    "equal": "here, FNO, Adam as there",
    "ours": "here, our recipe",
    "plane": "here, our recipe for two dimensions",
}
COLUMNS = (
    "problem",
    "trained on",
    "by",
    "parameters",
    "updates",
    "error, median (range)",
    "seeds",
    "CPU s per seed",
    "error / APEBench's at as many updates",
    "time / APEBench's",
    "error / best published",
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


def row(result: dict[str, Any], peers: list[dict[str, Any]]) -> str:
    """Return a line of the table."""
    errors, middle = result["error"], median(result["error"])
    alike = [peer for peer in peers if peer["updates"] == result["updates"]]
    ratios = ["", ""]
    if alike and result["recipe"] != "APEBench":
        error, seconds = median(alike[0]["error"]), alike[0]["cpu_seconds"]
        ratios = [f"{middle / error:.2g}", f"{result['cpu_seconds'] / seconds:.2f}"]
    published = PUBLISHED.get(result["scenario"], {}).values()
    cells = [
        TITLES[result["scenario"]],
        result["train"],
        NAMES[result["recipe"]],
        f"{result['parameters']:,}",
        f"{result['updates']:,}",
        f"{middle:.3g} ({min(errors):.2g} to {max(errors):.2g})",
        str(len(errors)),
        f"{result['cpu_seconds']:.0f}",
        *ratios,
        f"{middle / min(published):.2g}" if published else "",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    folder = parser.parse_args().folder
    results = read(folder / "peer.jsonl") + read(folder / "ours.jsonl")
    order = [*TITLES], ["one step", "five steps"], [*NAMES]
    results.sort(
        key=lambda r: (
            order[0].index(r["scenario"]),
            order[1].index(r["train"]),
            order[2].index(r["recipe"]),
            r["updates"],
        )
    )
    print(header("APEBench: error and time against APEBench's own training"))
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for scenario, title in TITLES.items():
        for network, error in PUBLISHED.get(scenario, {}).items():
            cells = [title, "one step", f"published, {network}", "", "10,000", f"{error}"]
            print(f"| {' | '.join(cells + [''] * (len(COLUMNS) - len(cells)))} |")
        mine = [result for result in results if result["scenario"] == scenario]
        for result in mine:
            peers = [p for p in mine if p["recipe"] == "APEBench" and p["train"] == result["train"]]
            print(row(result, peers))
    (RESULTS / "apebench.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
