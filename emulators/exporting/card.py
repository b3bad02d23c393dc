"""The card of an exported emulator: what it is, what it is given, and where it comes from."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from datamodules.description import DataDescription
from datamodules.solvers import Variable
from emulators.code_version import commit, versions
from emulators.emulator import Emulator
from emulators.exporting.program import StepProgram

README = """# {title}

One step of an emulator ({emulator}) of {fields}: from the states at one time to the states
{interval} later, in the units of the data. It needs PyTorch and no other library. `card.json`
describes the data, the inputs, the scores and the origin.

Licence: {licence}

```python
# forecast.py
import json

import torch

card = json.load(open("card.json"))
step = torch.export.load("step.pt2").module()
batch = 2  # any number of states


def zeros(tensor):
    shape = [batch if size == "batch" else size for size in tensor["shape"]]
    return torch.zeros(shape, dtype=getattr(torch, tensor["dtype"]))


state = zeros(card["state"])  # {shape}: put initial states here
memory = tuple(zeros(tensor) for tensor in card["memory"])  # at the start of a forecast
inputs = {{name: zeros(tensor) for name, tensor in card["inputs"].items()}}{of_inputs}
for lead in range(10):
    state, memory = step(state, memory, **inputs)
```

- `step.pt2` has the weights and the statistics of the data inside; `weights.safetensors` has them
  by name, for other uses.
- The memory that a step returns belongs to the state that it returns: give both to the next step.
- On a GPU: `program = torch.export.load("step.pt2")`, then
  `step = torch.export.passes.move_to_device_pass(program, "cuda").module()`, with all tensors
  there.
- Scores and errors of long forecasts are of the data and the initial conditions in `card.json`.
"""

ABOUT = {
    "parameters": "physical parameters in the units of the data",
    "noise": "standard normal random numbers, drawn again for every step",
    "static": "static fields in their units, the same at every step",
    "forcing": "forcing in its units, from the time of the state on, one interval after the other",
    "time": "time of the state in the unit of time of the data",
}


def card_of(
    step: StepProgram,
    emulator: Emulator,
    data: DataDescription,
    parity: dict[str, Any],
    about: Mapping[str, Any],
    licence: str | None,
) -> dict[str, Any]:
    """Return the card of an exported emulator, as JSON values.

    Args:
        step: Program of a step.
        emulator: Emulator.
        data: Description of its training data.
        parity: Measured difference between the program and the emulator.
        about: Further entries, which replace entries of the same name.
        licence: Licence under which the weights may be used.
    """
    description = data.to_dict()
    grid = ("shape", "domain lengths", "axes", "periodic", "mask")
    times = ("interval", "time unit", "calendar", "time attributes")
    return {
        "format": "step 1",
        "emulator": type(emulator).__name__,
        "licence": licence,
        "state": described(step.state) | {"variables": variables(data.fields)},
        "memory": [described(one, number == 0) for number, one in enumerate(step.forms.start(1))],
        "inputs": {
            name: described(one) | {"about": ABOUT[name]} | named_inputs(name, data)
            for name, one in step.inputs.items()
        },
        "grid": {name: description[name] for name in grid if name in description},
        "time": {name: description[name] for name in times},
        "statistics": {name: description.get(name) for name in ("mean", "std", "increment std")},
        "data_hashes": dict(data.hashes),
        "scores": None,
        "parity": parity,
        "options": dict(emulator.hparams),
        "weights": sum(one.numel() for one in step.emulator.trained.parameters()),
        "training_steps": emulator.trained_steps,
        "seed": emulator.run_seed,
        "precision": emulator.precision,
        "commit": commit(),
        "versions": versions(),
        **about,
    }


def described(tensor: Tensor, single: bool = False) -> dict[str, Any]:
    """Return shape and type of a tensor, whose first size is the batch unless it is a number."""
    shape = [] if single else ["batch", *tensor.shape[1:]]
    return {"shape": shape, "dtype": str(tensor.dtype).removeprefix("torch.")}


def variables(fields: tuple[Variable, ...]) -> list[dict[str, str]]:
    """Return name, long name and units of fields."""
    return [{"name": one.name, "long_name": one.long_name, "units": one.units} for one in fields]


def named_inputs(name: str, data: DataDescription) -> dict[str, Any]:
    """Return names and units of an input."""
    if name == "parameters":
        units = data.parameter_units
        return {"names": list(data.parameters), "units": [units.get(p) for p in data.parameters]}
    fields = {"static": data.static, "forcing": data.forcing}.get(name)
    return {} if fields is None else {"variables": variables(fields)}


def readme_of(card: dict[str, Any], title: str) -> str:
    """Return a page that says what is in the folder and how to use it."""
    fields = ", ".join(one["long_name"] or one["name"] for one in card["state"]["variables"])
    unit = card["time"]["time unit"]
    interval = f"{card['time']['interval']:g}" + (f" {unit}" if unit != "1" else "")
    of_inputs = f"  # {', '.join(card['inputs'])}: see card.json" if card["inputs"] else ""
    return README.format(
        title=title,
        emulator=card["emulator"],
        fields=fields,
        interval=interval,
        licence=card["licence"] or "not stated; ask the authors of the weights.",
        shape=f"({', '.join(map(str, card['state']['shape']))})",
        of_inputs=of_inputs,
    )
