"""Latitudes and longitudes without units: degrees, unless they cover the globe as radians."""

import numpy as np
import pytest

from tests.datamodules.test_space_axis import field_file, read

CIRCLE = np.arange(16) * np.pi / 8
POLES = np.deg2rad(np.linspace(90, -90, 15))  # from north to south


@pytest.mark.parametrize(
    ("lat", "lon", "wrong"),
    [
        (None, CIRCLE, "lon"),
        (None, CIRCLE - np.pi + 0.1, "lon"),
        (None, np.linspace(0, 2 * np.pi, 17), "lon"),  # with both ends
        (POLES, None, "lat"),
        (np.deg2rad(np.linspace(-84, 84, 15)), None, "lat"),
        (POLES.astype("f4"), CIRCLE.astype("f4"), "lat"),
        (np.arange(0.1, 0.5, 0.1), CIRCLE, "lon"),
        (POLES, np.arange(0.1, 0.5, 0.1), "lat"),
    ],
)
@pytest.mark.parametrize("units", [None, "1", "radian"])
def test_angles_that_may_be_radians_are_refused(tmp_path, lat, lon, wrong, units):
    points = {"lat": lat, "longitude": lon}
    points = {name: values for name, values in points.items() if values is not None}
    said = {} if units is None else {name: {"units": units} for name in points}
    field_file(tmp_path, ("time", *points), points, said)
    if units == "radian":
        assert all(axis.spherical for axis in read(tmp_path, *points).axes)
        return
    wrong = "longitude" if wrong == "lon" else wrong
    with pytest.raises(ValueError, match=rf"angles of '{wrong}' extend .* no units, but cover"):
        read(tmp_path, *points)


@pytest.mark.parametrize(
    ("lat", "lon"),
    [
        (None, np.arange(0.0, 6.5, 0.5)),
        (None, np.arange(16) * 22.5),
        (None, 5.0 + 0.04 * np.arange(157)),  # a length of 2π, beyond a circle in radians
        (np.arange(-1.0, 1.1, 0.1), None),
        (np.arange(0.1, 1.5, 0.1), None),
        (np.linspace(-84, 84, 15), None),
        (np.arange(-2.0, 2.1, 0.5), np.arange(100.0, 116.0)),
        (np.arange(-1.6, 1.65, 0.1), np.arange(0.0, 5.0)),
        (np.arange(-1.5, 1.6, 0.25), np.arange(100.0, 116.0)),
        (POLES, np.arange(100.0, 116.0)),
        (POLES[:3], CIRCLE + 1.0),
    ],
)
def test_other_angles_without_units_are_degrees(tmp_path, lat, lon):
    points = {"lat": lat, "lon": lon}
    points = {name: values for name, values in points.items() if values is not None}
    field_file(tmp_path, ("time", *points), points)
    assert all(axis.spherical for axis in read(tmp_path, *points).axes)


def test_an_angle_with_units_says_that_the_other_is_in_degrees(tmp_path):
    points = {"lat": POLES, "lon": CIRCLE}
    field_file(tmp_path, ("time", *points), points, {"lon": {"units": "degrees_east"}})
    assert read(tmp_path, *points).axes[0].spherical


def test_lengths_that_are_no_angles_are_taken_as_they_are(tmp_path):
    field_file(tmp_path, ("time", "y", "x"), {"y": CIRCLE[:9], "x": CIRCLE})
    assert not any(axis.spherical for axis in read(tmp_path, "y", "x").axes)
