"""Settings by the names that classes and options had before version 0.2."""

import shutil
from inspect import signature
from pathlib import Path

import pytest
import torch
import yaml

import cli
import datamodules
from callbacks import RolloutCheckpoint
from commands.former_options import with_present_names
from emulators import Emulator, LearnedCoarsening
from emulators.former_names import CLASSES, OPTIONS, moved_class, rename, say
from tests.conftest import SMOKE

FORMER = {"coarsening": "transform", "unrolled_steps": "unrolled", "stop_at": "lost"}
FORMER |= {"burn_in": "spin_up"}
HIERARCHY = """
model:
  class_path: Hierarchical
  init_args:
    latents: [[1, 2]]
    coarsening: LearnedCoarsening
    unrolled_steps: 2
    network: {class_path: UNet, init_args: {width: 4, multipliers: [1, 2]}}
"""


def former(settings):
    """Return settings by the names of before."""
    paths = {new: old for old, new in CLASSES.items() if old.count(".") == 1}
    if isinstance(settings, dict):
        return {FORMER.get(key, key): former(value) for key, value in settings.items()}
    if isinstance(settings, list):
        return [former(value) for value in settings]
    return paths.get(settings, settings) if isinstance(settings, str) else settings


def import_(path):
    module, _, name = path.rpartition(".")
    return getattr(__import__(module, fromlist=[name]), name)


def test_every_present_name_is_there():
    for path in CLASSES.values():
        assert isinstance(import_(path), type), path
    for name, options in OPTIONS.items():
        package = __import__("emulators" if hasattr(__import__("emulators"), name) else "callbacks")
        kinds = getattr(package, name).__mro__[:-1]
        known = [option for kind in kinds for option in signature(kind).parameters]
        wanted = set(options.values()) - {"burn_in"}
        assert wanted <= set(known), name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("emulators.Bookmark", "callbacks.RolloutCheckpoint"),
        ("emulators.bookmark.Bookmark", "callbacks.RolloutCheckpoint"),
        ("callbacks.scores.Scores", "callbacks.ScoreWriter"),
        ("callbacks.stability.EnergyStability", "callbacks.EnergyStability"),
        ("emulators.implicit.GMRES", "datamodules.solvers.implicit.GMRES"),
        ("emulators.implicit.gmres.GMRES", "datamodules.solvers.implicit.GMRES"),
        (
            "emulators.implicit.theta_scheme.ThetaScheme",
            "datamodules.solvers.finite_volume.ThetaScheme",
        ),
        ("emulators.losses.L2", "emulators.L2"),
        ("datamodules.Source", "datamodules.SplitFiles"),
        (
            "datamodules.solvers.finite_volume.Source",
            "datamodules.solvers.finite_volume.Source",
        ),
        ("torch.optim.SGD", "torch.optim.SGD"),
    ],
)
def test_a_class_is_found_where_it_is_now(old, new):
    assert moved_class(old) == new
    import_(new)


def test_settings_are_renamed_by_their_class_and_said_once(capsys):
    say.cache_clear()
    old = {"model": {"class_path": "Pushforward", "init_args": {"steps": 3}},
           "trainer": {"callbacks": ["Bookmark", {"class_path": "Movie", "init_args": {"steps": 5}},
                                     {"class_path": "Bookmark"}]},
           "data": {"variables": ["Scores"], "generator": {"spin_up": 2.0}}}  # fmt: skip
    found = rename(old)
    assert found["model"]["init_args"] == {"detached_steps": 3}
    first, movie, last = found["trainer"]["callbacks"]
    assert (first, last["class_path"]) == ("RolloutCheckpoint", "RolloutCheckpoint")
    assert movie["init_args"] == {"steps": 5}
    assert found["data"] == old["data"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert any("steps" in line and "detached_steps" in line and "0.3" in line for line in lines)


def test_a_class_that_was_dropped_is_named():
    with pytest.raises(ValueError, match=r"emulators.implicit.Phantom was dropped in 0\.2"):
        rename({"class_path": "emulators.implicit.Phantom"})


def test_options_on_the_command_line_belong_to_the_class_before_them():
    def sections(file):
        return [{"model": {"class_path": "Bundled"}}]

    def renamed(*words):
        return with_present_names(words, sections)

    assert renamed("-c", "a.yaml", "--model.steps=3")[-1] == "--model.bundle=3"
    assert renamed("--model=Unrolled", "--model.steps", "3")[1:] == ["--model.unrolled_steps", "3"]
    words = ["--trainer.callbacks+=Bookmark", "--trainer.callbacks.seconds=3",
             "--trainer.callbacks+=EnergyStability", "--trainer.callbacks.lost=5"]  # fmt: skip
    assert renamed(*words) == [
        "--trainer.callbacks+=RolloutCheckpoint",
        "--trainer.callbacks.seconds=3",
        "--trainer.callbacks+=EnergyStability",
        "--trainer.callbacks.stop_at=5",
    ]
    assert renamed("--model.stepper.layer.gradient=Unrolled")[0].endswith("=FullUnrolling")
    assert renamed("--steps=3", "--data.root=a/b") == ["--steps=3", "--data.root=a/b"]


def test_a_checkpoint_of_before_is_trained_tested_and_loaded(workplace, capsys):
    (workplace / "smoke.yaml").write_text(SMOKE.read_text())
    (workplace / "model.yaml").write_text(HIERARCHY)
    root = "--trainer.default_root_dir=runs/former"
    cli.run(["fit", "-c", "smoke.yaml", "-c", "model.yaml", root, "--trainer.max_steps=4"])
    path = Path("runs/former/last.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["settings"] = yaml.safe_dump(former(yaml.safe_load(checkpoint["settings"])))
    checkpoint["hyper_parameters"] = former(checkpoint["hyper_parameters"])
    weights = {
        key.replace("coarsening.", "transform."): value
        for key, value in checkpoint["state_dict"].items()
    }
    assert weights.keys() != checkpoint["state_dict"].keys()
    checkpoint["state_dict"] = weights
    torch.save(checkpoint, path)
    say.cache_clear()
    capsys.readouterr()
    loaded = Emulator.load_from_checkpoint(path, weights_only=True)
    assert not loaded.training
    assert isinstance(loaded.coarsening, LearnedCoarsening)
    assert loaded.unrolled_steps == 2
    kept = loaded.state_dict()
    assert all(torch.equal(kept[key.replace("transform.", "coarsening.")], value)
               for key, value in weights.items())  # fmt: skip
    tested = cli.run(["test", f"--ckpt_path={path}"])
    assert len([c for c in tested.trainer.callbacks if isinstance(c, RolloutCheckpoint)]) == 1
    resumed = cli.run(["fit", f"--ckpt_path={path}", "--trainer.max_steps=5"])
    assert resumed.trainer.global_step == 5
    err = capsys.readouterr().err
    for words in ("emulators.Bookmark is now callbacks.RolloutCheckpoint", "transform of Hierar"):
        assert err.count(words) == 1
    shutil.rmtree("runs/former")


def test_a_term_keeps_its_name_and_files_of_a_split_have_both():
    assert rename({"class_path": "Source"}) == {"class_path": "Source"}
    assert datamodules.Source is datamodules.SplitFiles
