import math
import re

import pytest
from jsonargparse import Namespace

import callbacks  # noqa: F401 - classes are looked up where they are
import emulators  # noqa: F401 - as above
from commands.option_values import refuse_no_group, refuse_null
from datamodules import TrajectoryDataModule
from datamodules.generation.split_size import SplitSize
from datamodules.rollouts import Rollouts


def settings(path, **given):
    return Namespace(model=Namespace(class_path=path, init_args=Namespace(**given)))


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        ("emulators.Hierarchical", {"masking": None}, "model.masking is null, which Hierarchical"),
        ("emulators.Hierarchical", {"predict": None}, "model.predict is null"),
        ("emulators.Pushforward", {"distance": None}, "model.distance is null, which Pushforward"),
        ("emulators.Baseline", {"optimizer": None}, "model.optimizer is null, which Baseline"),
        ("datamodules.Generator", {"solver": 1, "spin_up": None}, "model.spin_up is null"),
    ],
)
def test_null_for_what_is_not_optional_is_refused_by_name(path, given, words):
    with pytest.raises(ValueError, match=words):
        refuse_null(settings(path, **given))
    with pytest.raises(ValueError, match=words):
        refuse_null(Namespace(model=[settings(path, **given).model]))


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("emulators.Baseline", {"schedule": None}),
        ("emulators.UNet", {"channels": None, "dimensions": None, "width": 3}),  # by the emulator
        ("emulators.WarmupCosine", {"optimizer": None, "steps": None}),
        ("torch.optim.AdamW", {"foreach": None, "lr": 0.1}),
        ("callbacks.ScoreWriter", {"folder": None}),
        ("unknown.Class", {"x": None}),
    ],
)
def test_null_is_taken_where_it_has_a_meaning(path, given):
    refuse_null(settings(path, **given))


@pytest.mark.parametrize("name", ["trajectories", "snapshots"])
@pytest.mark.parametrize("number", [0, -1, 10**30])
def test_split_to_be_made_is_not_empty(name, number):
    with pytest.raises(ValueError, match=rf"{name} of data\.generator\.splits .* got {number}"):
        SplitSize(**{"trajectories": 1, "snapshots": 1, name: number})


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("noise", [-1.0, math.nan, math.inf])
def test_noise_of_an_ensemble_is_a_number_of_at_least_zero(members, noise):
    with pytest.raises(ValueError, match=rf"initial_noise.* {noise}|initial_noise={noise}"):
        Rollouts(members=members, initial_noise=noise)


def test_true_steps_are_not_negative():
    with pytest.raises(ValueError, match=r"truth_steps of data.* at least 0, got -1"):
        Rollouts(truth_steps=-1)
    assert Rollouts(truth_steps=0).truth_steps == 0


@pytest.mark.parametrize("name", ["dimensions", "train", "val_rollouts"])
@pytest.mark.parametrize("value", [7, [1], "text", True, None])
def test_what_is_no_group_of_options_is_refused_by_name(name, value):
    given = {"train": Namespace(), "dimensions": Namespace(), "val_rollouts": Rollouts()}
    given |= {key: Namespace() for key in ("val", "test", "test_rollouts", "predict_rollouts")}
    refuse_no_group(Namespace(**given), TrajectoryDataModule)
    words = rf"data\.{name} must be a group of options .*got {re.escape(repr(value))}"
    with pytest.raises(ValueError, match=words):
        refuse_no_group(Namespace(**given | {name: value}), TrajectoryDataModule)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batch_size": None}, "data.batch_size is null"),
        ({"val_rollouts": Namespace(steps=None)}, "data.val_rollouts.steps is null"),
        ({"train": Namespace(times=Namespace(start=None))}, "data.train.times.start is null"),
    ],
)
def test_null_within_a_group_is_refused_by_name(given, words):
    with pytest.raises(ValueError, match=words):
        refuse_no_group(Namespace(**given), TrajectoryDataModule)


def test_null_within_a_group_is_taken_where_it_has_a_meaning():
    times = Namespace(start=0, stop=None)
    given = Namespace(
        generator=None, train=Namespace(times=times), val_rollouts=Namespace(truth_steps=None)
    )
    refuse_no_group(given, TrajectoryDataModule)
