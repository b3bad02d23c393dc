"""What all results have in common: hardware, versions and commit, and how they are written."""

import contextlib
import io
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"
Row = Mapping[str, str | int | float | None]


def processor() -> str:
    """Return the name of the processor and its number of cores."""
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    flags = Path("/proc/cpuinfo").read_text()
    extra = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags]
    return f"{len(names)} cores of {names[0]} ({', '.join(extra) or 'no bf16 instructions'})"


def header(title: str) -> str:
    """Return the first lines of a result in Markdown."""
    describe = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, capture_output=True, text=True, check=False).stdout.strip()
    try:
        hardware = processor()
    except OSError:
        hardware = platform.processor()
    if torch.cuda.is_available():
        hardware += f", {torch.cuda.get_device_name()}"
    return (
        f"# {title}\n\n{date.today()}, commit {commit}, {hardware}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, lightning "
        f"{version('lightning')}, {torch.get_num_threads()} thread(s)\n"
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what libraries and commands print from the terminal."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield


def clock() -> float:
    """Return seconds: with one thread those of the processor, whatever else the machine does."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def compared(seconds: Mapping[str, Sequence[float]], base: str) -> dict[str, dict[str, float]]:
    """Return, of what took turns, ms (median, fastest) and ratios to one of them.

    Args:
        seconds: Times of each, in the same order of turns.
        base: Whose time the others are divided by: turn by turn, and the fastest by the fastest.
    """
    return {
        name: {
            "median ms": 1e3 * statistics.median(times),
            "fastest ms": 1e3 * min(times),
            f"/ {base}": statistics.median(
                a / b for a, b in zip(times, seconds[base], strict=True)
            ),
            "of the fastest": min(times) / min(seconds[base]),
        }
        for name, times in seconds.items()
    }


def table(rows: Sequence[Row]) -> str:
    """Return rows in Markdown, numbers with four digits."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names)]
    for row in rows:
        values = [row[name] for name in names]
        lines.append([f"{v:.4g}" if isinstance(v, float) else f"{v}" for v in values])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def record(name: str, title: str, tables: Mapping[str, Sequence[Row]], *remarks: str) -> None:
    """Print a result and write it into `results/`, as Markdown and as JSON.

    Args:
        name: Of the two files.
        title: Of the result.
        tables: Rows under their captions.
        remarks: Sentences between the header and the tables.
    """
    parts = [header(title), *(f"{remark}\n" for remark in remarks)]
    for caption, rows in tables.items():
        parts.append((f"## {caption}\n\n" if caption else "") + table(rows))
    print("\n".join(parts), flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text("\n".join(parts))
    content = {"header": parts[0], "remarks": remarks, "tables": tables}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
