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
NEEDS = {"datamodules.files.formats.zarr_store.Zarr": "zarr"}  # optional packages


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_right(name, single_precision, tmp_path, monkeypatch):
    # not doctest.testmod: it does not see functions that jaxtyping's import hook has wrapped
    monkeypatch.chdir(tmp_path)
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
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
INTERNAL = ("AtState", "SpectralModule")


def test_public_function_has_an_example():
    things = {name for name, thing in public(*FUNCTIONS).items() if not inspect.isclass(thing)}
    assert things - EXAMPLES.keys() == set()


def test_class_that_can_be_constructed_has_an_example():
    things = public(*CLASSES).items()
    made = {name for name, thing in things if inspect.isclass(thing) and not unfinished(thing)}
    assert made - EXAMPLES.keys() == set()


WITHOUT = {  # exported, and why there is no example
    "callbacks.comparison.compare": "reads folders of tested runs",
    "callbacks.comparison.load_runs": "reads folders of tested runs",
    "callbacks.comparison.table": "reads runs that such folders give",
}


def exported():
    """Return the classes and functions of ours that a package exports, by full name."""
    found = {}
    for package in (module for module in modules(*PACKAGES) if hasattr(module, "__path__")):
        members = vars(package) | {name: getattr(package, name) for name in dir(package)}
        for name, thing in members.items():
            ours = getattr(thing, "__module__", "").split(".")[0] in PACKAGES
            if ours and not name.startswith("_") and callable(thing):
                found[f"{package.__name__}.{name}"] = thing
    return found


EXPORTED = exported()


def test_exported_name_has_an_example():
    assert {"callbacks.Spectrum", "datamodules.NumPy", "emulators.Baseline"} <= EXPORTED.keys()
    made = {name for name, thing in EXPORTED.items() if not unfinished(thing)}
    assert {name for name in made if not has_example(EXPORTED[name])} == WITHOUT.keys()
    assert has_example(emulators.Emulator)


def has_example(thing):
    """Return whether the docstring of a class itself, or of a function, has an example."""
    own = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    return ">>>" in (own or "")


def unfinished(cls):
    """Return whether a class is abstract, or made by the project alone."""
    protocol = getattr(cls, "_is_protocol", False)
    return protocol or inspect.isabstract(cls) or cls.__name__ in INTERNAL
