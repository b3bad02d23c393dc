"""Help that lists the classes of this program and of the user."""

import re
import shutil
import sys
from argparse import SUPPRESS, Action
from typing import Any

from jsonargparse import DefaultHelpFormatter
from lightning.pytorch.cli import LightningArgumentParser

from commands.option_values import at_home
from emulators import Network

WIDTH = 100
FOREIGN = ("torch.", "lightning.", "torchmetrics.", "lightning_utilities.")
# emulators make these themselves: they cannot be named in a file
INTERNAL = ("emulators.FromModule", "emulators.learned.Hybrid")


def shorter(text: str) -> str:
    """Return the description of an option without other libraries' classes, and our internal ones.

    Those of torch are hundreds, which every one of its users knows or finds in its own pages.
    """

    def chosen(found: re.Match) -> str:
        names = found[1].split(", ")
        if "torch.nn.Module" in names:  # any module will do, few are meant
            networks = [name for name in names if is_network(name)]
            names = [*networks, "torch.nn.Module"]
        ours = [name for name in names if not name.startswith((*FOREIGN, *INTERNAL))]
        others = sorted({name.split(".")[0] for name in names if name.startswith(FOREIGN)})
        kinds = [*ours, *(f"those of {library}" for library in others)]
        return f", known subclasses: {', '.join(kinds)}" if kinds else ""

    return re.sub(r", known subclasses: ([\w.]+(?:, [\w.]+)*)", chosen, text)


def is_network(path: str) -> bool:
    """Return whether an import path names a network."""
    module, _, name = path.rpartition(".")
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and issubclass(kind, Network)


class Formatter(DefaultHelpFormatter):
    """Formatter of help with `shorter` descriptions, in lines of at least 100 letters."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("width", max(WIDTH, shutil.get_terminal_size().columns - 2))
        super().__init__(*args, **kwargs)

    def _expand_help(self, action: Action) -> str:
        return shorter(super()._expand_help(action))


class Parser(LightningArgumentParser):
    """Lightning's parser, whose help is short."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", Formatter)
        if str(kwargs.get("description")).startswith("Help for "):  # of a class: its options follow
            kwargs.setdefault("usage", SUPPRESS)
        super().__init__(*args, **kwargs)

    def instantiate(self, settings: Any, **kwargs: Any) -> Any:
        """Make objects of settings, whose paths may begin at the home folder."""
        return super().instantiate(at_home(settings), **kwargs)
