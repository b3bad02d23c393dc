import inspect
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load

from emulators.exporting.export import weights_of

written = inspect.unwrap(weights_of)  # whose argument is not checked to be an emulator


def test_views_and_shared_weights_are_written():
    weight = torch.arange(6.0).reshape(2, 3)
    weights = {"a": weight, "transposed": weight.T, "row": weight[1]}
    found = load(written(SimpleNamespace(state_dict=lambda: weights)))
    torch.testing.assert_close(found, weights)


def test_type_without_a_name_in_the_format_is_refused():
    weights = {"a": torch.zeros(2), "b": torch.zeros(2, dtype=torch.complex128)}
    with pytest.raises(ValueError, match=r"'b' is of torch\.complex128"):
        written(SimpleNamespace(state_dict=lambda: weights))
