"""Pictures of a page, compressed as WebP, which all browsers show."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageSequence

QUALITY = 75  # of still pictures; text stays sharp
FRAMES = 50  # most frames of a movie; of longer ones every second, third, ... is left
COLOURS = 48  # most colours of a movie
LARGEST = 16  # largest factor by which a picture is found to be enlarged


@dataclass(frozen=True)
class Picture:
    """Picture as it is embedded in a page.

    Attributes:
        content: Bytes of the file.
        kind: Format, `webp`, `png` or `gif`.
        width: Width at which it is shown [pixels].
        height: Height at which it is shown [pixels].
        enlarged: Factor by which the browser enlarges its points.
    """

    content: bytes
    kind: str
    width: int = 0
    height: int = 0
    enlarged: int = 1

    def element(self, text: str) -> str:
        """Return an image element that contains the picture.

        Args:
            text: Alternative text.
        """
        data = base64.b64encode(self.content).decode()
        size = f" width={self.width} height={self.height}" if self.width else ""
        points = " class=points" if self.enlarged > 1 else ""
        source = f"data:image/{self.kind};base64,{data}"
        return f'<img alt="{html.escape(text)}"{size}{points} loading=lazy src="{source}">'


def compressed(content: bytes, kind: str) -> Picture:
    """Return a picture as WebP; as it is where WebP is not smaller, or where it cannot be read.

    Movies have fewer frames and colours, and no other loss: at points of a turbulent field, a lossy
    format costs more than it saves. Points that are squares of several pixels are stored as one
    pixel, which the browser enlarges.

    Args:
        content: Bytes of a PNG or GIF.
        kind: Format, `png` or `gif`.

    Example:
        A movie of 4 x 4 points that are enlarged by 16:

        >>> points = np.arange(3 * 16).reshape(3, 4, 4, 1).astype(np.uint8)
        >>> frames = [
        ...     Image.fromarray(frame[..., 0]) for frame in points.repeat(16, 1).repeat(16, 2)
        ... ]
        >>> file = io.BytesIO()
        >>> frames[0].save(file, format="GIF", save_all=True, append_images=frames[1:])
        >>> picture = compressed(file.getvalue(), "gif")
        >>> picture.kind, (picture.width, picture.height), picture.enlarged
        ('webp', (64, 64), 16)
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
            duration = image.info.get("duration", 0)
            frames = [frame.convert("RGBA") for frame in ImageSequence.Iterator(image)]
        if all((np.asarray(frame)[..., 3] == 255).all() for frame in frames):
            frames = [frame.convert("RGB") for frame in frames]
        if len(frames) > 1:
            found, factor = movie(frames, duration)
        else:
            file, factor = io.BytesIO(), 1
            frames[0].save(file, format="WEBP", quality=QUALITY, method=4)
            found = file.getvalue()
    except (OSError, ValueError, KeyError, SyntaxError):  # damaged, too large, or without WebP
        return Picture(content, kind)
    if len(found) >= len(content):
        return Picture(content, kind, width, height)
    return Picture(found, "webp", width, height, factor)


def movie(frames: Sequence[Image.Image], duration: float) -> tuple[bytes, int]:
    """Return a movie as WebP, and the factor by which its points are to be enlarged.

    Args:
        frames: Frames.
        duration: Duration of each frame [ms].
    """
    every = -(-len(frames) // FRAMES)
    chosen = [frame.convert("RGB") for frame in frames[::every]]
    factor = enlargement(np.stack([np.asarray(frame) for frame in chosen]))
    size = chosen[0].width // factor, chosen[0].height // factor
    small = [frame.resize(size, Image.Resampling.NEAREST) for frame in chosen]
    sample = np.concatenate([np.asarray(frame) for frame in small[:: -(-len(small) // 8)]])
    palette = Image.fromarray(sample).quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    dither = Image.Dither.NONE
    first, *others = [
        frame.quantize(palette=palette, dither=dither).convert("RGB") for frame in small
    ]
    file = io.BytesIO()
    timing = {"save_all": True, "append_images": others, "duration": duration * every, "loop": 0}
    first.save(file, format="WEBP", lossless=True, method=4, **timing)
    return file.getvalue(), factor


def enlargement(frames: np.ndarray) -> int:
    """Return the largest factor by which all points of frames are enlarged along both axes.

    Args:
        frames: Frames (time, height, width, colour).

    Example:
        >>> points = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3)
        >>> enlargement(points), enlargement(points.repeat(5, axis=1).repeat(5, axis=2))
        (1, 5)
    """
    _, height, width, _ = frames.shape
    for factor in range(LARGEST, 1, -1):
        if height % factor or width % factor:
            continue
        points = frames[:, ::factor, ::factor]
        if (points.repeat(factor, axis=1).repeat(factor, axis=2) == frames).all():
            return factor
    return 1
