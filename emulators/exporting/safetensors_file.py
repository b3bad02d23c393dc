"""Weights in the format safetensors, which any library reads without running code.

A file is the size of a header (8 bytes), the header in JSON with type, shape and place of each
tensor, and the values of all tensors one after the other, little-endian.

Reference: https://github.com/huggingface/safetensors#format
"""

import json
from collections.abc import Mapping

import torch
from torch import Tensor

TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.complex64: "C64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def safetensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the bytes of a file with named tensors.

    Raises:
        ValueError: The format has no such type.

    Example:
        >>> content = safetensors({"shift": torch.tensor([1.0, 2.0])})
        >>> int.from_bytes(content[:8], "little"), content[-8:].hex()
        (64, '0000803f00000040')
        >>> content[8:72].decode().strip()
        '{"shift":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    """
    header, parts, place = {}, [], 0
    for name, tensor in tensors.items():
        if tensor.dtype not in TYPES:
            raise ValueError(
                f"The weight '{name}' is of {tensor.dtype}, which safetensors files cannot hold; "
                "convert it to a real type."
            )
        values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        end = place + len(values)
        header[name] = {
            "dtype": TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [place, end],
        }
        parts.append(values)
        place = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # values begin at a multiple of 8
    return b"".join((len(text).to_bytes(8, "little"), text, *parts))
