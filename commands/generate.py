"""The command that simulates data sets."""

import os
from argparse import SUPPRESS
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

# datamodules takes seconds to load, which the help of the whole program needs not

USAGE = """emulate generate -c DATA.yaml [options]

  emulate generate -c configs/data/jet64.yaml
  emulate generate -c configs/data/jet64.yaml --data.root=jet64-again --data.generator.seed=1
  torchrun --nproc-per-node=8 --no-python emulate generate -c configs/data/jet64.yaml"""


def generate(args: list[str]) -> None:
    """Simulate the missing files of a data set; under torchrun, each process simulates a share."""
    if {"-h", "--help", "--data.help"} & set(args):
        from commands.help import is_brief

        parser = parser_of_data()
        parser.shown = is_brief
        parser.print_help()
        with suppress(SystemExit):  # which the help of a class ends with
            parser.parse_args(["--data.generator.help", "Generator"])
        return
    if not simulate(args):
        raise ValueError("there is nothing to generate: the configuration has no data.generator.")


def simulate(args: Sequence[str]) -> bool:
    """Simulate the missing files of a data set; return whether it has a generator."""
    from commands.garbage import resume_collections
    from commands.option_values import expand_home, refuse_no_group, refuse_null
    from datamodules import TrajectoryDataModule

    parser = parser_of_data()
    options = parser.parse_args(args)
    refuse_null(options)
    refuse_no_group(options.data, TrajectoryDataModule)
    data = parser.instantiate(expand_home(options)).data
    resume_collections()
    if data.generator is None:
        return False
    device = checked_device(options.device or default_device())
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    data.generator.generate(data.root, rank, ranks, device)
    data.generator.verify(data.root, rank, ranks)
    print(f"data in {data.root}")
    return True


def parser_of_data() -> Any:
    """Return the parser of `generate`."""
    import datamodules
    from commands.exported import exported
    from commands.help import Parser
    from commands.option_values import check_values

    exported(datamodules)
    check_values()
    parser = Parser(prog="emulate generate", usage=USAGE, description=generate.__doc__)
    parser.add_argument("-c", "--config", action="config", help="Data configuration in YAML.")
    parser.add_argument(
        "--device", type=str | None, default=None, help="Device, such as cpu or cuda:0."
    )
    parser.add_class_arguments(datamodules.TrajectoryDataModule, "data")
    for other in ("model", "trainer", "seed_everything"):  # a file for `fit` will do
        parser.add_argument(f"--{other}", type=Any, help=SUPPRESS)
    return parser


def default_device() -> str:
    """Return this process's GPU, or the CPU where there is none."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"


def checked_device(name: str) -> str:
    """Return the name of a device after checking that this machine has it.

    Raises:
        ValueError: The machine has no such device.
    """
    import torch

    try:
        known = torch.empty(0, device=name).device.type != "meta"
    except (RuntimeError, AssertionError, NotImplementedError, ImportError):
        known = False
    if not known:
        raise ValueError(f"--device={name} is not a device of this machine; try cpu.")
    return name
