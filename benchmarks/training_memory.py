"""Peak memory of a training on sparse files of 100 GB, by format, beyond its memory at the start.

Two data sets of one trajectory: 5 fields of 721 x 1440 points, and 1 field of 256 x 256 points. The
files are sparse: all but the first snapshots are holes, which are read as zeros, or, where they are
compressed, one chunk of zeros under many names or at many places. Windows are drawn from the whole
file; the statistics are of the first `--gigabytes`, since a pass over zeros takes as long as one
over data. Each format is trained on in a process of its own, streamed, by a network of one
convolution, whose memory is small; a rollout of two steps validates it. The figure is the process'
resident memory at its highest (pages of mapped files included), less that before the data were
opened. Linux only.

    python benchmarks/training_memory.py [--gigabytes 4] [--formats NumPy Zarr ...]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import torch
import zarr
from lightning import Trainer
from machine import quiet, record
from torch import nn

from datamodules import (
    Dimensions,
    NumPy,
    PDEBench,
    Rollouts,
    Source,
    TorchTensors,
    TrajectoryDataModule,
)
from datamodules.files.selection import Range
from emulators import Baseline, FromModule

SIZE = 100e9
SHAPES = {"721 x 1440, 5 fields": (5, 721, 1440), "256 x 256, 1 field": (1, 256, 256)}
WRITTEN = 4  # snapshots with values
NAMES = ["a", "b", "c", "d", "e"]
SPACE = ("y", "x")


def some(shape: tuple[int, ...]) -> np.ndarray:
    """Return the first snapshots, (time, *shape)."""
    return np.random.default_rng(0).standard_normal((WRITTEN, *shape), dtype=np.float32)


def numpy_file(path: Path, times: int, shape: tuple[int, ...]) -> Path:
    path = path.with_suffix(".npy")
    array = np.lib.format.open_memmap(path, "w+", np.float32, (times, *shape))
    array[:WRITTEN] = some(shape)
    return path


def torch_file(path: Path, times: int, shape: tuple[int, ...]) -> Path:
    """Write a tensor whose values torch leaves out, and then the first of them."""
    path = path.with_suffix(".pt")
    size = times * int(np.prod(shape))
    tensor = torch.from_file(f"{path}.raw", True, size, dtype=torch.float32).view(times, *shape)
    with torch.serialization.skip_data():
        torch.save(tensor, path)
    with zipfile.ZipFile(path) as archive:
        (part,) = [part for part in archive.infolist() if part.filename.endswith("/data/0")]
    with path.open("r+b") as file:
        file.seek(part.header_offset + 26)
        header = 30 + sum(int.from_bytes(file.read(2), "little") for _ in range(2))
        file.seek(part.header_offset + header)
        file.write(some(shape).tobytes())
    return path


def hdf5_field(group, name: str, shape: tuple[int, ...], chunks=None, **options) -> h5py.Dataset:
    """Make a data set whose space is allocated and not written."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    if chunks:
        plist.set_chunk(chunks)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.IEEE_F32LE, space, plist)
    return group[name]


def coordinates(file, times: int, shape: tuple[int, ...]) -> None:
    for name, size in zip(("time", *SPACE), (times, *shape[1:]), strict=True):
        file[name] = np.arange(float(size))
        file[name].make_scale(name)


def netcdf(path: Path, times: int, shape: tuple[int, ...], chunked: bool = False) -> Path:
    path = path.with_suffix(".nc")
    with h5py.File(path, "w") as file:
        coordinates(file, times, shape)
        for name, values in zip(NAMES, some(shape).swapaxes(0, 1), strict=False):
            chunks = chunk(shape) if chunked else None
            field = hdf5_field(file, name, (times, *shape[1:]), chunks)
            field[:WRITTEN] = values
            for axis, dimension in enumerate(("time", *SPACE)):
                field.dims[axis].attach_scale(file[dimension])
    return path


def chunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a chunk of about 4 MB."""
    return (max(1, 2**20 // (shape[1] * shape[2])), *shape[1:])


def compressed(path: Path, times: int, shape: tuple[int, ...]) -> Path:
    path = path.with_suffix(".nc")
    with h5py.File(path, "w") as file:
        coordinates(file, times, shape)
        for name, values in zip(NAMES, some(shape).swapaxes(0, 1), strict=False):
            field = file.create_dataset(
                name, (times, *shape[1:]), "f4", chunks=chunk(shape), compression="gzip",
                compression_opts=1,
            )  # fmt: skip
            field[:WRITTEN] = values
            step = chunk(shape)[0]
            first = -(-WRITTEN // step) * step
            field[first : first + step] = 0
            _, zeros = field.id.read_direct_chunk((first, 0, 0))
            for start in range(first + step, times, step):
                field.id.write_direct_chunk((start, 0, 0), zeros)
            for axis, dimension in enumerate(("time", *SPACE)):
                field.dims[axis].attach_scale(file[dimension])
    return path


def classic(path: Path, times: int, shape: tuple[int, ...]) -> Path:
    path = path.with_suffix(".nc")
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        file.set_fill_off()
        for name, size in zip(("time", *SPACE), (None, *shape[1:]), strict=True):
            file.createDimension(name, size)
            file.createVariable(name, "f8", (name,))[:] = np.arange(float(size or 0))
        fields = [file.createVariable(name, "f4", ("time", *SPACE)) for name in NAMES[: shape[0]]]
        file["time"][:] = np.arange(float(times))
        for field, values in zip(fields, some(shape).swapaxes(0, 1), strict=True):
            field[:WRITTEN] = values
    return path


def the_well(path: Path, times: int, shape: tuple[int, ...]) -> Path:
    """Write one vector field per pair of channels, and a scalar."""
    path = path.with_suffix(".hdf5")
    with h5py.File(path, "w") as file:
        file.create_group("dimensions").attrs["spatial_dims"] = list(SPACE)
        for name, size in zip(("time", *SPACE), (times, *shape[1:]), strict=True):
            file["dimensions"][name] = np.arange(float(size))
        first = some(shape)
        for number in range(shape[0] // 2):
            own = (1, times, *shape[1:], 2)
            field = hdf5_field(file.require_group("t1_fields"), f"v{number}", own)
            field[0, :WRITTEN] = np.moveaxis(first[:, 2 * number : 2 * number + 2], 1, -1)
        field = hdf5_field(file.create_group("t0_fields"), "s", (1, times, *shape[1:]))
        field[0, :WRITTEN] = first[:, -1]
    return path


def pdebench(path: Path, times: int, shape: tuple[int, ...]) -> Path:
    """Write one data set per field, as for compressible flow."""
    path = path.with_suffix(".hdf5")
    with h5py.File(path, "w") as file:
        for axis, size in zip("txy", (times + 1, *shape[1:]), strict=True):
            file[f"{axis}-coordinate"] = np.arange(float(size))
        for name, values in zip(NAMES, some(shape).swapaxes(0, 1), strict=False):
            hdf5_field(file, name, (1, times, *shape[1:]))[0, :WRITTEN] = values
    return path


def pdebench_groups(path: Path, times: int, shape: tuple[int, ...]) -> Path:
    """Write one sample with its channels along the last axis, as for diffusion-reaction."""
    path = path.with_suffix(".h5")
    with h5py.File(path, "w") as file:
        group = file.create_group("0000")
        for axis, size in zip("tyx", (times, *shape[1:]), strict=True):
            group[f"grid/{axis}"] = np.arange(float(size))
        field = hdf5_field(group, "data", (times, *shape[1:], shape[0]))
        field[:WRITTEN] = np.moveaxis(some(shape), 1, -1)
    return path


def dedalus(path: Path, times: int, shape: tuple[int, ...]) -> Path:
    """Write one vector task per pair of channels, and a scalar."""
    path = path.with_suffix(".h5")
    with h5py.File(path, "w") as file:
        file["scales/sim_time"] = np.arange(float(times))
        for axis, size in zip(SPACE, shape[1:], strict=True):
            file[f"scales/{axis}"] = np.arange(float(size))
            file[f"scales/{axis}"].make_scale(axis)
        first, tasks = some(shape), file.create_group("tasks")
        for number in range(-(-shape[0] // 2)):
            last = 2 * number + 1 == shape[0]
            values = first[:, -1] if last else first[:, 2 * number : 2 * number + 2]
            task = hdf5_field(tasks, "s" if last else f"v{number}", (times, *values.shape[1:]))
            task[:WRITTEN] = values
            task.attrs["grid_space"] = [True, True]
            task.dims[0].label = "t"
            for axis, name in zip((-2, -1), SPACE, strict=True):
                task.dims[task.ndim + axis].label = name
                task.dims[task.ndim + axis].attach_scale(file[f"scales/{name}"])
    return path


def zarr_store(path: Path, times: int, shape: tuple[int, ...]) -> Path:
    path = path.with_suffix(".zarr")
    group = zarr.open_group(path, mode="w", zarr_format=3)
    for name, size in zip(("time", *SPACE), (times, *shape[1:]), strict=True):
        values = np.arange(float(size))
        group.create_array(name, data=values, dimension_names=[name])
    for name, values in zip(NAMES, some(shape).swapaxes(0, 1), strict=False):
        field = group.create_array(
            name, shape=(times, *shape[1:]), dtype="f4", chunks=chunk(shape), config={
                "write_empty_chunks": True}, dimension_names=["time", *SPACE],
            chunk_key_encoding={"name": "default", "separator": "."},
        )  # fmt: skip
        field[:WRITTEN] = values
        step = chunk(shape)[0]
        first = -(-WRITTEN // step)
        field[first * step : (first + 1) * step] = 0
        for number in range(first + 1, -(-times // step)):
            os.link(path / name / f"c.{first}.0.0", path / name / f"c.{number}.0.0")
    return path


def plain(kind: type, shape: tuple[int, ...]):
    if kind is PDEBench:
        return PDEBench(SPACE)
    return kind(["time", "channel", *SPACE], channels=NAMES[: shape[0]], interval=1.0)


def names_of(name: str, shape: tuple[int, ...]) -> list[str]:
    """Return the names of the variables in a file of a format."""
    if name in ("The Well", "Dedalus"):
        return [f"v{n}_{axis}" for n in range(shape[0] // 2) for axis in SPACE] + ["s"]
    if name == "PDEBench, groups":
        return [f"channel_{n}" for n in range(shape[0])]
    return NAMES[: shape[0]]


FORMATS = {
    "NetCDF-4, contiguous": (netcdf, None),
    "NetCDF-4, chunks": (lambda *given: netcdf(*given, chunked=True), None),
    "NetCDF-4, compressed": (compressed, None),
    "NetCDF, classic": (classic, None),
    "The Well": (the_well, None),
    "PDEBench": (pdebench, None),
    "PDEBench, groups": (pdebench_groups, PDEBench),
    "Dedalus": (dedalus, None),
    "Zarr": (zarr_store, None),
    "NumPy": (numpy_file, NumPy),
    "PyTorch": (torch_file, TorchTensors),
}


def status(name: str) -> float:
    """Return a size of this process [MB] by its name in /proc/self/status."""
    (line,) = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    ]
    return int(line.split()[1]) * 1024 / 1e6


def train(path: Path, name: str, system: str, snapshots: int) -> dict[str, float]:
    """Train on a file, and return the peak of the memory beyond the start [MB]."""
    shape = SHAPES[system]
    kind = FORMATS[name][1]
    names = names_of(name, shape)
    space = ("x-coordinate", "y-coordinate") if name == "PDEBench" else SPACE
    torch.set_num_threads(1)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before, began = status("VmRSS"), time.perf_counter()

    def module(times: Range) -> TrajectoryDataModule:
        """Return the file as data; the other splits are its first snapshots."""
        first = Source(path.name, times=Range(stop=8))
        return TrajectoryDataModule(
            path.parent,
            names,
            Dimensions(space=space),
            periodic=True,
            storage="stream",
            batch_size=1 if shape[0] > 1 else 16,
            format=kind and plain(kind, shape),
            train=Source(path.name, times=times),
            val=first,
            test=first,
            val_rollouts=Rollouts(1, 2),
        )

    data = module(Range())
    small = module(Range(stop=snapshots))
    data._statistics = small.statistics, small.input_statistics

    def network(interface):
        channels = interface.channels
        return FromModule(interface, nn.Conv2d(channels, channels, 1))

    trainer = Trainer(
        accelerator="cpu", max_steps=4, val_check_interval=4, check_val_every_n_epoch=None,
        num_sanity_val_steps=0, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=path.parent,
    )  # fmt: skip
    trainer.fit(Baseline(network=network, channels=shape[0]), datamodule=data)
    peak = status("VmHWM") - before
    return {"MB": peak, "seconds": time.perf_counter() - began, "at start": before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=4, help="Part of which statistics are.")
    parser.add_argument("--formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--systems", nargs="*", default=list(SHAPES))
    parser.add_argument("--train", nargs=3, metavar=("FILE", "FORMAT", "SYSTEM"))
    options = parser.parse_args()
    if options.train:
        path, name, system = options.train
        snapshot = 4 * int(np.prod(SHAPES[system]))
        with quiet():
            found = train(Path(path), name, system, int(options.gigabytes * 1e9 / snapshot))
        print(json.dumps(found))
        return
    rows = []
    for system in options.systems:
        shape = SHAPES[system]
        times = int(SIZE / (4 * np.prod(shape)))
        for name in options.formats:
            with tempfile.TemporaryDirectory() as folder:
                path = FORMATS[name][0](Path(folder) / "sparse", times, shape)
                command = [sys.executable, __file__, "--train", str(path), name, system]
                command += ["--gigabytes", str(options.gigabytes)]
                ended = subprocess.run(command, capture_output=True, text=True)
                if ended.returncode:
                    raise SystemExit(f"{name}, {system}: {ended.stderr[-2000:]}")
                found = json.loads(ended.stdout.splitlines()[-1])
                rows.append({"data": system, "format": name, "snapshots": times,
                             "MB beyond the start": round(found["MB"]),
                             "MB at the start": round(found["at start"]),
                             "seconds": round(found["seconds"], 1)})  # fmt: skip
                print(rows[-1], flush=True)
    record("training_memory", "Peak memory of a training on 100 GB", {"": rows},
           f"Statistics of the first {options.gigabytes:g} GB of each file.")  # fmt: skip


if __name__ == "__main__":
    main()
