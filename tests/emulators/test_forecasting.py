"""Forecasts from datasets: what is checked, and how fields, times and inputs are passed on."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray
from torch import nn

from datamodules.description import DataDescription
from datamodules.files.space_axis import SpaceAxis
from datamodules.solvers import Variable
from emulators import Baseline, Bundled
from emulators.context import NO_CONTEXT
from emulators.forecasting import forecasts
from emulators.forecasting.initial_states import InitialStates

pytestmark = pytest.mark.usefixtures("single_precision")
Y, X = np.linspace(-30.0, 30.0, 4), np.arange(6.0)
NORTH, METRES = {"units": "degrees_north"}, {"units": "km"}
DATES = {"units": "hours since 2000-01-01", "calendar": "noleap"}


def description(**changes):
    data = DataDescription(
        fields=(Variable("u", "wind", "m s-1"), Variable("T", "temperature", "K")),
        axes=(SpaceAxis("lat", 4, Y, NORTH), SpaceAxis("x", 6, X, METRES)),
        interval=6.0,
        time_unit="h",
        periodic=(False, True),
        calendar="365_day",
        time_attributes=DATES,
        trajectory_dimension="run",
    )
    return replace(data, **changes)


class Adding(Baseline):
    """Adds a constant, and what the context holds, to the state."""

    def step(self, state, memory=None, context=NO_CONTEXT):
        state = state + 1
        if context.parameters is not None:
            state = state + context.parameters.reshape(-1, 1, 1, 1)
        if context.static is not None:
            state = state + context.static.sum(1, keepdim=True)
        if context.forcing is not None:
            state = state + context.forcing[:, 0].sum(1, keepdim=True)
        return state, None


def adding(**changes):
    emulator = Adding(network=nn.Identity(), channels=2)
    emulator.trained_on = description(**changes)
    emulator.interval = 6.0
    return emulator


def date(text):
    return xarray.date_range(text, periods=1, calendar="noleap", use_cftime=True)[0]


def initial(trajectories=2, **changes):
    values = np.arange(48.0 * trajectories, dtype="f4").reshape(trajectories, 2, 4, 6)
    dims = ("run", "lat", "x")
    fields = {
        "u": (dims, values[:, 0], {"units": "m/s"}),
        "T": (dims, values[:, 1], {"units": "kelvin"}),
    }
    coordinates = {"lat": ("lat", Y, NORTH), "x": ("x", X, METRES), "time": date("2001-03-01")}
    return xarray.Dataset(fields, coordinates).assign(changes)


def test_dimensions_may_have_any_order_and_direction():
    wanted = adding().forecast(initial(), 3)
    turned = initial().transpose("x", "lat", "run").isel(lat=slice(None, None, -1))
    found = adding().forecast(turned, 3)
    assert found["u"].dims == ("run", "time", "lat", "x")
    assert found.equals(wanted)
    assert found["lat"].values.tolist() == Y.tolist()
    np.testing.assert_array_equal(found["T"][:, 2], initial()["T"] + 3)


def test_numbered_trajectories_of_a_selection_cause_no_warning():
    numbered = initial(3).assign_coords(run=[4, 7, 9])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = adding().forecast(numbered, 1)
    assert found["run"].values.tolist() == [4, 7, 9]


def test_times_are_dates_of_the_calendar_of_the_data():
    found = adding().forecast(initial(), 4, every=2)
    assert found["time"].values.tolist() == [12.0, 24.0]
    last = found["valid_time"].values[1, 1]
    assert (last.calendar, last.isoformat()) == ("noleap", "2001-03-02T00:00:00")
    assert found["time"].attrs["units"] == "h"


def test_without_a_calendar_times_count_from_zero_or_the_time_of_the_state():
    emulator = adding(calendar=None, time_attributes={"units": "h"})
    found = emulator.forecast(initial().drop_vars("time"), 2)
    assert found["valid_time"].values.tolist() == [[6.0, 12.0]] * 2
    for time in (30.0, np.timedelta64(30, "h")):
        found = emulator.forecast(initial().assign_coords(time=time), 2)
        assert found["valid_time"].values.tolist() == [[36.0, 42.0]] * 2


def test_numbers_in_the_units_of_the_data_are_times():
    numbers = initial().assign_coords(time=((), 24.0, DATES))
    found = adding().forecast(numbers, 1)["valid_time"].values[0, 0]
    assert found.isoformat() == "2000-01-02T06:00:00"


def test_masked_points_may_lack_values_and_lack_them_in_the_forecast():
    mask = torch.ones(2, 4, 6, dtype=torch.bool)
    mask[1, 2, 3] = False
    emulator = adding(mask=mask, missing=~mask)
    holes = initial()
    holes["T"][:, 2, 3] = np.nan
    found = emulator.forecast(holes, 2)
    assert np.isnan(found["T"].values).sum() == 4
    assert np.isnan(found["T"][:, :, 2, 3]).all()
    holes["u"][1, 0, 5] = np.inf
    with pytest.raises(ValueError, match=r"'u' is not finite at trajectory 1, point \(0, 5\)"):
        emulator.forecast(holes, 2)


def test_physical_parameters_are_variables_or_attributes():
    emulator = adding(parameters=("nu",))
    each = emulator.forecast(initial(nu=("run", [1.0, 3.0])), 1)
    np.testing.assert_array_equal(each["u"][1, 0], initial()["u"][1] + 4)
    assert each["nu"].values.tolist() == [1.0, 3.0]
    for given in (initial(nu=2.0), initial().assign_attrs(nu=2)):
        found = emulator.forecast(given, 1)
        np.testing.assert_array_equal(found["u"][:, 0], initial()["u"] + 3)
    with pytest.raises(ValueError, match="no physical parameter 'nu'"):
        emulator.forecast(initial(), 1)


STATIC = (Variable("height", "height", "m"),)


def test_static_fields_are_in_the_initial_dataset_or_one_of_their_own():
    emulator = adding(static=STATIC)
    height = (("lat", "x"), np.arange(24.0).reshape(4, 6), {"units": "m"})
    found = emulator.forecast(initial(height=height), 1)
    np.testing.assert_array_equal(found["u"][1, 0], initial()["u"][1] + 1 + height[1])
    own = xarray.Dataset({"height": height}, {"lat": Y}).isel(lat=slice(None, None, -1))
    turned = emulator.forecast(initial(), 1, static=own)
    np.testing.assert_array_equal(turned["u"][1, 0], initial()["u"][1] + 1 + height[1])
    with pytest.raises(ValueError, match="initial has no variable 'height'"):
        emulator.forecast(initial(), 1)


SUN = (Variable("sun", "insolation", "W m-2"),)


def forcing(times, start="2001-03-01", step="6h"):
    dates = xarray.date_range(start, periods=times, freq=step, calendar="noleap", use_cftime=True)
    return xarray.Dataset({"sun": ("time", 10.0 ** np.arange(times))}, {"time": dates})


def test_forcing_begins_at_the_time_of_the_state():
    emulator = adding(forcing=SUN)
    wanted = emulator.forecast(initial(), 2, forcing=forcing(3))
    np.testing.assert_array_equal(
        wanted["u"][0], np.stack([initial()["u"][0] + k for k in (2, 13)])
    )
    longer = forcing(6, "2001-02-28T12")
    longer["sun"][2:] = 10.0 ** np.arange(4)
    assert emulator.forecast(initial(), 2, forcing=longer).equals(wanted)
    each = forcing(3).expand_dims(run=2)
    assert emulator.forecast(initial(), 2, forcing=each).equals(wanted)
    field = forcing(3).expand_dims(lat=Y, x=X)
    assert emulator.forecast(initial(), 2, forcing=field).equals(wanted)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "trained with the forcing sun"),
        (forcing(2), "forcing has 2 times, .* expected 3 for a forecast of 2 steps"),
        (forcing(4, step="3h"), "expected 10176 and further ones every 6 h"),
        (forcing(4, "2001-04-01"), "expected 10176 and further"),
        (forcing(3).isel(time=0), "expected 'time' among them"),
    ],
)
def test_forcing_that_does_not_fit_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        adding(forcing=SUN).forecast(initial(), 2, forcing=given)


def test_forcing_is_held_where_a_bundle_ends_after_the_forecast():
    emulator = Bundled(network=nn.Identity(), channels=2, bundle=3, forcing=1)
    emulator.trained_on, emulator.interval = description(forcing=SUN), 6.0
    emulator.trained = emulator.averaged = Same()
    found = emulator.forecast(initial(), 4, forcing=forcing(5))
    assert found.sizes["time"] == 4


class Same(nn.Module):
    def forward(self, u, *_):
        return u[:, :2], (u[:, :2], u[:, :2])


def with_units(name, units):
    changed = initial()
    changed[name].attrs["units"] = units
    return changed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (initial().drop_vars("T"), "no variable 'T', only u;"),
        (with_units("T", "degC"), "'T' is in 'degC', the training data in 'K'"),
        (initial().expand_dims(level=2), r"dimensions \(level, run, lat, x\), .*'level' by `isel`"),
        (initial().isel(lat=0), "expected .*lat.* add it"),
        (initial().isel(lat=slice(3)), r"trained on data with shape \[4, 6\], .* \[3, 6\]"),
        (initial().assign_coords(x=X + 0.5), "trained on data with the grid x = 0 at point 0"),
        (initial().assign_coords(x=("x", X, {"units": "degrees_east"})), "units 'km'"),
        (initial().drop_vars("time"), "no coordinate 'time', expected the date"),
        (
            initial().assign_coords(time=((), 1.0, {"units": "days since 1990-01-01"})),
            "'hours since",
        ),
        (
            initial().drop_vars("time").expand_dims(time=2),
            r"2 times along 'time', .*isel\(time=\[0\]\)",
        ),
    ],
    ids=lambda value: "" if isinstance(value, xarray.Dataset) else value[:20],
)
def test_states_of_other_data_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        adding().forecast(given, 1)


def test_an_array_is_refused():
    with pytest.raises(TypeError, match=r"(?s)DataArray.*expected|\.Dataset"):
        adding().forecast(initial()["u"], 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be .* got 0"),
        ({"every": 4}, "every is 4, the forecast has 3 steps"),
        ({"members": 2}, "members is 2, but Adding draws no random numbers"),
        ({"path": "forecast.txt"}, "ends in .nc or .zarr"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        adding().forecast(initial(), **{"steps": 3, **options})


def test_an_emulator_that_was_not_trained_is_refused():
    with pytest.raises(ValueError, match="This Baseline has not been trained"):
        Baseline(network=nn.Identity(), channels=2).forecast(initial(), 1)


def test_a_forecast_larger_than_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(forecasts, "free_memory", lambda: 1000)
    with pytest.raises(ValueError, match="1000 bytes of memory are free; give a `path`"):
        adding().forecast(initial(), 10)


def test_an_ensemble_larger_than_the_memory_is_refused(tmp_path, monkeypatch):
    state = InitialStates(initial(), description(), 3).initial
    monkeypatch.setattr("datamodules.storage.free_memory.free_memory", lambda: 4 * state.nbytes * 6)
    emulator = adding()
    emulator.stochastic = True
    with pytest.raises(ValueError, match=r"7 members from 2 initial .* lower members to 6 or"):
        emulator.forecast(initial(), 3, members=7, path=tmp_path / "forecast.nc")
    assert emulator.forecast(initial(), 3, members=6).sizes["member"] == 6


def test_the_averaged_weights_forecast_and_the_mode_is_kept():
    emulator = Baseline(network=nn.Conv2d(2, 2, 1), channels=2, ema_decay=0.5).train()
    emulator.trained_on = description()
    with torch.no_grad():
        emulator.trained.module.weight.add_(1)
    wanted = emulator.eval().rollout(
        torch.from_numpy(initial().to_dataarray().values.swapaxes(0, 1)), 2
    )
    emulator.train()
    found = emulator.forecast(initial(), 2)
    assert emulator.training
    np.testing.assert_array_equal(found["T"].values, wanted[:, :, 1].detach().numpy())
