"""What the program says when the constructor of a class of the user fails."""

from functools import cache

import pytest
from lightning.pytorch.callbacks import Callback
from torch import nn

import cli
import emulators
from commands.constructors import Refusal, refusal_of
from commands.help import Parser
from commands.messages import PROGRAM, sentence
from commands.shipped import HOME
from datamodules.solvers import GaussianField
from emulators import UNet

QUICKSTART = HOME / "configs/data/quickstart.yaml"
ERRORS = {
    "value": ValueError("an odd width,\nwhich is 3"),
    "key": KeyError("alpha"),
    "attribute": AttributeError("no such field"),
    "assertion": AssertionError("n > 0"),
    "runtime": RuntimeError("shapes differ."),
}


class Network(nn.Module):
    def __init__(self, interface, error: str = "value"):
        super().__init__()
        raise type(ERRORS[error])(*ERRORS[error].args)


class WiderUNet(UNet):
    def __init__(self, interface, error: str = "value"):
        raise type(ERRORS[error])(*ERRORS[error].args)


class Watch(Callback):
    def __init__(self, error: str = "value"):
        raise type(ERRORS[error])(*ERRORS[error].args)


class Model(emulators.Baseline):
    def __init__(self, network, error: str = "value", **options):
        raise type(ERRORS[error])(*ERRORS[error].args)


class Field(GaussianField):
    def __init__(self, error: str = "value"):
        raise type(ERRORS[error])(*ERRORS[error].args)


class WithoutSuper(emulators.Baseline):
    def __init__(self, network, **options):
        self.width = 3


class WithoutBase(nn.Module):
    def __init__(self, interface):
        self.interface = interface


class BeforeBase(nn.Module):
    def __init__(self, interface):
        self.layer = nn.Linear(2, 3)
        super().__init__()


@cache
def parser():
    made = Parser()
    made.add_subclass_arguments(emulators.Emulator, "model", fail_untyped=False)
    made.add_argument("--callbacks", type=list[Callback] | Callback | None)
    return made


def said(*words):
    """Return the sentence of the program for the settings of some words."""
    own = f"{__name__}."
    settings = parser().parse_args([word.replace("OWN.", own) for word in words])
    with pytest.raises(ValueError, match=r"\w") as error:
        parser().instantiate(settings)
    text = sentence(error.value, PROGRAM)
    return text.replace(own, "OWN.")


SIZES = ["--model.channels=1", "--model.dimensions=2"]


@pytest.mark.parametrize(
    ("name", "option", "words"),
    [
        ("Network", "model.network", ["--model=Baseline", *SIZES]),
        ("WiderUNet", "model.network", ["--model=Baseline", *SIZES]),
        ("Model", "model", []),
        ("Watch", "callbacks", ["--model=Baseline", "--model.network=UNet", *SIZES]),
    ],
)
@pytest.mark.parametrize("error", ERRORS)
def test_errors_of_constructors_are_reported_and_not_the_types_tried_after_them(
    name, option, words, error
):
    last = ["--model.network=UNet"] if name == "Model" else []
    text = said(*words, f"--{option}=OWN.{name}", f"--{option}.error={error}", *last)
    expected = {
        "value": "an odd width, which is 3 (ValueError at",
        "key": f"OWN.{name} cannot be made: 'alpha' (KeyError at",
        "attribute": f"OWN.{name} cannot be made: no such field (AttributeError at",
        "assertion": f"OWN.{name} cannot be made: n > 0 (AssertionError at",
        "runtime": f"OWN.{name} cannot be made: shapes differ (RuntimeError at",
    }[error]
    assert " ".join(text.split()).startswith(expected)
    assert "test_constructors.py, line " in text


def test_constructors_that_leave_out_their_base_are_refused():
    words = ["--model=Baseline", *SIZES]
    assert said(*words, "--model.network=OWN.WithoutBase") == (
        "OWN.WithoutBase.__init__ does not call super().__init__; call it first, with the "
        "arguments of the base class."
    )
    text = said(*words, "--model.network=OWN.BeforeBase")
    assert text.startswith("OWN.BeforeBase cannot be made: cannot assign module before")
    assert "; call super().__init__ first (AttributeError at" in text


class Translated(emulators.Baseline):
    def __init__(self, network, kind: str = "x", **options):
        try:
            {"a": 1}[kind]
        except KeyError:
            raise ValueError(f"kind must be a, got {kind}.") from None


def test_a_constructor_may_replace_the_error_of_another_one():
    text = said("--model=OWN.Translated", "--model.network=UNet")
    assert text.startswith("model.kind must be a, got x (ValueError at")


def test_errors_of_the_stages_are_reported_too(tmp_path, monkeypatch):
    """Lightning makes the model and the data by an instantiator of its own."""
    monkeypatch.chdir(tmp_path)
    words = ["fit", "-c", str(QUICKSTART), f"--model={__name__}.Model", "--model.network=UNet"]
    with pytest.raises(ValueError, match=r"test_constructors.Model cannot be made: 'alpha'\.$"):
        cli.run([*words, "--model.error=key"])
    field = [f"--data.generator.initial={__name__}.Field", "--data.generator.initial.error=key"]
    with pytest.raises(ValueError, match=r"test_constructors.Field cannot be made: 'alpha'\.$"):
        cli.run([*words, *field])
    words[3] = f"--model={__name__}.WithoutSuper"
    with pytest.raises(ValueError, match=r"WithoutSuper\.__init__ does not call super"):
        cli.run(words)


def test_errors_that_the_parser_recovers_from_are_not_reported():
    """A value that a first type refuses may be right for a second one."""
    recovered = Refusal(Network, ValueError("a first type"))
    error = ValueError("batch_size must be at least 1, got 0.")
    assert refusal_of(error, [recovered]) is None
    assert refusal_of(error, [Refusal(Network, KeyError(1))]) is None  # "1" is a part of it
    listed = ValueError("Errors:\n  - a first\n    type\n  - Expected a <class 'int'>")
    assert refusal_of(listed, [Refusal(Watch, KeyError("a")), recovered]) is recovered
