"""What a diagnostic of one's own returns by mistake, and names that are taken."""

import pytest
import torch
import xarray

from callbacks import RolloutDiagnostic, score_forecasts
from callbacks.run.score_writer import warn_of_names
from datamodules import DataDescription
from datamodules.solvers import Grid, Variable


class Wrong(RolloutDiagnostic):
    def begin(self, start):
        pass

    def observe(self, lead, forecast, truth):
        pass

    def scores(self):
        return {"mse": 1.0}


class Right(Wrong):
    def scores(self):
        return xarray.Dataset({"mse": ("initial_condition", [1.0, 2.0]), "largest": 3.0})


class Other(Right):
    def scores(self):
        return super().scores() * 2


def run(diagnostic):
    data = DataDescription.on_grid([Variable("u", "wind", "m s-1")], Grid((8,), (1.0,)), 1.0)
    score_forecasts(diagnostic, torch.zeros(2, 3, 1, 8), torch.ones(2, 4, 1, 8), data)
    return diagnostic


def test_scores_that_are_no_dataset_are_refused():
    with pytest.raises(TypeError, match=r"Wrong\.scores returned a dict, expected an xarray"):
        run(Wrong())


def test_a_name_that_is_taken_is_named(capsys):
    warn_of_names([run(Right()), run(Right())])
    assert not capsys.readouterr().out
    warn_of_names([run(Right()), run(Other())])
    found = capsys.readouterr().out.splitlines()
    assert [line.split("'")[1] for line in found] == ["mse", "largest"]
    assert "of Other has the name of a score of Right" in found[0]
