import pytest
import torch
from torch.testing import assert_close

from emulators import CRPS, L1, L1L2, L2, BinnedSpectralPower, Sobolev


def test_distances_by_hand():
    # differences 1 and 3 in one sample, 0 and -2 in the other
    prediction = torch.tensor([[[1.0, 3.0]], [[5.0, 4.0]]])
    target = torch.tensor([[[0.0, 0.0]], [[5.0, 6.0]]])
    assert_close(L1()(prediction, target), torch.tensor([2.0, 1.0]))
    assert_close(L2()(prediction, target), torch.tensor([5.0, 2.0]))
    assert_close(L1L2()(prediction, target), torch.tensor([7.0, 3.0]))


@pytest.mark.parametrize(
    "criterion", [L1(), L2(), L1L2(), Sobolev(), BinnedSpectralPower(), CRPS().of(2)]
)
@pytest.mark.parametrize("shape", [(2, 1, 8), (2, 4, 3, 8), (1, 3, 8), (4, 3, 8)])
def test_fields_of_other_shapes_are_not_broadcast(criterion, shape):
    with pytest.raises(ValueError, match=r"a prediction of shape \(2, 3, 8\) with a target of sh"):
        criterion(torch.zeros(2, 3, 8), torch.zeros(shape))
