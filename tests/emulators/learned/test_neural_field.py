import pytest
import torch
from torch.testing import assert_close

from emulators.learned import NeuralField


def points(rows=3, columns=4):
    return torch.rand(rows, columns, 2)


def test_size_is_that_of_the_paper():
    # Akhare et al.: 2378 + 2 (10 + 1) 33537 numbers for two fields, 2378 + (10 + 1) 33537 for one
    def count(*names):
        return sum(p.numel() for p in NeuralField(names).parameters())

    assert count("u", "v") == 740192
    assert count("D") == 371285


def test_field_is_the_formula():
    field = NeuralField(["c"], scale=2.0, output=torch.nn.Identity(), width=3)
    w = field.projections[0](field.conditional(torch.zeros(1, 1)))[0]
    sizes = [(2, 3), (3, 3), (3, 3), (3, 1)]
    A, first = [], 0
    for inputs, outputs in sizes:
        kernel = w[first : first + inputs * outputs].view(inputs, outputs)
        bias = w[first + inputs * outputs : first + (inputs + 1) * outputs]
        A.append(lambda z, kernel=kernel, bias=bias: z @ kernel + bias)
        first += (inputs + 1) * outputs
    x = points()
    y = A[0](x)
    r = y + A[2](torch.sin(30 * A[1](y)))
    expected = 2.0 * A[3](torch.sin(30 * r)).squeeze(-1)
    assert_close(field(x, torch.zeros(1))["c"][0], expected)


def test_steady_field_ignores_time_and_a_dynamic_one_does_not():
    x, times = points(), torch.tensor([0.0, 0.3, 0.3])
    steady, moving = (NeuralField(["c"], steady=steady, width=8) for steady in (True, False))
    for parameter in moving.projections.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    assert steady.at(x, times)["c"].shape == (3, 4)
    field = moving.at(x, times)["c"]
    assert field.shape == (3, 3, 4)
    assert_close(field[1], moving(x, times[1:2])["c"][0])
    assert_close(field[1], field[2])
    assert (field[0] - field[1]).abs().max() > 1e-6
    assert moving.at(x, torch.zeros(3))["c"].shape == (3, 4)  # one time for all


def test_field_of_lengths_is_that_of_its_units():
    torch.manual_seed(0)
    metres = NeuralField(["c"], width=8)
    torch.manual_seed(0)
    millimetres = NeuralField(["c"], width=8, length=1000.0)
    x, t = points(), torch.zeros(1)
    assert_close(metres(x, t)["c"], millimetres(1000 * x, t)["c"])


def test_field_starts_near_its_scale_and_is_not_negative():
    field = NeuralField(["D"], scale=1e-2)(points(32, 64), torch.zeros(1))["D"]
    assert (field >= 0).all()
    assert 0.5e-2 < field.mean() < 2e-2


def test_every_number_gets_a_gradient():
    field = NeuralField(["u", "v"], steady=False, width=8)
    found = field(points(), torch.tensor([0.2, 0.4]))
    (found["u"].square().sum() + found["v"].square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in field.parameters())


def test_autocast_does_not_round_the_field():
    field = NeuralField(["c"], width=8).float()
    x = points().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = field(x, torch.zeros(1))["c"]
    assert_close(rounded, field(x, torch.zeros(1))["c"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "NeuralField.width must be at least 1, got 0"),
        ({"scale": 0.0}, "scale, duration and length must be positive, got scale=0.0"),
        ({"names": []}, r"names must list at least one coefficient, got \[\]"),
        ({"names": "u"}, "got 'u'; write"),
    ],
)
def test_bad_field_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NeuralField(**{"names": ["u"], **options})


def test_field_of_times_is_that_of_their_units():
    fields = []
    for duration in (1.0, 3600.0):
        torch.manual_seed(0)
        fields.append(NeuralField(["c"], steady=False, width=8, duration=duration))
        for parameter in fields[-1].projections.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    hours, seconds = fields
    x, t = points(), torch.tensor([0.5, 2.0])
    assert_close(hours(x, t)["c"], seconds(x, 3600 * t)["c"])
    assert (hours(x, t)["c"] - hours(x, t + 1)["c"]).abs().max() > 1e-6
