"""Physical parameters of trajectories: where they are found, and which trajectory they follow."""

import json
import math

import netCDF4
import numpy as np
import pytest
import torch

from datamodules import Dimensions, Range, SplitFiles, TrajectoryDataModule
from datamodules.files.provenance import describe
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.rollouts import InitialConditions
from datamodules.solvers import BetaPlane, Grid, SpectralSolver
from datamodules.trajectories import Trajectories
from datamodules.windows import WindowBatch, WindowDataset
from tests.datamodules.files import write_file


def variable(file, name, values, dims=(), kind="f8", **options):
    file.createVariable(name, kind, dims, **options)[...] = values


@pytest.fixture
def path(tmp_path):
    """Three trajectories with parameters of every kind, good and bad."""
    path = tmp_path / "a.nc"
    write_file(path)
    solver = SpectralSolver(BetaPlane(Grid((8, 8), (1.0, 1.0)), 20.0, 0.1, 0.025), 0.01, 0.1)
    with netCDF4.Dataset(path, "a") as file:
        variable(file, "reynolds", [100.0, 200.0, 400.0], ("trajectory",))
        variable(file, "levels", [3, 5, 7], ("trajectory",), "i4")
        variable(file, "drag", 0.5)
        file.setncatts({"beta": 20.0, "modes": 7, "fluid": "water", "pair": [1.0, 2.0]})
        file.provenance = json.dumps({"seed": 0, "solver": describe(solver)})
        variable(file, "inflow", np.arange(20.0), ("time",))
        variable(file, "huge", [1.0, 1e300, 1.0], ("trajectory",))
        variable(file, "masked", np.ma.masked_equal([1.0, 2.0, 3.0], 3.0), ("trajectory",))
        file["vorticity"].units = "1/s"
        file.createVariable("label", str, ("trajectory",))[0] = "first"
    return path


def read(path, *names, **options):
    return TrajectoryFile(path, ["vorticity"], parameters=names, **options).parameters


def test_every_place_is_read(path):
    names = "reynolds", "levels", "drag", "beta", "modes", "solver.equation.viscosity"
    rows = [[re, levels, 0.5, 20.0, 7.0, 0.025] for re, levels in ((100, 3), (200, 5), (400, 7))]
    assert read(path, *names).tolist() == rows
    assert read(path).shape == (3, 0)


def test_variable_comes_before_attribute_before_setting(path):
    with netCDF4.Dataset(path, "a") as file:
        file.provenance = json.dumps({"modes": 8, "drag": 0.6, "seed": 4})
        file.drag = 0.7
    assert read(path, "modes", "drag", "seed")[0].tolist() == [7.0, 0.5, 4.0]


def test_file_of_a_single_trajectory_has_one_number(tmp_path):
    write_file(tmp_path / "a.nc", (20, 8, 8), dims=("time", "y", "x"))
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file.createDimension("trajectory", 1)
        variable(file, "reynolds", [100.0], ("trajectory",))
        file.createDimension("run", 2)
        variable(file, "several", [1.0, 2.0], ("run",))
    assert read(tmp_path / "a.nc", "reynolds").tolist() == [[100.0]]
    with pytest.raises(ValueError, match=r"'several' is a variable .* shape \(run: 2\), expected"):
        read(tmp_path / "a.nc", "several", dimensions=Dimensions("run"))


def test_file_without_parameters_says_so(tmp_path):
    write_file(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"no parameter 're'; it has no parameters; set data.para"):
        read(tmp_path / "a.nc", "re")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("re", r"has no parameter 're', only reynolds, levels, drag, huge, masked, beta, modes, s"),
        ("inflow", r"'inflow' is a variable of type float64 and shape \(time: 20\), expected n"),
        ("label", r"'label' is a variable of type .* of shape \(trajectory: 3\) or a single one"),
        ("huge", r"'huge' is 1e\+300 at trajectory 1, expected a finite number"),
        ("masked", r"'masked' is nan at trajectory 2, expected a finite number"),
        ("fluid", r"'fluid' is 'water', expected a number; name another"),
        ("pair", r"'pair' is array\(\[1., 2.\]\), expected a number"),
        ("solver.class", r"'solver.class' is 'SpectralSolver', expected a number"),
        ("solver.equation.re", r"no parameter .*, solver.equation.beta, .*n.viscosity; set"),
    ],
)
def test_what_is_no_number_per_trajectory_is_refused(path, name, message):
    with pytest.raises(ValueError, match=message) as error:
        read(path, name)
    assert str(error.value).startswith(str(path))


def test_provenance_of_other_programs_is_no_obstacle(path):
    for text in ("made by hand", "[1, 2]"):
        with netCDF4.Dataset(path, "a") as file:
            file.provenance = text
        assert read(path, "beta").tolist() == [[20.0]] * 3


@pytest.fixture
def trajectories(path):
    """Trajectories 1 and 2, whose first value is 100 times their Reynolds number plus the time."""
    with netCDF4.Dataset(path, "a") as file:
        times = np.arange(20.0)[None, :, None, None]
        file["vorticity"][:] = 100 * file["reynolds"][:][:, None, None, None] + times
    file = TrajectoryFile(path, ["vorticity"], parameters=["reynolds"])
    return Trajectories([file, file], Range(1, 3))


def test_windows_and_starts_know_the_parameters_of_their_trajectories(trajectories):
    assert trajectories.parameters.tolist() == [[200.0], [400.0]] * 2
    windows = WindowDataset(trajectories, 4)
    batch = windows.__getitems__([40, 3, 17, 60])
    assert isinstance(batch, WindowBatch)
    assert len(batch) == 4
    first = batch.states[:, 0, 0, 0, 0]
    assert torch.equal(first // 100, batch.parameters[:, 0])
    assert batch.parameters[:, 0].tolist() == [200.0, 200.0, 400.0, 400.0]
    start = InitialConditions(trajectories, 5, 3, 3).collate([4, 0, 1])
    assert torch.equal(start.initial[:, 0, 0, 0] // 100, start.parameters[:, 0])


def test_without_names_batches_are_as_ever(path):
    trajectories = Trajectories([TrajectoryFile(path, ["vorticity"])])
    assert trajectories.parameters is None
    assert isinstance(WindowDataset(trajectories, 4).__getitems__([0, 1]), torch.Tensor)
    assert InitialConditions(trajectories, 2, 3, 3).collate([0]).parameters is None


def test_data_sets_in_several_folders_make_one(tmp_path):
    for number, viscosity in enumerate((0.1, 0.02)):
        for split in ("train", "test"):
            path = tmp_path / f"nu{viscosity}" / split / "a.nc"
            write_file(path, seed=number)
            with netCDF4.Dataset(path, "a") as file:
                file.viscosity = viscosity
    names = {split: SplitFiles(f"nu*/{split}/*.nc") for split in ("train", "test")}
    told, untold = (
        TrajectoryDataModule(tmp_path, parameters=parameters, **names)
        for parameters in (["viscosity"], [])
    )
    found = told.trajectories("train").parameters[:, 0].tolist()
    assert [round(value, 6) for value in found] == [0.02] * 3 + [0.1] * 3
    assert math.isfinite(told.statistics.mean)
    # the truth is the same, and so scores of both can be compared
    assert told.content_hash("test") == untold.content_hash("test")


def test_packed_and_unsigned_parameters_are_decoded(path):
    with netCDF4.Dataset(path, "a") as file:
        for name, kind, attributes in (
            ("packed", "i2", {"scale_factor": 0.5, "add_offset": 1.0}),
            ("bytes", "i1", {"_Unsigned": "true"}),
        ):
            own = file.createVariable(name, kind, ("trajectory",))
            own.set_auto_maskandscale(False)
            own.setncatts(attributes)
            own[:] = [4, -2, 9]
    assert read(path, "packed", "bytes").tolist() == [[3.0, 4.0], [0.0, 254.0], [5.5, 9.0]]


def odd(file, name, kind, dimension):
    """Write a variable of a type that is no number."""
    if kind == "list":
        kind = file.createVLType("f4", "list")
    elif kind == "names":
        kind = file.createEnumType("i1", "names", {"slow": 0, "fast": 1})
    elif kind == "record":
        kind = file.createCompoundType(np.dtype([("a", "f4")]), "record")
    own = file.createVariable(name, "i2" if kind == "scale" else kind, (dimension,))
    if kind == "scale":
        own[:] = 1
        own.scale_factor = "1e-3"


ODD = ("list", "names", "record", "S1", str, "scale")


@pytest.mark.parametrize("kind", ODD)
def test_parameters_of_odd_types_are_refused_by_name(path, kind):
    with netCDF4.Dataset(path, "a") as file:
        odd(file, "odd", kind, "trajectory")
    with pytest.raises(ValueError, match=r"a.nc: .*'odd'.* expected .*number"):
        read(path, "odd")


@pytest.mark.parametrize("name", ["time", "y"])
@pytest.mark.parametrize("kind", ODD)
def test_coordinates_of_odd_types_are_refused_by_name(tmp_path, name, kind):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for dimension in ("time", "y", "x"):
            file.createDimension(dimension, 6)
            if dimension != name:
                variable(file, dimension, np.arange(6.0), (dimension,))
        variable(file, "vorticity", 1.0, ("time", "y", "x"))
        odd(file, name, kind, name)
    with pytest.raises(ValueError, match=rf"a.nc: .*'{name}'.* expected .*number"):
        TrajectoryFile(tmp_path / "a.nc", ["vorticity"])
