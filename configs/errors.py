"""What is wrong with the settings, in one sentence.

The parser of the command line reports every way in which a value could have been meant and failed;
a person needs the one that says what to change.
"""

import re
from argparse import ArgumentError

from yaml import YAMLError

NOISE = ("Expected a <class 'NoneType'>", "Problem with given", "Does not validate", "Type coll")

UNHELPFUL_WARNINGS = (
    ".*does not have many workers.*",
    ".*LeafSpec.*",
    r"(?s).*deprecated in v4.*",
    ".*exists and is not empty.*",
    ".*LightningCLI's args parameter.*",
    ".*`weights_only` was not set.*",
    ".*predict returned None.*",
    ".*your dataloader is not resumable.*",  # its sampler continues by itself
    ".*FSDP2-wrapped module.*returned a view.*",  # emulators.Sharded says so
    ".*recommended to use `self.log.*sync_dist=True.*",  # scores are gathered before
)


LOST_PROCESS = ("gloo/transport", "remote process exited")


def is_expected(error: Exception) -> bool:
    """Return whether an error is one of use or of the system, for which a sentence is enough."""
    kinds = (ArgumentError, ValueError, OSError, FloatingPointError, YAMLError)
    return isinstance(error, kinds) or tells_of_a_lost_process(str(error))


def tells_of_a_lost_process(message: str) -> bool:
    """Return whether an error says that a process was waiting for one that is no more."""
    return any(part in message for part in LOST_PROCESS)


def explain(message: str, command: str = "fit") -> str:
    """Return one sentence for an error message of the parser, of the system or of a library."""
    if tells_of_a_lost_process(message):
        return (
            "another process of this run has ended; its own message, or that of torchrun or of "
            "the cluster, says why."
        )
    nameless = re.fullmatch(r"\[Errno \d+\] ([^:]+)", message)
    if nameless:
        return (
            f"a file could not be written or read ({nameless[1]}); make room on the disk of "
            "trainer.default_root_dir, and run the command again."
        )
    key = _last(r'Parser key "([^"]+)"', message)
    unknown = _last(r"Option '([^']+)' is not accepted", message)
    if unknown:
        owner = _last(r"given class_path '(?:[\w.]*\.)?(\w+)'", message)
        return f"{owner} has no option '{unknown}'; `emulate {command} --help` lists the options."
    unknown = _last(r"unrecognized arguments: (.+)", message)
    if unknown:
        return f"there is no option {unknown}; `emulate {command} --help` lists the options."
    required = _last(r"arguments are required: (.+)", message)
    if required:
        names = required.replace(f"{command}.", "")
        checkpoint = "" if command == "generate" else ", or a checkpoint with --ckpt_path"
        return f"{names} missing: give YAML files with -c{checkpoint}."
    file = _last(r"File does not exist: '([^']+)'", message)
    if file:
        return f"{file}: no such file; give the path of a YAML file with -c."
    choices = re.search(r"Literal\[([^\]]+)\]\. Got value: (.+)", message)
    if choices:
        return f"{key} must be one of {choices[1]}, got {choices[2]}."
    kind = re.search(r"Expected a <class '([^']+)'>\. Got value: (.+)", message)
    if kind and kind[1] != "NoneType":
        return f"{key} must be of type {kind[1]}, got {kind[2]}."
    module = _last(r"No module named '([^']+)'", message)
    if module:
        owner = _last(rf"class_path '({re.escape(module)}\.[\w.]+)'", message) or module
        return (
            f"'{owner}' cannot be imported: there is no module '{module}'; run from the folder "
            f"that holds {module.split('.')[0]}.py, or install it."
        )
    import_path = _last(r"Expected a dot import path string: (\S+)", message)
    if import_path:
        return (
            f"{key} names the class '{import_path}', which is neither one of this project nor an "
            "import path such as my_module.MyClass."
        )
    reasons = re.findall(r"^\s*- (.+)$", message, re.MULTILINE)
    reasons = [reason for reason in reasons if not reason.startswith(NOISE)]
    sentence = reasons[0] if reasons else " ".join(message.split())
    return sentence if len(sentence) < 400 else sentence[:400] + " ..."


def _last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text)
    return found[-1] if found else None
