import json

import numpy as np
import pytest
import torch

from emulators.exporting.safetensors_file import safetensors


def test_file_is_as_the_format_defines_it():
    tensors = {
        "a": torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float32),
        "b": torch.tensor(7),
        "c": torch.tensor([True, False]),
        "transposed": torch.arange(6, dtype=torch.float64).reshape(2, 3).T,
    }
    content = safetensors(tensors)
    size = int.from_bytes(content[:8], "little")
    assert size % 8 == 0
    header, values = json.loads(content[8 : 8 + size]), content[8 + size :]
    assert {name: one["shape"] for name, one in header.items()} == {
        "a": [1, 3],
        "b": [],
        "c": [2],
        "transposed": [3, 2],
    }
    kinds = {"F32": "<f4", "I64": "<i8", "BOOL": "?", "F64": "<f8"}
    for name, one in header.items():
        first, last = one["data_offsets"]
        found = np.frombuffer(values[first:last], kinds[one["dtype"]]).reshape(one["shape"])
        assert (found == tensors[name].numpy()).all()
    assert last == len(values)


def test_library_of_the_format_reads_it():
    library = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    tensors = {"a": torch.randn(2, 3).half(), "b": torch.randn(3, dtype=torch.bfloat16)}
    found = library.load(safetensors(tensors))
    assert all((found[name] == tensors[name]).all() for name in tensors)


def test_type_without_a_name_in_the_format_is_refused():
    with pytest.raises(ValueError, match=r"'a' is of torch\.complex128"):
        safetensors({"a": torch.zeros(2, dtype=torch.complex128)})
