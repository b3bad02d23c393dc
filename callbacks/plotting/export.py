"""Pictures as files and in TensorBoard."""

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary

from callbacks.plotting.style import label_log_ticks

if TYPE_CHECKING:  # Lightning takes seconds to load, which a picture in a file needs not
    from lightning import Trainer


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


def show(trainer: "Trainer", tag: str, content: bytes, step: int) -> None:
    """Log a PNG or GIF to TensorBoard, for the loggers of a run that write there.

    Args:
        trainer: Trainer with the loggers.
        tag: Name of the picture.
        content: Bytes of the file.
        step: Training step of the picture.
    """
    for logger in trainer.loggers:
        writer = getattr(logger.experiment, "_get_file_writer", lambda: None)()
        if writer is None:
            continue
        width, height = Image.open(io.BytesIO(content)).size
        image = Summary.Image(
            encoded_image_string=content, height=height, width=width, colorspace=3
        )
        summary = Summary(value=[Summary.Value(tag=tag, image=image)])
        writer.add_summary(summary, step)
