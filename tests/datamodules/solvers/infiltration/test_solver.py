import netCDF4
import pytest
import torch
from jsonargparse import ArgumentParser
from torch.testing import assert_close

from datamodules.files.dimensions import Dimensions
from datamodules.files.provenance import describe
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.generation.generator import Generator
from datamodules.generation.split_size import SplitSize
from datamodules.solvers.finite_volume import Closure, RandomField
from datamodules.solvers.infiltration import Arrhenius, Sealing
from tests.datamodules.solvers.infiltration.preforms import HOUR, preform

# mean, max, min, centre, corner of porosity and least over largest concentration, from direct
# sparse solves of the same scheme by an independent program
REFERENCE = {
    ("gradient", 10): (0.4401, 0.4871, 0.3616, 0.4550, 0.3616, 0.740),
    ("gradient", 20): (0.3101, 0.3824, 0.1852, 0.3373, 0.1852, 0.602),
    ("gradient", 40): (0.1569, 0.2192, 0.0322, 0.1982, 0.0322, 0.269),
    ("1273 K", 10): (0.4437, 0.4556, 0.4316, 0.4556, 0.4316, 0.813),
    ("1273 K", 20): (0.3137, 0.3393, 0.2869, 0.3393, 0.2869, 0.708),
    ("1273 K", 40): (0.1526, 0.2009, 0.1013, 0.2009, 0.1013, 0.431),
    ("1373 K", 10): (0.3269, 0.3741, 0.2747, 0.3741, 0.2747, 0.521),
    ("1373 K", 20): (0.1860, 0.2686, 0.0924, 0.2686, 0.0924, 0.253),
}
POINTS = {
    "gradient": {"temperature_left": 1323.0, "temperature_right": 1223.0},
    "1273 K": {"temperature_left": 1273.0, "temperature_right": 1273.0},
    "1373 K": {"temperature_left": 1373.0, "temperature_right": 1373.0},
}


def measures(state):
    C, e, _ = state
    rows, columns = e.shape
    values = (e.mean(), e.max(), e.min(), e[rows // 2, columns // 2], e[0, 0], C.min() / C.max())
    return torch.stack(values)


def compare(hours):
    solver = preform().at(list(POINTS.values()))
    states = solver.rollout(solver.initial_state(), max(hours))
    for n, name in enumerate(POINTS):
        for hour in hours:
            if (name, hour) in REFERENCE:
                expected = torch.tensor(REFERENCE[name, hour])
                assert_close(measures(states[n, hour - 1]), expected, rtol=0.01, atol=0.0)


@pytest.mark.slow
def test_reference_runs_to_10_hours():
    compare([10])


@pytest.mark.slow
def test_reference_runs_to_40_hours():
    compare([10, 20, 40])


@pytest.mark.slow
def test_reference_run_of_a_thick_preform():
    solver = preform(
        lengths=(0.04, 0.08),
        interval=20 * HOUR,
        temperature_left=1323.0,
        temperature_right=1323.0,
    )
    states = solver.rollout(solver.initial_state(), 2)[0]
    for state, expected in zip(
        states,
        ((0.3232, 0.4271, 0.1895, 0.4271, 0.1895, 0.207), (0.2317, 0.3798, 0.0394, 0.3798, 0.0394)),
        strict=True,
    ):
        found = measures(state)[: len(expected)]
        assert_close(found, torch.tensor(expected), rtol=0.01, atol=0.0)


def small(**options):
    return preform((6, 8), **options)


def test_initial_state_is_the_preform_as_it_is_put_into_the_furnace():
    solver = small(temperature_left=1300.0, temperature_right=1220.0)
    C, e, T = solver.initial_state()[0]
    assert_close(T[2], 1300 - 80 * (torch.arange(8.0) + 0.5) / 8)
    assert_close(e, torch.full((6, 8), 0.9999 * 0.6))
    assert_close(C, 1500 / (8.314 * T))


def test_trajectories_at_several_operating_points_are_those_at_each_alone():
    points = [
        {"temperature_left": 1323.0, "pressure": 5e3},
        {"temperature_left": 1250.0, "pressure": 2e4},
    ]
    together = small().at(points)
    start = together.initial_state()
    end = together.step(start)
    for n, point in enumerate(points):
        alone = small(**point)
        assert_close(alone.initial_state(), start[n : n + 1])
        assert_close(alone.step(start[n : n + 1]), end[n : n + 1], rtol=1e-7, atol=1e-9)


def test_files_are_in_si_units_at_several_operating_points(tmp_path):
    points = [{"pressure": 5e3}, {"pressure": 2e4}]
    splits = {"train": SplitSize(2, 3, points)}
    Generator(small(), None, splits, trajectories_per_file=2, precision=64).generate(tmp_path)
    solver = small().at(points)
    expected = solver.rollout(solver.initial_state(), 2)
    path = tmp_path / "train" / "train_0000.nc"
    names = [variable.name for variable in solver.variables]
    file = TrajectoryFile(path, names, Dimensions(), ["pressure"])
    assert file.parameters.tolist() == [[5e3], [2e4]]
    for n in range(2):
        found = torch.from_numpy(file.read(n, 1, 3))
        assert_close(found, expected[n].float(), rtol=1e-5, atol=1e-6)
    with netCDF4.Dataset(path) as dataset:
        units = [dataset[name].units for name in (*names, "pressure", "x")]
        assert units == ["mol m-3", "1", "K", "Pa", "m"]
        assert dataset.comment == "SI units."
        assert dataset["y"][0] == pytest.approx(0.02 / 12)
        assert dataset["time"][1] == HOUR


def test_solver_at_operating_points_keeps_its_precision_and_its_own_stays():
    single = small().float()
    twin = single.at([{"pressure": 2e4}])
    assert twin.initial_state().dtype == torch.float32
    assert single.solver.values(0.0)["pressure"] == 1e4


def test_slab_infiltrates_from_both_ends():
    solver = preform((16,), (0.04,), temperature_left=1323.0, temperature_right=1323.0)
    C, e, T = solver.rollout(solver.initial_state(), 5)[0, -1]
    assert_close(e, e.flip(-1))
    assert e.argmax() in (7, 8)
    assert C.argmin() in (7, 8)
    assert_close(T, torch.full((16,), 1323.0))


def test_thin_fibres_fill_faster():
    radius = RandomField(5e-6, 9e-6, 0.01)
    solver = small(fibre_radius=radius)
    e = solver.step(solver.initial_state())[0, 1]
    radii = radius.field(solver.solver.balance.domain)
    assert torch.corrcoef(torch.stack((e.flatten(), radii.flatten())))[0, 1] > 0.9


def test_pores_that_close_stay_open_a_little():
    hot = {"temperature_left": 1373.0, "temperature_right": 1373.0}
    solver = preform((8,), (0.04,), dt=2 * HOUR, interval=100 * HOUR, **hot)
    state = solver.step(solver.initial_state())
    assert 0 < state[:, 1].min() < 0.02
    assert torch.isfinite(state).all()


def test_deposition_rate_is_the_loss_of_porosity():
    solver = small(interval=1.0, dt=1.0)
    state = solver.step(solver.initial_state())
    after = solver.step(state)
    lost = (state - after)[:, 1] / (0.0401 / 3210)
    assert_close(solver.deposition_rate(after), lost, rtol=1e-6, atol=1e-9)


def test_law_is_replaced_in_a_configuration():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--closure", type=Closure)
    law = "datamodules.solvers.infiltration.Arrhenius"
    text = (
        '{"class_path": "datamodules.solvers.finite_volume.Closure", "init_args": {"names": '
        f'["temperature"], "function": {{"class_path": "{law}", "init_args": '
        '{"prefactor": 3.0}}}}'
    )
    made = parser.instantiate(parser.parse_args(["--closure", text])).closure
    assert made.names == ("temperature",)
    assert isinstance(made.function, Arrhenius)
    assert made.function.prefactor == 3.0


class LearnedSurface(torch.nn.Module):
    """S_v = a ε, a learned."""

    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor(1.5e5))

    def forward(self, porosity):
        return self.slope * porosity


def test_gradient_reaches_a_learned_law_through_steps():
    law = LearnedSurface()
    solver = small(closures={"surface": Closure(("open_porosity",), law)})
    start = solver.initial_state()

    def loss(slope):
        law.slope.data.fill_(slope)
        return solver.step(start)[:, 1].mean()

    loss(1.5e5).backward()
    difference = (loss(1.5e5 + 10) - loss(1.5e5 - 10)).item() / 20
    assert law.slope.grad < 0  # more surface, fewer pores
    assert_close(law.slope.grad.item(), difference, rtol=1e-5, atol=0.0)


def test_solver_is_described_by_what_determines_its_data():
    radius = RandomField(5e-6, 9e-6, 0.01, seed=3)
    seal = Closure(("surface", "porosity"), Sealing(0.05, 0.01))
    described = describe(small(fibre_radius=radius, closures={"reactive_surface": seal}))
    assert described["pressure"] == 1e4
    assert described["fibre_radius"]["seed"] == 3
    assert described["closures"]["reactive_surface"]["function"]["porosity"] == 0.05
    assert described["stepper"]["layer"]["solver"]["preconditioner"] == {
        "class": "BlockTridiagonal"
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature_left": 100.0}, "temperature_left is 100 K, .* 1000 degrees Celsius"),
        ({"temperature_right": 0.0}, "temperature_right is 0 K, expected between 500 and 3000 K"),
        ({"pressure": 10.0}, "pressure is 10 Pa, .*; give pascal: 10 kPa are 1.0e4"),
        ({"mole_fraction": 15.0}, "mole_fraction is 15 1, .* 15 % are 0.15"),
        ({"initial_porosity": -0.1}, "initial_porosity is -0.1 1, .* 60 % are 0.6"),
        ({"initial_porosity": RandomField(0.5, 1.5, 0.01)}, "initial_porosity is 1"),
        ({"initial_porosity": 0.02}, "initial_porosity is 0.02, but pores are sealed at 0.02"),
        ({"fibre_radius": 7.0}, "fibre_radius is 7 m, .* 7 micrometres are 7.0e-6"),
        ({"molar_volume": 12.5}, "molar_volume is 12.5 m3/mol, .* are 1.25e-5"),
        ({"lengths": (20.0, 40.0)}, "length is 20 m, .* 20 mm are 0.02"),
        ({"dt": 7.0}, "must be a whole number of dt, got interval=3600.0 and dt=7.0"),
    ],
)
def test_wrong_units_and_closed_pores_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (
            [{"Pressure": 1e4}],
            "has no parameter 'Pressure' .* only temperature_left, temp",
        ),
        ([{"pressure": 10.0}], "pressure is 10 Pa"),
        ([{"pressure": 1e4}, {"mole_fraction": 0.1}], r"must all set the same .*\['pressure'\]"),
    ],
)
def test_malformed_operating_points_are_refused(points, message):
    with pytest.raises(ValueError, match=message):
        small().at(points)


@pytest.mark.parametrize("bad", [-0.1, 1273.0, float("nan")])
def test_state_without_a_porosity_is_refused(bad):
    solver = small()
    state = solver.initial_state().repeat(3, 1, 1, 1)
    state[2, 1, 4, 5] = bad
    with pytest.raises(ValueError, match=rf"of trajectory 2 is {bad:g} at cell \(4, 5\), expected"):
        solver.step(state)
