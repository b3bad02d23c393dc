"""Results on a processor do not depend on its threads, which are given back."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.testing import assert_close

from datamodules.generation.generator import Generator
from datamodules.generation.split_size import SplitSize
from datamodules.solvers import BetaPlane, GaussianField, Grid, SpectralSolver, Variable
from datamodules.solvers.cpu import by_parts, threads_for
from datamodules.solvers.finite_volume import (
    Balance,
    Decay,
    Domain,
    ExplicitEuler,
    FiniteVolumeSolver,
)
from datamodules.solvers.pseudo_spectral.operators import resample


def square(size):
    return Grid((size, size), (2 * math.pi, 2 * math.pi))


def vorticity(batch, size):
    return torch.randn(batch, 1, size, size, generator=torch.Generator().manual_seed(size))


# small transforms; leftover numbers in a thread's share; parts side by side; one part on threads
@pytest.mark.parametrize(("size", "batch"), [(16, 5), (64, 4), (150, 5), (128, 13), (256, 1)])
@pytest.mark.parametrize("recording", [False, True])
def test_a_step_has_the_same_bits_with_any_number_of_threads(threads, size, batch, recording):
    solver = SpectralSolver(BetaPlane(square(size), beta=20.0, viscosity=1e-3), 0.005, 0.01).float()
    results = []
    for number in (1, 2, 3):
        threads(number)
        with torch.set_grad_enabled(recording):
            results.append(solver.step(vorticity(batch, size)))
    assert all(torch.equal(result, results[0]) for result in results)


def test_resampling_has_the_same_bits_with_any_number_of_threads(threads):
    field, results = vorticity(4, 128), []
    for number in (1, 2, 3):
        threads(number)
        results.append(resample(field, square(128), (64, 64)))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize(
    ("shape", "chosen"),
    [((64, 64), 1), ((4096,), 1), ((130, 130), 1), ((128, 130), 1), ((128, 128), 4)],
)
def test_threads_are_a_power_of_two_or_one_and_are_given_back(threads, shape, chosen):
    threads(5)
    with threads_for(shape, torch.device("cpu")):
        assert torch.get_num_threads() == chosen
    assert torch.get_num_threads() == 5


def test_threads_are_given_back_after_a_failure_and_to_new_threads(threads, monkeypatch):
    monkeypatch.setattr("datamodules.solvers.cpu.CACHE_NUMBERS", 1)
    threads(3)

    def refuse(part):
        raise ValueError("refused")

    with torch.no_grad(), pytest.raises(ValueError, match="refused"):
        by_parts(refuse, torch.ones(2, 1))
    assert torch.get_num_threads() == 3
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 3


def test_parts_side_by_side_are_in_order_each_on_one_thread(threads, monkeypatch):
    monkeypatch.setattr("datamodules.solvers.cpu.CACHE_NUMBERS", 4)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 2})
    threads(3)
    seen = []

    def double(part):
        seen.append((len(part), torch.get_num_threads(), torch.is_inference_mode_enabled()))
        return 2 * part

    batch = torch.arange(10.0).reshape(5, 2)
    with torch.inference_mode():
        assert torch.equal(by_parts(double, batch), 2 * batch)
    assert sorted(seen) == [(1, 1, True), (2, 1, True), (2, 1, True)]


def test_parts_are_not_side_by_side_where_threads_are_bound_to_one_core(threads, monkeypatch):
    monkeypatch.setattr("datamodules.solvers.cpu.CACHE_NUMBERS", 1)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0})
    threads(2)
    seen = []
    with torch.no_grad():
        by_parts(lambda part: seen.append(torch.get_num_threads()) or part, torch.ones(2, 1))
    assert seen == [2, 2]


@pytest.mark.parametrize("size", [210, 256])
def test_initial_states_have_the_same_bits_with_any_number_of_threads(threads, tmp_path, size):
    solver = SpectralSolver(BetaPlane(square(size), viscosity=1e-3), 0.005, 0.01)
    generator = Generator(solver, GaussianField(3.0), {"train": SplitSize(6, 2)}, precision=64)
    states = []
    for number in (1, 2, 3):
        threads(number)
        states.append(torch.cat([s.initial_state() for s in generator.files(tmp_path)]))
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


def test_finite_volumes_take_one_thread_unless_gradients_are_recorded(threads):
    seen = []

    class Counting(ExplicitEuler):
        def step(self, *args):
            seen.append(torch.get_num_threads())
            return super().step(*args)

    domain, u = Domain(Grid((4,), (4.0,))), Variable("u", "u", "1")
    balance = Balance(domain, (u,), {"decay": Decay("r")})
    solver = FiniteVolumeSolver(balance, {"r": 1.0}, 0.5, 0.5, stepper=Counting())
    threads(3)
    for recording in (False, True):
        with torch.set_grad_enabled(recording):
            solver.step(torch.ones(1, 1, 4))
    assert seen == [1, 3]


def test_gradients_pass_through_parts(threads, monkeypatch):
    monkeypatch.setattr("datamodules.solvers.cpu.CACHE_NUMBERS", 1)
    threads(2)
    batch = torch.tensor([[1.0], [3.0]], requires_grad=True)
    by_parts(torch.square, batch).sum().backward()
    assert_close(batch.grad, 2 * batch.detach())
