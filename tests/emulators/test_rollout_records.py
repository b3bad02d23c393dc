"""Records of an observer are read from a file as they were."""

import io
from collections import OrderedDict, defaultdict
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pytest
import torch

from emulators.rollout import RolloutObserver
from emulators.rollout_records import as_before, as_plain, is_record


class Pair(NamedTuple):
    first: torch.Tensor
    second: float


class Level(IntEnum):
    LOW = 3


class Recorder(RolloutObserver):
    def begin(self, start):
        self.counts = defaultdict(int)
        self.pair = Pair(torch.zeros(2), 0.0)

    def observe(self, lead, forecast, truth): ...


def through_a_file(content):
    stored = io.BytesIO()
    torch.save(content, stored)
    stored.seek(0)
    return torch.load(stored, weights_only=True)


TYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")


@pytest.mark.parametrize("kind", TYPES)
def test_numpy_arrays_and_scalars_keep_their_values_and_types(kind):
    array = np.array([[3, 0, 1], [2, 5, 4]]).astype(kind)
    for value in (array, array[1, 1], np.array(array[0, 2]), array.T):
        assert is_record(value)
        found = as_before(through_a_file(as_plain(value)))
        assert type(found) is type(value)
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize(
    "value",
    [
        True, 7, 0.25, 1 - 2j, [], (), {}, [1, (2.5, None)],
        {"a": [np.float64(0.1), "name"], 3: ()},
        {"NumPy array": 1, "b": 2}, {np.int64(4): [False]}, OrderedDict(b=1, a=2),
    ],
)  # fmt: skip
def test_containers_keep_their_contents(value):
    assert is_record(value)
    assert as_before(through_a_file(as_plain(value))) == value


@pytest.mark.parametrize(
    "value",
    ["name", None, {1, 2}, object(), [object()], {"a": {1}}, {(1, 2): 3}, np.array(["u"]),
     np.array([None]), np.zeros(2, "datetime64[s]"), np.zeros(2, ">f4"), np.zeros(1, "longdouble")],
)  # fmt: skip
def test_what_a_file_cannot_hold_is_no_record(value):
    assert not is_record(value)


def test_numbers_of_other_classes_become_builtin_ones():
    assert [type(part) for part in as_plain([Level.LOW, np.str_("u")])] == [int, str]
    assert as_plain([Level.LOW, np.str_("u")]) == [3, "u"]


def test_observer_goes_on_with_its_records():
    first, second = Recorder(), Recorder()
    for recorder in (first, second):
        recorder.begin(None)
    first.counts["u"] += 2
    first.pair = Pair(torch.tensor([1.0, -4.0]), 2.5)
    first.largest = np.float64(0.75)
    first.histogram = np.array([[1, 0, 2], [0, 3, 0]])
    first.rows = [np.float32(0.5), torch.tensor(3)]
    second.load_rollout_state(through_a_file(first.rollout_state()))
    second.counts["u"] += 1
    second.counts["v"] += 1
    assert second.counts == {"u": 3, "v": 1}
    assert second.pair.second == 2.5
    assert second.pair.first.tolist() == [1.0, -4.0]
    assert second.largest == 0.75
    assert second.histogram.tolist() == [[1, 0, 2], [0, 3, 0]]
    assert second.rows == [0.5, 3]
