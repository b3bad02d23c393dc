import math
import os
import signal
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from datamodules.describe import describe
from datamodules.files.dimensions import Dimensions
from datamodules.files.netcdf_writer import atomic_file
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.generation.generator import CoarseSpinUp, Generator
from datamodules.generation.split_size import SplitSize
from datamodules.solvers import (
    ETDRK2,
    BetaPlane,
    GaussianField,
    Grid,
    KuramotoSivashinsky,
    Solver,
    SpectralSolver,
    Variable,
    Wave,
    resample,
)
from datamodules.solvers.finite_volume import Balance, Diffusion, Domain, FiniteVolumeSolver
from datamodules.trajectories import Trajectories
from tests.processes import start, wait


def flame(dt=0.25, splits=None, **options):
    grid = Grid((16,), (22.0,))
    solver = SpectralSolver(KuramotoSivashinsky(grid), dt, interval=0.5)
    splits = splits or {"train": SplitSize(5, 120), "test": SplitSize(2, 30)}
    initial = GaussianField(1.0, 0.7, 0.3)
    return Generator(solver, initial, splits, **{"trajectories_per_file": 2, **options})


def read(root, split, variable="u", space=("x",)):
    paths = sorted(Path(root).glob(f"{split}/*.nc"))
    files = [TrajectoryFile(path, [variable], Dimensions(space=space)) for path in paths]
    return [file.read(k, 0, file.snapshots) for file in files for k in range(file.trajectories)]


def hashes(root):
    found = {}
    for path in sorted(Path(root).glob("*/*.nc")):
        with netCDF4.Dataset(path) as dataset:
            found[str(path.relative_to(root))] = dataset.content_hash
    return found


def test_files_hold_consecutive_states_of_the_solver(tmp_path):
    generator = flame(spin_up=3.0)
    generator.generate(tmp_path)
    trajectories = read(tmp_path, "train")
    assert len(trajectories) == 5
    state = torch.from_numpy(trajectories[3][40][None])
    assert_close(generator.solver.step(state)[0].numpy(), trajectories[3][41])


def test_layout_is_a_folder_per_split_and_a_file_per_group(tmp_path):
    flame().generate(tmp_path)
    found = sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()
    )
    train = [f"train/train_000{n}.nc" for n in range(3)]
    assert found == ["test/test_0000.nc", *train]


def test_spin_up_is_discarded(tmp_path):
    flame(spin_up=3.0).generate(tmp_path / "a")
    flame().generate(tmp_path / "b")
    # six intervals of spin-up: snapshot 0 of one is snapshot 6 of the other
    assert_close(read(tmp_path / "a", "train")[0][0], read(tmp_path / "b", "train")[0][6])


def test_coarse_spin_up_comes_first_and_its_state_is_refined(tmp_path):
    generator = flame(spin_up=1.0, coarse_spin_up=CoarseSpinUp((8,), 1.5), trajectories_per_file=2)
    generator.generate(tmp_path)
    coarse = SpectralSolver(KuramotoSivashinsky(Grid((8,), (22.0,))), 0.5, 0.5).float()
    shards = generator.files(tmp_path)
    state = shards[0].initial_state()
    assert state.shape == (2, 1, 8)
    for _ in range(3):
        state = coarse.step(state)
    state = resample(state, coarse.grid, (16,))
    for _ in range(2):
        state = generator.solver.step(state)
    assert_close(torch.from_numpy(read(tmp_path, "train")[1][0]), state[1], atol=1e-5, rtol=1e-5)


def test_steps_on_a_coarser_grid_are_as_much_longer_as_they_divide_the_interval():
    grid = Grid((16, 24), (2.0, 3.0))
    equation = BetaPlane(grid, beta=3.0, drag=0.1, viscosity=0.2, forcing=(Wave(4.0, 1),))
    solver = SpectralSolver(equation, 0.1, 0.5, ETDRK2)
    coarse = solver.on((8, 12))
    assert coarse.dt == pytest.approx(0.5 / 3)
    assert coarse.grid == Grid((8, 12), (2.0, 3.0))
    assert isinstance(coarse.stepper, ETDRK2)
    options = {"beta": 3.0, "drag": 0.1, "viscosity": 0.2, "forcing": (Wave(4.0, 1),)}
    expected = SpectralSolver(BetaPlane(Grid((8, 12), (2.0, 3.0)), **options), 0.5 / 3, 0.5, ETDRK2)
    state = torch.randn(2, 1, 8, 12, dtype=torch.float64)
    assert_close(coarse.step(state), expected.step(state))


def test_solvers_of_one_grid_have_no_coarse_spin_up():
    class Fixed(SpectralSolver):
        on = Solver.on

    solver = Fixed(KuramotoSivashinsky(Grid((16,), (22.0,))), 0.25, 0.5)
    with pytest.raises(NotImplementedError, match="Fixed is made for one grid; leave data"):
        Generator(solver, None, {}, coarse_spin_up=CoarseSpinUp((8,), 1.0))
    with pytest.raises(ValueError, match=r"coarse_spin_up.length must be positive, got 0"):
        CoarseSpinUp((8,), 0.0)


def test_trajectories_do_not_depend_on_the_grouping_into_files(tmp_path):
    flame(trajectories_per_file=1).generate(tmp_path / "a")
    flame(trajectories_per_file=5).generate(tmp_path / "b")
    first, second = read(tmp_path / "a", "train"), read(tmp_path / "b", "train")
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a[:20], b[:20], atol=1e-4)  # rounding of batched transforms


def test_seed_and_split_decide_the_initial_states(tmp_path):
    flame().generate(tmp_path / "a")
    flame(seed=1).generate(tmp_path / "b")
    a, b = read(tmp_path / "a", "train"), read(tmp_path / "b", "train")
    test = read(tmp_path / "a", "test")
    starts = [trajectory[0].tobytes() for trajectory in (*a, *b, *test)]
    assert len(set(starts)) == len(starts)


def test_fields_are_truncated_to_the_asked_shape(tmp_path):
    grid = Grid((16, 16), (2 * math.pi, 2 * math.pi))
    solver = SpectralSolver(BetaPlane(grid, beta=3.0), 0.05, 0.1)
    splits = {"train": SplitSize(1, 3)}
    initial = GaussianField(3.0)
    Generator(solver, initial, splits).generate(tmp_path / "fine")
    Generator(solver, initial, splits, shape=(8, 8)).generate(tmp_path / "coarse")
    fine = torch.from_numpy(read(tmp_path / "fine", "train", "vorticity", ("y", "x"))[0])
    coarse = torch.from_numpy(read(tmp_path / "coarse", "train", "vorticity", ("y", "x"))[0])
    assert_close(coarse, resample(fine, grid, (8, 8)))


def test_several_processes_share_the_files_by_number(tmp_path):
    generator = flame()
    generator.generate(tmp_path, rank=0, ranks=2)
    # files in order: train 0, 1, 2, test 0
    assert set(hashes(tmp_path)) == {"train/train_0000.nc", "train/train_0002.nc"}
    generator.generate(tmp_path, rank=1, ranks=2)
    flame().generate(tmp_path / "alone")
    assert hashes(tmp_path / "alone") == {
        key: value for key, value in hashes(tmp_path).items() if "alone" not in key
    }


def test_existing_files_are_left_alone(tmp_path):
    flame().generate(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nc")}
    flame().generate(tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nc")}


SCRIPT = """
import sys
from tests.datamodules.test_generate import flame
from datamodules.generation.split_size import SplitSize
flame(dt=0.05, spin_up=5.0, splits={"train": SplitSize(2, 400)}).generate(sys.argv[1])
"""


def test_killed_run_resumes_to_the_same_data(tmp_path, monkeypatch):
    generator = flame(dt=0.05, spin_up=5.0, splits={"train": SplitSize(2, 400)})
    generator.generate(tmp_path / "uninterrupted")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(SCRIPT)
    process = start("program.py", tmp_path / "killed")
    partial = tmp_path / "killed" / "train" / "train_0000.nc.partial"
    deadline = time.monotonic() + 90
    while not (partial / "00001.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    wait(process)
    assert (partial / "00001.npz").exists()
    assert not (tmp_path / "killed" / "train" / "train_0000.nc").exists()
    generator.generate(tmp_path / "killed")
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "uninterrupted")
    assert not partial.exists()


def test_segments_of_a_file_that_is_complete_are_removed(tmp_path):
    """A run may be killed after the file appears and before its segments are gone."""
    generator = flame(splits={"train": SplitSize(2, 20)})
    generator.generate(tmp_path)
    before, shard = hashes(tmp_path), generator.files(tmp_path)[0]
    shard.segments.folder.mkdir()
    (shard.segments.folder / "00000.npz").touch()
    generator.generate(tmp_path)
    assert not shard.segments.folder.exists()
    assert hashes(tmp_path) == before


def test_segments_of_other_settings_are_not_continued(tmp_path):
    generator = flame(splits={"train": SplitSize(2, 120)})
    shard = generator.files(tmp_path)[0]
    shard.segments.folder.mkdir(parents=True)
    (shard.segments.folder / "settings.json").write_text("{}")
    with (
        atomic_file(shard.segments.folder / "00000.npz") as temporary,
        open(temporary, "wb") as file,
    ):
        np.savez(file, fields=np.zeros((2, 100, 1, 16)), state=np.zeros((2, 1, 16)))
    generator.generate(tmp_path)
    assert read(tmp_path, "train")[0].std() > 0.1


def test_file_made_with_other_settings_is_refused(tmp_path):
    flame().generate(tmp_path)
    with pytest.raises(ValueError, match=r"train_0000.nc was made .*\(seed=0 in the file, 3 asked"):
        flame(seed=3).generate(tmp_path)
    with pytest.raises(ValueError, match=r"solver.dt=0.25 in the file, 0.125 asked for"):
        flame(dt=0.125).generate(tmp_path)


def test_foreign_or_broken_file_in_the_way_is_refused(tmp_path):
    path = tmp_path / "train" / "train_0000.nc"
    path.parent.mkdir()
    netCDF4.Dataset(path, "w").close()
    with pytest.raises(ValueError, match=r"train_0000.nc was not made by this generator"):
        flame().generate(tmp_path)
    path.write_text("broken")
    with pytest.raises(ValueError, match=r"train_0000.nc is not a readable NetCDF file; remove it"):
        flame().generate(tmp_path)


def test_solution_that_blows_up_is_reported_and_leaves_no_file(tmp_path):
    grid = Grid((32, 32), (2 * math.pi, 2 * math.pi))
    solver = SpectralSolver(BetaPlane(grid), 0.5, 0.5)
    generator = Generator(solver, GaussianField(50.0), {"train": SplitSize(1, 200)})
    with pytest.raises(FloatingPointError, match=r"train_0000.nc left .*lower the solver's dt"):
        generator.generate(tmp_path)
    assert not list(tmp_path.rglob("*.nc"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": 16}, "precision must be 32 or 64, got 16"),
        ({"trajectories_per_file": 0}, "trajectories_per_file must be at least 1, got 0"),
        ({"shape": (32,)}, r"must not be finer than the solver's grid \(16,\), got \(32,\)"),
    ],
)
def test_malformed_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        flame(**options)


def test_double_precision_simulates_in_double(tmp_path):
    generator = flame(precision=64, splits={"train": SplitSize(1, 3)})
    assert generator.files(tmp_path)[0].initial_state().dtype == torch.float64
    generator.generate(tmp_path)
    start = generator.files(tmp_path)[0].initial_state()
    assert_close(
        read(tmp_path, "train")[0][2], generator.solver.rollout(start, 2)[0, 1].float().numpy()
    )


def test_generated_data_serve_training(tmp_path):
    flame().generate(tmp_path)
    files = [
        TrajectoryFile(path, ["u"], Dimensions(space=("x",)))
        for path in sorted(tmp_path.glob("train/*.nc"))
    ]
    assert Trajectories(files).lengths == [120] * 5


POINTS = [{"D": 0.1}, {"D": 0.2}, {"D": 0.4}]


def diffusing(splits):
    """Waves that decay at rates of their own."""
    domain = Domain(Grid((16,), (2 * math.pi,)))
    balance = Balance(domain, (Variable("u", "u", "1"),), {"d": Diffusion("D")})
    solver = FiniteVolumeSolver(balance, {"D": 0.3}, 0.01, 0.1, units={"D": "m2 s-1"})
    initial = GaussianField(1.0, 2.0, 1.0)
    return Generator(solver, initial, splits, trajectories_per_file=2, precision=64)


def test_trajectories_run_at_their_operating_points_in_turn(tmp_path):
    generator = diffusing({"train": SplitSize(5, 3, POINTS), "test": SplitSize(1, 3)})
    generator.generate(tmp_path)
    trajectories = read(tmp_path, "train")
    shards = [shard for shard in generator.files(tmp_path) if shard.split == "train"]
    starts = torch.cat([shard.initial_state() for shard in shards])
    for k, D in enumerate((0.1, 0.2, 0.4, 0.1, 0.2)):
        alone = FiniteVolumeSolver(generator.solver.balance, {"D": D}, 0.01, 0.1)
        expected = alone.rollout(starts[k : k + 1], 2)[0].float()
        assert_close(torch.from_numpy(trajectories[k][1:]), expected)


def test_operating_points_are_variables_of_the_files_with_units(tmp_path):
    generator = diffusing({"train": SplitSize(5, 3, POINTS), "test": SplitSize(1, 3)})
    assert generator.operating_points_differ
    assert not diffusing({"train": SplitSize(1, 2)}).operating_points_differ
    generator.generate(tmp_path)
    paths = sorted(tmp_path.glob("train/*.nc"))
    files = [TrajectoryFile(path, ["u"], Dimensions(space=("x",)), ["D"]) for path in paths]
    found = [row.tolist() for file in files for row in file.parameters]
    assert found == [[0.1], [0.2], [0.4], [0.1], [0.2]]
    with netCDF4.Dataset(paths[0]) as dataset:
        assert dataset["D"].units == "m2 s-1"
        assert dataset["D"].dimensions == ("trajectory",)
    with netCDF4.Dataset(tmp_path / "test" / "test_0000.nc") as dataset:
        assert "D" not in dataset.variables


def test_operating_points_are_finite():
    with pytest.raises(ValueError, match=r"splits.operating_points.*k must be .*finite.* nan"):
        SplitSize(2, 3, ({"k": 1.0}, {"k": float("nan")}))


def test_operating_points_determine_the_data(tmp_path):
    diffusing({"train": SplitSize(2, 3, POINTS)}).generate(tmp_path)
    diffusing({"train": SplitSize(2, 3, POINTS[:2])}).generate(tmp_path)  # the same for two of them
    other = diffusing({"train": SplitSize(2, 3, [{"D": 0.1}, {"D": 0.3}])})
    with pytest.raises(ValueError, match=r"operating_points\[1\].D=0.2 in the file, 0.3 asked"):
        other.generate(tmp_path)


def test_operating_points_that_the_solver_does_not_have_are_refused():
    with pytest.raises(ValueError, match=r"has no parameter 'nu' .* only D"):
        diffusing({"train": SplitSize(2, 3, [{"nu": 0.1}])})
    with pytest.raises(ValueError, match=r"SpectralSolver has no parameter 'nu' .*; it has none"):
        flame(splits={"train": SplitSize(2, 3, [{"nu": 0.1}])})


LARGE, SMALL = GaussianField(1.0, 2.0, 1.0), GaussianField(0.7, 5.0, 0.1)


def test_a_split_may_have_initial_states_of_its_own(tmp_path):
    generator = diffusing({"train": SplitSize(3, 4), "test": SplitSize(2, 3, initial=SMALL)})
    generator.generate(tmp_path)
    train, _, test = (shard.initial_state() for shard in generator.files(tmp_path))
    for states, wavenumber in ((train, 2), (test, 5)):
        assert torch.fft.rfft(states).abs().mean((0, 1)).argmax() == wavenumber
    alone = diffusing({"test": SplitSize(2, 3)})
    alone.initial = SMALL
    assert_close(alone.files(tmp_path)[0].initial_state(), test)  # the same random numbers
    states = generator.solver.rollout(test, 2)[1, 0].float()
    assert_close(torch.from_numpy(read(tmp_path, "test")[1][1]), states)


def test_initial_states_of_a_split_determine_its_data_alone(tmp_path):
    diffusing({"train": SplitSize(2, 3), "test": SplitSize(2, 3)}).generate(tmp_path)
    diffusing({"train": SplitSize(2, 3, initial=LARGE), "test": SplitSize(2, 3)}).generate(tmp_path)
    other = diffusing({"train": SplitSize(2, 3), "test": SplitSize(2, 3, initial=SMALL)})
    with pytest.raises(ValueError, match=r"test_0000.nc was .*initial.std=1.0 in the file, 0.7"):
        other.generate(tmp_path)


def test_a_solver_without_initial_state_needs_one_for_each_split():
    splits = {"train": SplitSize(2, 3, initial=LARGE), "test": SplitSize(2, 3, initial=SMALL)}
    solver = diffusing(splits).solver
    Generator(solver, None, splits)
    with pytest.raises(ValueError, match=r"or initial of each of data.generator.splits, to a"):
        Generator(solver, None, {**splits, "val": SplitSize(2, 3)})


def test_initial_states_may_be_those_of_the_solver(tmp_path):
    class Flat(FiniteVolumeSolver):
        def initial_state(self):
            return self.values(0.0)["D"].view(-1, 1, 1) * torch.ones(1, 1, 16)

    generator = diffusing({"train": SplitSize(2, 2)})
    solver = Flat(generator.solver.balance, {"D": 0.25}, 0.01, 0.1)
    Generator(solver, None, {"train": SplitSize(3, 2)}, trajectories_per_file=3).generate(tmp_path)
    trajectories = read(tmp_path, "train")
    assert len(trajectories) == 3
    for trajectory in trajectories:
        assert_close(torch.from_numpy(trajectory), torch.full((2, 1, 16), 0.25).float())
    with pytest.raises(
        ValueError, match=r"has no initial state of its own; set data\.generator\.initial"
    ):
        Generator(generator.solver, None, {"train": SplitSize(1, 2)})


def test_files_of_finite_volumes_have_the_centres_of_cells(tmp_path):
    diffusing({"train": SplitSize(1, 2)}).generate(tmp_path)
    flame(splits={"test": SplitSize(1, 2)}).generate(tmp_path)
    for path, first in (("train/train_0000.nc", math.pi / 16), ("test/test_0000.nc", 0.0)):
        with netCDF4.Dataset(tmp_path / path) as dataset:
            assert dataset["x"][0] == pytest.approx(first)
            file = TrajectoryFile(tmp_path / path, ["u"], Dimensions(space=("x",)))
            assert describe(file, []).uniform_grid.lengths == pytest.approx(
                ((2 * math.pi) if first else 22.0,)
            )
            assert "stand for L and T" in dataset.comment


def test_time_counts_from_the_first_snapshot(tmp_path, monkeypatch):
    generator, times = flame(spin_up=1.5, splits={"train": SplitSize(1, 3)}), []
    step = generator.solver.step

    def step_at(state, time):
        times.append(time)
        return step(state)

    monkeypatch.setattr(generator.solver, "step_at", step_at)
    generator.generate(tmp_path)
    assert times == [-1.5, -1.0, -0.5, 0.0, 0.5, 1.0]


def test_processes_verify_their_own_share(tmp_path, monkeypatch):
    generator, found = flame(), []
    generator.generate(tmp_path)
    monkeypatch.setattr(
        "datamodules.generation.generator.hash_of", lambda root, path, *_: found.append(path)
    )
    for rank in (0, 1):
        generator.verify(tmp_path, rank, ranks=2)
    assert sorted(found) == sorted(tmp_path.glob("*/*.nc"))


def test_flipped_value_is_found_by_verify(tmp_path):
    generator = flame()
    generator.generate(tmp_path)
    generator.verify(tmp_path)
    path = tmp_path / "train" / "train_0001.nc"
    with netCDF4.Dataset(path, "a") as dataset:
        dataset["u"][0, 60, 5] += 1e-3
    generator.generate(tmp_path)  # reads no values
    with pytest.raises(ValueError, match=r"train_0001.nc: the values of u .* remove it"):
        generator.verify(tmp_path)
    path.unlink()
    generator.generate(tmp_path)
    generator.verify(tmp_path)


def test_file_that_was_cut_is_refused(tmp_path):
    flame().generate(tmp_path)
    path = tmp_path / "test" / "test_0000.nc"
    with netCDF4.Dataset(path) as dataset:
        attributes = dataset.__dict__
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.setncatts(attributes)
        dataset.createDimension("trajectory", 1)
        dataset.createDimension("time", 7)
    with pytest.raises(ValueError, match=r"test_0000.nc has dimensions .*'time': 7.* it was cut"):
        flame().generate(tmp_path)


@pytest.mark.parametrize("value", ["text", "[1]", np.arange(3)], ids=str)
def test_provenance_of_others_is_not_this_generator(tmp_path, value):
    path = tmp_path / "train" / "train_0000.nc"
    path.parent.mkdir()
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.setncattr("provenance", value)
    with pytest.raises(ValueError, match=r"train_0000.nc was not made by this generator"):
        flame().generate(tmp_path)


@pytest.mark.parametrize(
    ("number", "damage"), [(0, "empty"), (1, "cut"), (3, "flipped"), (4, "exchanged")]
)
def test_broken_segment_is_simulated_again_with_all_that_follow(
    tmp_path, monkeypatch, capsys, number, damage
):
    generator = flame(spin_up=100.0, splits={"train": SplitSize(2, 240)})
    generator.generate(tmp_path / "whole")
    shard = generator.files(tmp_path)[0]
    with monkeypatch.context() as patch:  # stopped when all is simulated, and nothing assembled
        patch.setattr(type(shard), "_assemble", lambda shard: pytest.fail("stop"))
        with pytest.raises(pytest.fail.Exception):
            generator.generate(tmp_path)
    assert shard.segments.count() == 5
    path = shard.segments.folder / f"{number:05d}.npz"
    whole = path.read_bytes()
    other = (path.with_name("00002.npz")).read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 64]) + whole[middle + 1 :]
    contents = {"empty": b"", "cut": whole[:-40], "flipped": flipped, "exchanged": other}
    path.write_bytes(contents[damage])
    made, simulate = [], type(shard)._simulate
    monkeypatch.setattr(
        type(shard), "_simulate", lambda *args: (made.append(args[1]), simulate(*args))[1]
    )
    generator.generate(tmp_path)
    assert made == list(range(number, 5))
    assert path.name in capsys.readouterr().err
    assert hashes(tmp_path) == hashes(tmp_path / "whole") != {}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[]", b"{"])
def test_broken_settings_of_segments_mean_starting_anew(tmp_path, content):
    generator = flame(splits={"train": SplitSize(1, 120)})
    shard = generator.files(tmp_path)[0]
    shard.segments.folder.mkdir(parents=True)
    (shard.segments.folder / "settings.json").write_bytes(content)
    (shard.segments.folder / "00000.npz").write_bytes(b"of what?")
    generator.generate(tmp_path)
    assert len(read(tmp_path, "train")[0]) == 120
