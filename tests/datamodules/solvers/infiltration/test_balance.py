import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import Grid
from datamodules.solvers.finite_volume import Closure
from datamodules.solvers.infiltration import Arrhenius, HeatCapacity, Infiltration
from tests.datamodules.solvers.infiltration.preforms import at_rest, given, slab

R = 8.314


def written_out(C, e, T, c, dy, dx):
    """The three tendencies, cell by cell."""
    k = 2.62 * np.exp(-1.2e5 / (R * T))
    S_v = 2 * e / c["fibre_radius"] * np.sqrt(np.log(c["initial_porosity"]) * np.log(e))
    reaction = k * S_v / (1 + np.exp(-(e - 0.02) / 0.002)) * C
    D_K = 2 / 3 * 2 * e / S_v * np.sqrt(8 * R * T / (math.pi * 0.1495))
    D_m = 4.5e-5 * (T / 298) ** 1.75 * 101325 / c["pressure"]
    D = e ** (5 / 3) / (1 / D_m + 1 / D_K)
    conductivity = 20 * (1 - e) ** 1.5 + 0.2 * e
    rows, columns = C.shape
    gas, heat = np.zeros_like(C), np.zeros_like(C)
    for j in range(rows):
        for i in range(columns):
            for dj, di, h in ((0, 1, dx), (0, -1, dx), (1, 0, dy), (-1, 0, dy)):
                J, I = j + dj, i + di
                if 0 <= J < rows and 0 <= I < columns:
                    face = 2 / (1 / D[j, i] + 1 / D[J, I])
                    gas[j, i] += face * (C[J, I] - C[j, i]) / h**2
                    face = 2 / (1 / conductivity[j, i] + 1 / conductivity[J, I])
                    heat[j, i] += face * (T[J, I] - T[j, i]) / h**2
                    continue
                side = "temperature_left" if I < 0 else "temperature_right"
                outside = c[side] if di else T[j, i]
                feed = c["mole_fraction"] * c["pressure"] / (R * outside)
                gas[j, i] += D[j, i] * (feed - C[j, i]) / (h * h / 2)
                heat[j, i] += conductivity[j, i] * (outside - T[j, i]) / (h * h / 2)
    return (
        (gas - reaction) / e,
        -c["molar_volume"] * reaction,
        (heat - c["reaction_enthalpy"] * reaction) / ((1 - e) * 3210 * 1300),
    )


def random_state(shape):
    C, e, T = 0.05 + 0.1 * torch.rand(shape), 0.1 + 0.4 * torch.rand(shape), torch.rand(shape)
    return C, e, 1200 + 100 * T


def test_tendencies_equal_the_formulas_written_out():
    c = given(temperature_left=1323.0, temperature_right=1223.0, reaction_enthalpy=-2e5)
    c["fibre_radius"] = 5e-6 + 5e-6 * torch.rand(4, 6)
    fields = random_state((4, 6))
    found = Infiltration(Grid((4, 6), (0.02, 0.04))).bind(c)(torch.stack(fields)[None])[0]
    numbers = {name: value.numpy() for name, value in c.items()}
    expected = written_out(*(f.numpy() for f in fields), numbers, 0.02 / 4, 0.04 / 6)
    for one, other in zip(found, expected, strict=True):
        assert_close(one, torch.from_numpy(other), rtol=1e-10, atol=0.0)


def test_slab_is_a_row_of_a_plate_without_the_other_walls():
    # in the middle row of a plate of uniform columns only the y-walls differ: shut them by D = 0
    c = given(temperature_left=1323.0, temperature_right=1223.0)
    fields = random_state((8,))
    found = slab(8, 0.04).bind(c)(torch.stack(fields)[None])[0]
    numbers = {name: value.numpy() for name, value in c.items()}
    tall = written_out(
        *(f.numpy()[None].repeat(3, 0) for f in fields), numbers, dy=1e6, dx=0.04 / 8
    )
    for one, other in zip(found, tall, strict=True):
        assert_close(one, torch.from_numpy(other[1]), rtol=1e-9, atol=1e-15)


def test_operating_parameters_may_differ_between_samples():
    k = Infiltration(Grid((4, 6), (0.02, 0.04)))
    c = given()
    hot = {**c, "temperature_left": torch.tensor(1323.0), "pressure": torch.tensor(2e4)}
    state = torch.stack(random_state((4, 6)))[None]
    both = dict(c)
    for name in ("temperature_left", "pressure"):
        both[name] = torch.stack((c[name], hot[name])).view(2, 1, 1)
    alone = torch.cat([k.bind(values)(state) for values in (c, hot)])
    assert_close(k.bind(both)(state.expand(2, -1, -1, -1)), alone)
    line = slab(6)
    both = {n: v.view(2, 1) if v.dim() else v for n, v in both.items()}
    alone = torch.cat([line.bind(values)(state[:, :, 0]) for values in (c, hot)])
    assert_close(line.bind(both)(state[:, :, 0].expand(2, -1, -1)), alone)


def test_wall_gas_follows_the_temperature_of_the_cell_on_insulated_sides():
    k = Infiltration(Grid((4, 6), (0.02, 0.04)))
    state = torch.stack(random_state((4, 6)))[None]
    fields = k.bind(given()).fields_at(state)
    assert_close(fields["feed_low"], 1500 / (R * state[:, 2, 0]))
    assert_close(fields["feed_high"], 1500 / (R * state[:, 2, -1]))
    assert "feed_low" in k.moving
    assert "feed_left" not in k.moving


def test_no_flux_of_heat_at_rest():
    c = given(temperature_left=1323.0, temperature_right=1223.0, mole_fraction=1e-30)
    k = Infiltration(Grid((4, 6), (0.02, 0.04)))
    tendency = k.bind(c)(at_rest(k, c))
    assert_close(tendency[:, 2], torch.zeros(1, 4, 6), rtol=0, atol=1e-9)  # of K/s; T is 1300


def test_coefficients_are_those_of_the_process():
    assert set(slab().coefficients) == set(given())


def test_law_is_replaced_by_name():
    doubled = Closure(("temperature",), Arrhenius(2 * 2.62))
    state, c = torch.stack(random_state((6,)))[None], given()
    one, two = (slab(6, closures=x).bind(c) for x in (None, {"rate_constant": doubled}))
    assert_close(two(state)[:, 1], 2 * one(state)[:, 1])
    learned = Closure(("porosity", "fibre_radius"), lambda e, r: e / r)
    fields = slab(6, closures={"surface": learned}).bind(c).fields_at(state)
    assert_close(fields["surface"], state[:, 1] / 7e-6)
    capacity = Closure(("open_porosity",), HeatCapacity(2 * 3210.0))
    slow = slab(6, closures={"heat_capacity": capacity}).bind(c)
    assert_close(slow(state)[:, 2], one(state)[:, 2] / 2)


def test_unknown_closure_is_refused():
    with pytest.raises(ValueError, match=r"has no closure 'S_v' to replace, expected one of \['"):
        slab(closures={"S_v": Closure(("porosity",), torch.sqrt)})
