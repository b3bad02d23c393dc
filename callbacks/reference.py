"""Statistics of a split of the data, computed once and kept beside it."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.netcdf import written_whole
from datamodules.provenance import canonical
from datamodules.segments import alone_in

Arrays = Mapping[str, np.ndarray]


def cached(
    data: Any, split: str, definition: Mapping[str, Any], compute: Callable[[], Arrays]
) -> Arrays:
    """Return the arrays that `compute` makes of a split, read from a file if they were made before.

    The file lies in `reference/` of the data set and is named by a hash of the contents of the
    split and of the definition, so that other data or another definition never meet it. Where the
    folder cannot be written the arrays are computed anew each time.

    Args:
        data: Data module.
        split: Of which the arrays are made.
        definition: Everything else that determines them.
        compute: Makes them.
    """
    text = canonical({"split": data.content_hash(split), **definition})
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = Path(data.root) / "reference" / f"{definition['name']}-{name}.npz"
    try:
        with alone_in(path.parent):
            if not path.exists():
                with written_whole(path) as temporary, temporary.open("wb") as file:
                    np.savez(file, **compute())
    except OSError:
        return compute()
    with np.load(path) as file:
        return dict(file)
