"""Options that README and the pages of the documentation name are options of a command."""

import inspect
import re
import sys
from pathlib import Path

import pytest
import torch

import callbacks
import cli
import datamodules
import emulators
from commands.exported import exported

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = (*cli.STAGES, "generate", "compare", "study", "export")
OF_OTHER_PROGRAMS = (
    *("--array", "--cpus", "--gpus", "--job", "--nodes", "--ntasks", "--open", "--requeue"),
    *("--signal", "--time", "--wrap"),  # SLURM
    *("--no", "--nproc", "--logdir", "--dist", "--list"),  # torchrun, TensorBoard, pytest
)
OPTION = r"(?<![\w-])--[a-z]\w*(?:\.\w+)*"


def arguments_of_classes():
    """Return the names of arguments of all classes that a file may name."""
    exported(callbacks, datamodules, emulators)
    modules = [m for name, m in sys.modules.items() if name.split(".")[0] in cli.OURS]
    kinds = {kind for module in modules for kind in vars(module).values() if inspect.isclass(kind)}
    found = {"class_path", "init_args", "help"}
    for kind in {*kinds, torch.optim.AdamW}:
        if kind.__module__.startswith(("torch.optim", *cli.OURS)) and "__init__" in vars(kind):
            found |= set(inspect.signature(kind).parameters)
    return found


@pytest.fixture(scope="module")
def arguments():
    return arguments_of_classes()


@pytest.fixture
def listed(say):
    texts = [say(command, "--help")[1] for command in COMMANDS]
    return {option for text in texts for option in re.findall(OPTION, text)}


def unknown(text, listed, arguments):
    """Return the options in a page that are neither of a command nor of a class."""
    own = set(re.findall(r"(\w+): \w+", " ".join(re.findall(r"def __init__\(.*?\)", text))))
    wrong = set()
    for option in re.findall(OPTION, text):
        group, *parts = option.split(".")
        of_a_class = group in ("--model", "--data", "--trainer") and len(parts) > 0
        nested = of_a_class and (group == "--model" or f"{group}.{parts[0]}" in listed)
        names = parts if group == "--model" else parts[1:]
        if option in listed or option in OF_OTHER_PROGRAMS:
            continue
        if not nested or not set(names) <= arguments | own:
            wrong.add(option)
    return wrong


def test_options_in_pages_are_there(listed, arguments):
    wrong = {page.name: unknown(page.read_text(), listed, arguments) for page in PAGES}
    assert {name: options for name, options in wrong.items() if options} == {}


def test_option_that_is_not_there_is_found(listed, arguments):
    text = "--model.widht --data.rot --trainer.max_step --stepps --model.network.width --data.root"
    assert unknown(text, listed, arguments) == {
        "--model.widht", "--data.rot", "--trainer.max_step", "--stepps",
    }  # fmt: skip
