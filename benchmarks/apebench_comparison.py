"""APEBench's problems in one or two dimensions: error and time against APEBench's own training.

Everything that `benchmarks/apebench/` does, one after the other: APEBench's trajectories, its own
training, ours, its scores, and the table, which is printed. What is in the folder already is not
done again.

    python benchmarks/apebench_comparison.py --python ape/bin/python [--updates 2000 10000]
    python benchmarks/apebench_comparison.py --python ape/bin/python --dimensions 2 --updates 500

`--python` is the interpreter of an environment with APEBench and netCDF4 (`pip install
apebench==0.1.1 netCDF4`).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SCRIPTS = Path(__file__).parent / "apebench"
sys.path.append(str(SCRIPTS))
from problems import OUR_RECIPES, of_dimensions  # noqa: E402


def trained_by_apebench(folder: Path) -> set[tuple[str, int]]:
    """Return the scenarios and numbers of updates that `peer.py` has trained, by one step."""
    results = folder / "peer.jsonl"
    lines = results.read_text().splitlines() if results.exists() else []
    found = [json.loads(line) for line in lines]
    return {(one["scenario"], one["updates"]) for one in found if one["train"] == "one"}


def trained_here(folder: Path, recipe: str, updates: int) -> set[tuple[str, str]]:
    """Return the scenarios and seeds of which `train.py` has left forecasts."""
    files = folder.glob(f"forecasts/{recipe}-one-{updates}/*.npz")
    return {tuple(path.stem.rsplit("-", 1)) for path in files}


def commands(
    python: str, folder: Path, budgets: list[int], seeds: int, dimensions: int = 1
) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands that are left, each with its interpreter, when it is due."""
    place, recipe = ["--folder", str(folder)], OUR_RECIPES[dimensions]
    scenarios = of_dimensions(dimensions)
    files = {name: folder / name / "test" / "trajectories.nc" for name in scenarios}
    if missing := [name for name, file in files.items() if not file.exists()]:
        yield python, ["export.py", *place, "--scenarios", *missing]
    for updates in budgets:
        for name in scenarios:
            budget = ["--scenarios", name, "--updates", str(updates)]
            if (name, updates) not in trained_by_apebench(folder):
                yield python, ["peer.py", *place, *budget, "--seeds", str(seeds)]
            done = trained_here(folder, recipe, updates)
            left = [str(seed) for seed in range(seeds) if (name, str(seed)) not in done]
            if left:
                yield (
                    sys.executable,
                    [
                        *("train.py", *place, *budget, "--recipe", recipe),
                        *("--objective", "one", "--seeds", *left),
                    ],
                )
    yield python, ["score.py", *place]
    yield sys.executable, ["table.py", *place]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="Interpreter that has APEBench.")
    parser.add_argument("--folder", type=Path, default=Path("data/apebench"))
    parser.add_argument("--updates", type=int, nargs="+", default=[2_000, 10_000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--dimensions", type=int, choices=OUR_RECIPES, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for interpreter, (script, *words) in commands(
        options.python, options.folder, options.updates, options.seeds, options.dimensions
    ):
        last = script == "table.py"  # its standard output is the result
        said = None if last else sys.stderr
        subprocess.run([interpreter, str(SCRIPTS / script), *words], stdout=said, check=True)


if __name__ == "__main__":
    main()
