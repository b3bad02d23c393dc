"""Zarr stores of version 3 with the codecs of numcodecs, against the values that zarr reads."""

import json

import numpy as np
import pytest
import zarr
import zarr.codecs.numcodecs as numcodecs

from datamodules.files.formats.zarr_store import Zarr
from datamodules.files.trajectory_file import TrajectoryFile

VALUES = np.random.default_rng(0).normal(size=(9, 8, 16))
BIG = zarr.codecs.BytesCodec(endian="big")
ZSTD = numcodecs.Zstd(level=1)
CODECS = {
    "shuffle of 8 bytes": ("f8", {"compressors": [numcodecs.Shuffle(elementsize=8), ZSTD]}),
    "shuffle of 4 bytes": ("f4", {"compressors": [numcodecs.Shuffle(elementsize=4), ZSTD]}),
    "shuffle of 2 bytes": ("f2", {"compressors": [numcodecs.Shuffle(elementsize=2), ZSTD]}),
    "delta": ("f4", {"filters": [numcodecs.Delta(dtype="<f4")]}),
    "rounding of bits": ("f4", {"filters": [numcodecs.BitRound(keepbits=10)]}),
    "quantisation": ("f4", {"filters": [numcodecs.Quantize(digits=3, dtype="<f4")]}),
    "other type": (
        "f8",
        {"filters": [numcodecs.AsType(encode_dtype="<f4", decode_dtype="<f8")]},
    ),
    "scale and offset": (
        "f4",
        {"filters": [numcodecs.FixedScaleOffset(offset=0, scale=1e3, dtype="<f4", astype="<i2")]},
    ),
    "lzma": ("f4", {"compressors": [numcodecs.LZMA(preset=1)]}),
    "lz4": ("f4", {"compressors": [numcodecs.LZ4()]}),
    "bz2": ("f4", {"compressors": [numcodecs.BZ2()]}),
    "zlib and checksum": ("f4", {"compressors": [numcodecs.Zlib(), numcodecs.Adler32()]}),
    "big endian": ("f4", {"serializer": BIG}),
    "blosc with bitshuffle": (
        "f4",
        {"compressors": [zarr.codecs.BloscCodec(cname="lz4", shuffle="bitshuffle")]},
    ),
}


def write(path, dtype="f4", codecs={}):  # noqa: B006 - never changed
    group = zarr.open_group(path, mode="w", zarr_format=3)
    names = ("time", "y", "x")
    field = group.create_array(
        "u", shape=VALUES.shape, dtype=dtype, chunks=(5, 8, 16), dimension_names=names, **codecs
    )
    field[:] = VALUES.astype(dtype)
    time = group.create_array("time", shape=(9,), dtype="f8", dimension_names=("time",))
    time[:] = np.arange(9.0)
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("codecs", CODECS)
def test_values_are_those_that_the_library_reads(tmp_path, codecs):
    path = write(tmp_path / "a.zarr", *CODECS[codecs])
    wanted = zarr.open_group(path, mode="r")["u"][:].astype("f4")
    found = TrajectoryFile(path, ["u"], format=Zarr()).read(0, 0, 9)[:, 0]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(found, VALUES, atol=0.01)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "configuration"),
    [("numcodecs.none_such", {}), ("none_such", {}), ("numcodecs.delta", {"none_such": 1})],
)
def test_codecs_that_cannot_be_decoded_are_refused(tmp_path, name, configuration):
    path = write(tmp_path / "a.zarr")
    metadata = json.loads((path / "u/zarr.json").read_text())
    metadata["codecs"].append({"name": name, "configuration": configuration})
    (path / "u/zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match=r"a.zarr/u is stored in a way that .* write the array"):
        TrajectoryFile(path, ["u"], format=Zarr()).read(0, 0, 9)
