"""Messages of constructors name the option as it is typed."""

import pytest

from commands.refused_options import name_option


class Inner:
    def __init__(self, width=1):
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}.")


class Outer:
    def __init__(self, width=1, depth=1):
        if depth < 1:
            raise ValueError(f"the depth is {depth}.")
        if depth > 9:
            raise ValueError(f"depth of the parts must be at most 9, got {depth}.")
        self.inner = Inner(width)


def named(settings, make):
    try:
        make()
    except ValueError as error:
        name_option(error, settings)
        return str(error)
    pytest.fail("nothing was refused")


HERE = __name__


@pytest.mark.parametrize(("settings", "message"), [
    ({"model": {"class_path": f"{HERE}.Outer", "init_args": {}}}, "model.width must"),
    ({"test": {"a": {"class_path": f"{HERE}.Outer"}, "b": None}}, "a.width must"),
    ({"model": {"init_args": {"part": {"class_path": f"{HERE}.Inner"}}}}, "model.part.width must"),
    ({"a": {"class_path": f"{HERE}.Inner"}, "b": {"class_path": f"{HERE}.Inner"}}, "Inner.width"),
    ({}, "Inner.width must"),
    (None, "Inner.width must"),
], ids=["outer", "stage", "inner", "two", "none", "no settings"])  # fmt: skip
def test_option_is_named_by_its_section(settings, message):
    assert named(settings, lambda: Outer(width=0)).startswith(message)


def test_other_messages_are_kept():
    settings = {"model": {"class_path": f"{HERE}.Outer"}}
    assert named(settings, lambda: Outer(depth=0)) == "the depth is 0."
    assert named(settings, lambda: Outer(depth=10)).startswith("depth of the parts must")
    assert named(settings, lambda: int("x")).startswith("invalid literal")


def test_message_of_a_cause_is_named_in_the_error_of_the_parser():
    def wrapped():
        try:
            Inner(0)
        except ValueError as error:
            raise ValueError(f"Does not validate:\n- {error}") from error

    settings = {"model": {"class_path": f"{HERE}.Inner"}}
    assert named(settings, wrapped) == (
        "Does not validate:\n- model.width must be at least 1, got 0."
    )
