"""Random training windows per second, and how long training waits for them.

Batches of 16 windows of 2 and 10 snapshots of 64² and 256² float32 points, files in the cache of
the operating system, from every storage of a split (`data.storage`) and from files of several
layouts (NetCDF as we generate it and in chunks of one snapshot, The Well's, Zarr in chunks of one
and of ten snapshots), and as others read them:

- The Well's own data set class (`pip install the_well`), on the same fields in The Well's format;
- h5py: one open file, one read per window, `torch.stack`; not for Zarr;
- xarray: one open data set, one `isel` per window, `torch.stack`; not for The Well's file.

All take turns in one process, one batch each of the same windows, so that they meet the same
machine; ratios are medians of the ratios of neighbouring batches. Then the default network is
trained for some steps with each storage and from each layout, and the share of waiting is what
`TrainingCost` reports.

    python benchmarks/data_loading.py [--device cuda] [--rounds 25] [--steps 30]
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import torch
import xarray
from lightning import Trainer
from machine import header

from callbacks import TrainingCost
from datamodules import SplitFiles, TrajectoryDataModule
from datamodules.files.formats.detect import format_of
from datamodules.files.netcdf_writer import write_trajectories
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.solvers import Grid, Variable
from datamodules.storage.in_memory import in_memory, shared
from datamodules.storage.on_device import on_device
from datamodules.trajectories import Trajectories
from emulators import L2, Baseline

RESULTS = Path(__file__).parent / "results"
BATCH, TRAJECTORIES = 16, 4
SNAPSHOTS = {64: 1000, 256: 100}  # of each trajectory
OTHERS = ("The Well", "h5py", "xarray")
LAYOUTS = {
    "generated": "train/generated.nc",
    "chunks": "chunks.nc",
    "The Well": "well.hdf5",
    "Zarr": "one.zarr",
    "Zarr, tens": "tens.zarr",
}


def write_files(folder: Path, size: int) -> np.ndarray:
    """Write the same random fields as we generate them, in chunks, and in The Well's format."""
    shape = (TRAJECTORIES, SNAPSHOTS[size], size, size)
    fields = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    grid, variables = Grid((size, size), (1.0, 1.0)), [Variable("vorticity", "vorticity", "1")]
    path, segments = folder / "train" / "generated.nc", iter([fields[:, :, None]])
    write_trajectories(path, segments, shape[:2], variables, grid, 1.0, 0, "random", {})
    with netCDF4.Dataset(path) as source, netCDF4.Dataset(folder / "chunks.nc", "w") as target:
        for name, dimension in source.dimensions.items():
            target.createDimension(name, len(dimension))
        for name, old in source.variables.items():
            options = {"chunksizes": (1, 1, size, size)} if old.ndim == 4 else {}
            target.createVariable(name, old.dtype, old.dimensions, **options)[:] = old[:]
    with xarray.open_dataset(path, decode_times=False) as source:
        for name, snapshots in (("one", 1), ("tens", 10)):
            chunks = {"vorticity": {"chunks": (1, snapshots, size, size)}}
            source.to_zarr(folder / f"{name}.zarr", encoding=chunks, consolidated=False)
    with h5py.File(folder / "well.hdf5", "w") as file:
        file.attrs.update(
            grid_type="cartesian", n_trajectories=shape[0], n_spatial_dims=2, dataset_name="random"
        )
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["y", "x"]
        for name, length in (("time", shape[1]), ("y", size), ("x", size)):
            dimensions[name] = np.arange(float(length))
            dimensions[name].attrs["sample_varying"] = False
        for name in ("scalars", "t0_fields", "t1_fields", "t2_fields"):
            file.create_group(name).attrs["field_names"] = (
                [] if name != "t0_fields" else ["vorticity"]
            )
        file["t0_fields/vorticity"] = fields
        file["t0_fields/vorticity"].attrs.update(
            time_varying=True, sample_varying=True, dim_varying=[True, True]
        )
        file.create_group("boundary_conditions")
    return fields


def well(folder: Path, window: int):
    """Return The Well's reader, batches collated by torch, or None if it is not installed."""
    try:
        from the_well.data import WellDataset
    except ImportError:
        return None
    data = WellDataset(path=str(folder), n_steps_input=1, n_steps_output=window - 1)
    windows = SNAPSHOTS[data.size_tuple[0]] - window + 1

    def read(places):
        samples = [data[k * windows + start] for k, start in places]
        collated = torch.utils.data.default_collate(samples)
        return torch.cat([collated["input_fields"], collated["output_fields"]], 1).movedim(-1, 2)

    return read


def readers(folder: Path, path: Path, window: int, device: torch.device):
    file = TrajectoryFile(path, ["vorticity"], format=format_of(path))
    split = Trajectories([file]).storage
    storages = {
        "stream": split,
        "memory": in_memory(split),
        "shared": shared(split, folder / "shared" / f"{path.stem}.float32"),
        f"device ({device.type})": on_device(split, device),
    }
    ours = {
        name: lambda places, storage=storage: storage.windows(places, window)
        for name, storage in storages.items()
    }
    return ours, dict(others(folder, path, window))


def others(folder: Path, path: Path, window: int):
    """Yield the readers of others, by name."""
    if reader := well(folder, window):
        yield "The Well", reader
    if path.is_file():
        own = path.with_suffix(".copy")  # or HDF5 would give it the chunks that it read for us
        shutil.copy(path, own)
        name = "t0_fields/vorticity" if path.suffix == ".hdf5" else "vorticity"
        field = h5py.File(own)[name]
        yield (
            "h5py",
            lambda places: torch.stack(
                [torch.from_numpy(field[k, n : n + window]) for k, n in places]
            )[:, :, None],
        )
    if path.suffix != ".hdf5":
        options = {"chunks": None, "consolidated": False} if path.is_dir() else {}
        kind = "zarr" if path.is_dir() else "netcdf4"
        source = xarray.open_dataset(path, engine=kind, decode_times=False, **options)
        labelled = source["vorticity"]

        def by_xarray(places):
            parts = [labelled.isel(trajectory=k, time=slice(n, n + window)) for k, n in places]
            return torch.stack([torch.from_numpy(part.values) for part in parts])[:, :, None]

        yield "xarray", by_xarray


def measure(folder: Path, layout: str, size: int, window: int, device, rounds: int) -> dict:
    ours, theirs = readers(folder, folder / LAYOUTS[layout], window, device)
    rng = np.random.default_rng(1)
    seconds = {name: [] for name in (*ours, *theirs)}
    for number in range(rounds + 2):
        trajectories = rng.integers(0, TRAJECTORIES, BATCH).tolist()
        starts = rng.integers(0, SNAPSHOTS[size] - window + 1, BATCH).tolist()
        places = list(zip(trajectories, starts, strict=True))
        batches = {}
        for name, read in {**ours, **theirs}.items():
            began = time.perf_counter()
            batches[name] = read(places)
            if device.type == "cuda":
                torch.cuda.synchronize()
            if number > 1:
                seconds[name].append(time.perf_counter() - began)
        if number == 0:
            assert all(torch.equal(b.cpu(), batches["memory"].cpu()) for b in batches.values())
    rates = {name: BATCH / statistics.median(values) for name, values in seconds.items()}
    ratios = {
        other: statistics.median(
            b / a for a, b in zip(seconds["stream"], seconds[other], strict=True)
        )
        for other in theirs
    }
    row = {"layout": layout, "size": size, "window": window, "windows_per_second": rates}
    return {**row, "stream_over": ratios}


def waiting(root: Path, layout: str, storage: str, device: torch.device, steps: int) -> dict:
    """Train the default network, and return what `TrainingCost` reports."""
    torch.manual_seed(0)
    files = SplitFiles(LAYOUTS[layout])
    data = TrajectoryDataModule(root, batch_size=8, storage=storage, periodic=True, train=files)
    trainer = Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        precision="bf16-mixed",
        max_steps=steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=root / storage,
        callbacks=[TrainingCost()],
    )
    trainer.fit(Baseline(distance=L2()), datamodule=data)
    cost = json.loads((root / storage / "training.json").read_text())
    return {
        "layout": layout,
        "storage": storage,
        "data_wait": cost["data_wait"],
        "step": cost["seconds_per_step"],
    }


def shown(found: dict[str, float], names, form: str) -> str:
    """Return the cells of a row; a dash where something was not measured."""
    return " | ".join(f"{found[name]:{form}}" if name in found else "–" for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", help="For the storage on the device.")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    device = torch.device(options.device)
    text, rows, waits = [header("Training windows per second")], [], []
    try:
        text.append(
            f"The Well {version('the_well')}, h5py {h5py.__version__}, {xarray.__name__} "
            f"{xarray.__version__}; batches of {BATCH} windows, in windows per second\n"
        )
    except PackageNotFoundError:
        text.append("The Well is not installed and left out\n")
    with tempfile.TemporaryDirectory() as name:
        for size in SNAPSHOTS:
            folder = Path(name) / str(size)
            write_files(folder, size)
            for layout in LAYOUTS:
                for window in (2, 10):
                    rows.append(measure(folder, layout, size, window, device, options.rounds))
        names = [*[name for name in rows[0]["windows_per_second"] if name not in OTHERS], *OTHERS]
        text.append("| file | points | window | " + " | ".join(names) + " |")
        text.append("|" + "---|" * (3 + len(names)))
        for row in rows:
            rates = shown(row["windows_per_second"], names, ",.0f")
            text.append(f"| {row['layout']} | {row['size']}² | {row['window']} | {rates} |")
        text.append("\nThe storage `stream`, as many times as fast as\n")
        text.append("| file | points | window | " + " | ".join(OTHERS) + " |")
        text.append("|" + "---|" * (3 + len(OTHERS)))
        for row in rows:
            ratios = shown(row["stream_over"], OTHERS, ".1f")
            text.append(f"| {row['layout']} | {row['size']}² | {row['window']} | {ratios} |")
        text.append("\nWaiting for data in training (baseline, default network, 64², batch 8)\n")
        text.append("| file | storage | s per step | waiting, of it |\n|---|---|---|---|")
        kinds = [("generated", storage) for storage in ("memory", "shared", "device")]
        for layout, storage in [*((layout, "stream") for layout in LAYOUTS), *kinds]:
            found = waiting(Path(name) / "64", layout, storage, device, options.steps)
            waits.append(found)
            cost = f"{found['step']:.3f} | {found['data_wait']:.2%}"
            text.append(f"| {layout} | {storage} | {cost} |")
    result = {"header": text[0], "windows": rows, "training": waits}
    (RESULTS / "data_loading.md").write_text("\n".join(text) + "\n")
    (RESULTS / "data_loading.json").write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    main()
