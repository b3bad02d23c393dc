import netCDF4
import numpy as np
import pytest

from datamodules import Range
from datamodules.files.formats.netcdf import NetCDF
from datamodules.files.time_axis import read_time_axis, same_time
from datamodules.files.units import same_units, time_unit


def axis(folder, values, units=None, dtype=None, **attributes):
    """Return the time axis of a file with these stamps."""
    values = np.asarray(values)
    with netCDF4.Dataset(folder / "a.nc", "w") as file:
        file.createDimension("time", len(values))
        time = file.createVariable("time", dtype or values.dtype, ("time",))
        if units:
            time.units = units
        time.setncatts(attributes)
        time[:] = values
    with NetCDF().open(folder / "a.nc") as contents:
        return read_time_axis(contents, "time")


SINCE = "since 1970-01-01"


@pytest.mark.parametrize(
    ("values", "units", "interval"),
    [
        (1577836800 + 600 * np.arange(60), f"seconds {SINCE}", 600),
        (1577836800 + 600.0 * np.arange(60), f"seconds {SINCE}", 600),
        (63000000 + 15 * np.arange(60), "minutes since 1900-01-01", 15),
        ((10622 + np.arange(60) / 144).astype("f4"), "days since 1992-01-01", 1 / 144),
        ((700 + np.arange(60) / 24).astype("f4"), "days since 2000-01-01", 1 / 24),
        ((500 + 0.02 * np.arange(1000)).astype("f4").astype("f8"), None, 0.02),  # widened later
        (np.arange(60) * 1.5 // 1, f"hours {SINCE}", None),  # a double that was cut to whole hours
        ((np.arange(60) * 1.5).astype("i4"), f"hours {SINCE}", 1.5),
        (np.round(np.arange(60) * 2.5 + 7).astype("i8"), f"minutes {SINCE}", 2.5),
        (np.arange(20) * 0.1, None, 0.1),
        (np.arange(20) / 3, None, 1 / 3),
        (np.arange(20, dtype="i8") * 600_000_000_000 + 1577836800 * 10**9, "nanoseconds", 6e11),
        (-5.0 + 0.25 * np.arange(9), "turnover times", 0.25),
        ((10622 + np.arange(20) / 192).astype("f4"), "days since 1992-01-01", 1 / 192),  # 7.5 min
        ((10622 + np.arange(80) / 192).astype("f4"), "days since 1992-01-01", 1 / 192),
        ((10622 + np.arange(20) * 10.5 / 1440).astype("f4"), "days since 1992-01-01", 10.5 / 1440),
        ((700 + np.arange(10) / 144).astype("f4"), "days since 2000-01-01", 1 / 144),
        (np.floor(0.4 + 22.5 * np.arange(30)).astype("i4"), f"minutes {SINCE}", 22.5),
        (np.arange(30) / 7, f"Weeks Since {SINCE[6:]}", 1 / 7),
    ],
)
def test_interval_is_that_of_the_whole_axis(tmp_path, values, units, interval):
    found = axis(tmp_path, values, units)
    if interval is None:
        with pytest.raises(ValueError, match="must increase in uniform steps"):
            _ = found.interval
        return
    assert found.interval == pytest.approx(interval, rel=1e-12)


ORIGINS = [
    (0.0, 1.0, "f8"),
    (0, 1, "i4"),
    (1577836800, 600, "i8"),
    (1577836800.0, 600.0, "f8"),
    (1577836800.0, 6000.0, "f4"),
    (63000000, 15, "i4"),
    (876576, 1, "i4"),
    (10622.0, 1 / 144, "f4"),
    (-1e9, 3600.0, "f8"),
    (7.3e5, 1e-6, "f8"),
]


def unit(step):
    return "days" if step < 0.01 else "s"


@pytest.mark.parametrize(("origin", "step", "dtype"), ORIGINS)
@pytest.mark.parametrize("fault", ["missing", "repeated", "backwards", "late"])
def test_gaps_and_repeats_are_found_whatever_the_origin_and_type(
    tmp_path, origin, step, dtype, fault
):
    numbers = np.arange(61.0)
    if fault == "missing":
        numbers = np.delete(numbers, 31)
    elif fault == "repeated":
        numbers[31:] -= 1
    elif fault == "backwards":
        numbers[31] = 3
    else:
        numbers[31:] += 0.5 if dtype[0] == "f" else 2.0
    found = axis(tmp_path, (origin + step * numbers).astype(dtype), unit(step))
    with pytest.raises(ValueError, match=r"a.nc: 'time' must increase in uniform steps") as error:
        _ = found.interval
    said = {"missing": "1 snapshot(s) are missing after stamp 30", "repeated": "stamp 31 repeats"}
    assert said.get(fault, "stamp") in str(error.value)


@pytest.mark.parametrize(("origin", "step", "dtype"), ORIGINS)
def test_the_same_axes_without_a_fault_are_uniform(tmp_path, origin, step, dtype):
    found = axis(tmp_path, (origin + step * np.arange(61.0)).astype(dtype), unit(step))
    assert found.interval == pytest.approx(step, rel=1e-4)


def test_interval_in_another_unit_has_no_digits_of_the_conversion(tmp_path):
    assert axis(tmp_path, 10**9 * np.arange(9), "nanoseconds").interval == 1e9
    assert axis(tmp_path, 0.7 * np.arange(9), "days").interval == 0.7


@pytest.mark.parametrize("every", [4, 5, 7, 9])
@pytest.mark.parametrize("count", [20, 40, 61])
def test_stamps_that_are_missing_regularly_are_no_rounding(tmp_path, every, count):
    days = np.flatnonzero(np.arange(2 * count) % every != every - 1)[:count]
    with pytest.raises(ValueError, match=rf"1 snapshot\(s\) are missing after stamp {every - 2}"):
        _ = axis(tmp_path, days.astype("i4"), f"days {SINCE}").interval


def test_whole_stamps_that_no_uniform_axis_rounds_to_are_refused(tmp_path):
    stamps = np.cumsum([0] + 5 * [10, 10, 10, 11, 11, 11])  # 10.5 would take turns
    with pytest.raises(ValueError, match="must increase in uniform steps"):
        _ = axis(tmp_path, stamps.astype("i4"), f"minutes {SINCE}").interval


def test_a_slow_drift_is_found(tmp_path):
    steps = 1 + 1e-3 * np.linspace(-0.9, 0.9, 400)
    with pytest.raises(ValueError, match="must increase in uniform steps"):
        _ = axis(tmp_path, np.cumsum(steps)).interval


def test_a_type_too_coarse_for_the_step_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"rounded to 128 s, too coarse for its steps"):
        _ = axis(tmp_path, (1577836800 + 300.0 * np.arange(60)).astype("f4"), "seconds").interval


def test_only_the_range_that_is_used_is_checked(tmp_path):
    found = axis(tmp_path, [0.0, 0.0, 7.0, 8.0, 9.0, 10.0, 12.0, 19.0])
    assert found.within(Range(2, 6).of(8)).interval == 1
    with pytest.raises(ValueError, match="at least 2 are needed"):
        _ = found.within(Range(7).of(8)).interval


def test_a_stamp_that_was_never_written_is_called_so(tmp_path):
    for kind in ("f4", "f8", "i4", "i8"):
        values = np.ma.masked_array(np.arange(5), [0, 0, 0, 1, 0]).astype(kind)
        with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
            file.createDimension("time", 5)
            file.createVariable("time", kind, ("time",))[:] = values
        with NetCDF().open(tmp_path / "a.nc") as contents:
            found = read_time_axis(contents, "time")
        with pytest.raises(ValueError, match="stamp 3 of 'time' was never written"):
            _ = found.interval


def test_text_and_times_along_another_dimension_are_refused(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("time", 5)
        file.createDimension("other", 3)
        file.createVariable("time", "f8", ("other",))[:] = np.arange(3)
        file.createVariable("date", str, ("time",))
    with NetCDF().open(tmp_path / "a.nc") as contents:
        for name, what in (("time", r"along \(other\)"), ("date", "holds text")):
            with pytest.raises(ValueError, match=what):
                read_time_axis(contents, name)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((6.0, "h"), (0.25, "d"), True),
        ((1.0, "h"), (1.0, "d"), False),
        ((1.0, "s"), (1.0, "1"), False),
        ((1.0, "turnover"), (1.0, "turnover"), True),
        ((600.0, "s"), (10.0, "min"), True),
        ((1.0, "week"), (7.0, "d"), True),
        ((5e8, "ns"), (0.5, "s"), True),
    ],
)
def test_intervals_are_compared_as_times(one, other, same):
    assert same_time(one, other) == same
    assert same_time(other, one) == same


@pytest.mark.parametrize(
    ("units", "symbol"),
    [("Hours since 1900-1-1 0:0:0", "h"), ("day", "d"), ("msec", "ms"), ("1", "1")],
)
def test_units_of_time_by_any_of_their_names(units, symbol):
    assert time_unit(units) == symbol


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("m/s", "m s-1", True),
        ("m s**-1", "m s^-1", True),
        ("kg m-2 s-1", "kg s-1 m-2", True),
        ("m2/s2", "m2 s-2", True),
        ("1", "", True),
        ("m", "km", False),
        ("s-1", "s", False),
        ("K", "degC", False),
        ("degree_east", "degreesE", True),
        ("degrees_north", "degree_N", True),
        ("degrees_north", "degrees_east", False),
        ("degree", "degrees", True),
        ("K", "kelvin", True),
        ("J/(kg K)", "J kg-1 K-1", True),
        ("J/kg/K", "J kg-1 K-1", True),
        ("m/s/s", "m s-2", True),
        ("m/s^2", "m·s⁻²", True),
        ("m.s**(-1)", "metres/second", True),
        ("(m/s)^2", "m2 s-2", True),
        ("1/s", "s^{-1}", True),
        ("1e-5 s-1", "10^-5/s", True),
        ("1e-5 s-1", "s-1", False),
        ("kg kg-1", "1", True),
        ("g kg-1", "1", False),
        ("J/kg K", "J/(kg K)", False),  # or (J/kg) K
        ("J/kg K", "J K/kg", False),
        ("W/m2  K", "W/m2 K", True),
        ("m^0.5", "0.5 m", False),
        ("m0.5", "m 0.5", False),
        ("(m", "m", False),
        ("m)", "m", False),
        ("m /", "m", False),
        ("ms-1", "m s-1", False),
        ("S", "s", False),
        ("hPa", "Pa", False),
        ("0 m", "0 s", False),
        ("turnover times", "turnover  times", True),
    ],
)
def test_units_are_compared_by_what_they_mean(one, other, same):
    assert same_units(one, other) == same


def test_stamps_are_expressed_from_another_origin(tmp_path):
    hours = axis(tmp_path, 6.0 * np.arange(4), "hours since 2000-01-03")
    days = axis(tmp_path, 0.25 * np.arange(4), "days since 2000-01-01 12:00:00")
    np.testing.assert_allclose(hours.expressed_like(days).values, 1.5 + 0.25 * np.arange(4))
    np.testing.assert_allclose(days.expressed_like(hours).values, -36 + 6 * np.arange(4))
    assert days.expressed_like(hours).units == "hours since 2000-01-03"


def test_the_calendars_of_today_are_one_after_1582(tmp_path):
    one = axis(tmp_path, 6.0 * np.arange(4), "Hours Since 2000-01-02", calendar="gregorian")
    other = axis(tmp_path, np.arange(4.0), "hours since 2000-01-01", calendar="proleptic_gregorian")
    np.testing.assert_allclose(one.expressed_like(other).values, 24 + 6 * np.arange(4))


@pytest.mark.parametrize(
    ("units", "calendar"),
    [
        ("hours", "standard"),
        ("parsecs since 2000-01-01", "standard"),
        ("hours since 2001-01-01", "noleap"),
        ("hours since 1500-01-01", "proleptic_gregorian"),  # ten days from the Julian date
    ],
)
def test_stamps_of_another_kind_of_origin_are_refused(tmp_path, units, calendar):
    one = axis(tmp_path, np.arange(4.0), "hours since 2000-01-03")
    other = axis(tmp_path, np.arange(4.0), units, calendar=calendar)
    with pytest.raises(ValueError, match="cannot be compared"):
        other.expressed_like(one)


def test_interval_agrees_with_the_stamps_of_each_trajectory(tmp_path):
    stamps = np.stack([0.3 * np.arange(6), 0.7 * np.arange(6)])
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("trajectory", 2)
        file.createDimension("time", 6)
        file.createVariable("time", "f8", ("trajectory", "time"))[:] = stamps
    wrong = pytest.raises(ValueError, match=r"'time' are 0.7 apart .*data.interval is 0.3")
    with wrong, NetCDF().open(tmp_path / "a.nc") as contents:
        read_time_axis(contents, "time", size=6, interval=0.3)
    with netCDF4.Dataset(tmp_path / "a.nc", "r+") as file:
        file["time"][:] = np.stack([0.3 * np.arange(6), 5 + 0.3 * np.arange(6)])
    with NetCDF().open(tmp_path / "a.nc") as contents:
        assert read_time_axis(contents, "time", size=6, interval=0.3).values[-1] == 1.5
