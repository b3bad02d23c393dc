"""Options that differ between runs, from their configurations."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from callbacks.comparison.found_diagnostics import note
from callbacks.diagnostics.compared import Run

LARGEST = 1_000_000  # bytes of a configuration that is read
MOST = 5_000  # options of a configuration that are read
WIDTH = 80  # letters of a value that are shown
OWN = ("trainer.default_root_dir", "trainer.method", "trainer.logger", "trainer.callbacks")
"""Options that name a run, or say where and how often it writes."""


def differing_options(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return the options that differ between runs: their values for each run, by name.

    They are read from the `config.yaml` of each run; without one for each there are none.

    Args:
        runs: Runs that are compared.
    """
    found = [options_of(run.folder) for run in runs]
    if len(runs) < 2 or not all(found):
        return {}
    names = dict.fromkeys(name for options in found for name in options)
    rows = {name: [options.get(name, "-") for options in found] for name in names}
    return {name: row for name, row in rows.items() if len(set(row)) > 1}


def options_of(folder: Path) -> dict[str, str]:
    """Return the options of a run, as texts by name; none, with a note, if they cannot be read."""
    path = folder / "config.yaml"
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        options: dict[str, str] = {}
        for number, (name, value) in enumerate(flat(yaml.safe_load(path.read_bytes()))):
            if number >= MOST:  # also of few lines that repeat each other
                raise ValueError("it has too many options")
            if not name.startswith(OWN):
                options[name] = value if len(value) <= WIDTH else f"{value[: WIDTH - 1]}…"
        return options
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        note(f"{path} is not read for the options that differ: {text:.120}")
        return {}


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the names and values of nested options, names joined by dots.

    Example:
        >>> list(flat({"model": {"class_path": "Baseline", "init_args": {"width": 32}}}))
        [('model', 'Baseline'), ('model.width', '32')]
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "class_path":
                yield name, str(item)
            else:
                yield from flat(item, name if key == "init_args" else f"{name}.{key}".lstrip("."))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for number, item in enumerate(value):
            yield from flat(item, f"{name}.{number}")
    else:
        yield name, str(value)
