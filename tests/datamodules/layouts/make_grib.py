"""Make era5.grib with ecCodes 2.50.0: temperature on two pressure levels and of the sea surface.

Three times, latitudes from north to south; the sea surface temperature is missing on land. Run in
an environment with eccodes: python make_grib.py
"""

from pathlib import Path

import eccodes
import numpy as np

ROWS, COLUMNS, LEVELS = 6, 8, (1000, 500)
FIRST, LAST = 75.0, -75.0  # latitudes
STEP = (FIRST - LAST) / (ROWS - 1)


def write(file, sample, keys, values):
    handle = eccodes.codes_grib_new_from_samples(sample)
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_values(handle, values.ravel())
    eccodes.codes_write(handle, file)
    eccodes.codes_release(handle)


def main():
    random = np.random.default_rng(0)
    land = np.zeros((ROWS, COLUMNS), bool)
    land[2:4, 1:5] = True
    path = Path(__file__).parent / "era5.grib"
    with path.open("wb") as file:
        for hour in range(3):
            keys = {
                "centre": 98,
                "bitsPerValue": 16,
                "Ni": COLUMNS,
                "Nj": ROWS,
                "latitudeOfFirstGridPointInDegrees": FIRST,
                "latitudeOfLastGridPointInDegrees": LAST,
                "longitudeOfFirstGridPointInDegrees": 0.0,
                "longitudeOfLastGridPointInDegrees": 315.0,
                "iDirectionIncrementInDegrees": 45.0,
                "jDirectionIncrementInDegrees": STEP,
                "dataDate": 20200105,
                "dataTime": 100 * hour,
            }
            for level in LEVELS:
                own = {"levtype": "pl", "level": level, "paramId": 130}
                values = 0.2 * level + random.normal(size=(ROWS, COLUMNS))
                write(file, "regular_ll_pl_grib1", keys | own, values)
            values = np.where(land, 9999.0, 290 + random.normal(size=(ROWS, COLUMNS)))
            own = {"bitmapPresent": 1, "missingValue": 9999.0, "paramId": 34}
            write(file, "regular_ll_sfc_grib1", keys | own, values)
    print(path.stat().st_size)


if __name__ == "__main__":
    main()
