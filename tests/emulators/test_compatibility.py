from types import SimpleNamespace

import pytest

from emulators.checkpoint_checks import check_fields, check_training_data, is_plain


def data(**changes):
    values = {
        "variables": ["u", "v"],
        "channels": 2,
        "dimensions": 2,
        "parameters": [],
    }
    return SimpleNamespace(**{**values, **changes})


def test_missing_data_module_is_refused():
    with pytest.raises(ValueError, match="An emulator needs a data module: call the trainer with"):
        check_fields(None, 1, 2)


@pytest.mark.parametrize(("channels", "dimensions"), [(1, 2), (2, 1)])
def test_other_fields_are_refused(channels, dimensions):
    message = rf"has {channels} channels in {dimensions} dimensions, the data 2 \(u, v\) in 2; set"
    with pytest.raises(ValueError, match=message):
        check_fields(data(), channels, dimensions)
    check_fields(data(), 2, 2)


def test_other_data_than_in_training_are_refused():
    asked = []

    def difference(description):
        asked.append(description)
        return ("interval", "0.5 h", "6 h") if description["interval"] == 0.5 else None

    with pytest.raises(ValueError, match=r"with interval 0.5 h, these data have 6 h"):
        check_training_data({"interval": 0.5}, data(difference=difference))
    check_training_data({"interval": 6.0}, data(difference=difference))
    check_training_data({}, data(difference=difference))  # not trained yet
    assert asked == [{"interval": 0.5}, {"interval": 6.0}]


@pytest.mark.parametrize(("told", "names"), [(0, "reynolds"), (1, "")])
def test_other_number_of_parameters_is_refused(told, names):
    message = rf"is told {told} physical parameters, the data have {1 - told} \({names or 'none'}\)"
    with pytest.raises(ValueError, match=message):
        check_fields(data(parameters=names.split()), 2, 2, told)
    check_fields(data(parameters=names.split()), 2, 2, 1 - told)


def test_objects_are_not_plain():
    assert is_plain({"a": [1, 2.0, "b", None, (True,)]})
    assert not is_plain({"a": [object()]})


def test_emulator_whose_constructor_cannot_be_told_of_the_data_is_said_what_to_do():
    class Deaf:
        def __init__(self, strength=1.0, channels=1):
            pass

    class Open:
        def __init__(self, **kwargs):
            pass

    words = r"Deaf cannot be told that the data have 1 dimensions: .* takes no dimensions; .*kwargs"
    with pytest.raises(ValueError, match=words):
        check_fields(data(dimensions=1), 2, 2, emulator=Deaf)
    with pytest.raises(ValueError, match=r"have 3 parameters: .* takes no parameters"):
        check_fields(data(parameters=["a", "b", "c"]), 2, 2, emulator=Deaf)
    for kind, channels in ((Deaf, 1), (Open, 1)):  # what it is told can be set
        with pytest.raises(ValueError, match=r"set model\.channels and model\.dimensions"):
            check_fields(data(), channels, 2, emulator=kind)
    check_fields(data(), 2, 2, emulator=Deaf)
