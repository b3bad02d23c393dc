"""The folder of a run: one command at a time works in it, and none destroys what another left.

A new training moves the files of an earlier run to a folder next to it (`runs/run-earlier`). A
resumed training moves scores and forecasts of its earlier weights to a subfolder.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

SCORES = ("scores.nc", "scores.json", "*.png", "*.gif", "forecast_*.nc")
RUN = ("*.ckpt", "config.yaml", "hparams.yaml", "training.json", "events.out.tfevents.*", *SCORES)
REMEDY = "set trainer.default_root_dir to another folder"


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Work in a run's folder, unless a process of this machine does; its end, too, unlocks it.

    Raises:
        ValueError: Another process is at work there.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows: two processes may then be at work in one folder
        yield
        return
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{folder}: another process is at work on this run; wait for it or end it, or "
                f"{REMEDY}."
            ) from None
        except OSError:  # a file system that knows no locks
            pass
        yield
    finally:
        os.close(handle)


def found(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files in a folder that have one of these names."""
    return sorted(
        path for pattern in patterns for path in Path(folder).glob(pattern) if path.is_file()
    )


def goes_on(folder: Path, checkpoint: str | Path | None) -> bool:
    """Return whether a training that begins with this checkpoint is the one in the folder."""
    if checkpoint is None:  # Lightning resumes on its own when a cluster starts a job again
        return "SLURM_JOB_ID" in os.environ and bool(found(folder, ["hpc_ckpt_*.ckpt"]))
    return checkpoint in ("best", "last", "hpc") or lies_in(folder, Path(checkpoint))


def lies_in(folder: Path, checkpoint: Path) -> bool:
    """Return whether a checkpoint is of the run in a folder: in it, and in no other run below.

    (Lightning's callbacks write theirs into a folder `checkpoints` of the run.)
    """
    folder, checkpoint = Path(folder).resolve(), checkpoint.resolve()
    if not checkpoint.is_relative_to(folder):
        return False
    below = checkpoint.relative_to(folder).parts[:-1]
    return not any(is_run(folder.joinpath(*below[: n + 1])) for n in range(len(below)))


def is_run(folder: Path) -> bool:
    """Return whether a folder is one of a run, and not of checkpoints within a run."""
    names = ["config.yaml", "training.json"]
    names += ["last.ckpt", "best.ckpt"] if folder.name != "checkpoints" else []
    return bool(found(folder, names))


def move_run_aside(folder: Path) -> Path | None:
    """Move the run in a folder into a new folder next to it; return that, or None without a run."""
    files = found(folder, RUN)
    return move(files, f"{named(folder)}-earlier", "holds another run") if files else None


def move_scores_aside(folder: Path, step: int) -> Path | None:
    """Move scores and forecasts of weights that a training is about to replace to a subfolder."""
    files = found(folder, SCORES)
    place = named(folder) / f"scores-before-step-{step}"
    return (
        move(files, str(place), "holds scores or forecasts of earlier weights") if files else None
    )


def named(folder: Path) -> Path:
    """Return a path that ends in the folder's own name."""
    return folder if folder.name not in ("", "..") else folder.resolve()


def move(files: Sequence[Path], name: str, why: str) -> Path:
    """Move files into a new folder of this name, or with a number added, and say so."""
    try:
        number = 1
        while True:
            place = Path(name if number == 1 else f"{name}-{number}")
            try:
                place.mkdir()
                break
            except FileExistsError:
                number += 1
        for file in files:
            file.rename(place / file.name)
    except OSError as error:
        raise OSError(
            f"{files[0].parent} {why}, which cannot be moved to {name} ({error.strerror}); "
            f"{REMEDY}."
        ) from None
    print(f"{files[0].parent} {why}: moved to {place}", file=sys.stderr, flush=True)
    return place


def newer_weights(folder: Path, step: int | None) -> int | None:
    """Return the step of last.ckpt in a folder, if neither it nor best.ckpt is of this step."""
    steps = []
    for path in found(folder, ["last.ckpt", "best.ckpt"]):
        try:
            steps.append(torch.load(path, "meta", weights_only=True, mmap=True)["global_step"])
        except Exception:  # it says nothing about the scores
            return None
    return steps[-1] if steps and step not in steps else None
