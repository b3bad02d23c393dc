"""No name or unit of the data ends a test after its rollout, whatever matplotlib makes of it."""

from dataclasses import replace

import pytest
import torch

import callbacks
from callbacks.run.score_writer import pictures
from datamodules.solvers import Variable
from tests.callbacks.conftest import Data, Exact, RolloutBatch

# a formula that is none, one that never ends, a backslash, a line break, a name without a legend
ODD = "_$\\foo{$ a\\b^{ %d$\n$m"
KINDS = [
    "RolloutError",
    "RelativeError",
    "EnergyStability",
    "Spectrum",
    "ZonalMean",
    "Panels",
    "Distribution",
    "Moments",
    "Extremes",
    "PCAAutocorrelation",
    "Hovmoeller",
    "Movie",
    "EnsembleSkill",
    "RankHistogram",
    "ExceedanceReliability",
    "EnergyPlume",
    "ComponentPlume",
    "EnsemblePanels",
]


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_units_are_drawn_as_they_are(kind, evaluate, plane, capsys):
    known = Data(plane, torch.randn(30, 2, 8, 8), variables=("vorticity", ODD))
    axes = [replace(axis, attributes={"units": ODD}) for axis in known.describe().axes]
    known.change(
        fields=tuple(Variable(name, ODD, ODD) for name in (ODD, "vorticity")),
        axes=(replace(axes[0], name=ODD), axes[1]),
        time_unit=ODD,
    )
    diagnostic = getattr(callbacks, kind)()
    starts = [RolloutBatch(torch.randn(2, 2, 8, 8), torch.arange(2), 20, 9)]
    starts[0].perturbed = torch.randn(2, 2, 2, 8, 8)
    known.rollouts["test"].members = 3
    scores = evaluate(diagnostic, Exact(channels=2), known, starts)
    assert pictures(diagnostic, scores)
    assert capsys.readouterr().out == ""


class Broken(callbacks.Moments):
    def figures(self, scores):
        raise RuntimeError("no such\nfont")


def test_figure_that_cannot_be_drawn_is_said_and_costs_no_score(evaluate, plane, capsys):
    diagnostic = Broken()
    known = Data(plane, torch.randn(30, 1, 8, 8))
    starts = [RolloutBatch(torch.randn(2, 1, 8, 8), torch.arange(2), 20, 9)]
    scores = evaluate(diagnostic, Exact(), known, starts)
    assert pictures(diagnostic, scores) == {}
    assert "Broken has no figure: no such font" in capsys.readouterr().out
