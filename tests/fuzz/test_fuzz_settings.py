"""Settings and checkpoints that are damaged or of other kinds, for `fit`, `validate`, `predict`."""

import copy
import os
import random
import shutil

import pytest
import torch
import yaml

import cli
from tests.conftest import SMOKE
from tests.fuzz.damage import JUNK, OTHER_KINDS, flipped, truncated
from tests.fuzz.judge import left, tried
from tests.fuzz.test_fuzz_scores import places, replaced

pytestmark = pytest.mark.slow
QUIET = [{"class_path": "RolloutError", "init_args": {"leads": [1, 5]}}]
SETTINGS = yaml.safe_load(SMOKE.read_text())
SETTINGS["trainer"] |= {"callbacks": QUIET, "max_steps": 1, "val_check_interval": 1}
SETTINGS["trainer"] |= {"logger": False, "enable_checkpointing": False}
SETTINGS["model"] = {
    "class_path": "Baseline",
    "init_args": {"network": {"class_path": "DilatedResNet", "init_args": {"width": 4}}},
}
PATHS = [path for path in places(SETTINGS) if path[:1] != ("trainer",) or len(path) > 1]
NUMERIC = ("text", "nothing", "list", "map", "nan", "infinity")


def cases(count):
    """Return pairs of a path and a kind, drawn once for all."""
    chance = random.Random(18)
    every = [(path, kind) for path in PATHS for kind in OTHER_KINDS]
    return chance.sample(every, min(count, len(every)))


def inner(path):
    value = SETTINGS
    for key in path:
        value = value[key]
    return value


@pytest.fixture(scope="module")
def place(trained, tmp_path_factory):
    """A folder with data and a checkpoint."""
    folder = tmp_path_factory.mktemp("settings") / "copy"
    shutil.copytree(trained, folder)
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch, single_precision):
    monkeypatch.chdir(place)
    yield
    assert not left(place)


@pytest.mark.parametrize(("path", "kind"), cases(130), ids=str)
def test_setting_of_another_kind(place, path, kind):
    file = place / "settings.yaml"
    file.write_text(yaml.safe_dump(replaced(SETTINGS, path, OTHER_KINDS[kind])))
    shutil.rmtree(place / "runs" / "fuzz", ignore_errors=True)
    names = [*[part for part in path if isinstance(part, str)][-3:], "settings.yaml", "data/"]
    words = ["fit", "-c", str(file), "--trainer.default_root_dir=runs/fuzz"]
    found = tried(lambda: cli.run(words), names)
    if found is not None and isinstance(inner(path), int | float):
        assert kind not in NUMERIC


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("damage", [truncated, flipped])
def test_damaged_text_of_settings(place, damage, seed):
    file = place / "settings.yaml"
    file.write_bytes(damage(yaml.safe_dump(SETTINGS).encode(), seed))
    shutil.rmtree(place / "runs" / "fuzz", ignore_errors=True)
    words = ["fit", "-c", str(file), "--trainer.default_root_dir=runs/fuzz"]
    tried(lambda: cli.run([*words, "--data.root=data"]), [""])


def scored(checkpoint):
    """Return what an evaluation of a checkpoint finds."""
    words = ["validate", f"--ckpt_path={checkpoint}", "--trainer.default_root_dir=runs/fuzz"]
    words += [
        "--trainer.callbacks=[]",
        "--trainer.callbacks+=RolloutError",
        "--trainer.logger=false",
    ]
    metrics = cli.run(words).trainer.callback_metrics
    return {name: float(value) for name, value in metrics.items()}


@pytest.fixture(scope="module")
def intact(place):
    return (place / "runs" / "smoke" / "last.ckpt").read_bytes()


@pytest.fixture(scope="module")
def expected(place, intact):
    here = os.getcwd()
    os.chdir(place)
    try:
        return scored("runs/smoke/last.ckpt")
    finally:
        os.chdir(here)


def spoiled(place, content):
    path = place / "spoiled.ckpt"
    path.write_bytes(content)
    return tried(lambda: scored("spoiled.ckpt"), ["spoiled.ckpt"], "validate")


@pytest.mark.parametrize("name", JUNK)
def test_junk_for_a_checkpoint(place, name):
    assert spoiled(place, JUNK[name]) is None


@pytest.mark.parametrize("seed", range(10))
def test_truncated_checkpoint(place, intact, seed):
    assert spoiled(place, truncated(intact, seed)) is None


@pytest.mark.parametrize("seed", range(25))
def test_flipped_bits_in_a_checkpoint(place, intact, expected, seed):
    assert spoiled(place, flipped(intact, seed)) in (None, expected)


def parts(place):
    return torch.load(place / "runs" / "smoke" / "last.ckpt", weights_only=True)


KEYS = ["state_dict", "hyper_parameters", "settings", "epoch", "global_step", "loops", "callbacks",
        "optimizer_states", "lr_schedulers", "pytorch-lightning_version"]  # fmt: skip


@pytest.mark.parametrize("kind", ["gone", "null", "number", "text", "list", "empty map", "nan"])
@pytest.mark.parametrize("key", KEYS)
def test_part_of_a_checkpoint_of_another_kind(place, expected, key, kind):
    checkpoint = copy.deepcopy(parts(place))
    checkpoint.pop(key, None)
    if kind != "gone":
        checkpoint[key] = OTHER_KINDS[kind]
    torch.save(checkpoint, place / "spoiled.ckpt")
    names = ["spoiled.ckpt", key, "--ckpt_path"]
    found = tried(lambda: scored("spoiled.ckpt"), names, "validate")
    assert found in (None, expected)


@pytest.mark.parametrize("kind", ["gone", "text", "shape", "extra"])
def test_weights_of_another_kind(place, expected, kind):
    checkpoint = parts(place)
    weights = checkpoint["state_dict"]
    name = next(iter(weights))
    if kind == "gone":
        del weights[name]
    elif kind == "text":
        weights[name] = "abc"
    elif kind == "shape":
        weights[name] = weights[name].flatten()[:1].repeat(7)
    else:
        weights["another"] = torch.zeros(3)
    torch.save(checkpoint, place / "spoiled.ckpt")
    assert (
        tried(lambda: scored("spoiled.ckpt"), ["spoiled.ckpt", name, "another"], "validate") is None
    )
