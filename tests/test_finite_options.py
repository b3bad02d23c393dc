"""Every number that a person can give to a class must be finite."""

import importlib
import inspect
import math
import pkgutil
import typing
from collections.abc import Mapping

import pytest
import torch
from lightning import Trainer

import callbacks
import datamodules
import emulators
from commands.trainer import RunTrainer
from datamodules.solvers.finite import check_finite
from emulators import Muon
from emulators.training.optimizers import with_schedule
from tests.conftest import SMOKE

RECORDS = {  # made by the program, of numbers that were checked before
    "Run", "Column", "MeanSquaredError", "SpaceAxis", "TimeAxis", "Observations", "SplitSize",
    "AffineStep", "BoundStep", "ThetaStep", "TimeStepper", "Independence", "Trial", "Searched",
}  # fmt: skip
BAD = (math.nan, math.inf, -math.inf)


def classes():
    """All classes of the packages."""
    for package in (callbacks, datamodules, emulators):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for name, kind in vars(module).items():
                own = inspect.isclass(kind) and kind.__module__ == found.name
                if own and not name.startswith("_") and name not in RECORDS:
                    yield kind


def numbers(kind):
    """Yield names and types of the arguments of a class that are numbers, or hold some."""
    if "__init__" in vars(kind):
        for name, hint in typing.get_type_hints(kind.__init__).items():
            if name != "return" and holds_numbers(hint):
                yield name, hint


def holds_numbers(hint):
    return hint is float or any(holds_numbers(part) for part in typing.get_args(hint))


def forms(hint, number):
    """Yield the number as an argument of this type has it."""
    if hint is float:
        yield number
    elif typing.get_origin(hint) in (dict, Mapping) and holds_numbers(hint):
        yield {"some": number}
    elif typing.get_origin(hint) is not None:
        parts = [part for part in typing.get_args(hint) if holds_numbers(part)]
        union = typing.get_origin(hint) in (typing.Union, type(int | str))
        for part in parts:
            for form in forms(part, number):
                yield form if union else [1.0, form]


OPTIONS = [(kind, *option) for kind in classes() for option in numbers(kind)]


@pytest.mark.parametrize(
    ("kind", "name", "hint"), OPTIONS, ids=[f"{k.__name__}.{n}" for k, n, _ in OPTIONS]
)
def test_numbers_that_are_not_finite_are_refused_by_name(kind, name, hint):
    make = inspect.unwrap(kind.__init__)  # without the checks of types that the suite adds
    parameters = list(inspect.signature(make).parameters.values())[1:]
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    given = {p.name: 1.0 for p in needed}
    new = object() if inspect.isabstract(kind) else kind.__new__(kind)
    for number in BAD:
        for form in forms(hint, number):
            with pytest.raises(ValueError, match=rf"{name}.*(nan|inf)"):
                make(new, **{**given, name: form})


def test_many_options_are_found():
    assert len(OPTIONS) > 80


@pytest.mark.parametrize("number", BAD)
@pytest.mark.parametrize(
    ("optimizer", "option"),
    [(torch.optim.SGD, "lr"), (torch.optim.SGD, "momentum"), (torch.optim.AdamW, "weight_decay"),
     (torch.optim.AdamW, "lr"), (torch.optim.RMSprop, "alpha"), (Muon, "lr")],
)  # fmt: skip
def test_options_of_optimizers(optimizer, option, number):
    weights = [torch.zeros(3, requires_grad=True)]
    named = "(?i)" + option.replace("_", "[ _]") + "|learning rate"  # of torch, or ours
    with pytest.raises(ValueError, match=named):
        with_schedule(
            optimizer(weights, **{"lr": 0.1, option: number}), None, Trainer(logger=False)
        )


def test_options_of_schedules(workplace, say):
    words = [
        "--model.schedule=torch.optim.lr_scheduler.ExponentialLR",
        "--model.schedule.gamma=.nan",
    ]
    status, _, err = say("fit", "-c", str(SMOKE), *words, "--trainer.default_root_dir=runs/new")
    assert status == 1
    assert "gamma" in err


@pytest.mark.parametrize("option", ["limit_val_batches", "gradient_clip_val"])
def test_options_of_the_trainer(tmp_path, option):
    with pytest.raises(ValueError, match=f"trainer.{option} .*nan"):
        RunTrainer(default_root_dir=tmp_path, **{option: math.nan})


def test_place_within_lists_and_mappings_is_named():
    with pytest.raises(ValueError, match=r"Some.sizes\[1\] must be a finite number, got nan"):
        check_finite("Some", sizes=[1.0, math.nan], name="x", count=3)
    with pytest.raises(ValueError, match=r"Some.values.a must be a finite number, got -inf"):
        check_finite("Some", values={"a": -math.inf})
    check_finite("Some", sizes=[1.0, 2.0], nothing=None)
