import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from datamodules.files.provenance import (
    canonical,
    content_hash,
    describe,
    first_difference,
    random_seed,
)
from datamodules.solvers import (
    ETDRK2,
    BetaPlane,
    Equation,
    GaussianField,
    Grid,
    KuramotoSivashinsky,
    SpectralSolver,
    Wave,
)

GRID = Grid((8, 8), (2 * math.pi, 1.0))


def test_description_holds_every_constructor_argument():
    equation = BetaPlane(GRID, beta=2.0, drag=0.1, viscosity=0.3, forcing=(Wave(1.0, 2, 3),))
    solver = SpectralSolver(equation, 0.1, 0.2, scheme=ETDRK2)
    assert describe(solver) == {
        "class": "SpectralSolver",
        "equation": {
            "class": "BetaPlane",
            "grid": {"shape": [8, 8], "lengths": [2 * math.pi, 1.0]},
            "beta": 2.0,
            "drag": 0.1,
            "viscosity": 0.3,
            "forcing": [{"amplitude": 1.0, "mode_x": 2, "mode_y": 3}],
        },
        "dt": 0.1,
        "interval": 0.2,
        "scheme": {"class": "ETDRK2"},
    }


def test_bound_arguments_of_a_factory_are_described():
    assert describe(partial(GaussianField, std=2.0)) == {"class": "GaussianField", "std": 2.0}


def test_object_that_hides_an_argument_is_refused():
    class Hidden:
        def __init__(self, amplitude):
            pass

    with pytest.raises(ValueError, match=r"Hidden does not keep .*'amplitude'.*self.amplitude"):
        describe(Hidden(1))


@pytest.mark.parametrize("kind", [*Equation.__subclasses__(), GaussianField])
def test_every_shipped_class_can_be_described(kind):
    grid = Grid((8,), (1.0,)) if kind is KuramotoSivashinsky else GRID
    thing = kind() if kind is GaussianField else kind(grid)
    assert describe(thing)["class"] == kind.__name__


def test_first_difference_names_the_place():
    a = {"solver": {"equation": {"beta": 1.0}, "waves": [{"m": 1}, {"m": 2}]}}
    b = {"solver": {"equation": {"beta": 2.0}, "waves": [{"m": 1}, {"m": 2}]}}
    assert first_difference(a, b).startswith("solver.equation.beta=1.0 in the file, 2.0 asked for")
    b = {"solver": {"equation": {"beta": 1.0}, "waves": [{"m": 1}, {"m": 3}]}}
    assert first_difference(a, b).startswith("solver.waves[1].m=2")
    assert first_difference({"a": 1}, {}).startswith("a=1 in the file, None")
    assert first_difference({"a": [1]}, {"a": [1, 2]}).startswith("a=[1]")
    assert first_difference(a, a) is None


def test_hash_depends_on_values_names_shape_and_attributes():
    array = np.arange(24.0, dtype="f4").reshape(2, 3, 4)
    reference = content_hash({"u": array}, {"seed": 1})
    assert content_hash({"u": array.copy(order="F")}, {"seed": 1}) == reference
    changed = array.copy()
    changed[1, 2, 3] += 1
    for arrays, attributes in (
        ({"u": changed}, {"seed": 1}),
        ({"v": array}, {"seed": 1}),
        ({"u": array.reshape(3, 2, 4)}, {"seed": 1}),
        ({"u": array}, {"seed": 2}),
    ):
        assert content_hash(arrays, attributes) != reference


def test_canonical_text_does_not_depend_on_the_order_of_keys():
    assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1})


def test_random_seeds_differ_along_the_tree_and_repeat():
    seeds = {random_seed(0, split, k) for split in ("train", "test") for k in range(100)}
    assert len(seeds) == 200
    assert random_seed(0, "train", 3) == random_seed(0, "train", 3) != random_seed(1, "train", 3)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_dataclass_is_described_by_its_fields():
    @dataclass
    class Point:
        x: int = 3

    assert describe([Point(), None, "a"]) == [{"x": 3}, None, "a"]


def test_functions_without_a_name_of_their_own_are_refused():
    with pytest.raises(ValueError, match=r"<lambda> is defined within a function"):
        describe({"scheme": lambda symbol, dt: None})
