import pytest

from datamodules.description import DataDescription
from datamodules.solvers import Grid, Variable
from emulators.checkpoint_checks import check_fields, check_training_data, described, is_plain


def data(**changes):
    fields, dimensions = [Variable(name, name, "1") for name in "uv"], changes.pop("dimensions", 2)
    grid = Grid((8,) * dimensions, (1.0,) * dimensions)
    return DataDescription.on_grid(fields, grid, **{"interval": 6.0, "time_unit": "h", **changes})


def test_missing_data_module_is_refused():
    with pytest.raises(ValueError, match="An emulator needs a data module: call the trainer with"):
        described(None)


@pytest.mark.parametrize(("channels", "dimensions"), [(1, 2), (2, 1)])
def test_other_fields_are_refused(channels, dimensions):
    message = rf"has {channels} channels in {dimensions} dimensions, the data 2 \(u, v\) in 2; set"
    with pytest.raises(ValueError, match=message):
        check_fields(data(), channels, dimensions)
    check_fields(data(), 2, 2)


def test_other_data_than_in_training_are_refused():
    with pytest.raises(ValueError, match=r"with interval 0.5 h, these data have 6 h"):
        check_training_data(DataDescription.from_dict({"interval": 0.5}), data())
    check_training_data(DataDescription.from_dict({"interval": 6.0}), data())
    check_training_data(data(), data())
    check_training_data(None, data())  # not trained yet


@pytest.mark.parametrize(("told", "names"), [(0, "reynolds"), (1, "")])
def test_other_number_of_parameters_is_refused(told, names):
    message = rf"on {told} physical parameters, the data have {1 - told} \({names or 'none'}\)"
    with pytest.raises(ValueError, match=message):
        check_fields(data(parameters=tuple(names.split())), 2, 2, told)
    check_fields(data(parameters=tuple(names.split())), 2, 2, 1 - told)


def test_objects_are_not_plain():
    assert is_plain({"a": [1, 2.0, "b", None, (True,)]})
    assert not is_plain({"a": [object()]})


def test_constructor_without_an_argument_of_the_data_is_refused():
    class Fixed:
        def __init__(self, strength=1.0, channels=1):
            pass

    class Open:
        def __init__(self, **kwargs):
            pass

    words = r"Fixed.__init__ has no argument dimensions, but the data have 1 dimensions; .*kwargs"
    with pytest.raises(ValueError, match=words):
        check_fields(data(dimensions=1), 2, 2, emulator=Fixed)
    with pytest.raises(ValueError, match=r"no argument parameters, .* have 3 parameters; let"):
        check_fields(data(parameters=("a", "b", "c")), 2, 2, emulator=Fixed)
    for kind, channels in ((Fixed, 1), (Open, 1)):  # their options can be set
        with pytest.raises(ValueError, match=r"set model\.channels and model\.dimensions"):
            check_fields(data(), channels, 2, emulator=kind)
    check_fields(data(), 2, 2, emulator=Fixed)


def test_a_data_module_that_does_not_describe_its_data_is_said_what_to_do():
    with pytest.raises(ValueError, match=r"Other has no method `describe`.*DataSource"):
        described(type("Other", (), {})())
