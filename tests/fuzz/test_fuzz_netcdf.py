"""Data files that are damaged or strange: refused in a sentence with their name, or read right."""

import netCDF4
import numpy as np
import pytest

from datamodules import TrajectoryDataModule
from datamodules.files.netcdf_writer import write_trajectories
from datamodules.solvers import Grid, Variable
from tests.datamodules.files import write_file
from tests.fuzz.damage import ATTRIBUTES, JUNK, blanked, flipped, truncated
from tests.fuzz.judge import apart, left, tried

pytestmark = pytest.mark.slow
SHAPE = (2, 9, 8, 12)
OTHERS = {
    "contiguous": {},
    "chunks": {"chunksizes": (1, 3, 8, 12)},
    "deflated": {"zlib": True, "chunksizes": (1, 3, 8, 12), "fletcher32": True},
    "classic": {"format": "NETCDF3_CLASSIC"},
    "offset": {"format": "NETCDF3_64BIT_OFFSET"},
    "data": {"format": "NETCDF3_64BIT_DATA"},
}


def values(seed=0):
    return np.random.default_rng(seed).standard_normal(SHAPE).astype("f4")


def write_ours(path):
    variables, grid = (Variable("u", "velocity", "m s-1"),), Grid((8, 12), (2.0, 3.0))
    settings = {"count": 2, "snapshots": 9, "seed": 0}
    segments = [values()[:, :, None]]
    write_trajectories(path, segments, SHAPE[:2], variables, grid, 0.5, 0, "t", settings)


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """Bytes of files that hold the same field, by their kind."""
    folder = tmp_path_factory.mktemp("intact")
    write_ours(folder / "ours.nc")
    for name, options in OTHERS.items():
        write_file(folder / f"{name}.nc", SHAPE, ("u",), fields={"u": values()}, **options)
    return {path.stem: path.read_bytes() for path in folder.glob("*.nc")}


def look(folder):
    """Return all that is read of the data in a folder, as training would."""
    data = TrajectoryDataModule(folder, variables=["u"], periodic=True, storage="stream")
    data.contents("train")
    storage = data.trajectories("train").storage
    read = np.concatenate([piece.numpy() for piece in storage.pieces()])
    known = data.describe()
    lengths = known.grid.lengths if known.grid else None
    return (
        read.reshape(2, 9, 8, 12) if read.size == np.prod(SHAPE) else read,
        known.interval,
        lengths,
    )


def accepted(folder, *names):
    """Return what is read in a process of its own, or None if it is refused."""
    found = apart(lambda: tried(lambda: look(folder), names or ["a.nc"]))
    assert not left(folder)
    return found


def place(folder, content):
    path = folder / "train" / "a.nc"
    path.parent.mkdir()
    path.write_bytes(content)
    return path


def check(found, expected=None):
    """Refuse other values than those of the intact file."""
    if found is not None:
        np.testing.assert_array_equal(found[0], values() if expected is None else expected)
        assert found[1] == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("name", JUNK)
def test_junk(tmp_path, name):
    place(tmp_path, JUNK[name])
    assert accepted(tmp_path) is None


@pytest.mark.parametrize("kind", ["ours", *OTHERS])
def test_intact_file_is_accepted(tmp_path, intact, kind):
    place(tmp_path, intact[kind])
    check(found := accepted(tmp_path))
    assert found is not None


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", ["ours", *OTHERS])
def test_truncated(tmp_path, intact, kind, seed):
    place(tmp_path, truncated(intact[kind], seed))
    check(accepted(tmp_path))


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bits_in_a_file_of_ours(tmp_path, intact, seed):
    place(tmp_path, flipped(intact["ours"], seed, count=1 + seed % 3))
    check(accepted(tmp_path))


@pytest.mark.parametrize("seed", range(15))
def test_blanked_block_in_a_file_of_ours(tmp_path, intact, seed):
    place(tmp_path, blanked(intact["ours"], seed))
    check(accepted(tmp_path))


@pytest.mark.parametrize("seed", range(15))
def test_flipped_bits_under_a_checksum(tmp_path, intact, seed):
    place(tmp_path, flipped(intact["deflated"], seed))
    check(accepted(tmp_path))


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("kind", ["contiguous", "chunks", "classic", "offset", "data"])
def test_flipped_bits_in_a_file_without_checksum_end_in_no_traceback(tmp_path, intact, kind, seed):
    place(tmp_path, flipped(intact[kind], seed, range(600), 2))
    accepted(tmp_path)


@pytest.mark.parametrize("kind", ATTRIBUTES)
@pytest.mark.parametrize(
    "name",
    ["provenance", "content_hash", "source", "Conventions", "u:units", "u:long_name",
     "u:standard_name", "time:units", "time:calendar", "x:units", "x:axis", "y:standard_name",
     "x:modulo", "x:topology", "u:missing_value", "u:valid_range", "u:valid_min", "u:_Unsigned",
     "u:coordinates", "u:scale_factor", "u:add_offset"],
)  # fmt: skip
def test_attribute_of_another_kind(tmp_path, intact, name, kind):
    path = place(tmp_path, intact["contiguous"])
    variable, _, attribute = name.rpartition(":")
    with netCDF4.Dataset(path, "a") as file:
        (file[variable] if variable else file).setncattr(attribute, ATTRIBUTES[kind])
    found = accepted(tmp_path)
    if attribute in ("scale_factor", "add_offset", "missing_value", "valid_range", "valid_min"):
        return  # they mean something
    if found is not None:
        np.testing.assert_array_equal(np.sort(found[0], None), np.sort(values(), None))


def build(path, dims=("trajectory", "time", "y", "x"), kind="f4", change=None, axes=None):
    """Write a file whose parts are of chosen kinds."""
    path.parent.mkdir(exist_ok=True)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in zip(("trajectory", "time", "y", "x"), SHAPE, strict=True):
            file.createDimension(name, size)
        for name, size in (("time", 9), ("y", 8), ("x", 12)):
            own = (axes or {}).get(name, np.arange(size) / 2.0)
            if own is not None:
                array = np.asarray(own)
                stored = str if array.dtype.kind in "UO" else array.dtype
                file.createVariable(name, stored, (name,) if array.ndim else ())[...] = array
        shape = [len(file.dimensions[name]) for name in dims]
        if kind == "vlen":
            kind = file.createVLType("f4", "ragged")
            variable = file.createVariable("u", kind, dims)
        elif kind == "compound":
            kind = file.createCompoundType(np.dtype([("a", "f4"), ("b", "i4")]), "pair")
            variable = file.createVariable("u", kind, dims)
        elif kind == "enum":
            kind = file.createEnumType("i1", "colour", {"red": 0, "blue": 1})
            variable = file.createVariable("u", kind, dims)
        else:
            variable = file.createVariable("u", kind, dims)
            if kind is str:
                variable[...] = np.full(shape, "a", dtype=object)
            elif kind == "S1":
                variable[...] = np.full(shape, b"a")
            elif shape == list(SHAPE):
                variable[...] = values()
            else:
                variable[...] = np.resize(values(), shape)
        if change:
            change(file)


@pytest.mark.parametrize("kind", [str, "S1", "vlen", "compound", "enum"], ids=str)
def test_field_of_another_type(tmp_path, kind):
    build(tmp_path / "train" / "a.nc", kind=kind)
    assert accepted(tmp_path) is None


AXES = {
    "text": np.array(list("abcdefghijkl"), dtype=object),
    "repeated": np.zeros(12),
    "falling back": np.array([0, 1, 2, 3, 2, 5, 6, 7, 8, 9, 10, 11.0]),
    "nan": np.array([0, 1, np.nan, *range(3, 12)]),
    "infinite": np.array([*range(11), np.inf]),
    "fill": np.array([*range(11), 9.969209968386869e36]),
    "huge": np.arange(12) * 1e300,
    "bytes": np.arange(12).astype("i1"),
    "unsigned": np.arange(12).astype("u8") + 2**63,
    "scalar": np.array(1.0),
    "missing": None,
}


@pytest.mark.parametrize("axis", ["time", "y", "x"])
@pytest.mark.parametrize("name", AXES)
def test_axis_of_another_kind(tmp_path, axis, name):
    size = {"time": 9, "y": 8, "x": 12}[axis]
    own = AXES[name]
    own = own if own is None or own.ndim == 0 else np.concatenate((own[:4], own[4 - size :]))
    build(tmp_path / "train" / "a.nc", axes={axis: own})
    found = accepted(tmp_path)
    if found is not None:
        assert axis != "time" or name in ("bytes", "unsigned", "huge")
        np.testing.assert_array_equal(found[0], values())


@pytest.mark.parametrize(
    "dims",
    [(), ("x",), ("time",), ("y", "x"), ("time", "y"), ("time", "x"), ("trajectory", "y", "x"),
     ("time", "y", "y"), ("time", "y", "x", "x"), ("time", "time", "y", "x"),
     ("x", "trajectory", "time", "y", "time")],
    ids=",".join,
)  # fmt: skip
def test_field_of_other_dimensions(tmp_path, dims):
    build(tmp_path / "train" / "a.nc", dims)
    assert accepted(tmp_path) is None


@pytest.mark.parametrize("name", ["_FillValue", "scale_factor", "add_offset"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1e38, 1e-45], ids=str)
def test_packing_by_odd_numbers(tmp_path, name, value):
    path = tmp_path / "train" / "a.nc"
    path.parent.mkdir()
    with netCDF4.Dataset(path, "w") as file:
        for dim, size in zip(("trajectory", "time", "y", "x"), SHAPE, strict=True):
            file.createDimension(dim, size)
        for axis in ("time", "y", "x"):
            file.createVariable(axis, "f8", (axis,))[:] = np.arange(len(file.dimensions[axis])) / 2
        fill = {"fill_value": np.float32(value)} if name == "_FillValue" else {}
        field = file.createVariable("u", "f4", ("trajectory", "time", "y", "x"), **fill)
        field[:] = values()
        if not fill:
            field.setncattr(name, value)
    found = accepted(tmp_path)
    if found is not None:
        stored = values().astype("f8")
        expected = {"scale_factor": stored * value, "add_offset": stored + value}
        np.testing.assert_allclose(found[0], expected.get(name, stored), rtol=1e-6, atol=1e-44)


@pytest.mark.parametrize(
    "change",
    [lambda path: (path.unlink(), path.mkdir()), lambda path: path.chmod(0),
     lambda path: (path.unlink(), path.symlink_to("nowhere")), lambda path: path.unlink(),
     lambda path: (path.unlink(), path.symlink_to(path))],
    ids=["folder", "forbidden", "dangling", "gone", "circular"],
)  # fmt: skip
def test_name_that_is_no_file(tmp_path, intact, change):
    change(place(tmp_path, intact["ours"]))
    check(accepted(tmp_path, "a.nc", "train/*.nc"))


@pytest.mark.parametrize("name", ["a b.nc", "[1].nc", "ζ.nc", "-c.nc", "a\nb.nc", "'.nc", "%s.nc"])
def test_odd_name(tmp_path, intact, name):
    place(tmp_path, intact["ours"]).rename(tmp_path / "train" / name)
    found = accepted(tmp_path, name)
    check(found)
    assert found is not None
