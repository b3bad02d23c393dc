import torch
from torch.testing import assert_close

from emulators import L1, L1L2, L2


def test_distances_by_hand():
    # differences 1 and 3 in one sample, 0 and -2 in the other
    prediction = torch.tensor([[[1.0, 3.0]], [[5.0, 4.0]]])
    target = torch.tensor([[[0.0, 0.0]], [[5.0, 6.0]]])
    assert_close(L1()(prediction, target), torch.tensor([2.0, 1.0]))
    assert_close(L2()(prediction, target), torch.tensor([5.0, 2.0]))
    assert_close(L1L2()(prediction, target), torch.tensor([7.0, 3.0]))
