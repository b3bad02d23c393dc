"""Muon against singular values, against torch's own for matrices, and against torch's AdamW."""

import numpy as np
import pytest
import torch
from torch import nn

from emulators import Muon
from emulators.training.muon import is_matrix, orthogonalize


@pytest.mark.parametrize("shape", [(2, 20, 50), (3, 50, 20)])
def test_singular_values_pass_through_the_quintic_five_times(shape):
    matrices = torch.randn(shape, dtype=torch.float64)
    u, s, vt = np.linalg.svd(matrices.numpy(), full_matrices=False)
    s = s / np.linalg.norm(s, axis=-1, keepdims=True)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    assert 0.6 < s.min() <= s.max() < 1.3
    np.testing.assert_allclose(
        orthogonalize(matrices).numpy(), (u * s[..., None, :]) @ vt, atol=1e-9
    )


def test_a_zero_gradient_moves_nothing():
    assert orthogonalize(torch.zeros(1, 16, 16)).abs().max() == 0


def trajectory(optimizer, parameter, gradients):
    for gradient in gradients:
        parameter.grad = gradient.reshape(parameter.shape).clone()
        optimizer.step()
    return parameter.detach().reshape(gradients[0].shape)


def test_matrices_go_where_torch_takes_them():
    torch.manual_seed(0)
    start, gradients = torch.randn(24, 90), [torch.randn(24, 90) for _ in range(4)]
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.3}
    convolution = nn.Parameter(start.reshape(24, 10, 3, 3).clone())
    matrix = nn.Parameter(start.clone())
    reference = torch.optim.Muon([matrix], adjust_lr_fn="match_rms_adamw", **options)
    expected = trajectory(reference, matrix, gradients)
    found = trajectory(Muon([convolution], **options), convolution, gradients)
    moved = (expected - start).norm()
    assert (found - expected).norm() < 0.02 * moved  # torch iterates in bfloat16


def test_everything_else_goes_where_adamw_takes_it():
    start, gradients = torch.randn(30), [torch.randn(30) for _ in range(5)]
    options = {"lr": 0.1, "weight_decay": 0.3, "betas": (0.8, 0.95)}
    mine, other = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    expected = trajectory(torch.optim.AdamW([other], **options), other, gradients)
    found = trajectory(Muon([mine], **options), mine, gradients)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((16, 16), True),
        ((48, 16, 3, 3), True),
        ((48, 48, 7), True),
        ((48, 4, 3, 3), True),
        ((8, 48, 3, 3), False),  # few rows: a head
        ((48, 1, 3, 3), False),  # few columns
        ((64,), False),
        ((32, 32, 24, 13, 2), False),  # Fourier modes
    ],
)
def test_what_a_matrix_is(shape, expected):
    assert is_matrix(torch.zeros(shape)) == expected


def test_a_resumed_run_goes_on_as_the_uninterrupted_one():
    torch.manual_seed(0)
    gradients = [torch.randn(16, 16) for _ in range(6)]
    start = torch.randn(16, 16)
    whole = nn.Parameter(start.clone())
    expected = trajectory(Muon([whole]), whole, gradients)
    first = nn.Parameter(start.clone())
    optimizer = Muon([first])
    trajectory(optimizer, first, gradients[:3])
    second = nn.Parameter(first.detach().clone())
    resumed = Muon([second])
    resumed.load_state_dict(optimizer.state_dict())
    torch.testing.assert_close(trajectory(resumed, second, gradients[3:]), expected)


@pytest.mark.parametrize(
    "options", [{"lr": -1.0}, {"weight_decay": -1.0}, {"eps": 0.0}, {"momentum": 1.0}]
)
def test_numbers_out_of_range_are_refused(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"Muon needs .*{name}={value}"):
        Muon([nn.Parameter(torch.zeros(1))], **options)


def test_the_closure_computes_the_gradients():
    weight = nn.Parameter(torch.ones(16, 16))
    optimizer = Muon([weight], lr=0.1)

    def closure():
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 256
    assert weight.detach().mean() < 1
