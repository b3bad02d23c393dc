"""Where the averaged weights are found."""

import torch
from torch import nn

from emulators.training.averaging import members, update_average


def network():
    layers = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 3, bias=False))
    layers.append(layers[2])  # shared
    other = nn.Linear(3, 3, bias=False)
    other.weight = layers[2].weight  # a weight, shared by another layer
    return layers.append(other)


def test_members_are_those_of_torch_in_its_order():
    layers = network()
    for _ in range(2):  # found, and found again
        parameters, buffers = members(layers)
        assert [id(p) for p in parameters] == [id(p) for p in layers.parameters()]
        assert [id(b) for b in buffers] == [id(b) for b in layers.buffers()]


def test_members_that_were_replaced_are_the_new_ones():
    layers = network()
    members(layers)
    layers.to(torch.float32)  # replaces the buffers
    layers[0].weight = nn.Parameter(torch.zeros(3, 2, dtype=torch.float32))
    parameters, buffers = members(layers)
    assert [id(p) for p in parameters] == [id(p) for p in layers.parameters()]
    assert [id(b) for b in buffers] == [id(b) for b in layers.buffers()]


def test_average_moves_parameters_and_copies_buffers():
    averaged, trained = network(), network()
    before = averaged[0].weight.clone()
    trained[1].running_mean.fill_(7.0)
    update_average(averaged, trained, 0.5, 1000)
    torch.testing.assert_close(averaged[0].weight, (before + trained[0].weight) / 2)
    assert (averaged[1].running_mean == 7.0).all()
