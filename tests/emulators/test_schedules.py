import math

import pytest
import torch

from emulators import ConstantCosine, WarmupConstant, WarmupCosine


def rates(schedule, steps, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = schedule(optimizer, steps, **options)
    found = []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_rises_linearly_and_falls_to_zero():
    found = rates(WarmupCosine, 110, warmup=10)
    assert found[0] == pytest.approx(0.2)
    assert found[9] == pytest.approx(2.0)
    assert found[60] == pytest.approx(1.0)  # half way down: cos(π/2)
    assert found[35] == pytest.approx(1 + math.cos(math.pi / 4))
    assert found[110] == pytest.approx(0.0)


def test_constant_stays_after_the_warm_up():
    found = rates(WarmupConstant, 30, warmup=4)
    assert found[:5] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])
    assert found[-1] == pytest.approx(2.0)


@pytest.mark.parametrize("schedule", [WarmupCosine, WarmupConstant])
def test_no_warm_up_starts_at_the_full_rate(schedule):
    assert rates(schedule, 10, warmup=0)[0] == pytest.approx(2.0)


def test_constant_cosine_holds_and_decays():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = ConstantCosine(optimizer, 100, constant=0.25, final=0.1)
    rates = []
    for _ in range(102):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:26] == [2.0] * 26
    middle = 25 + 75 / 3  # a third of the decay: cos 60° = ½, factor 0.1 + 0.9 · 0.75
    assert rates[int(middle)] == pytest.approx(2.0 * 0.775)
    assert rates[100] == rates[101] == pytest.approx(0.2)


def test_bad_constant_cosine_is_refused():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    with pytest.raises(ValueError, match=r"constant in \[0, 1\) and final in \[0, 1\]"):
        ConstantCosine(optimizer, 100, constant=1.0)


@pytest.mark.parametrize("schedule", [WarmupCosine, WarmupConstant])
def test_a_negative_warm_up_is_refused(schedule):
    with pytest.raises(ValueError, match=rf"{schedule.__name__}.warmup .* got -1"):
        rates(schedule, 10, warmup=-1)
