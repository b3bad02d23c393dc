"""Areas on a sphere, in any unit of angle."""

import numpy as np
import pytest

from datamodules.files.space_axis import SpaceAxis
from datamodules.point_weights import latitude_weights

DEGREES = np.array([-90.0, -60.0, -20.0, 10.0, 50.0, 89.0])


def weights(values, units):
    rows = SpaceAxis("lat", len(values), np.asarray(values), {"units": units})
    return latitude_weights([rows, SpaceAxis("lon", 2, np.array([0.0, 1.0]), {})])[:, 0]


@pytest.mark.parametrize(
    ("units", "scale"),
    [
        ("degrees_north", 1), ("radians", np.pi / 180), ("arcmin", 60), ("arc_minutes", 60),
        ("arcsec", 3600), ("arcseconds", 3600), ("arc_degrees", 1),
    ],
)  # fmt: skip
def test_weights_are_areas_in_any_unit(units, scale):
    edges = np.array([-90, -75, -40, -5, 30, 69.5, 90])
    area = np.diff(np.sin(np.deg2rad(edges)))
    np.testing.assert_allclose(weights(DEGREES * scale, units), area / area.mean(), rtol=1e-12)


@pytest.mark.parametrize("values", [[0.0, 60.0, 120.0, 180.0], [-95.0, 0.0, 80.0]])
def test_latitudes_beyond_a_pole_are_refused(values):
    beyond = next(value for value in values if abs(value) > 90)
    with pytest.raises(
        ValueError, match=rf"'lat' has {beyond:g} degrees .*expected latitudes from"
    ):
        weights(values, "degrees_north")


def test_a_pole_may_be_rounded():
    assert weights([-90.0001, 0.0, 90.0001], "degrees_north").sum() == pytest.approx(3)
