import gc
import io
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from PIL import Image

import cli


@pytest.fixture
def threads():
    """Give the function that sets the number of threads, 1 before and after the test."""
    yield torch.set_num_threads
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_figures_of_validations(monkeypatch):
    """Draw no figures of validations, which take a second per training, unless a module does."""
    monkeypatch.setattr("callbacks.run.score_writer.takes_pictures", lambda trainer: False)


@pytest.fixture(autouse=True)
def double_precision_seeded_single_thread():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)
    if torch.distributed.is_initialized():  # left by a run that was refused
        torch.distributed.destroy_process_group()


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """Leave out the flushes that protect files from a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


def pytest_collection_finish():
    """Keep what was imported and collected from later garbage collections: a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # fewer collections are faster


OURS = ("callbacks", "commands", "datamodules", "emulators")


def pytest_make_parametrize_id(val):
    """Name a case by the class of our object: pytest-xdist needs names that know no address."""
    ours = type(val).__module__.split(".")[0] in OURS
    return type(val).__name__ if ours else None


SMOKE = Path(__file__).with_name("smoke.yaml")
DIAGNOSTICS = Path(__file__).with_name("diagnostics.yaml")


@contextmanager
def working_in(folder):
    """Run as the program does: in a folder of the user's, in single precision."""
    here, precision = os.getcwd(), torch.get_default_dtype()
    torch.set_num_threads(1)  # sums in another order would give other weights
    torch.set_default_dtype(torch.float32)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        torch.set_default_dtype(precision)


def made_once(tmp_path_factory, name, make):
    """Return a folder that the first of pytest-xdist's workers makes for all of them."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of the session; `base` is the worker's own
    folder, done = base / name, base / f"{name}.done"
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a worker left that failed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def fit_smoke(folder):
    with working_in(folder):
        cli.run(["fit", "-c", str(SMOKE), "--trainer.default_root_dir=runs/smoke"])


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder in which the smoke configuration was fitted: data/ and runs/smoke/last.ckpt."""
    return made_once(tmp_path_factory, "trained", fit_smoke)


@pytest.fixture(scope="session")
def tested(trained, tmp_path_factory):
    """A copy of the trained folder in which the run was tested, with all diagnostics."""

    def test_copy(folder):
        shutil.copytree(trained, folder, dirs_exist_ok=True)
        with working_in(folder):
            cli.run(["test", "--ckpt_path=runs/smoke/last.ckpt", "-c", str(DIAGNOSTICS)])

    return made_once(tmp_path_factory, "tested", test_copy)


def dot(figure):
    """Return a picture of one point for any figure: what is drawn is seen in `tested`."""
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def single_precision():
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def workplace(trained, tmp_path, monkeypatch, single_precision):
    """A copy of the trained folder as the working directory."""
    shutil.copytree(trained, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setattr(
        "callbacks.run.score_writer.png", dot
    )  # drawing is half of a small test's time
    return tmp_path / "copy"


def says(text, *parts):
    """Return whether a text has all these parts, in this order, whatever stands between them."""
    place = 0
    for part in parts:
        place = text.find(part, place) + len(part)
        if place < len(part):
            return False
    return True


def check_units(numbers, scores):
    """Check that each number lies among the values of the score whose units it is printed with."""
    for name, number in numbers.items():
        score = scores.get(name.split("/")[0])
        if score is None:  # of several scores: a ratio, without units
            assert name.endswith("_ratio"), name
        else:
            low, high = float(score.min()), float(score.max())
            assert low - 1e-6 * abs(low) <= number <= high + 1e-6 * abs(high), name


@pytest.fixture
def say(monkeypatch, capsys):
    """Run the program as a user would type it; return its exit status and what it said."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["emulate", *map(str, words)])
        monkeypatch.setattr("commands.kept_help.is_help", lambda words: False)
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = stop.code
        output = capsys.readouterr()
        return status, output.out, output.err

    return run
