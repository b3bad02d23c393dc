"""Under bfloat16 autocast only the inside of a network is rounded, on every grid and device."""

from functools import partial

import pytest
import torch

from emulators import FNO, Hierarchical
from emulators.training.precision import check_precision
from tests.emulators.test_contract import EMULATORS

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
LATENTS = {15: [(1, 3), (2, 15)], 16: [(1, 4), (2, 16)]}


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=CUDA)])
@pytest.mark.parametrize("size", LATENTS)
@pytest.mark.parametrize("kind", EMULATORS, ids=lambda kind: kind.__name__)
def test_states_loss_and_gradients_stay_in_single_precision(kind, size, device, single_precision):
    options = {"latents": LATENTS[size]} if issubclass(kind, Hierarchical) else {}
    torch.manual_seed(0)
    emulator = kind(network=partial(FNO, modes=4, width=8), **options).to(device)
    window = torch.randn(4, emulator.window, 1, size, size, device=device)
    with torch.no_grad():
        exact = emulator.eval().rollout(window[:, 0], 3)
        with torch.autocast(device, torch.bfloat16):
            rounded = emulator.rollout(window[:, 0], 3)
    assert rounded.dtype == torch.float32
    error = (rounded - exact).square().mean().sqrt() / exact.square().mean().sqrt()
    assert 1e-5 < error < 0.01  # bfloat16 keeps 8 bits: 0.4 %
    with torch.autocast(device, torch.bfloat16):
        loss = emulator.train().loss(window)
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(p.grad.dtype == torch.float32 for p in emulator.trained.parameters())
    assert all(torch.isfinite(p.grad).all() for p in emulator.trained.parameters())


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_half_precision_throughout_is_refused(precision):
    with pytest.raises(ValueError, match=f"{precision}, which would round .* set it to bf16-mixed"):
        check_precision(precision)
