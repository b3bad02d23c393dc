"""Times of NumPy's types for dates and durations, and times that are no numbers."""

from datetime import UTC, datetime

import numpy as np
import pytest

from datamodules import NumPy
from datamodules.files.trajectory_file import TrajectoryFile

VALUES = np.random.default_rng(0).normal(size=(5, 6, 9))
ORDER = ["time", "y", "x"]
MARCH = datetime(2001, 3, 1, 6, tzinfo=UTC).timestamp()


def opened(path, **options):
    return TrajectoryFile(path, ("u",), format=NumPy(order=ORDER, **options))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    ("times", "first", "interval"),
    [
        (np.datetime64("2001-03-01") + np.arange(5), MARCH - 6 * 3600, 86400.0),
        (
            np.datetime64("2001-03-01T06", "ns") + np.timedelta64(90, "m") * np.arange(5),
            MARCH,
            5400,
        ),
        (np.timedelta64(250, "ms") * np.arange(1, 6), 0.25, 0.25),
    ],
)
@pytest.mark.parametrize("time_units", ["1", "h"])  # the latter is for numbers
def test_dates_and_durations_are_read_in_seconds(
    tmp_path, save, times, first, interval, time_units
):
    save(tmp_path / "a.npz", u=VALUES, time=times)
    file = opened(tmp_path / "a.npz", time_units=time_units)
    assert (file.times[0], file.interval, file.time.unit) == (first, interval, "s")
    assert (file.time.origin is not None) == (times.dtype.kind == "M")


def test_a_missing_date_is_refused(tmp_path):
    times = np.datetime64("2001-03-01") + np.arange(5)
    times[2] = np.datetime64("NaT")
    np.savez(tmp_path / "a.npz", u=VALUES, time=times)
    with pytest.raises(ValueError, match="stamp 2 of 'time' was never written"):
        opened(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "times",
    [
        np.array([*"abcde"]),
        np.arange(5) * 1j,
        np.timedelta64(1, "M") * np.arange(5),  # of no length in seconds
        np.arange(5).astype("m8"),
    ],
)
def test_times_that_are_no_numbers_are_said_not_to_be_read(tmp_path, times, capsys):
    np.savez(tmp_path / "a.npz", u=VALUES, t=times)
    with pytest.raises(ValueError, match="no times but 't', which has no numbers, expected"):
        opened(tmp_path / "a.npz")
    assert opened(tmp_path / "a.npz", interval=0.5).interval == 0.5
    assert "'t', which has no numbers; the interval gives the times" in capsys.readouterr().err


def test_a_field_of_no_real_numbers_is_named_so(tmp_path):
    np.savez(tmp_path / "a.npz", u=VALUES > 0, w=VALUES[0, 0])
    sentence = r"'u' \(5, 6, 9\) of no real numbers, 'w' \(9,\) without"
    with pytest.raises(ValueError, match=sentence), NumPy().open(tmp_path / "a.npz"):
        pass


@pytest.mark.parametrize(
    ("interval", "units"), [(6.0, "h"), (0.25, "days"), (21600, "s"), (2, "1")]
)
def test_a_given_interval_counts_where_there_are_dates(tmp_path, interval, units, capsys):
    """As in runs of before, when dates were passed over."""
    np.savez(tmp_path / "a.npz", u=VALUES, time=np.datetime64("2001", "h") + 6 * np.arange(5))
    file = opened(tmp_path / "a.npz", interval=interval, time_units=units)
    assert (file.interval, file.times[0]) == (interval, 0)
    assert "the interval gives the times" in capsys.readouterr().err


def test_an_interval_that_contradicts_the_dates_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", u=VALUES, time=np.datetime64("2001", "h") + 6 * np.arange(5))
    with pytest.raises(ValueError, match=r"dates in 'time' are 21600 s apart, .* is 5 h"):
        opened(tmp_path / "a.npz", interval=5.0, time_units="h")


def test_one_note_is_printed_for_all_files_of_a_folder(tmp_path, capsys):
    for number in range(3):
        np.savez(tmp_path / f"a{number}.npz", u=VALUES, time=np.array([*"abcde"]))
        opened(tmp_path / f"a{number}.npz", interval=0.5)
    assert capsys.readouterr().err.count("the interval gives the times") == 1
