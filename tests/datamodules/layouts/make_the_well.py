"""Make the_well.hdf5 with the package the-well 1.2.0 (and its reader's values, the_well.npz).

A file by the specification of The Well is written and then rewritten by the package's own
`process_file`, which is also how its small data sets are made. Run in an environment with
`pip install the-well==1.2.0`: python make_the_well.py
"""

import tempfile
from pathlib import Path

import h5py
import numpy as np
from the_well.data import WellDataset
from the_well.data.miniwell import process_file

N, T, X, Y = 2, 5, 6, 9
HERE = Path(__file__).parent
TEXT = h5py.string_dtype()


def mark(item, sample, time=None, dims=None, **more):
    item.attrs["sample_varying"] = sample
    if time is not None:
        item.attrs["time_varying"] = time
    if dims is not None:
        item.attrs["dim_varying"] = dims
    item.attrs.update(more)


def names(item, key, values):
    item.attrs.create(key, np.array(values, dtype=object), shape=(len(values),), dtype=TEXT)


def write(path):
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs.update({"dataset_name": "test", "grid_type": "cartesian", "n_spatial_dims": 2})
        file.attrs.update({"n_trajectories": N, "nu": 0.01, "Re": 100.0})
        names(file, "simulation_parameters", ["nu", "Re"])
        dimensions = file.create_group("dimensions")
        names(dimensions, "spatial_dims", ["x", "y"])
        dimensions["time"] = (2.5 + 0.25 * np.arange(T)).astype("f4")
        mark(dimensions["time"], False)
        for name, size in (("x", X), ("y", Y)):
            dimensions[name] = (0.5 * np.arange(size)).astype("f4")
            mark(dimensions[name], False, False)
        for name, kind, size in (("x", "PERIODIC", X), ("y", "WALL", Y)):
            group = file.create_group(f"boundary_conditions/{name}_{kind.lower()}")
            names(group, "associated_dims", [name])
            group.attrs["associated_fields"] = []
            group.attrs["bc_type"] = kind
            mark(group, False, False)
            group["mask"] = np.isin(np.arange(size), (0, size - 1))
        scalars = file.create_group("scalars")
        names(scalars, "field_names", ["nu"])
        scalars["nu"] = np.float32(0.01)
        mark(scalars["nu"], False, False)
        shapes = {
            0: {"density": (1.0, (True, True)), "height": (50.0, (True, False))},
            1: {"velocity": (300.0, (True, True))},
            2: {"stress": (1e-4, (True, True))},
        }
        for order, fields in shapes.items():
            group = file.create_group(f"t{order}_fields")
            names(group, "field_names", list(fields))
            for name, (scale, (sample, time)) in fields.items():
                shape = (*([N] * sample), *([T] * time), X, Y, *[2] * order)
                group[name] = scale * random.normal(size=shape).astype("f4")
                more = {"symmetric": False, "antisymmetric": False} if order == 2 else {}
                mark(group[name], sample, time, [True, True], **more)


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write(folder / "plain.hdf5")
        (folder / "data").mkdir()
        with (
            h5py.File(folder / "plain.hdf5") as plain,
            h5py.File(HERE / "the_well.hdf5", "w") as made,
        ):
            process_file(plain, made, 1, 1, 1.0, N)
        (folder / "data/a.hdf5").write_bytes((HERE / "the_well.hdf5").read_bytes())
        data = WellDataset(path=str(folder / "data"), n_steps_input=T, n_steps_output=0)
        fields = np.stack([data[k]["input_fields"].numpy() for k in range(N)])  # N T X Y C
        labels = [name for group in data.metadata.field_names.values() for name in group]
        np.savez_compressed(HERE / "the_well.npz", fields=fields, names=labels)
        print(fields.shape, labels)


if __name__ == "__main__":
    main()
