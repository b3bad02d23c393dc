"""Checks of a study file; every error names the key."""

from pathlib import Path
from typing import Any

OPTIONAL = ("common", "data", "options", "search", "seeds", "untrained")
KEYS = tuple(sorted(("root", "runs", *OPTIONAL)))
LARGEST_SEED = 2**32 - 1  # of numpy's generators, which Lightning seeds too


def check_study(file: Path, study: dict[Any, Any]) -> None:
    """Check that a study has all required keys, no unknown ones, and values of the right types.

    Raises:
        ValueError: A key is missing, unknown or of the wrong type.
    """
    wrong = [key for key in study if key not in KEYS]
    wrong += [key for key in ("root", "runs") if key not in study]
    if wrong:
        is_there = wrong[0] in study
        if wrong[0] == "runs" and "untrained" in study:
            raise ValueError(
                f"{file}: 'runs' is missing, and a study trains at least one; test what is under "
                "'untrained' by `emulate test`, and compare by `emulate compare`."
            )
        raise ValueError(
            f"{file}: '{wrong[0]}' is {'not a key' if is_there else 'missing'}; "
            f"the keys are {', '.join(KEYS)}."
        )
    if not isinstance(study["root"], str) or not study["root"].strip():
        raise wrong_type(file, "root", study["root"], "the path of a folder, in quotes if need be")
    for key in ("runs", "data", "untrained"):
        if key in study:
            check_named_lists(file, key, study[key])
    names = {name.strip().casefold() for name in study["runs"]}
    for name in study.get("untrained", {}):
        if name.strip().casefold() in names:  # else it would count as another seed of the method
            raise ValueError(f"{file}: 'runs' and 'untrained' both have '{name}'; rename one.")
    for key in ("common", "options", "seeds"):
        if key in study and not isinstance(study[key], list):
            raise not_a_list(file, key, study[key])
    check_texts(file, "common", study.get("common", []))
    check_options(file, study.get("options", []))
    if "seeds" in study:
        check_seeds(file, study["seeds"])


def check_named_lists(file: Path, key: str, group: object) -> None:
    """Raise an error unless `group` maps one or more names to lists of files and options."""
    if not isinstance(group, dict) or not group:
        raise wrong_type(file, key, group, "'NAME: [files and options]' for each")
    folders: dict[str, str] = {}
    for name, words in group.items():
        if not isinstance(name, str):
            raise ValueError(
                f"{file}: '{key}' has the name {name!r}, which YAML does not read as text; write "
                f"it in quotes, or another one."
            )
        if name.strip() in ("", ".", "..") or any(c in "/\\" or not c.isprintable() for c in name):
            raise ValueError(
                f"{file}: '{key}' has the name {name!r}, which no folder can have; names are "
                "letters, digits, '-' and '_'."
            )
        other = folders.setdefault(name.strip().casefold(), name)
        if other != name:
            raise ValueError(
                f"{file}: '{key}' has the names {other!r} and {name!r}, which are one folder on "
                "some systems; rename one."
            )
        if not isinstance(words, list):
            raise not_a_list(file, f"{key}.{name}", words)
        check_texts(file, f"{key}.{name}", words)


def check_texts(file: Path, key: str, words: list[Any]) -> None:
    """Raise an error if a file or an option is not text."""
    for number, word in enumerate(words):
        if not isinstance(word, str) or not word.strip() or "\0" in word:
            raise wrong_type(file, f"{key}[{number}]", word, "a file or an option, as text")


def check_options(file: Path, options: list[Any], key: str = "options") -> None:
    """Raise an error unless each word is an option or the value of the option before it."""
    for number, word in enumerate(options):
        before = str(options[number - 1]) if number else ""
        awaited = before.startswith("--") and "=" not in before
        option = isinstance(word, str) and word.startswith("--") and "\0" not in word
        if not option and not (awaited and isinstance(word, str | int | float)):
            expected = "an option such as --trainer.max_steps=3"
            raise wrong_type(file, f"{key}[{number}]", word, expected)


def check_seeds(file: Path, seeds: list[Any]) -> None:
    """Raise an error if a seed is invalid or occurs twice."""
    if not seeds:
        raise wrong_type(file, "seeds", seeds, "one number or more")
    for number, seed in enumerate(seeds):
        whole = isinstance(seed, int) and not isinstance(seed, bool)
        if not whole or not 0 <= seed <= LARGEST_SEED:
            expected = f"a whole number from 0 to {LARGEST_SEED}"
            raise wrong_type(file, f"seeds[{number}]", seed, expected)
        if seed in seeds[:number]:
            raise ValueError(f"{file}: 'seeds' has {seed} twice; each run has a seed of its own.")


def not_a_list(file: Path, key: str, value: object) -> ValueError:
    """Return the error for a single value where a list is expected."""
    write = f"; write [{value}]" if isinstance(value, str | int | float) else ""
    return wrong_type(file, key, value, f"a list{write}")


def wrong_type(file: Path, key: str, value: object, expected: str) -> ValueError:
    """Return the error for a value of the wrong type."""
    return ValueError(f"{file}: '{key}' is {value!r:.80}, expected {expected}.")
