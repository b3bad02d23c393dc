"""Files that are larger than the memory, most of which are holes, take little memory."""

import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch

from datamodules import NumPy, TorchTensors
from datamodules.files.arrays import open_array
from datamodules.files.provenance import canonical, content_hash, pieces

LARGE = 400  # GB
ORDER = {"order": ["time", "y", "x"], "interval": 0.5}


def write_npy(path, snapshots, size):
    array = np.lib.format.open_memmap(path, "w+", "f4", (snapshots, size, size))
    array[-1] = 7


def write_pt(path, snapshots, size):
    raw = torch.from_file(f"{path}.raw", True, snapshots * size * size, dtype=torch.float32)
    torch.save(raw.view(snapshots, size, size)[1:], path)


def write_large_pt(path, snapshots, size):
    raw = torch.from_file(f"{path}.raw", True, snapshots * size * size, dtype=torch.float32)
    with torch.serialization.skip_data():
        torch.save(raw.view(snapshots, size, size), path)


def field(path):
    kind = NumPy if path.suffix == ".npy" else TorchTensors
    with kind(**ORDER).open(path) as contents:
        return contents.variables["u"].open()


def mapped():
    """Return the memory of pages of files [bytes]."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssFile:")[1].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("write", [write_npy, write_pt])
def test_pages_that_were_read_do_not_stay_in_memory(tmp_path, write):
    path = tmp_path / f"u{'.npy' if write is write_npy else '.pt'}"
    write(path, 64, 512)  # 1 MiB per snapshot
    array = field(path)
    array[:4]
    before = most = mapped()
    for time in range(0, array.shape[0] - 4, 2):
        array[time : time + 4]
        most = max(most, mapped())
    assert most - before < 24e6


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
def test_a_file_larger_than_the_memory_is_opened(tmp_path, suffix):
    path, snapshots = tmp_path / f"u{suffix}", LARGE * 1000
    (write_npy if suffix == ".npy" else write_large_pt)(path, snapshots, 512)
    assert path.stat().st_size > 0.9 * LARGE * 1e9
    array = field(path)
    assert array.shape == (snapshots, 512, 512)
    last = 7 if suffix == ".npy" else 0
    np.testing.assert_array_equal(array[snapshots - 1, :2], np.full((2, 512), last))


def test_tensors_of_other_machines_are_refused(tmp_path):
    torch.save(torch.ones(3, 4, 5), tmp_path / "whole.pt")
    other = {"little": "big", "big": "little"}[sys.byteorder]
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as old,
        zipfile.ZipFile(tmp_path / "u.pt", "w") as new,
    ):
        for name in old.namelist():
            new.writestr(name, other if name.endswith("byteorder") else old.read(name))
    with pytest.raises(ValueError, match=rf"u\.pt cannot be loaded .*{other}-endian"):
        field(tmp_path / "u.pt")
    torch.save(torch.ones(3, 4, 5), tmp_path / "u.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"u\.pt cannot be loaded .*PyTorch before 1\.6"):
        field(tmp_path / "u.pt")


def test_a_variable_among_large_records_is_read_alone(tmp_path):
    path, records = tmp_path / "a.nc", LARGE
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.set_fill_off()
        for name, size in (("time", None), ("x", 250_000_000)):
            file.createDimension(name, size)
        field = file.createVariable("u", "f4", ("time", "x"))  # 1 GB per record
        other = file.createVariable("v", "i2", ("time",))
        time = file.createVariable("time", "f8", ("time",))
        for number in range(records):
            time[number], other[number] = 0.5 * number, -number
        field[3, 5:8] = [1.5, 2.5, 3.5]
    assert path.stat().st_size > LARGE * 1e9
    np.testing.assert_array_equal(open_array(path, "time")[()], 0.5 * np.arange(records))
    np.testing.assert_array_equal(open_array(path, "v")[7:9], [-7, -8])
    np.testing.assert_array_equal(open_array(path, "u")[2:4, 5:8], [[0] * 3, [1.5, 2.5, 3.5]])


@pytest.mark.parametrize("shape", [(), (7,), (2, 9), (3, 1, 4), (2, 3, 4, 5), (2, 0, 3), (0, 4)])
@pytest.mark.parametrize("most", [1, 6, 13, 10**6])
def test_pieces_of_an_array_are_small_and_in_order(shape, most):
    array = np.arange(np.prod(shape, dtype=int), dtype="<f4").reshape(shape)
    found = [array[key] for key in pieces(shape, most)]
    np.testing.assert_array_equal(np.concatenate([[], *map(np.ravel, found)]), array.ravel())
    assert all(np.size(piece) <= max(1, most) for piece in found)


def test_the_hash_is_of_the_values_in_order():
    array = np.arange(24.0).reshape(2, 3, 4)
    text = canonical({"seed": 1}).encode(), b"u:(2, 3, 4)", array.astype("<f4").tobytes()
    assert content_hash({"u": array}, {"seed": 1}) == sha256(b"".join(text)).hexdigest()
