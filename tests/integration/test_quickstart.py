"""The example in Python: data, training, rollout and a score."""

import runpy

from tests.integration.test_your_diagnostic import HOME

EXAMPLE = HOME / "examples/quickstart.py"


def test_quickstart_learns_waves_in_forty_lines(tmp_path, monkeypatch, single_precision):
    monkeypatch.chdir(tmp_path)
    assert len(EXAMPLE.read_text().splitlines()) <= 40
    error = runpy.run_path(str(EXAMPLE))["main"](tmp_path / "waves")
    assert error < 0.05  # of a wave that does not move it is 2 |sin(50 * 0.2 / 2)| = 1.92
