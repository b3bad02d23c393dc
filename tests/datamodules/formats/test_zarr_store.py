"""Zarr stores of both versions, as xarray and zarr write them, against the values written."""

import json
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import xarray
import zarr

from datamodules import Dimensions, SplitFiles, TrajectoryDataModule
from datamodules.files.formats.detect import format_of
from datamodules.files.formats.zarr_store import Zarr, open_array
from datamodules.files.trajectory_file import TrajectoryFile

SHAPE = (3, 9, 12, 20)  # trajectory, time, x, y
VALUES = {
    name: scale * np.random.default_rng(seed).normal(size=SHAPE).astype("f4")
    for seed, (name, scale) in enumerate({"u": 1.0, "v": 300.0}.items())
}
LAYOUTS = {
    "version 2": {"zarr_format": 2, "chunks": (1, 4, 12, 20)},
    "version 2, one chunk": {"zarr_format": 2, "chunks": SHAPE},
    "version 3": {"zarr_format": 3, "chunks": (2, 4, 5, 7)},
    "uncompressed": {"zarr_format": 3, "chunks": (1, 1, 12, 20), "compressors": None},
    "shards": {"zarr_format": 3, "chunks": (1, 2, 6, 10), "shards": (1, 6, 12, 20)},
    "checksums": {
        "zarr_format": 3,
        "chunks": (1, 3, 12, 20),
        "compressors": [zarr.codecs.GzipCodec(), zarr.codecs.Crc32cCodec()],
    },
    "blosc": {"zarr_format": 3, "chunks": (1, 3, 12, 20), "compressors": zarr.codecs.BloscCodec()},
    "transposed": {
        "zarr_format": 3,
        "chunks": (1, 3, 12, 20),
        "filters": [zarr.codecs.TransposeCodec(order=(3, 2, 1, 0))],
    },
}


def dataset(values=VALUES):
    fields = {
        name: (
            ("sample", "time", "x", "y"),
            field,
            {"units": "m s-1", "long_name": f"field {name}"},
        )
        for name, field in values.items()
    }
    coordinates = {
        "time": ("time", 2.5 + 0.25 * np.arange(9), {"units": "s"}),
        "x": ("x", 0.5 * np.arange(12), {"units": "m", "topology": "circular"}),
        "y": 0.25 * np.arange(20),
    }
    return xarray.Dataset(fields, coordinates, {"nu": 0.01})


def write(path, layout="version 2", values=VALUES, consolidated=False):
    options = dict(LAYOUTS[layout])
    version = options.pop("zarr_format")
    dataset(values).to_zarr(
        path,
        zarr_format=version,
        consolidated=consolidated,
        encoding={name: dict(options) for name in values},
    )
    return path


def opened(path, names=("u", "v")):
    return TrajectoryFile(path, names, Dimensions("sample", space=("x", "y")), format=Zarr())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_times_and_coordinates_are_those_written(tmp_path, layout, consolidated):
    path = write(tmp_path / "a.zarr", layout, consolidated=consolidated)
    assert isinstance(format_of(path), Zarr)
    file = opened(path)
    assert (file.trajectories, file.snapshots, file.interval) == (3, 9, 0.25)
    assert [axis.name for axis in file.axes] == ["y", "x"]
    assert [axis.periodic_by_attributes for axis in file.axes] == [False, True]
    assert [(v.name, v.long_name, v.units) for v in file.variables] == [
        ("u", "field u", "m s-1"), ("v", "field v", "m s-1")]  # fmt: skip
    np.testing.assert_array_equal(file.times, 2.5 + 0.25 * np.arange(9))
    np.testing.assert_array_equal(file.axes[1].values, 0.5 * np.arange(12))
    for trajectory, start, stop in ((0, 0, 9), (2, 3, 5), (1, 8, 9)):
        found = file.read(trajectory, start, stop)
        for channel, field in enumerate(VALUES.values()):
            wanted = field[trajectory, start:stop].transpose(0, 2, 1)  # y, x
            np.testing.assert_array_equal(found[:, channel], wanted)
    parameters = TrajectoryFile(
        path, ("v",), Dimensions("sample", space=("x", "y")), ["nu"], format=Zarr()
    ).parameters
    assert parameters.tolist() == [[0.01]] * 3


def test_any_range_is_read(tmp_path):
    with Zarr().open(write(tmp_path / "a.zarr", "version 3")) as contents:
        array = contents.variables["u"].open()
    random = np.random.default_rng(3)
    for _ in range(60):
        ends = [np.sort(random.integers(0, size + 1, 2)) for size in SHAPE]
        key = tuple(int(random.integers(size)) if random.random() < 0.3 else slice(*map(int, pair))
                    for size, pair in zip(SHAPE, ends, strict=True))  # fmt: skip
        np.testing.assert_array_equal(array[key], VALUES["u"][key])


def test_chunks_in_the_order_of_fortran(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    array = group.create_array("u", shape=SHAPE, chunks=(1, 4, 5, 7), dtype=">f8", order="F")
    array[:] = VALUES["u"]
    array.attrs["_ARRAY_DIMENSIONS"] = ["sample", "time", "x", "y"]
    with Zarr().open(tmp_path / "a.zarr") as contents:
        np.testing.assert_array_equal(contents.variables["u"].open()[()], VALUES["u"])


@pytest.mark.parametrize("version", [2, 3])
def test_packed_values_are_unpacked_and_missing_ones_nan(tmp_path, version):
    field = np.round(VALUES["u"], 2).clip(-3, 3)
    field[1, 2, 3, 4] = np.nan
    packing = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 1.0, "_FillValue": -32768}
    dataset({"u": field}).to_zarr(
        tmp_path / "a.zarr", zarr_format=version, consolidated=False, encoding={"u": packing}
    )
    with Zarr().open(tmp_path / "a.zarr") as contents:
        np.testing.assert_allclose(contents.variables["u"].open()[()], field, atol=1e-6)


def test_true_zeros_are_no_missing_values(tmp_path):
    """`zarr` fills with 0 by default, which xarray takes for missing values in version 2."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    array = group.create_array("u", shape=SHAPE, chunks=(1, 4, 12, 20), dtype="f4")
    field = np.where(np.arange(9)[:, None, None] < 5, 0, VALUES["u"])  # chunks of zeros alone, too
    array[:] = field
    array.attrs["_ARRAY_DIMENSIONS"] = ["sample", "time", "x", "y"]
    with Zarr().open(tmp_path / "a.zarr") as contents:
        np.testing.assert_array_equal(contents.variables["u"].open()[()], field)


def test_a_chunk_that_is_missing_is_a_missing_value(tmp_path):
    path = write(tmp_path / "a.zarr", "version 3")
    (path / "u/c/1/0/0/0").unlink()
    file = opened(path)
    with pytest.raises(ValueError, match=r"a\.zarr.*'?u'? is not finite") as error:
        data_of(path).trajectories("train").check()
    assert f"a chunk may be missing, since {path}/u/c/1/0/0/0 is not in the store" in str(
        error.value
    )
    assert np.isfinite(file.read(0, 0, 9)).all()


def test_a_missing_value_in_a_whole_store_is_not_blamed_on_a_chunk(tmp_path):
    field = VALUES["u"].copy()
    field[1, 2, 3, 4] = np.nan
    path = write(tmp_path / "a.zarr", "version 3", {**VALUES, "u": field})
    with pytest.raises(ValueError, match="'u' is not finite") as error:
        data_of(path).trajectories("train").check()
    assert "chunk" not in str(error.value)


def test_damage_is_named(tmp_path):
    path = write(tmp_path / "a.zarr")
    (path / "u/0.1.0.0").write_bytes(b"nothing of blosc")
    with pytest.raises(ValueError, match=r"u.0\.1\.0\.0 is damaged"):
        opened(path).read(0, 3, 5)
    (path / "v/.zarray").write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        opened(path)


def test_an_array_without_names_of_dimensions_is_refused(tmp_path):
    path = write(tmp_path / "a.zarr")
    attributes = json.loads((path / "u/.zattrs").read_text())
    del attributes["_ARRAY_DIMENSIONS"]
    (path / "u/.zattrs").write_text(json.dumps(attributes))
    with pytest.raises(ValueError, match="array 'u' has no dimension names"):
        opened(path)


@pytest.mark.parametrize("version", [2, 3])
def test_a_single_array_is_refused_with_the_remedy(tmp_path, version):
    zarr.save_array(str(tmp_path / "a.zarr"), VALUES["u"], zarr_format=version)
    assert isinstance(format_of(tmp_path / "a.zarr"), Zarr)
    with pytest.raises(ValueError, match=r"a.zarr is a single Zarr array, .*to_zarr"):
        opened(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_groups_are_read_as_in_netcdf(tmp_path, version):
    """Coordinates come from the group or its parents."""
    path, options = tmp_path / "a.zarr", {"zarr_format": version, "consolidated": False}
    dataset()[["time", "x"]].to_zarr(path, **options)
    dataset().drop_vars(["time", "x"]).to_zarr(path, group="forecast/one", mode="a", **options)
    file = opened(path, ("forecast/one/u", "forecast/one/v"))
    assert [variable.name for variable in file.variables] == ["u", "v"]
    np.testing.assert_array_equal(file.times, 2.5 + 0.25 * np.arange(9))
    assert [axis.values[1] for axis in file.axes] == [0.25, 0.5]
    np.testing.assert_array_equal(file.read(1, 2, 5)[:, 1].transpose(0, 2, 1), VALUES["v"][1, 2:5])
    with pytest.raises(ValueError, match=r"no variable 'u', only .*forecast/one/u"):
        opened(path, ("u",))


def test_groups_of_other_data_do_not_matter(tmp_path):
    path = write(tmp_path / "a.zarr", "version 3")
    group = zarr.open_group(path, mode="a").create_group("other")
    group.create_array("weights", shape=(4,), dtype="f4")
    np.testing.assert_array_equal(opened(path).read(0, 0, 1)[0, 1].T, VALUES["v"][0, 0])
    with Zarr().open(path) as contents:
        assert "other/weights" not in contents.variables


def archive(folder, method, top):
    """Return a zip archive of the store in a folder, or in a folder of its own."""
    path = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(path, "w", method) as file:
        for part in sorted(folder.rglob("*")):
            if part.is_file():
                file.write(part, f"{folder.name}/" * top + part.relative_to(folder).as_posix())
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("top", [False, True])
@pytest.mark.parametrize("layout", ["version 2", "shards", "transposed"])
def test_a_store_in_a_zip_archive_is_read_as_the_folder(tmp_path, layout, method, top):
    path = archive(write(tmp_path / "a.zarr", layout), method, top)
    assert isinstance(format_of(path), Zarr)
    file = opened(path)
    np.testing.assert_array_equal(file.times, 2.5 + 0.25 * np.arange(9))
    for channel, field in enumerate(VALUES.values()):
        found = file.read(2, 3, 5)[:, channel].transpose(0, 2, 1)
        np.testing.assert_array_equal(found, field[2, 3:5])
    whole, data = data_of(path), data_of(tmp_path / "a.zarr")
    assert whole.content_hash("train") == data.content_hash("train")
    pickle.loads(pickle.dumps(file)).read(0, 0, 1)


def test_an_archive_of_the_library_is_read(tmp_path):
    store = zarr.storage.ZipStore(tmp_path / "a.zarr.zip", mode="w")
    dataset().to_zarr(store, zarr_format=3, consolidated=False)
    store.close()
    file = opened(tmp_path / "a.zarr.zip")
    np.testing.assert_array_equal(file.read(1, 0, 9)[:, 0].transpose(0, 2, 1), VALUES["u"][1])


def test_archives_that_are_no_stores_or_damaged_are_refused(tmp_path):
    path = archive(write(tmp_path / "a.zarr"), zipfile.ZIP_LZMA, False)
    with pytest.raises(ValueError, match="compressed by a method that is not read"):
        opened(path)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("data/u/zarr.json.txt", "{}")
    assert not isinstance(format_of(tmp_path / "other.zip"), Zarr)
    path = archive(tmp_path / "a.zarr", zipfile.ZIP_DEFLATED, False)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        place = file.getinfo("u/0.0.0.0").header_offset + 60
    content[place : place + 99] = bytes(99)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"zip/u/0\.0\.0\.0 is damaged"):
        opened(path).read(0, 0, 1)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("member", "message"),
    [("u/c/0/0/0/0", r"u/c/0/0/0/0 is damaged \(its checksum"), ("zarr.json", "metadata are dam")],
)
def test_a_changed_bit_in_an_archive_is_found_by_its_checksum(tmp_path, method, member, message):
    path = archive(write(tmp_path / "a.zarr", "uncompressed"), method, False)
    with zipfile.ZipFile(path) as file:
        stored = file.getinfo(member)
        place = file.read(member)[:40] if method == zipfile.ZIP_STORED else None
    content = bytearray(path.read_bytes())
    if place is not None:
        content[content.index(place) + 2] ^= 4
    else:  # the checksum itself, in the list of the archive
        name = content.rindex(member.encode())
        assert content[name - 30 : name - 26] == stored.CRC.to_bytes(4, "little")
        content[name - 30] ^= 4
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        opened(path).read(0, 0, 1)


def data_of(path, **options):
    one = SplitFiles(path.name)
    return TrajectoryDataModule(
        path.parent, ["u", "v"], Dimensions("sample", space=("x", "y")), periodic=True,
        train=one, val=one, test=one, **options,
    )  # fmt: skip


def test_windows_are_the_same_from_any_storage_and_the_hash_follows_the_values(tmp_path):
    path = write(tmp_path / "a.zarr", "shards")
    places = [(0, 0), (2, 5), (1, 7)]
    windows = [[f[k, s : s + 2].transpose(0, 2, 1) for f in VALUES.values()] for k, s in places]
    wanted = np.stack([np.stack(window, 1) for window in windows])
    for storage in ("stream", "memory"):
        data = data_of(path, storage=storage)
        np.testing.assert_array_equal(data.trajectories("train").windows(places, 2), wanted)
    before = data.content_hash("train")
    assert data_of(path).content_hash("train") == before
    shutil.rmtree(path)
    write(path, "version 2")  # the same values in another layout
    assert data_of(path).content_hash("train") == before
    shutil.rmtree(path)
    write(path, "version 2", {**VALUES, "v": VALUES["v"] + 1})
    assert data_of(path).content_hash("train") != before
    (path / "v/0.0.0.0").write_bytes((path / "v/1.0.0.0").read_bytes())  # within the store
    changed = data_of(path).content_hash("train")
    assert len({before, changed}) == 2


@pytest.mark.parametrize("version", [2, 3, "3, by the library"])
@pytest.mark.parametrize(
    ("packing", "missing"),
    [
        ({"dtype": "i2", "scale_factor": 0.5, "add_offset": 100.0, "_FillValue": -999}, True),
        ({"dtype": "f4", "scale_factor": 0.5, "_FillValue": np.nan}, True),
        ({"dtype": "f4", "_FillValue": -9.0}, True),
        ({"dtype": "i2", "scale_factor": 0.5, "add_offset": 100.0, "_FillValue": None}, False),
    ],
)
def test_a_missing_chunk_is_missing_where_a_fill_value_is_declared(
    tmp_path, version, packing, missing
):
    """Where none is declared, `zarr` leaves out chunks of zeros, here 100."""
    field = np.broadcast_to(101 + np.arange(4)[:, None], (4, 8)).astype(float)
    data = xarray.Dataset({"u": (("time", "x"), field)}, {"time": np.arange(4.0)})
    options = {"u": {"chunks": (1, 8), **packing}}
    if version not in (2, 3):
        version, options["u"]["filters"] = 3, [zarr.codecs.TransposeCodec(order=(1, 0))]
    data.to_zarr(tmp_path / "a.zarr", zarr_format=version, encoding=options)
    chunk = tmp_path / "a.zarr" / "u" / ("2.0" if version == 2 else "c/2/0")
    chunk.unlink()
    read = TrajectoryFile(tmp_path / "a.zarr", ["u"], Dimensions(space=("x",)), format=Zarr())
    field[2] = np.nan if missing else 100.0
    np.testing.assert_array_equal(read.read(0, 0, 4)[:, 0], field)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("kind", "words"),
    [("c8", "complex numbers"), ("m8[s]", "time spans of a type of their own")],
)
def test_values_that_are_no_real_numbers_are_refused(tmp_path, version, kind, words):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=version)
    group.create_array("u", shape=(4, 6), dtype=kind, chunks=(2, 6))
    with pytest.raises(ValueError, match=f"variable 'u' holds {words}, expected real numbers"):
        open_array(tmp_path / "a.zarr" / "u", "u", {})


@pytest.mark.parametrize("version", [2, 3])
def test_truth_values_are_ones_and_zeros(tmp_path, version):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=version)
    stored = group.create_array("u", shape=(2, 3), dtype=bool, chunks=(2, 3))
    stored[:] = wanted = np.array([[True, False, True], [False, False, True]])
    np.testing.assert_array_equal(open_array(tmp_path / "a.zarr" / "u", "u", {})[:], wanted)


def test_dimension_without_a_name_is_named_by_its_number(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    shape, names = (4, 3, 6), [None, "y", "x"]
    group.create_array("u", shape=shape, dtype="f4", chunks=shape, dimension_names=names)
    with Zarr().open(tmp_path / "a.zarr") as contents:
        assert contents.variables["u"].dimensions == ("axis_0", "y", "x")
    with pytest.raises(
        ValueError, match=r"'u' has dimensions \(axis_0, y, x\), expected \(time, y"
    ):
        TrajectoryFile(tmp_path / "a.zarr", ["u"], Dimensions(space=("y", "x")), format=Zarr())
