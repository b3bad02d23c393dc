"""Runs benchmarks with their defaults, one after the other, each in a process of its own.

    python benchmarks/run.py [NAME ...] [--list] [--peers peers/bin/python]

Without names all of them run, which takes hours. Results are in `benchmarks/results/`, in Markdown
and JSON: the newer scripts write both, of the others what they print is kept. Those of
`benchmarks/apebench/` need APEBench's environment and are started by hand, as they say.
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
NEEDS_PEERS = ("solvers",)
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


def run(name: str, peers: Path | None) -> bool:
    """Run a benchmark, keep what it prints if it writes no result, and return whether it ended."""
    script, result = FOLDER / f"{name}.py", FOLDER / "results" / f"{name}.md"
    command = [sys.executable, str(script)]
    if name in NEEDS_PEERS:
        command += ["--python", str(peers)]
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
    parser.add_argument("--peers", type=Path, help="Interpreter that has exponax and jax-cfd.")
    options = parser.parse_args()
    known = benchmarks()
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no benchmark '{unknown[0]}'; --list lists them.")
    if options.list:
        print(*(f"{name:22} {text}" for name, text in known.items()), sep="\n")
        return
    failed = []
    for name in options.names or known:
        if name in NEEDS_PEERS and not (options.peers and options.peers.is_file()):
            print(f"{name} is skipped: --peers names no interpreter with exponax and jax-cfd.")
            continue
        if name in NEEDS_GPU and not torch.cuda.is_available():
            print(f"{name} is skipped: this machine has no GPU that PyTorch can use.")
            continue
        if name in NEEDS_OPTIMISERS and find_spec("pytorch_optimizer") is None:
            print(f"{name} is skipped: run `pip install pytorch_optimizer`.")
            continue
        print(f"{name}: {known[name]}", flush=True)
        if not run(name, options.peers):
            failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
