"""Picture of one snapshot of several fields, each with its own range of colours."""

from collections.abc import Mapping

import numpy as np

from callbacks.plotting.export import png
from callbacks.plotting.style import colour_map, quantity, sheet


def draw_snapshots(fields: Mapping[tuple[str, str], np.ndarray]) -> bytes:
    """Return a picture of fields (y, x), or of lines (x,), as PNG.

    Args:
        fields: Values by the name and the units of each field.
    """
    figure = sheet(3.2 * len(fields), 3.0)
    for number, ((name, units), field) in enumerate(fields.items(), 1):
        axes = figure.add_subplot(1, len(fields), number)
        axes.set_title(quantity(name, units), fontsize=9)
        axes.set_xlabel("x [grid points]")
        if field.ndim == 1:
            axes.plot(field)
            continue
        axes.set_ylabel("y [grid points]")
        image = axes.imshow(field, origin="lower", aspect="auto", cmap=colour_map("viridis"))
        figure.colorbar(image, ax=axes)
    return png(figure)
