"""The header of every result: hardware, versions and commit."""

import platform
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch


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
