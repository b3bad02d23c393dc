"""Runs benchmarks with their defaults, one after the other, each in a process of its own.

    python benchmarks/run.py [NAME ...] [--list] [--peers PYTHON] [--apebench PYTHON]

Without names all of them run, which takes hours. Results are in `benchmarks/results/`, in Markdown
and JSON: the newer scripts write both, of the others what they print is kept. `--peers` and
`--apebench` are interpreters of environments with exponax and jax-cfd, and with APEBench; without
them the comparisons with these are skipped.
"""

import argparse
import ast
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import torch

FOLDER = Path(__file__).parent
SHARED = ("machine", "optimisers", "systems", "traffic", "run")
NEEDS_OTHERS = {"solvers": ("peers", "exponax and jax-cfd"),
                "apebench_comparison": ("apebench", "APEBench")}  # fmt: skip
NEEDS_GPU = ("gpu",)
NEEDS_OPTIMISERS = ("time_to_error",)


def benchmarks() -> dict[str, str]:
    """Return the first line of what each benchmark says of itself, by name."""
    scripts = sorted(path for path in FOLDER.glob("*.py") if path.stem not in SHARED)
    documented = {path.stem: ast.get_docstring(ast.parse(path.read_text())) for path in scripts}
    return {name: text.splitlines()[0] for name, text in documented.items()}


def tables(markdown: str) -> list[list[dict[str, str]]]:
    """Return the tables in a text, each as a list of rows."""
    found, names = [], None
    for line in markdown.splitlines():
        if not line.startswith("|"):
            names = None
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if names is None:
            names = cells
            found.append([])
        elif set("".join(cells)) != {"-"}:
            found[-1].append(dict(zip(names, cells, strict=False)))
    return found


def run(name: str, python: Path | None) -> bool:
    """Run a benchmark, keep what it prints if it writes no result, and return whether it ended.

    Args:
        name: Name of the benchmark.
        python: Interpreter of the environment with the libraries that it is compared with.
    """
    script, result = FOLDER / f"{name}.py", FOLDER / "results" / f"{name}.md"
    command = [sys.executable, str(script)]
    if python is not None:
        command += ["--python", str(python)]
    writes = any(word in script.read_text() for word in ("record(", "RESULTS"))
    ended = subprocess.run(command, stdout=None if writes else subprocess.PIPE, text=True)
    if not writes and ended.returncode == 0:
        print(ended.stdout)
        content = {"header": ended.stdout.split("|")[0], "tables": tables(ended.stdout)}
        result.write_text(ended.stdout)
        result.with_suffix(".json").write_text(json.dumps(content, indent=1, ensure_ascii=False))
    return ended.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="Only list them.")
    for option, libraries in NEEDS_OTHERS.values():
        parser.add_argument(f"--{option}", type=Path, help=f"Interpreter that has {libraries}.")
    options = parser.parse_args()
    known = benchmarks()
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no benchmark '{unknown[0]}'; --list lists them.")
    if options.list:
        print(*(f"{name:22} {text}" for name, text in known.items()), sep="\n")
        return
    failed = []
    for name in options.names or known:
        option, libraries = NEEDS_OTHERS.get(name, ("", ""))
        python = getattr(options, option) if option else None
        if option and not (python and python.is_file()):
            print(f"{name} is skipped: --{option} names no interpreter with {libraries}.")
            continue
        if name in NEEDS_GPU and not torch.cuda.is_available():
            print(f"{name} is skipped: this machine has no GPU that PyTorch can use.")
            continue
        if name in NEEDS_OPTIMISERS and find_spec("pytorch_optimizer") is None:
            print(f"{name} is skipped: run `pip install pytorch_optimizer`.")
            continue
        print(f"{name}: {known[name]}", flush=True)
        if not run(name, python):
            failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
