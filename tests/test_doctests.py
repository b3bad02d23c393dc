"""Runs the `>>>` examples of docstrings; requires one of every function and class users meet."""

import doctest
import importlib
import inspect
import pkgutil
import sys

import pytest

import emulators

PACKAGES = ("callbacks", "commands", "datamodules", "emulators")


def modules(*names):
    """Return the packages and modules of these names, with all that lie below packages."""
    found = []
    for name in names:
        module = importlib.import_module(name)
        found.append(module)
        for part in pkgutil.walk_packages(getattr(module, "__path__", []), f"{name}."):
            found.append(importlib.import_module(part.name))
    return found


def public(*names):
    """Return the public functions and classes that are defined in modules, by full name."""
    return {
        f"{module.__name__}.{name}": thing
        for module in modules(*names)
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(inspect.unwrap(thing)) or inspect.isclass(thing))
        and thing.__module__ == module.__name__
    }


def documented(*names):
    """Return (docstring, module) of functions, classes and methods with examples, by full name."""
    found = {}
    for name, thing in public(*names).items():
        found[name] = vars(thing)["__doc__"] if inspect.isclass(thing) else thing.__doc__, thing
        for part, member in vars(thing).items() if inspect.isclass(thing) else ():
            found[f"{name}.{part}"] = inspect.isroutine(member) and member.__doc__, thing
    return {
        name: (text, sys.modules[thing.__module__])
        for name, (text, thing) in found.items()
        if text and ">>>" in text
    }


EXAMPLES = documented(*PACKAGES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_right(name, single_precision, tmp_path, monkeypatch):
    # not doctest.testmod: it does not see functions that jaxtyping's import hook has wrapped
    monkeypatch.chdir(tmp_path)
    text, module = EXAMPLES[name]
    names = dict(vars(module))
    example = doctest.DocTestParser().get_doctest(inspect.cleandoc(text), names, name, None, 0)
    said = []
    doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert not said, "".join(said)


FUNCTIONS = (
    "callbacks.metrics",
    "emulators.training.spectral_losses",
    "datamodules.solvers.pseudo_spectral.operators",
    "datamodules.solvers.pseudo_spectral.spectra",
    "datamodules.solvers.pseudo_spectral.vorticity",
    "datamodules.solvers.infiltration.laws",
)
CLASSES = (
    "callbacks.diagnostics",
    "callbacks.metrics",
    "datamodules.datamodule",
    "datamodules.files.selection",
    "datamodules.observations",
    "emulators.training.losses",
    "emulators.training.muon",
    "emulators.training.schedules",
    "emulators.training.spectral_losses",
    "emulators.hierarchy.coarsening",
    "datamodules.solvers.grid",
    "datamodules.solvers.initial_conditions",
    "datamodules.solvers.variable",
    "datamodules.solvers.pseudo_spectral",
    "datamodules.solvers.finite_volume.boundaries",
    "datamodules.solvers.finite_volume.schemes",
    "datamodules.solvers.finite_volume.terms",
    "datamodules.solvers.finite_volume.steppers",
    "datamodules.solvers.finite_volume.profile",
    "datamodules.solvers.infiltration.laws",
    "datamodules.solvers.infiltration.solver",
    "datamodules.solvers.implicit.linear_solvers",
    "datamodules.solvers.implicit.root_solvers",
    "datamodules.solvers.implicit.layer",
)
INTERNAL = ("AtState", "ImplicitlyDifferentiated", "Lagged", "Method", "Run", "SpectralModule")


def test_public_function_has_an_example():
    things = {name for name, thing in public(*FUNCTIONS).items() if not inspect.isclass(thing)}
    assert things - EXAMPLES.keys() == set()


def test_class_that_can_be_constructed_has_an_example():
    things = public(*CLASSES).items()
    made = {name for name, thing in things if inspect.isclass(thing) and not unfinished(thing)}
    assert made - EXAMPLES.keys() == set()


UNBUILT = ("Sharded",)
"""Classes whose example would take several processes."""


def test_exported_emulator_and_network_has_an_example():
    things = {name: getattr(emulators, name) for name in emulators.__all__}
    made = {name for name, thing in things.items() if not unfinished(thing)} - {*UNBUILT}
    assert {name for name in made if ">>>" not in (things[name].__doc__ or "")} == set()
    assert ">>>" in emulators.Emulator.__doc__


def unfinished(cls):
    """Return whether a class is abstract, or made by the project alone."""
    return inspect.isabstract(cls) or cls.__name__ in INTERNAL
