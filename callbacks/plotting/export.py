"""Pictures as files and in TensorBoard."""

import io

import numpy as np
from lightning import Trainer
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary


def png(figure: Figure) -> bytes:
    """Return a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def gif(frames: np.ndarray, milliseconds: int = 80) -> bytes:
    """Return frames (time, height, width, rgb), uint8, as an endlessly repeated GIF."""
    first, *others = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": others, "duration": milliseconds, "loop": 0}
    first.save(buffer, format="GIF", **options)
    return buffer.getvalue()


def show(trainer: Trainer, tag: str, content: bytes, step: int) -> None:
    """Show a picture, PNG or GIF, in TensorBoard, if the run is logged there."""
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
