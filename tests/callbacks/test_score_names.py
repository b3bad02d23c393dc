"""What a diagnostic of one's own returns by mistake, and names that are taken."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray

from callbacks import RolloutDiagnostic, RolloutError, ScoreWriter, evaluate, score_forecasts
from callbacks.diagnostics.returned import checked_remarks
from callbacks.run.score_writer import may_be_written, merged_summary, warn_of_names
from commands.trainer import with_required_callbacks
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


class Summarised(Right):
    def __init__(self, numbers):
        super().__init__()
        self.returned = numbers

    def summary(self, scores):
        return self.returned


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        (None, r"Summarised\.summary returned a NoneType, expected a mapping"),
        ("fine", r"Summarised\.summary returned a str, expected a mapping"),
        ([1.0], r"Summarised\.summary returned a list, expected a mapping"),
        ({1: 2.0}, r"Summarised\.summary has the name 1, expected a text"),
        ({"a": "text"}, r"Summarised\.summary has a='text', expected a number"),
        ({"a": None}, r"Summarised\.summary has a=None, expected a number"),
        ({"a": torch.ones(0)}, r"Summarised\.summary has a=tensor"),
        ({"a": [1.0, 2.0]}, r"Summarised\.summary has a=\[1.0, 2.0\], expected a number"),
        ({"b": 1.0, "a": torch.ones(3)}, r"Summarised\.summary has a=tensor.*, expected a number"),
        ({"a": 1j}, r"Summarised\.summary has a=1j, expected a number"),
    ],
)
def test_a_summary_that_holds_no_numbers_is_refused(numbers, sentence):
    with pytest.raises(TypeError, match=sentence):
        run(Summarised(numbers))


@pytest.mark.parametrize(
    "value",
    [2.5, np.float32(2.5), np.array(2.5), torch.tensor(2.5), xarray.DataArray(2.5),
     torch.full((1, 1), 2.5)],
)  # fmt: skip
def test_a_number_of_a_summary_may_be_an_array_of_one_value(value):
    assert merged_summary([run(Summarised({"a": value}))]) == {"a": 2.5}


@pytest.mark.parametrize("remarks", ["a remark", None, [1.0], {"a": "b"}])
def test_remarks_that_are_no_texts_are_refused(remarks):
    with pytest.raises(TypeError, match=r"Mine\.remarks returned .*, expected a list of texts"):
        checked_remarks("Mine", remarks)


def test_a_name_that_is_taken_is_named(capsys):
    warn_of_names([run(Right()), run(Right())])
    assert not capsys.readouterr().out
    warn_of_names([run(Right()), run(Other())])
    found = capsys.readouterr().out.splitlines()
    assert [line.split("'")[1] for line in found] == ["mse", "largest"]
    assert "of Other has the name of a score of Right" in found[0]


class Clashing(Wrong):
    """Diagnostic whose number, and whose picture, have the names of others."""

    def scores(self):
        return xarray.Dataset({"own": 1.0})

    def summary(self, scores):
        return {"mse/lead_1": -5.0, "own": 1.0}


def known(diagnostic, **scores):
    diagnostic.results = xarray.Dataset(scores)
    return diagnostic


class Plain(Clashing):
    def summary(self, scores):
        return {"mse/lead_1": 2.0}


def test_the_first_number_of_a_name_counts(capsys):
    assert merged_summary([known(Plain()), known(Clashing())]) == {"mse/lead_1": 2.0, "own": 1.0}
    assert "'mse/lead_1' of Clashing has the name of a number of Plain" in capsys.readouterr().out


def test_pictures_have_plain_names_of_their_own(capsys):
    names = ["energy.png", "energy.png", "../evil.png", "a/b.png", "other.png"]
    drawn = set()
    assert [may_be_written(name, drawn, Clashing()) for name in names] == [1, 0, 0, 0, 1]
    said = capsys.readouterr().out.splitlines()
    assert [("is there already" in line, "plain name" in line) for line in said] == [
        (True, False), (False, True), (False, True),
    ]  # fmt: skip


def test_two_diagnostics_of_a_class_are_refused_and_the_trainer_keeps_the_last(capsys):
    two = [RolloutError(threshold=0.5), Clashing(), RolloutError(threshold=5.0)]
    with pytest.raises(
        ValueError, match="the diagnostics have RolloutError 2 times, expected once"
    ):
        evaluate(None, None, two)
    with pytest.raises(ValueError, match="RolloutError 2 times"):
        ScoreWriter().setup(SimpleNamespace(callbacks=two), None, "test")
    kept = [c for c in with_required_callbacks(two) if isinstance(c, RolloutDiagnostic)]
    assert kept == two[1:]
    assert "trainer.callbacks has RolloutError 2 times; the last counts" in capsys.readouterr().err
