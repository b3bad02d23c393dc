"""Make matlab_73.mat and matlab.npz with hdf5storage 0.2.2.

The file has the layout of the data of Li et al. (2021), u (trajectory, x, y, time) in MATLAB;
matlab.npz holds what hdf5storage's own reader returns. Run in an environment with hdf5storage:
python make_matlab.py
"""

from pathlib import Path

import hdf5storage
import numpy as np

HERE = Path(__file__).parent


def main():
    values = np.random.default_rng(0).normal(size=(2, 4, 5, 6))
    contents = {
        "u": values,
        "t": 0.5 * np.arange(1.0, 7.0),
        "nu": 1e-3,
        "spectrum": np.fft.fft(values, axis=2),
        "name": "a text",
        "list": np.array(["a", 1.0], dtype=object),
    }
    path = HERE / "matlab_73.mat"
    path.unlink(missing_ok=True)
    hdf5storage.savemat(str(path), contents, format="7.3", oned_as="row")
    read = hdf5storage.loadmat(str(path))
    np.savez_compressed(HERE / "matlab.npz", **{name: read[name] for name in ("u", "t", "nu")})
    print({name: np.shape(value) for name, value in read.items()}, path.stat().st_size)


if __name__ == "__main__":
    main()
