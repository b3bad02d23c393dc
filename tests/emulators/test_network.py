import inspect

import pytest
import torch
from torch.testing import assert_close

from emulators import FNO, DilatedResNet, FourierUNet, FromModule, UNet
from emulators.hierarchy.coarsening import LearnedCoarsening, Pooling, SpectralTruncation
from emulators.networks.from_module import as_network
from emulators.networks.interface import NetworkInterface, coarsen, refine
from emulators.networks.layers import Convolution


def test_coarse_values_are_block_means():
    field = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert coarsen(field, 2)[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert coarsen(torch.arange(6.0).reshape(1, 1, 6), 3)[0, 0].tolist() == [1.0, 4.0]
    assert coarsen(field, 1) is field


def test_refining_repeats_and_coarsening_undoes_it():
    field = torch.randn(2, 3, 4, 6)
    fine = refine(field, 3)
    assert fine.shape == (2, 3, 12, 18)
    assert_close(coarsen(fine, 3), field)


class Spy(torch.nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, x):
        self.seen = x
        return torch.cat([x.mean(1, keepdim=True) + k for k in range(self.outputs)], dim=1)


def test_plain_module_sees_state_latents_and_mask_planes():
    spy = Spy(3)
    network = FromModule(NetworkInterface(1, 2, (2, 4), (2, 4), 3), spy)
    assert (network.inputs, network.outputs) == (1 + 2 + 3, 3)
    state, latents = torch.randn(2, 1, 8, 8), (torch.randn(2, 1, 4, 4), torch.randn(2, 1, 2, 2))
    out, coarse = network(state, latents, torch.tensor([0, 2]))
    assert_close(spy.seen[:, :1], state)
    assert_close(spy.seen[:, 1:2], refine(latents[0], 2))
    assert_close(spy.seen[:, 2:3], refine(latents[1], 4))
    assert_close(spy.seen[0, 3:], torch.tensor([1.0, 0, 0])[:, None, None].expand(-1, 8, 8))
    assert_close(spy.seen[1, 3:], torch.tensor([0, 0, 1.0])[:, None, None].expand(-1, 8, 8))
    mean = spy.seen.mean(1, keepdim=True)
    assert_close(out, mean)
    assert_close(coarse, (coarsen(mean + 1, 2), coarsen(mean + 2, 4)))


def test_plain_module_with_the_wrong_channels_is_refused():
    network = FromModule(NetworkInterface(2, 2), torch.nn.Conv2d(2, 3, 1))
    with pytest.raises(ValueError, match=r"Conv2d must map 2 channels to 2 on the same grid"):
        network(torch.randn(1, 2, 8, 8))


@pytest.mark.parametrize("option", [None, "UNet", 3, {"class_path": "UNet"}])
def test_what_is_no_network_is_refused(option):
    with pytest.raises(ValueError, match=r"model\.network is .*, expected a network; name its"):
        inspect.unwrap(as_network)(option, NetworkInterface(1, 2))


@pytest.mark.parametrize("dimensions", [0, 3])
@pytest.mark.parametrize("kind", [UNet, FNO, DilatedResNet, FourierUNet])
def test_network_says_which_dimensions_it_takes(kind, dimensions):
    words = f"{kind.__name__} (takes states in 1 or 2|works in two) dimensions.* {dimensions}"
    with pytest.raises(ValueError, match=words):
        kind(NetworkInterface(1, dimensions))


@pytest.mark.parametrize("kind", [Pooling, SpectralTruncation, LearnedCoarsening])
def test_transform_says_which_dimensions_it_takes(kind):
    with pytest.raises(ValueError, match=f"{kind.__name__} takes states in 1 or 2 dim.* have 3"):
        kind(1, 3, (2,))


def test_layer_says_which_dimensions_it_takes():
    with pytest.raises(ValueError, match=r"Convolution takes states in 1 or 2 dim.* have 3"):
        Convolution(3, 1, 1)
