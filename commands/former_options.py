"""Translation of option names from before version 0.2 on the command line."""

from collections.abc import Callable, Sequence
from typing import Any

from emulators.former_names import rename_class, rename_options


def with_present_names(
    words: Sequence[str], sections: Callable[[str], list[dict[str, Any]]]
) -> list[str]:
    """Return the arguments of a command with the present names of classes and options.

    An option of a class, such as --model.steps, belongs to the class that is given last before it.

    Args:
        words: Words typed after the command.
        sections: Function from the path of a YAML file to the settings in it.
    """
    owners: dict[str, str] = {}
    found: list[str] = []
    for number, word in enumerate(words):
        key, equals, value = word.partition("=")
        before = words[number - 1] if number else ""
        if before.startswith("--") and "=" not in before and not word.startswith("-"):
            found.append(class_of(before, word, owners))
        elif not key.startswith("--"):
            found.append(word)
        else:
            key = present_key(key, owners)
            found.append(f"{key}={class_of(key, value, owners)}" if equals else key)
        file = value if key == "--config" and equals else word
        if (key == "--config" and equals) or before in ("-c", "--config"):
            for section in sections(file):
                model = section.get("model")
                path = model.get("class_path") if isinstance(model, dict) else model
                if isinstance(path, str):
                    owners["model"] = path
    return found


def class_of(key: str, value: str, owners: dict[str, str]) -> str:
    """Return the value of an option with the present class name, and record it in `owners`."""
    name = key.removeprefix("--").removesuffix("+").removesuffix(".class_path")
    value = rename_class(value, name.rpartition(".")[2]) if is_path(value) else value
    owners[name] = value
    return value


def is_path(value: str) -> bool:
    """Return whether a value could be the name or import path of a class."""
    return all(part.isidentifier() for part in value.split("."))


def present_key(key: str, owners: dict[str, str]) -> str:
    """Return an option with the present name of each part, looked up in the class that owns it."""
    first, *parts = key.removeprefix("--").split(".")
    path = first
    for part in parts:
        if part != "init_args":
            (part,) = rename_options(owners.get(path.replace(".init_args", ""), ""), {part: None})
        path = f"{path}.{part}"
    return f"--{path}"
