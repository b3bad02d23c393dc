"""The folder of a run, locked by one command at a time and protected from loss of results.

A new training moves the files of an earlier run to a folder next to it (`runs/run-earlier`), and
back if it fails before its first step. A resumed training moves scores and forecasts of its earlier
weights to a subfolder.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

SCORES = ("scores.nc", "scores.json", "*.png", "*.gif", "forecast_*.nc")
EVENTS = "events.out.tfevents.*"  # of TensorBoard
RUN = (
    *("*.ckpt", "config.yaml", "hparams.yaml", "training.json", "validation.jsonl"),
    *(EVENTS, *SCORES),
)
REMEDY = "set trainer.default_root_dir to another folder"


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Lock a run's folder against other processes of this machine, until the process ends.

    Raises:
        ValueError: Another process has locked the folder.
    """
    try:
        import fcntl
    except ImportError:  # on Windows nothing is locked
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
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def matching_files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files in a folder that match one of the patterns."""
    return sorted(
        path for pattern in patterns for path in Path(folder).glob(pattern) if path.is_file()
    )


def resumes_run(folder: Path, checkpoint: str | Path | None) -> bool:
    """Return whether a training from this checkpoint resumes the run in the folder."""
    if checkpoint is None:  # Lightning resumes on its own when a cluster starts a job again
        return "SLURM_JOB_ID" in os.environ and bool(matching_files(folder, ["hpc_ckpt_*.ckpt"]))
    return checkpoint in ("best", "last", "hpc") or lies_in(folder, Path(checkpoint))


def lies_in(folder: Path, checkpoint: Path) -> bool:
    """Return whether a checkpoint belongs to the run in a folder, and to no run in a subfolder.

    (Lightning's callbacks write checkpoints into a subfolder `checkpoints` of the run.)
    """
    folder, checkpoint = Path(folder).resolve(), checkpoint.resolve()
    if not checkpoint.is_relative_to(folder):
        return False
    below = checkpoint.relative_to(folder).parts[:-1]
    return not any(is_run(folder.joinpath(*below[: n + 1])) for n in range(len(below)))


def is_run(folder: Path) -> bool:
    """Return whether a folder is the folder of a run, and not its subfolder `checkpoints`."""
    names = ["config.yaml", "training.json"]
    names += ["last.ckpt", "best.ckpt"] if folder.name != "checkpoints" else []
    return bool(matching_files(folder, names))


def move_run_aside(folder: Path) -> Path | None:
    """Move the run in a folder into a new folder next to it; return the new folder, if any."""
    files = matching_files(folder, RUN)
    return move(files, f"{with_own_name(folder)}-earlier", "holds another run") if files else None


def remove_failed_start(folder: Path, earlier: Path | None) -> None:
    """Remove the files of a training that failed before its first step.

    Args:
        folder: Folder of the run.
        earlier: Folder to which an earlier run was moved, and from which it is moved back.
    """
    if matching_files(folder, ["*.ckpt", "training.json", *SCORES]):
        return
    for file in matching_files(folder, RUN):
        file.unlink()
    if earlier is not None:
        for file in sorted(earlier.iterdir()):
            file.rename(folder / file.name)
        earlier.rmdir()
        print(f"{folder}: the earlier run was moved back from {earlier}", file=sys.stderr)


def move_scores_aside(folder: Path, step: int) -> Path | None:
    """Move scores and forecasts into a subfolder before a training replaces the weights."""
    files = matching_files(folder, SCORES)
    place = with_own_name(folder) / f"scores-before-step-{step}"
    return (
        move(files, str(place), "holds scores or forecasts of earlier weights") if files else None
    )


def with_own_name(folder: Path) -> Path:
    """Return the path of a folder, resolved if it ends in `.` or `..`."""
    return folder if folder.name not in ("", "..") else folder.resolve()


def move(files: Sequence[Path], name: str, why: str) -> Path:
    """Move files into a new folder and print its name, which has a number if it exists already."""
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
    """Return the step of last.ckpt in a folder if neither it nor best.ckpt has the given step."""
    steps = []
    for path in matching_files(folder, ["last.ckpt", "best.ckpt"]):
        try:
            steps.append(torch.load(path, "meta", weights_only=True, mmap=True)["global_step"])
        except Exception:  # no readable checkpoint, so no step to compare with
            return None
    return steps[-1] if steps and step not in steps else None
