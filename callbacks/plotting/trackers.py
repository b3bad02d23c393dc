"""Pictures of a run in the trackers of experiments that its loggers write to.

Scores reach all loggers of Lightning by `log`. Pictures have no common interface; `log_picture` has
one implementation for each class of loggers. Another class is added by a function of yours:

    @log_picture.register
    def _(logger: MyLogger, tag: str, content: bytes, step: int) -> None: ...
"""

import io
from functools import singledispatch
from pathlib import Path
from tempfile import TemporaryDirectory

from lightning import Trainer
from lightning.pytorch.loggers import CometLogger, Logger, MLFlowLogger, TensorBoardLogger
from lightning.pytorch.loggers.wandb import WandbLogger
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary


def show(trainer: Trainer, tag: str, content: bytes, step: int) -> None:
    """Log a PNG or GIF to all loggers of a run that take pictures.

    Args:
        trainer: Trainer with the loggers.
        tag: Name of the picture.
        content: Bytes of the file.
        step: Training step of the picture.
    """
    for logger in trainer.loggers:
        log_picture(logger, tag, content, step)


@singledispatch
def log_picture(logger: Logger, tag: str, content: bytes, step: int) -> None:
    """Log a PNG or GIF to a logger; a logger that takes none, such as `CSVLogger`, ignores it.

    Args:
        logger: Logger of Lightning.
        tag: Name of the picture.
        content: Bytes of the file.
        step: Training step of the picture.

    Example:
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> log_picture(CSVLogger("."), "test/spectrum", b"", step=0)
    """


def takes_pictures(trainer: Trainer) -> bool:
    """Return whether any logger of a run takes pictures.

    Example:
        >>> from lightning.pytorch.loggers import CSVLogger
        >>> off = dict.fromkeys(("enable_checkpointing", "enable_progress_bar"), False)
        >>> takes_pictures(Trainer(logger=CSVLogger("."), accelerator="cpu", **off))
        False
    """
    nothing = log_picture.dispatch(object)
    return any(log_picture.dispatch(type(logger)) is not nothing for logger in trainer.loggers)


@log_picture.register
def _(logger: TensorBoardLogger, tag: str, content: bytes, step: int) -> None:
    width, height = Image.open(io.BytesIO(content)).size
    image = Summary.Image(encoded_image_string=content, height=height, width=width, colorspace=3)
    summary = Summary(value=[Summary.Value(tag=tag, image=image)])
    logger.experiment._get_file_writer().add_summary(summary, step)


@log_picture.register
def _(logger: WandbLogger, tag: str, content: bytes, step: int) -> None:
    picture = io.BytesIO(content)
    if kind_of(content) == "gif":
        logger.log_video(tag, [picture], step=step, format=["gif"])
    else:
        logger.log_image(tag, [Image.open(picture)], step=step)


@log_picture.register
def _(logger: MLFlowLogger, tag: str, content: bytes, step: int) -> None:
    folder, _, name = tag.rpartition("/")
    if folder == "val":  # an artifact has no step
        name = f"{name}_{step}"
    with TemporaryDirectory() as place:
        file = Path(place) / f"{name}.{kind_of(content)}"
        file.write_bytes(content)
        logger.experiment.log_artifact(logger.run_id, str(file), folder or None)


@log_picture.register
def _(logger: CometLogger, tag: str, content: bytes, step: int) -> None:
    kind = kind_of(content)
    logger.experiment.log_image(io.BytesIO(content), name=tag, image_format=kind, step=step)


def kind_of(content: bytes) -> str:
    """Return the ending of a picture's file: gif or png."""
    return "gif" if content.startswith(b"GIF") else "png"
