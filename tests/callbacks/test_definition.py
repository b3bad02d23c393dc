"""What a reference is kept by: everything that enters it, and nothing of the forecasts."""

import inspect

import pytest
import torch

import callbacks
from callbacks.diagnostics.base import RolloutDiagnostic
from commands.exported import exported
from datamodules.solvers import Grid
from tests.callbacks.conftest import Data, Exact

PLANE = Grid((8, 8), (2.0, 3.0))
STATES = torch.randn(12, 2, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
OTHER = {"every": 2, "burn_in": 3, "leads": (2, 3), "periods": 7, "length": 150, "lags": 9,
         "normalise": False, "threshold": 0.3, "width": 2.0, "points": 7, "stop_at": 2.0,
         "bins": 30, "reach": 3.0, "component": 2, "components": 2, "centre": False,
         "channel": 1, "coarsen": 2,
         "bands": ("enstrophy",), "reference": "val", "scale": 10.0,
         "quantiles": (0.3, 0.8), "initial_conditions": 2}  # fmt: skip
KINDS = [
    kind
    for kind in exported(callbacks)
    if isinstance(kind, type) and issubclass(kind, RolloutDiagnostic)
    if not inspect.isabstract(kind) and "reference" in inspect.signature(kind).parameters
]


def prepared(diagnostic, std=2.0, names=("vorticity", "q")):
    diagnostic.attach(Data(PLANE, STATES[:, : len(names)], names))
    diagnostic.emulator = Exact(std=std, channels=len(names))
    return diagnostic


def computed(diagnostic):
    """Return the arrays that a diagnostic keeps."""
    kept = []
    diagnostic.source.reference = lambda split, definition, compute: (
        kept.append(compute()) or kept[0]
    )
    diagnostic.prepare()
    return kept[0]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_option_that_changes_a_reference_is_in_its_definition(kind):
    assert set(inspect.signature(kind).parameters) <= set(OTHER)
    plain = prepared(kind())
    before = computed(plain)
    for name in set(inspect.signature(kind).parameters) - {"reference"}:
        if (kind.__name__, name) == ("EnergyStability", "bands"):
            continue  # names what is looked at of arrays that are kept in any case
        other = prepared(kind(**{name: OTHER[name]}))
        after = computed(other)
        same = before.keys() == after.keys() and all(
            before[key].shape == after[key].shape and (before[key] == after[key]).all()
            for key in before
        )
        assert (other.definition() == plain.definition()) == same, name


def test_units_of_channels_and_their_names_are_in_it():
    plain = prepared(callbacks.Moments()).definition()
    assert prepared(callbacks.Moments(), std=3.0).definition() != plain
    assert prepared(callbacks.Moments(), names=("vorticity", "p")).definition() != plain
    assert prepared(callbacks.Moments(every=3, burn_in=5)).definition() == plain


class Power(RolloutDiagnostic):
    """A diagnostic of one's own, which says nothing of its definition."""

    of_forecasts = frozenset({"every"})

    def __init__(self, power=2.0, every=10):
        super().__init__()
        self.power = power

    def begin(self, start):
        """Nothing is watched."""

    observe = scores = begin


def test_options_of_an_own_diagnostic_are_in_it():
    plain = prepared(Power()).definition()
    assert prepared(Power(3.0)).definition() != plain
    assert prepared(Power(every=2)).definition() == plain
    namesake = type("Power", (Power,), {"__module__": "elsewhere"})
    assert prepared(namesake()).definition() != plain
