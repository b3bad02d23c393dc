"""Execute notebooks without Jupyter: `python docs/notebooks/execute.py` writes their outputs.

Code cells may use Python alone. What they print and the figures that they leave open are outputs.
"""

import base64
import io
import json
import os
import sys
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any


def executed(path: Path) -> dict[str, Any]:
    """Return a notebook with the outputs of its code cells, run in an empty folder."""
    import matplotlib

    matplotlib.use("Agg")
    notebook = json.loads(path.read_text())
    names: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        for number, cell in enumerate(cells, start=1):
            said = io.StringIO()
            with redirect_stdout(said), redirect_stderr(io.StringIO()):
                exec(compile("".join(cell["source"]), f"{path.name}-{number}", "exec"), names)
            cell["execution_count"] = number
            cell["outputs"] = [*printed(said.getvalue()), *drawn()]
    return notebook


def printed(text: str) -> list[dict[str, Any]]:
    """Return the output of a cell that printed a text."""
    lines = text.splitlines(keepends=True)
    return [{"output_type": "stream", "name": "stdout", "text": lines}] if lines else []


def drawn() -> list[dict[str, Any]]:
    """Return the outputs of a cell that left figures open, and close them."""
    from matplotlib import pyplot

    outputs = []
    for number in pyplot.get_fignums():
        buffer = io.BytesIO()
        pyplot.figure(number).savefig(buffer, format="png", dpi=70, bbox_inches="tight")
        data = {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": ["figure"]}
        outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
    pyplot.close("all")
    return outputs


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = Path(__file__).resolve().parent
    for file in [Path(name).resolve() for name in sys.argv[1:]] or sorted(folder.glob("*.ipynb")):
        file.write_text(json.dumps(executed(file), indent=1, ensure_ascii=False) + "\n")
        print(f"wrote {file}")
