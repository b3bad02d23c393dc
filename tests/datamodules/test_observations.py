from types import SimpleNamespace

import pytest
import torch

from datamodules import (
    LatticeSensors,
    Observations,
    RandomSensors,
    SensorsAt,
    Trajectories,
    TrajectoryDataModule,
    WindowDataset,
)
from datamodules.solvers import Grid
from emulators import Baseline, ImPiNDiff
from tests.datamodules.files import write_file

GRID = Grid((4, 8), (1.0, 2.0))


def mask(window=5, interval=0.1, **options):
    return Observations(**options).mask(window, interval, ["a", "b"], GRID.shape, GRID)


def test_observed_are_the_initial_state_and_the_sensors_at_the_times():
    seen = mask(times=(0.1, 0.4), sensors=SensorsAt([(0.25, 1.5)]), variables=("b",))
    assert seen[0].all()
    where = seen[1:].nonzero().tolist()
    assert where == [[0, 1, 1, 6], [3, 1, 1, 6]]  # 0.25/(1/4) = 1, 1.5/(2/8) = 6


def test_everything_is_observed_by_default():
    assert mask().all()


def test_a_sensor_at_the_far_edge_is_at_the_first_point_of_a_periodic_grid():
    assert SensorsAt([(1.0, 2.0)]).mask(GRID).nonzero().tolist() == [[0, 0]]


@pytest.mark.parametrize(("x", "cell"), [(0.0, 0), (0.01, 0), (0.45, 2), (0.99, 5), (1.0, 5)])
def test_a_sensor_on_a_wall_observes_the_cell_beside_it(x, cell):
    cells = Grid((6,), (1.0,))
    assert SensorsAt([(x,)]).mask(cells, (1 / 12,)).nonzero().tolist() == [[cell]]


def test_a_sensor_in_a_cell_observes_that_cell():
    # cells of 1/4 x 1/4 whose centres are the points: (0.74, 1.01) lies in row 2, column 4
    centres = (0.125, 0.125)
    assert SensorsAt([(0.74, 1.01)]).mask(GRID, centres).nonzero().tolist() == [[2, 4]]
    assert SensorsAt([(0.74, 1.01)]).mask(GRID).nonzero().tolist() == [[3, 4]]


def test_random_sensors_are_as_many_as_asked_and_follow_from_the_seed():
    first, again, other = (RandomSensors(5, seed).mask(GRID) for seed in (1, 1, 2))
    assert first.sum() == 5
    assert (first == again).all()
    assert (first != other).any()


def test_lattice_begins_in_the_middle_of_a_block():
    assert LatticeSensors(3).mask(GRID).nonzero().tolist() == [[1, 1], [1, 4], [1, 7]]
    assert LatticeSensors(1).mask(GRID).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": (0.15,)}, "observation time 0.15 is not a multiple of the interval 0.1"),
        ({"times": (0.5,)}, r"0.5 lies outside of the training rollout, \(0.1 to 0.4\)"),
        ({"times": (0.0,)}, "time 0 lies outside"),
        (
            {"sensors": SensorsAt([(0.5, 2.1)])},
            r"sensor at \(0.5, 2.1\) lies outside",
        ),
        ({"sensors": SensorsAt([(0.5,)])}, r"sensor at \(0.5,\) lies outside"),
        ({"sensors": RandomSensors(33)}, "count is 33, the grid has 32 points"),
        ({"sensors": LatticeSensors(5)}, "every is 5, the grid has"),
        ({"variables": ("c",)}, r"names 'c', the data have \['a', 'b'\]"),
    ],
)
def test_impossible_observations_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        mask(**options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomSensors(0), "count must be at least 1"),
        (lambda: LatticeSensors(0), "every must be at least 1"),
        (lambda: SensorsAt([]), "at least one place"),
    ],
)
def test_bad_sensors_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_windows_begin_with_their_trajectory_and_hide_what_is_not_observed(files):
    seen = torch.zeros(3, 1, 8, 8, dtype=torch.bool)
    seen[0], seen[2, 0, 1, 4] = True, True
    trajectories = Trajectories(files)
    windows = WindowDataset(trajectories, 3, timed=True, observed=seen)
    assert len(windows) == len(trajectories)
    batch = windows.__getitems__([0, 1])
    assert (torch.isfinite(batch.states) == seen).all()
    assert batch.states[:, 2, 0, 1, 4].tolist() == [2, 102]
    assert batch.times.tolist() == [0, 0]


def test_windows_say_when_they_start(files):
    batch = WindowDataset(Trajectories(files), 3, timed=True).__getitems__([0, 4])
    assert batch.times.tolist() == [0, 4 * (files[0].times[1] - files[0].times[0])]


def test_emulators_of_whole_snapshots_refuse_sparse_ones(tmp_path):
    write_file(tmp_path / "train" / "a.nc")
    data = TrajectoryDataModule(tmp_path, observations=Observations(times=(0.5,)))
    with pytest.raises(ValueError, match="Baseline learns from whole snapshots"):
        data.observed(Baseline())
    assert ImPiNDiff.sparse
    seen = data.observed(SimpleNamespace(sparse=True, window=3))
    assert seen.flatten(1).all(1).tolist() == [True, True, False]
    assert TrajectoryDataModule(tmp_path).observed(None) is None
