"""Packed and marked values are those that netCDF4-python gives, or the NetCDF User's Guide says."""

import h5py
import netCDF4
import numpy as np
import pytest

from datamodules.files.arrays import open_array

FORMATS = {
    "NETCDF4": {},
    "compressed": {"zlib": True, "chunksizes": (2, 3, 5)},
    "chunks": {"chunksizes": (4, 3, 300)},
    "NETCDF3_CLASSIC": {},
    "NETCDF3_64BIT_OFFSET": {},
    "NETCDF3_64BIT_DATA": {},
}
CLASSIC_TYPES = ("i1", "i2", "i4", "f4", "f8")
TYPES = (*CLASSIC_TYPES, "u1", "u2", "u4", "i8", "u8")
ATTRIBUTES = {
    "nothing": {},
    "scale": {"scale_factor": 0.25},
    "scale in single precision": {"scale_factor": np.float32(0.1)},
    "scale in an array": {"scale_factor": np.array([0.1]), "add_offset": np.array([-3.0], "f4")},
    "offset": {"add_offset": 273.15},
    "scale and offset": {"scale_factor": 0.01, "add_offset": np.float32(-40.0)},
    "one and nothing": {"scale_factor": 1.0, "add_offset": 0.0},
    "mark": {"missing_value": "own 7"},
    "mark of another type": {"missing_value": np.float32(7)},
    "mark of a wider type": {"missing_value": np.float64(7)},
    "mark of an integer type": {"missing_value": np.int32(7)},
    "several marks": {"missing_value": np.array([3, 7, 11], "i2")},
    "mark that is too large": {"missing_value": np.float64(1e300)},
    "mark between integers": {"missing_value": np.float64(7.5)},
    "mark that is not a number": {"missing_value": np.nan},
    "mark in words": {"missing_value": "none"},
    "fill": {"_FillValue": "own 7"},
    "fill and mark": {"_FillValue": "own 7", "missing_value": "own 3"},
    "fill and packing": {"_FillValue": "own 7", "scale_factor": 0.5, "add_offset": 1.0},
    "least": {"valid_min": "own 5"},
    "greatest": {"valid_max": "own 60"},
    "range": {"valid_range": "own 5 60"},
    "range of another type": {"valid_range": np.array([5, 60], "i4")},
    "range and limits": {"valid_range": "own 5 60", "valid_min": "own 20", "valid_max": "own 50"},
    "range of one": {"valid_range": "own 5"},
    "range of three": {"valid_range": "own 5 9 60", "valid_min": "own 8"},
    "range and packing": {"valid_range": "own 5 60", "scale_factor": np.float32(0.1)},
    "range in words": {"valid_range": "5 to 60"},
    "unsigned": {"_Unsigned": "true"},
    "Unsigned": {"_Unsigned": "True", "scale_factor": 0.5},
    "not unsigned": {"_Unsigned": "false", "scale_factor": 0.5},
    "unsigned by a number": {"_Unsigned": np.int32(1)},
    "unsigned fill": {"_Unsigned": "true", "_FillValue": "own -1"},
    "unsigned range": {"_Unsigned": "true", "_FillValue": "own -1", "valid_range": "own 3 -6"},
    "unsigned limits": {
        "_Unsigned": "true",
        "_FillValue": "own -1",
        "valid_min": "own 3",
        "valid_max": "own -20",
    },
    "unsigned marks": {"_Unsigned": "true", "missing_value": "own -1 7"},
}


def in_type(attributes, kind):
    """Return attributes with "own 5 60" as numbers of a type; negative ones by their bits."""
    found = {}
    for name, value in attributes.items():
        if isinstance(value, str) and value.startswith("own "):
            numbers = np.array([int(n) for n in value.split()[1:]]).astype(kind)
            value = numbers if len(numbers) > 1 else numbers[0]
        found[name] = value
    return found


def values_of(kind):
    """Return nine records of values all over a type, four of them small ones that marks are."""
    values = np.arange(8100).reshape(9, 3, 300) % 251 - (0 if kind[0] == "u" else 100)
    values = values * (np.iinfo(kind).max // 300 or 1 if kind[0] in "iu" else 1)
    values[:4] = np.random.default_rng(0).integers(0, 20, (4, 3, 300))
    values = values.astype(kind)
    if kind[1] == "1":  # netCDF4-python takes these for missing, against the guide
        values[(values == -127) | (values == 255)] = 6
    return values


def write_packed(path, kind, variables, format="NETCDF4", values=None, **options):
    """Write variables with the same values and their own attributes; of 12 records 3 are left."""
    values = values_of(kind) if values is None else values
    with netCDF4.Dataset(path, "w", format=format) as file:
        for name, size in (("time", None), ("y", 3), ("x", 300)):
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(12.0)
        for name, attributes in variables.items():
            own = {**options, "fill_value": attributes.get("_FillValue")}
            packed = file.createVariable(name, kind, ("time", "y", "x"), **own)
            packed.set_auto_maskandscale(False)
            packed.setncatts({k: v for k, v in attributes.items() if k != "_FillValue"})
            packed[: len(values)] = values


def by_the_library(path, names):
    """Return records as netCDF4-python reads them."""
    with netCDF4.Dataset(path) as dataset:
        records = 9 if dataset[names[0]].dtype.itemsize == 1 else 12
        return {
            name: np.ma.filled(np.ma.asarray(dataset[name][:records], dtype="f8"), np.nan)
            for name in names
        }


def grid():
    for name, options in FORMATS.items():
        format = name if name.startswith("NETCDF") else "NETCDF4"
        types = TYPES if format in ("NETCDF4", "NETCDF3_64BIT_DATA") else CLASSIC_TYPES
        types = ("i2", "f4", "u1") if options else types
        yield from (pytest.param(format, options, kind, id=f"{name} {kind}") for kind in types)


@pytest.mark.parametrize(("format", "options", "kind"), [*grid()])
@pytest.mark.filterwarnings("ignore")  # netCDF4-python says what it does not use
def test_values_are_those_of_the_library(tmp_path, format, options, kind):
    variables = {name: in_type(given, kind) for name, given in ATTRIBUTES.items()}
    if kind[0] == "u":
        del variables["not unsigned"]  # see below
    write_packed(tmp_path / "a.nc", kind, variables, format, **options)
    # bytes have no value for what was never written, by the guide
    read = by_the_library(tmp_path / "a.nc", [*variables])
    for name, wanted in read.items():
        unsigned = str(variables[name].get("_Unsigned")).lower() == "true"
        if unsigned and format == "NETCDF4":
            wanted[9:] = np.nan  # by its place, as the value could be a number
        array = open_array(tmp_path / "a.nc", name)
        found = array[0 : len(wanted)]
        found = np.where(np.abs(found) < 9.9e36, found, np.nan)  # unwritten, of plain floats
        np.testing.assert_array_equal(found, wanted, name)
        out = np.empty((4, 2, 3, 300), "f4")
        array.copy_to(out[:, 1], slice(2, 6))
        np.testing.assert_array_equal(out[:, 1], wanted[2:6].astype("f4"), name)
        np.testing.assert_array_equal(array[5], wanted[5], name)
        array.close()


SPECIAL = {
    # a mark that a single has to round stands for the single next to it, as for NCO and CDO
    "rounded mark": ("f4", {"missing_value": 1e20}, [1, 1e20, 3], [1, np.nan, 3]),
    "rounded limit": ("f4", {"valid_max": 0.1}, [0.05, 0.1, 0.15], [0.05, 0.1, np.nan]),
    # limits of the unpacked type, where that is wider, are in unpacked units
    "unpacked range": (
        "i2",
        {"scale_factor": 0.5, "add_offset": 10.0, "valid_range": [11.0, 30.0]},
        [0, 2, 20, 40, 41],
        [np.nan, 11, 20, 30, np.nan],
    ),
    "unpacked minimum": (
        "i2",
        {"scale_factor": np.float32(0.5), "valid_min": np.float32(1.0)},
        [0, 1, 2, 3],
        [np.nan, np.nan, 1, 1.5],
    ),
    "packed range": (
        "i2",
        {"scale_factor": np.float32(0.5), "valid_range": [1.0, 3.0]},  # of neither type
        [0, 1, 3, 4],
        [np.nan, 0.5, 1.5, np.nan],
    ),
    "limits between integers": (
        "i2",
        {"valid_range": [0.5, 3.5]},
        [0, 1, 3, 4],
        [np.nan, 1, 3, np.nan],
    ),
    "limits beyond integers": ("i2", {"valid_range": [-1e20, 1e20]}, [-9, 4], [-9, 4]),
    "signed bytes that came as unsigned": (
        "u1",
        {"_Unsigned": "false", "_FillValue": np.uint8(255), "scale_factor": 0.5},
        [0, 100, 200, 255],
        [0, 50, -28, np.nan],
    ),
    "unsigned mark as it is meant": (
        "i1",
        {"_Unsigned": "true", "missing_value": np.int16(255), "valid_max": np.int16(200)},
        [0, 100, -56, -50, -1],
        [0, 100, 200, np.nan, np.nan],
    ),
    "limit that no unsigned byte can be": (
        "i1",
        {"_Unsigned": "true", "valid_max": np.int16(-500), "valid_min": np.int16(1000)},
        [0, -1],
        [0, 255],
    ),
    "NaN as fill": ("f4", {"_FillValue": np.nan, "scale_factor": 2.0}, [1, np.nan], [2, np.nan]),
    "product beyond its integers": ("i2", {"scale_factor": np.int16(1000)}, [300], [300000.0]),
    "infinite mark": ("f4", {"missing_value": np.inf, "add_offset": 1.0}, [1, np.inf], [2, np.nan]),
}  # fmt: skip


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize(("kind", "attributes", "stored", "wanted"), SPECIAL.values(), ids=SPECIAL)
def test_values_are_those_of_the_guide(tmp_path, format, kind, attributes, stored, wanted):
    values = np.zeros((4, 3, 300), kind)
    values[2, 1, : len(stored)] = np.array(stored).astype(kind)
    write_packed(tmp_path / "a.nc", kind, {"u": attributes}, format, values)
    found = open_array(tmp_path / "a.nc", "u")[2:4][0, 1, : len(stored)]
    np.testing.assert_allclose(found, np.array(wanted), rtol=1e-7)


@pytest.mark.parametrize("text", ["fixed", "variable"])
def test_unsigned_is_read_from_texts_of_hdf5(tmp_path, text):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["u"] = np.array([1, -1, 3], "i1")
        said = np.bytes_("true") if text == "fixed" else np.array(["true"], h5py.string_dtype())
        file["u"].attrs["_Unsigned"] = said
    np.testing.assert_array_equal(open_array(tmp_path / "a.nc", "u")[0:3], [1, 255, 3])


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("name", ["scale_factor", "add_offset"])
@pytest.mark.parametrize("value", ["0.01", "K", np.nan, np.inf, np.array([1.0, 2.0]), 0.0])
def test_packing_that_is_not_a_number_is_refused(tmp_path, format, name, value):
    if name == "add_offset" and np.isscalar(value) and value == 0.0:
        return
    write_packed(tmp_path / "a.nc", "i2", {"u": {name: value}}, format)
    shown = value if isinstance(value, str) else str(np.asarray(value).tolist())
    with pytest.raises(ValueError, match=f"a.nc: {name} of variable 'u' is") as refusal:
        open_array(tmp_path / "a.nc", "u")
    assert shown in str(refusal.value)


@pytest.mark.parametrize("said", ["-5", "0, 1e3", b"-5f", "NaN", "none", ""])
@pytest.mark.parametrize("name", ["missing_value", "valid_range", "valid_min", "valid_max"])
def test_numbers_as_text_are_refused_and_words_mark_nothing(tmp_path, name, said):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["u"] = np.array([-5.0, 2000.0])
        file["u"].attrs[name] = said
    if said not in ("-5", "0, 1e3"):
        np.testing.assert_array_equal(open_array(tmp_path / "a.nc", "u")[:], [-5, 2000])
        return
    with pytest.raises(ValueError, match=f"a.nc: {name} of variable 'u' is the text '{said}', exp"):
        open_array(tmp_path / "a.nc", "u")


def test_value_beyond_single_precision_becomes_infinite_without_a_warning(tmp_path, recwarn):
    write_packed(tmp_path / "a.nc", "f8", {"u": {}}, values=np.full((4, 3, 300), 1e39))
    recwarn.clear()
    out = np.zeros((2, 3, 300), "f4")
    open_array(tmp_path / "a.nc", "u").copy_to(out, slice(0, 2))
    assert np.isinf(out).all()
    assert not [str(warning.message) for warning in recwarn]


KINDS = {
    "texts": h5py.string_dtype(),
    "texts of a length": "S5",
    "lists": h5py.vlen_dtype("f4"),
    "records": np.dtype([("a", "f4"), ("b", "f4")]),
    "complex": "c8",
    "truth values": "?",
    "enumeration": h5py.enum_dtype({"sea": 1, "land": 2}, "i1"),
    "opaque": "V4",
}


@pytest.mark.parametrize("dtype", KINDS.values(), ids=KINDS)
def test_values_that_are_not_numbers_are_refused(tmp_path, dtype):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file.create_dataset("u", (4, 3), dtype)
        file.create_group("v")
        file["w"] = h5py.Empty("f4")
    with pytest.raises(ValueError, match=r"a.nc: variable 'u' holds .*expected real numbers"):
        open_array(tmp_path / "a.nc", "u")
    for name in ("v", "w"):
        with pytest.raises(ValueError, match=f"a.nc: '{name}' holds no values"):
            open_array(tmp_path / "a.nc", name)


def test_characters_of_classic_files_are_refused(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 4)
        file.createVariable("u", "S1", ("x",))[:] = list("abcd")
    with pytest.raises(ValueError, match=r"a.nc: variable 'u' holds .*expected real numbers"):
        open_array(tmp_path / "a.nc", "u")
