import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[4] / "docs" / "implicit-layers.md"


def test_code_of_the_page_runs_as_written():
    torch.set_default_dtype(torch.float32)
    names = {"network": torch.nn.Linear(2, 2), "state": torch.rand(3, 1, 32, 64), "dt": 1e-2}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(block, names)
    assert names["info"].converged.all()
    assert names["a"].grad.abs() > 0
    names["state"].square().mean().backward()
    assert names["network"].weight.grad.abs().max() > 0
