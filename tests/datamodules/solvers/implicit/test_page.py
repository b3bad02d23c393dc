import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[4] / "docs" / "implicit-layers.md"


def test_each_block_of_the_page_runs_alone_as_written():
    torch.set_default_dtype(torch.float32)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        own = {}
        exec(block, own)
        names |= own
    assert names["info"].converged.all()
    assert names["a"].grad.abs() > 0
    names["state"].square().mean().backward()
    assert names["network"][0].weight.grad.abs().max() > 0
