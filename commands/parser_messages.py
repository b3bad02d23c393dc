"""Rewriting of parser messages about an option value into one sentence.

A message of the parser lists every type as which the value was tried, one within the other. The
innermost says what is wrong; the keys on the way to it say where.
"""

import re
import sys
from pathlib import Path

from commands.suggestions import classes_for, did_you_mean, options_of_class

NOISE = (
    "Expected a <class 'NoneType'>",
    "Expected <class 'NoneType'>",
    "Expected a path but",
    "Problem with given",
    "Does not validate",
    "Type coll",
    "Unable to load config",
)

IN_YAML = {"NoneType": "null", "bool": "true, false"}
"""What values of these types are called in a file."""

TYPED = {"model": "Baseline", "data.root": "FOLDER"}
"""What may be typed for options that are missing."""

NEEDS = {
    "study": "a YAML file, such as configs/study/quickstart.yaml",
    "compare": "folders of tested runs, such as runs/a runs/b",
}
"""Arguments without a name that commands need."""

NOT_FINITE = ("nan", "inf", "infinity")  # without their sign
PARSER = ("Expected", "Not a valid", "Import path", "Option", "Key", "Group", "Parser", "Subclass")

ROOMS = ("emulators", "datamodules", "callbacks")
"""Packages whose classes options may name without a module."""


def explain_parser(message: str, command: str) -> str:
    """Return a message of the parser as one sentence."""
    key = whole_key(message)
    inner = innermost(message)
    outer = message[: message.index(inner)]
    value = first(r"Got value: ((?!Namespace).+?)(?:\. Got|$)", inner)
    value = value or first(r"Given value: (.+)", inner)
    said = reason_of_class(inner) or class_not_given(message, inner, key, outer)
    if said:
        return said
    for rule in (
        missing_arguments,
        unknown_option,
        module,
        attribute,
        wrong_class,
        allowed_values,
        allowed_types,
    ):
        sentence = rule(inner, key, value, command, outer)
        if sentence:
            return sentence
    reasons = re.findall(r"^\s*- (.+)$", inner, re.MULTILINE)
    reasons = [reason for reason in reasons if not reason.startswith(NOISE)]
    if not reasons:
        return " ".join(message.split())
    if value and re.fullmatch(r"[A-Za-z_]\w*(\.\w+)+", value):  # its module could not be imported
        return f"{key} names '{value}', which cannot be imported: {reasons[0]}."
    if key and not any(part in reasons[0] for part in key.split(".")[-2:]):
        found = f", got {value}" if value else ""
        if all(reason.startswith(("a ", "an ")) for reason in reasons):
            return f"{key} must be {' or '.join(reasons)}{found}."
        return f"{key}: {reasons[0].rstrip('.')}{'' if found[6:] in reasons[0] else found}."
    return reasons[0]


def reason_of_class(inner: str) -> str | None:
    """Return the message of the class that refused its options, from the parser's list of reasons.

    The parser also tries a refused item of a list as other types; their reasons are skipped.
    """
    reasons = re.findall(r"^\s*- ([A-Z]\w*[. ].+)$", inner, re.MULTILINE)
    own = [reason for reason in reasons if not reason.startswith((*NOISE, *PARSER))]
    return next((reason for reason in own if ", got " in reason or "; " in reason), None)


def class_not_given(message: str, inner: str, key: str, outer: str) -> str | None:
    """Return the message for an option of a class that was not named, with the possible classes."""
    nested = re.findall(r"NestedArg\(key='([^']+)', val='([^']*)'\)", message)
    signs = r"Not a valid subclass of|class, but [\w.]+ is abstract|Dict must include a class_path"
    if not nested or not re.search(signs, inner):
        return None
    group, (name, value) = first(r'Parser key "([^"]+)"', message), nested[-1]
    argument = f"{group}.{name}".removeprefix(f"{key}.").partition(".")[0]
    names = classes_of(inner, key, outer, argument)
    known = f" (or {', '.join(names[1:])})" if names[1:] else ""
    return (
        f"--{group}.{name}={value} is an option of a class, and --{key} names none; add "
        f"--{key} {[*names, 'my_module.MyClass'][0]}{known} before it."
    )


def classes_of(inner: str, key: str, outer: str, argument: str = "") -> list[str]:
    """Return the names of classes that an option accepts, preferably those with `argument`."""
    types = re.sub(r"[\w.]*Callable\[\[.*?\], ", "", inner)
    owner = last_match(r"given class_path '([\w.]+)'", outer)
    return classes_for(types, owner, key.rpartition(".")[2], argument)


def whole_key(message: str) -> str:
    """Return the option as it is typed, joined from the nested keys of a message."""
    keys = re.findall(r'Parser key "([^"]+)"', message)
    whole = ""
    for key in dict.fromkeys(keys):
        whole = key if not whole or key.startswith(f"{whole}.") else f"{whole}.{key}"
    return whole


def innermost(message: str) -> str:
    """Return the part of a message that concerns the innermost value."""
    *_, inner = re.split(r'Parser key "[^"]+":?', message)
    end = re.search(r"Given value: .*", inner)
    return inner[: end.end()] if end else inner


def missing_arguments(
    inner: str, key: str, value: str | None, command: str, outer: str
) -> str | None:
    """Return the message for missing arguments of the program or of a class."""
    names = first(r"arguments are required: (.+?)(?:\. Got value|$)", inner)
    if names is None:
        return None
    owner = last_match(r"given class_path '(?:[\w.]*\.)?(\w+)'", inner)
    owner = owner or first(r"are required: .*?class_path='(?:[\w.]*\.)?(\w+)'", inner)
    if owner:
        where = f"; set {key}.{names.split(', ')[0]}" if key else ""
        return f"{owner} needs {names}{where}."
    if command in NEEDS:
        return f"emulate {command} needs {NEEDS[command]}."
    names = names.replace(f"{command}.", "")
    if command in ("validate", "test", "predict") and "model" in names.split(", "):
        return f"emulate {command} needs a trained emulator: give --ckpt_path RUN/last.ckpt."
    options = " ".join(f"--{name} {TYPED.get(name, 'VALUE')}" for name in names.split(", "))
    advice = {
        "generate": f"give YAML files with -c, or type {options}",
    }.get(
        command,
        f"give YAML files with -c, or a checkpoint with --ckpt_path, or type {options}",
    )
    return f"{names} missing: {advice}."


def unknown_option(inner: str, key: str, value: str | None, command: str, outer: str) -> str | None:
    """Return the message for an option that does not exist."""
    help_ = f"`emulate {command} --help` lists the options."
    name = last_match(r"Option '([^']+)' is not accepted", inner)
    if name:
        path = last_match(r"class_path[ =]'([\w.]+)'", inner) or "the class"
        meant = did_you_mean(name, options_of_class(path))
        kind = path.rpartition(".")[2]
        if key:
            help_ = f"`emulate {command} --{key}.help {kind}` lists its options."
        return f"{kind} has no option '{name}'{meant}; {help_}"
    name = last_match(r"unrecognized arguments: (.*)", inner)
    if name is not None:
        return f"there is no option {name or repr('')}; {help_}"
    found = re.search(r"does not accept option '([^']+)'(.*)", inner)
    return f"there is no option --{found[1]}{found[2]}; {help_}" if found else None


def module(inner: str, key: str, value: str | None, command: str, outer: str) -> str | None:
    """Return the message for a missing module: the module of a class, or one that it imports."""
    name = last_match(r"No module named '([^']+)'", inner)
    if name is None:
        return None
    owner = last_match(r"class_path '([\w.]+)'", inner) or name
    if not f"{owner}.".startswith(f"{name}."):
        return f"'{owner}' cannot be imported: its module imports '{name}', which is not installed."
    return (
        f"'{owner}' cannot be imported: there is no module '{name}'; run from the folder "
        f"that holds {name.split('.')[0]}.py, or install it."
    )


def attribute(inner: str, key: str, value: str | None, command: str, outer: str) -> str | None:
    """Return the message for a class that its module lacks, or whose module is hidden."""
    found = re.search(r"module '([\w.]+)' has no attribute '(\w+)'", inner)
    found = found or re.search(r"No ([\w.]+) attribute (\w+)", inner)  # lazy_loader
    if found is None:
        return None
    name, wanted = found.groups()
    top = name.split(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    for own in (Path(f"{top}.py"), Path(top)):
        if file and own.exists() and own.resolve() not in (*Path(file).parents, Path(file)):
            return (
                f"'{name}.{wanted}' is not there: '{top}' is a module of {Path(file).parent}, "
                f"which comes before {own} in this folder; rename {own}."
            )
    public = [one for one in dir(sys.modules[name]) if not one.startswith("_")]
    meant = did_you_mean(wanted, public, f"{name}.")
    return f"'{name}.{wanted}' is not there: the module '{name}' has no '{wanted}'{meant}."


def wrong_class(inner: str, key: str, value: str | None, command: str, outer: str) -> str | None:
    """Return the message for a name that is not a class, or is a class of the wrong type."""
    name = last_match(r"Expected a dot import path string: (\S*)", inner)
    if name is not None:
        known = classes_of(inner, key, outer)
        exported = (getattr(sys.modules.get(room), "__all__", ()) for room in ROOMS)
        if name not in known and any(name in names for names in exported):
            takes = f"; it takes {', '.join(known)}" if known else ""
            return f"{key} names the class '{name}', which is of another kind{takes}."
        meant = did_you_mean(name, known)
        return (
            f"{key} names the class '{name}', which is neither one of this project nor an "
            f"import path such as my_module.MyClass{meant}."
        )
    base = last_match(r"Import path does not correspond to a subclass of (\w+)", inner)
    base = base or last_match(r"to be a subclass of <class '(\w+)'>", inner)
    if base:
        return f"{key} must be a class derived from {base}, which '{value}' is not."
    base = last_match(r"Not a valid subclass of (\w+)", inner)
    if base:
        return (
            f"{key} must be a class derived from {base}, or a map with its class_path, got {value}."
        )
    if re.search(r"argument of type '\w+' is not (iterable|a container)|unhashable type", inner):
        return f"{key}.class_path must be the name of a class, as text."
    if "Expected an instantiatable class, but is abstract" in inner:
        owner, _, name = (value or "").rpartition(".")
        abstract: frozenset[str] = getattr(
            getattr(sys.modules.get(owner), name, None), "__abstractmethods__", frozenset()
        )
        lacks = f"; it must define {', '.join(sorted(abstract))}" if abstract else ""
        return f"{key} names '{value}', which is abstract{lacks}."
    return None


def allowed_values(inner: str, key: str, value: str | None, command: str, outer: str) -> str | None:
    """Return the message with the values that an option allows."""
    found = re.search(r"Literal\[([^\]]+)\]\. Got value: (.+)", inner)
    if found:
        return f"{key} must be one of {found[1]}, got {found[2]}."
    several = re.findall(r"- Expected a typing\.Literal\[([^\]]+)\]", inner)
    if not several:
        return None
    others = re.findall(r"- Expected a <class '([\w.]+)'>", inner)
    several += [IN_YAML.get(name, f"a {name.rpartition('.')[2]}") for name in others]
    return f"{key} must be one of {', '.join(several)}, got {value}."


def allowed_types(inner: str, key: str, value: str | None, command: str, outer: str) -> str | None:
    """Return the message with the types that an option allows."""
    if "Unable to load config" in inner:
        value = first(r"Unable to load config [\"'](.*)[\"']", inner)
        return f"{key} must be a section of options, or a YAML file with them, got {value}."
    names = re.findall(r"Expected a? ?<class '([\w.]+)'>", inner)
    named = [name.rpartition(".")[2] for name in dict.fromkeys(names) if name != "NoneType"]
    if not named or not key:
        return None
    found = re.search(
        r"Expected a <class '([\w.]+)'>\. Got value: (.+?)(?:\. Got value|$)", inner, re.M
    )
    got = found[2] if found else value
    if "float" in named and got is not None and got.strip("'+-.").lower() in NOT_FINITE:
        return f"{key} must be a finite number, got {got}."
    if found:
        return f"{key} must be of type {found[1]}, got {got}."
    null = " or null" if "NoneType" in names else ""
    return f"{key} must be of type {' or '.join(named)}{null}, got {value}."


def first(pattern: str, text: str) -> str | None:
    """Return the first group of the first match, or None."""
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else None


def last_match(pattern: str, text: str) -> str | None:
    """Return the last match, or its group if the pattern has one; None without a match."""
    found = re.findall(pattern, text)
    return found[-1] if found else None
