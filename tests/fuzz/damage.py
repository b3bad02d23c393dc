"""Ways to spoil bytes, each the same for the same seed."""

import random

import numpy as np

JUNK = {
    "empty": b"",
    "text": b"not what you think\n",
    "zeros": bytes(600),
    "ones": b"\xff" * 600,
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.",
    "zip": b"PK\x05\x06" + bytes(18),
    "hdf": b"\x89HDF\r\n\x1a\n" + bytes(40),
    "classic": b"CDF\x01" + bytes(28),
    "json": b"{}",
    "list": b"[[[[]]]]",
}


def truncated(content: bytes, seed: int) -> bytes:
    """Return the beginning of a file, of any length."""
    return content[: random.Random(seed).randrange(1, len(content))]


def flipped(content: bytes, seed: int, where: range | None = None, count: int = 1) -> bytes:
    """Return a file with some bits flipped, within a range of its bytes."""
    chance = random.Random(seed)
    spoiled = bytearray(content)
    for _ in range(count):
        place = chance.choice(where or range(len(content)))
        spoiled[place] ^= 1 << chance.randrange(8)
    return bytes(spoiled)


def blanked(content: bytes, seed: int, size: int = 512) -> bytes:
    """Return a file with a block of zeros, as a disk leaves it."""
    chance = random.Random(seed)
    start = chance.randrange(len(content))
    stop = min(len(content), start + size)
    return content[:start] + bytes(stop - start) + content[stop:]


OTHER_KINDS = {
    "null": None,
    "true": True,
    "number": 7,
    "negative": -3,
    "fraction": 0.5,
    "nan": float("nan"),
    "infinity": float("inf"),
    "huge": 10**30,
    "text": "abc",
    "nothing": "",
    "list": [1, "a", None],
    "empty list": [],
    "map": {"a": 1, "b": {"c": []}},
    "empty map": {},
}
ATTRIBUTES = {
    "text": "abc",
    "empty": "",
    "number": np.float64(3.5),
    "integer": np.int8(-2),
    "nan": np.float32(np.nan),
    "array": np.array([1.0, 2.0, 3.0]),
    "json": '{"a": [1, 2]}',
    "unicode": "ζ/∂t\n",
}
