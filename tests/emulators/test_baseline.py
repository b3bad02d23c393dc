import torch
from torch.testing import assert_close

from emulators import L2, Baseline


def test_baseline_learns_a_linear_map_that_it_can_represent():
    # u_{n+1} = u_n shifted by one point: one weight of a 3x3 periodic convolution
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
    emulator = Baseline(network=network, distance=L2(), ema_decay=0.0)
    optimizer = torch.optim.LBFGS(
        emulator.parameters(), max_iter=300, tolerance_grad=1e-12, tolerance_change=1e-15
    )
    u = torch.randn(8, 1, 8, 8)
    window = torch.stack([u, u.roll(1, -1)], dim=1)

    def closure():
        optimizer.zero_grad()
        loss = emulator.loss(window)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert emulator.loss(window) < 1e-10
    expected = torch.zeros(1, 1, 3, 3)
    expected[0, 0, 1, 0] = 1  # each point takes the value of its left neighbour
    assert_close(emulator.trained.module.weight.detach(), expected, atol=1e-4, rtol=0)


def test_loss_is_the_distance_of_standardised_fields():
    emulator = Baseline(network=torch.nn.Identity(), distance=L2(), ema_decay=0.0)
    one = torch.ones(1)
    emulator.standardize.set_statistics(5 * one, 2 * one, one)
    window = torch.randn(4, 2, 1, 8, 8)
    expected = ((window[:, 1] - window[:, 0]) / 2).square().mean()
    assert_close(emulator.loss(window), expected)
