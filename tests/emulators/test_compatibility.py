from types import SimpleNamespace

import pytest

from datamodules.solvers import Grid
from emulators.compatibility import check_fields, check_training_data, describe, is_plain


def data(**changes):
    values = {
        "variables": ["u", "v"],
        "channels": 2,
        "dimensions": 2,
        "shape": (8, 8),
        "grid": Grid((8, 8), (1.0, 2.0)),
        "interval": 0.5,
        "parameters": [],
    }
    return SimpleNamespace(**{**values, **changes})


def test_description_is_plain_and_complete():
    assert describe(data()) == {
        "variables": ["u", "v"],
        "shape": [8, 8],
        "domain lengths": [1.0, 2.0],
        "interval": 0.5,
        "parameters": [],
    }
    assert describe(data(grid=None))["domain lengths"] is None
    assert is_plain(describe(data()))


def test_missing_data_module_is_refused():
    with pytest.raises(ValueError, match="An emulator needs a data module: call the trainer with"):
        check_fields(None, 1, 2)


@pytest.mark.parametrize(("channels", "dimensions"), [(1, 2), (2, 1)])
def test_other_fields_are_refused(channels, dimensions):
    message = rf"has {channels} channels in {dimensions} dimensions, the data 2 \(u, v\) in 2; set"
    with pytest.raises(ValueError, match=message):
        check_fields(data(), channels, dimensions)
    check_fields(data(), 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interval": 0.25}, "with interval 0.5, these data have 0.25"),
        ({"shape": (16, 8)}, r"with shape \[8, 8\], these data have \[16, 8\]"),
        ({"variables": ["u", "w"]}, r"with variables \['u', 'v'\], these data have"),
        ({"grid": Grid((8, 8), (1.0, 3.0))}, r"with domain lengths \[1.0, 2.0\], these data have"),
        ({"parameters": ["beta"]}, r"with parameters \[\], these data have \['beta'\]"),
    ],
)
def test_other_data_than_in_training_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        check_training_data(describe(data()), data(**change))
    check_training_data(describe(data()), data())
    check_training_data({}, data(**change))  # not trained yet


def test_checkpoint_that_mentions_no_parameters_had_none():
    earlier = describe(data())
    del earlier["parameters"]
    check_training_data(earlier, data())
    with pytest.raises(ValueError, match=r"parameters \[\], these data have \['beta'\]; use"):
        check_training_data(earlier, data(parameters=["beta"]))


@pytest.mark.parametrize(("told", "names"), [(0, "reynolds"), (1, "")])
def test_other_number_of_parameters_is_refused(told, names):
    message = rf"is told {told} physical parameters, the data have {1 - told} \({names or 'none'}\)"
    with pytest.raises(ValueError, match=message):
        check_fields(data(parameters=names.split()), 2, 2, told)
    check_fields(data(parameters=names.split()), 2, 2, 1 - told)


def test_objects_are_not_plain():
    assert is_plain({"a": [1, 2.0, "b", None, (True,)]})
    assert not is_plain({"a": [object()]})
