"""Published numbers, reproduced; minutes each, run with `pytest -m slow`."""

import pytest
import torch

from benchmarks.reference_statistics import statistics


@pytest.mark.slow
def test_jet_flow_has_the_vorticity_and_energy_of_the_paper():
    torch.set_num_threads(2)
    found = statistics("jet", size=128, dt=0.005)
    assert 10 <= found["std of vorticity"] <= 11.3
    assert found["mean energy"] == pytest.approx(4.45, abs=0.3)


@pytest.mark.slow
def test_flow_without_jets_has_the_vorticity_of_the_paper():
    torch.set_num_threads(2)
    assert 6 <= statistics("no jet", size=128, dt=0.005)["std of vorticity"] <= 7
