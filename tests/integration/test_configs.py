"""Every YAML that ships parses and makes its objects."""

from functools import cache
from pathlib import Path

import pytest
import torch
from jsonargparse import ArgumentParser

import emulators
from commands import stages
from commands.study import read_study
from datamodules import TrajectoryDataModule

CONFIGS = Path(stages.__file__).parents[1] / "configs"


POINT = torch.tensor([[1273.0, 1273.0, 1.0e4]])  # temperatures of the walls [K], pressure [Pa]
GAS_PORES_HEAT = [0.1, 0.5, 1273.0]
INFILTRATION = {  # a state and an operating point of the models of infiltration
    "cvi_black_box": ([0.5], POINT),
    "im_pindiff_cvi": (GAS_PORES_HEAT, POINT),
    "im_pindiff_cvi_fibres": (GAS_PORES_HEAT, POINT),
    "im_pindiff_cvi_rate": (GAS_PORES_HEAT, POINT),
}


def named(folder):
    return pytest.mark.parametrize(
        "path", sorted((CONFIGS / folder).glob("*.yaml")), ids=lambda path: path.stem
    )


@cache
def parsers():
    """Return the parsers of data and of models, which take a second to make."""
    of_data, of_models = (ArgumentParser(exit_on_error=False) for _ in range(2))
    for parser in (of_data, of_models):
        parser.add_argument("-c", "--config", action="config")
    of_data.add_class_arguments(TrajectoryDataModule, "data")
    of_models.add_subclass_arguments(emulators.Emulator, "model")
    return of_data, of_models


def device_of(path):
    """Return the device on which a configuration makes its objects in the shortest time."""
    return "cpu" if path.stem.startswith("cvi") else "meta"  # solvers of infiltration check numbers


@named("data")
def test_data_configuration(path):
    data = made_data(device_of(path), "-c", str(path))
    assert data.root == Path("data") / path.stem
    assert data.generator is not None
    assert {"train", "val", "test"} <= set(data.generator.splits)
    names = [variable.name for variable in data.generator.solver.variables]
    assert names == data.variables
    assert data.dimensions == data.generator.grid.dimensions


@named("model")
def test_model_configuration(path, single_precision):
    _, parser = parsers()
    typical, told = INFILTRATION.get(path.stem, ([0.0], None))
    sizes = [f"--model.channels={len(typical)}", "--model.dimensions=1", "--model.parameters=3"]
    parsed = parser.parse_args(["-c", str(path), *(sizes if told is not None else [])])
    model = parser.instantiate(parsed).model
    if isinstance(model, emulators.Simulation):
        assert not hasattr(model, "solver")  # the data bring it
        return
    shape = (getattr(model.trained, "size", 32),) * 2
    if isinstance(model, emulators.ImPiNDiff):
        shape = model.hybrid.balance.domain.grid.shape
        (optimizer,) = model.optimizer_option(model.trained.parameters()).param_groups
        assert optimizer["weight_decay"] == 0  # the default of the optimiser that it replaces stays
    state = torch.tensor(typical).view(1, -1, *[1] * len(shape)).expand(1, -1, *shape)
    forecast = model.eval().rollout(state, 2, told)
    assert forecast.shape == (1, 2, *state.shape[1:])
    assert forecast.isfinite().all()


def covering(lists):
    """Return the lists in which a word appears for the first time: every file, every option."""
    seen = set()
    for words in lists:
        if not seen.issuperset(words):
            yield words
        seen.update(words)


def of_the_model(word):
    return word.startswith("--model") or "/model/" in word


@cache
def made_data(device, *words):
    """Return the data module of some words, which many studies share."""
    of_data, _ = parsers()
    with torch.device(device):
        return of_data.instantiate(of_data.parse_args(words)).data


@cache
def made_model(device, *words):
    """Return the emulator of some words, which several studies share."""
    _, of_models = parsers()
    parsed = of_models.parse_args(words)
    with torch.device(device):
        return of_models.instantiate(parsed).model


@named("study")
def test_study_configuration(path):
    study = read_study(path)
    assert study.data
    device = device_of(path)
    left_out = ("--trainer.", "--seed_everything=", "--data.seed=")
    words = [[w for w in run.arguments if not w.startswith(left_out)] for run in study.all_runs]
    for arguments in covering(words):
        of_trainer = ("/infiltration.yaml", "/paper.yaml")
        given = [word for word in arguments if not word.endswith(of_trainer)]
        data = made_data(device, *(word for word in given if not of_the_model(word)))
        sizes = {"channels": data.channels, "dimensions": data.dimensions}
        if data.parameters:  # as `emulate` links them
            sizes["parameters"] = len(data.parameters)
        linked = [f"--model.{name}={size}" for name, size in sizes.items()]
        model = made_model(device, *filter(of_the_model, given), *linked)
        *_, size = data.generator.grid.shape
        assert getattr(model.trained, "size", size) == size


def test_scores_of_the_paper_are_its_own():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(stages.RunTrainer, "trainer")
    parsed = parser.parse_path(str(CONFIGS / "paper.yaml"))
    made = {type(one).__name__: one for one in parser.instantiate(parsed).trainer.callbacks}
    assert made["RolloutError"].scale == 10
    assert not made["PCAAutocorrelation"].centre
    assert not made["PCAAutocorrelation"].normalise


def test_trainer_configuration_is_the_default():
    parser = ArgumentParser(exit_on_error=False, default_config_files=[stages.TRAINER_DEFAULTS])
    parser.add_class_arguments(stages.RunTrainer, "trainer")
    assert parser.get_defaults().trainer.max_steps == 10000
