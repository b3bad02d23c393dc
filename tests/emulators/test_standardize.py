import pytest
import torch
from torch.testing import assert_close

from emulators.standardize import Standardize


def build():
    standardize = Standardize(2)
    standardize.set_statistics(
        torch.tensor([1.0, -3.0]), torch.tensor([2.0, 10.0]), torch.tensor([0.5, 4.0])
    )
    return standardize


def test_each_channel_has_its_own_mean_and_deviation():
    state = torch.tensor([3.0, 7.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    expected = torch.tensor([1.0, 1.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert_close(build()(state), expected)


def test_inverse_undoes_and_works_in_one_dimension():
    state = torch.randn(3, 2, 8)
    assert_close(build().inverse(build()(state)), state)


def test_increment_scale_is_in_standardised_numbers():
    scale = build().increment_scale(torch.zeros(1, 2, 4, 4))
    assert_close(scale.flatten(), torch.tensor([0.25, 0.4]))


def test_statistics_travel_in_the_state():
    other = Standardize(2)
    other.load_state_dict(build().state_dict())
    assert_close(other.std, torch.tensor([2.0, 10.0]))
    assert set(build().state_dict()) == {"mean", "std", "increment_std"}


def test_single_precision_states_stay_single():
    assert build()(torch.zeros(1, 2, 4, dtype=torch.float32)).dtype == torch.float32


@pytest.mark.parametrize(
    ("dimensions", "shape", "expected"),
    [
        (2, (4, 2, 2, 8, 8), r"\(4, 2, 2, 8, 8\).*\(batch, 2, y, x\).*window\[:, n\]"),
        (1, (4, 2, 2, 8), r"\(batch, 2, x\)"),
        (2, (4, 3, 8, 8), r"\(4, 3, 8, 8\)"),
        (None, (4, 3, 8), r"\(batch, 2, \*space\)"),
    ],
)
def test_windows_and_other_channels_are_refused(dimensions, shape, expected):
    standardize = Standardize(2, dimensions)
    for call in (standardize, standardize.inverse, standardize.increment_scale):
        with pytest.raises(ValueError, match=expected):
            call(torch.zeros(shape))
