"""Every YAML that ships parses and makes its objects."""

from pathlib import Path

import pytest
import torch
from jsonargparse import ArgumentParser

import cli
import emulators
from configs.study import read_study
from datamodules import TrajectoryDataModule

CONFIGS = Path(cli.__file__).parent / "configs"


def named(folder):
    return pytest.mark.parametrize(
        "path", sorted((CONFIGS / folder).glob("*.yaml")), ids=lambda path: path.stem
    )


@named("data")
def test_data_configuration(path):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("-c", action="config")
    parser.add_class_arguments(TrajectoryDataModule, "data")
    data = parser.instantiate(parser.parse_args(["-c", str(path)])).data
    assert data.root == Path("data") / path.stem
    assert data.generator is not None
    assert {"train", "val", "test"} <= set(data.generator.splits)
    names = [variable.name for variable in data.generator.solver.variables]
    assert names == data.variables
    assert data.dimensions == data.generator.grid.dimensions


@named("model")
def test_model_configuration(path):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("-c", action="config")
    parser.add_subclass_arguments(emulators.Emulator, "model")
    model = parser.instantiate(parser.parse_args(["-c", str(path)])).model
    if isinstance(model, emulators.Simulation):
        assert model.solver is None  # the data bring it
        return
    shape = (getattr(model.trained, "size", 64),) * 2
    if isinstance(model, emulators.ImPiNDiff):
        shape = model.hybrid.balance.domain.grid.shape
    assert model.eval().rollout(torch.zeros(1, 1, *shape), 2).shape == (1, 2, 1, *shape)


@named("study")
def test_study_configuration(path):
    study = read_study(path)
    assert study.data
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_subclass_arguments(emulators.Emulator, "model")
    parser.add_class_arguments(TrajectoryDataModule, "data")
    left_out = ("--trainer.", "--seed_everything=", "--data.seed=")
    different = {
        tuple(word for word in run.arguments if not word.startswith(left_out)) for run in study.runs
    }
    for arguments in sorted(different):
        parsed = parser.parse_args(list(arguments))
        with torch.device("meta"):
            made = parser.instantiate(parsed)
        *_, size = made.data.generator.grid.shape
        assert getattr(made.model.trained, "size", size) == size


def test_trainer_configuration_is_the_default():
    parser = ArgumentParser(exit_on_error=False, default_config_files=[cli.TRAINER_DEFAULTS])
    parser.add_class_arguments(cli.RunTrainer, "trainer")
    assert parser.get_defaults().trainer.max_steps == 10000
