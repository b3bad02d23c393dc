"""Whether an emulator and a data set belong together, said in one sentence where they do not."""

from typing import Any


def describe(data: Any) -> dict[str, Any]:
    """Return what of a data set an emulator depends on, as plain numbers and strings."""
    grid = data.grid
    return {
        "variables": list(data.variables),
        "shape": list(data.shape),
        "domain lengths": [float(f"{length:.5g}") for length in grid.lengths] if grid else None,
        "interval": float(f"{data.interval:.5g}"),
    }


def check_fields(data: Any, channels: int, dimensions: int) -> None:
    """Refuse data with other channels or dimensions than the emulator was built for."""
    if data is None:
        raise ValueError(
            "An emulator needs a data module: call the trainer with "
            "datamodule=TrajectoryDataModule(...)."
        )
    if (data.channels, data.dimensions) != (channels, dimensions):
        raise ValueError(
            f"The emulator has {channels} channels in {dimensions} dimensions, the data "
            f"{data.channels} ({', '.join(data.variables)}) in {data.dimensions}; set "
            "model.channels and model.dimensions to those of the data."
        )


def check_training_data(trained_on: dict[str, Any], data: Any) -> None:
    """Refuse data that differ from those of the training in what an emulator depends on."""
    if not trained_on:
        return
    for name, value in describe(data).items():
        trained = trained_on.get(name, value)
        if trained != value:
            raise ValueError(
                f"The emulator was trained on data with {name} {trained}, these data have {value}; "
                "use the data it was trained for, or train it on these."
            )


def is_plain(value: Any) -> bool:
    """Return whether a checkpoint can hold a value that loads again without running code."""
    if isinstance(value, dict):
        return all(is_plain(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
