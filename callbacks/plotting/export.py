"""Pictures as the contents of files."""

import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from callbacks.plotting.style import label_log_ticks


def png(figure: Figure) -> bytes:
    """Return the bytes of a PNG of a figure."""
    for axes in figure.axes:
        label_log_ticks(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def gif(frames: np.ndarray, milliseconds: int = 80) -> bytes:
    """Return the bytes of a GIF that repeats without end.

    Args:
        frames: Frames (time, height, width, rgb), uint8.
        milliseconds: Duration of each frame [ms].
    """
    first, *others = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": others, "duration": milliseconds, "loop": 0}
    first.save(buffer, format="GIF", **options)
    return buffer.getvalue()
