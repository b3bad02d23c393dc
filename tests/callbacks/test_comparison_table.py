"""The table of a comparison: every column against numbers that are unequal everywhere."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray

from callbacks import RolloutError
from callbacks.comparison import compare
from callbacks.comparison.escaping import in_csv, in_markdown
from callbacks.comparison.page import page
from callbacks.comparison.table import cells, columns, note, table, table_csv
from callbacks.diagnostics.compared import Run, methods
from callbacks.plotting.export import png
from callbacks.plotting.style import escape, sheet
from tests.callbacks.test_comparison import write

STARTS, STEPS = 3, 200
PLANT = [[0.5], [1.5], [4.0]]  # mean 2, standard deviation 1.472


def unequal(factor=1.0):
    """Return scores of which no two give the same number."""
    start, lead = "initial_condition", np.arange(1.0, STEPS + 1)
    each = factor * np.array(PLANT) * lead
    data = {
        "mse": ((start, "lead_time"), each),
        "mse_physical": ((start, "lead_time", "channel"), 7 * each[..., None]),
        "valid_prediction_time": (start, factor * np.array([11.0, 12.0, 16.0])),
        "stable": (start, [True, True, False]),
        "energy": ((start, "long_lead_time"), factor * np.array([[30.0], [40.0], [80.0]])),
        "reference_energy_mean": ((), 2.0),
        "spectrum_error": (start, factor * np.array([0.1, 0.2, 0.6])),
        "energy_log_ratio": ((), factor * 0.7),
        "energy_log_ratio_weighted": ((), factor * 0.8),
        "zonal_mean_error": ((start, "channel"), 99 * np.ones((3, 1))),
        "zonal_mean_error_absolute": ((start, "channel"), factor * np.array([[1.0], [2], [6]])),
        "wasserstein": ((start, "field"), factor * np.array([[0.01, 0.03], [0.02, 0.1], [0, 0.2]])),
        "crps": ((start, "lead_time"), factor * 0.001 * np.array(PLANT) * lead),
    }
    return xarray.Dataset(data, coords={"lead_time": lead, "channel": ["vorticity"]})


EXPECTED = {
    "MSE at 1": 2.0,
    "MSE at 10": 20.0,
    "MSE at 25": 50.0,
    "MSE at 50": 100.0,
    "MSE at 75": 150.0,
    "MSE at 100": 200.0,
    "MSE at 200": 400.0,
    "valid prediction time": 13.0,
    "stable": 200 / 3,
    "energy / data": 25.0,
    "spectrum error": 0.3,
    "MELR": 0.7,
    "weighted MELR": 0.8,
    "zonal mean error": 3.0,
    "Wasserstein distance": 0.06,
    "CRPS": 0.001 * 2 * 100.5,  # mean lead time of 1..200
    "training steps": 8000,
    "batch size": 48,
    "s per training step": 0.33,
    "training time [min]": 44.0,
    "largest": 5.25,
}


def run(name="ours", factor=1.0, **about):
    training = {"seconds_per_step": 0.33, "samples_per_step": 48}
    about = {"parameters": 1234, "steps": 8000, "training": training, **about}
    return Run(name, unequal(factor), about, Path(name), {"largest": 5.25 * factor})


def test_every_column_shows_its_own_score():
    found = {column.heading: column.value(run()) for column in columns([run()])}
    assert list(found) == list(EXPECTED)
    assert len({round(value, 9) for value in EXPECTED.values()}) == len(EXPECTED)
    for heading, value in EXPECTED.items():
        assert found[heading] == pytest.approx(value), heading


def test_rows_of_table_and_file_agree_with_their_headings():
    header, row = cells([run()])
    shown = dict(zip(header, row, strict=True))
    assert (shown["run"], shown["parameters"]) == ("ours", "1,234")
    assert shown["MSE at 25"] == "50 ± 40"  # 25 times 1.472
    assert (shown["stable"], shown["training steps"], shown["batch size"]) == (
        "67 %",
        "8,000",
        "48",
    )
    assert (shown["energy / data"], shown["training time [min]"]) == ("25", "44")
    assert (shown["valid prediction time"], shown["largest"]) == ("13", "5.25")
    (numbers,) = csv.DictReader(io.StringIO(table_csv([run()])))
    for heading, value in EXPECTED.items():
        assert float(numbers[heading]) == pytest.approx(value), heading
    std = np.std(PLANT)
    assert float(numbers["std of MSE at 10 over initial conditions"]) == pytest.approx(10 * std)


@pytest.mark.parametrize("seeds", [(0, 1), (9, 10), (10, 123)])
def test_seeds_of_any_number_of_digits_are_one_method(seeds):
    runs = [run(f"ours-seed{n}", f) for n, f in zip(seeds, (1.0, 3.0), strict=True)]
    header, row = cells(runs)
    shown = dict(zip(header, row, strict=True))
    assert shown["run"] == "ours (2 seeds)"
    assert shown["MSE at 1"] == "4.0 ± 2.8"  # of 2 and 6
    assert shown["largest"] == "10.50 ± 7.42"
    assert [m.name for m in methods([run("a-seed10"), run("a-seed"), run("a-seed1b")])] == [
        "a",
        "a-seed",
        "a-seed1b",
    ]


def test_scores_that_a_run_lacks_are_left_blank_not_shifted():
    less = run("less")
    scores = less.scores.drop_vars(["energy", "spectrum_error"])
    less = Run("less", scores, {"parameters": 1}, Path("less"))
    header, first, second = cells([run(), less])
    shown = dict(zip(header, second, strict=True))
    assert len(header) == len(first) == len(second)
    lacking = (
        "energy / data",
        "spectrum error",
        "training steps",
        "training time [min]",
        "largest",
    )
    assert {shown[heading] for heading in lacking} == {"-"}
    assert shown["Wasserstein distance"] == "0.06"
    assert "They differ" not in note([run(), Run("none", scores, {}, Path())])


def test_error_in_a_unit_of_the_data():
    found = {column.heading: column for column in columns([run()], 10.0)}
    column = found["MSE at 25, in 10²"]
    assert column.value(run()) == pytest.approx(7 * 50 / 100)
    assert column.spread(run()) == pytest.approx(7 * 25 * np.std(PLANT) / 100)
    assert "MSE at 25" not in found
    assert found["Wasserstein distance"].value(run()) == pytest.approx(0.06)
    assert "MSE in units of 10² (squared units of the data)" in table([run()], 10.0)
    assert "MSE in units of the training variance" in table([run()])
    assert "MSE at 25, in 10²" in table_csv([run()], 10.0).splitlines()[0]
    assert "MSE at 25, in 10²" in page([run_in(Path())], 10.0)


def run_in(folder, name="ours"):
    return Run(name, unequal(), {}, folder)


@pytest.mark.parametrize("unit", [0.0, -1.0, np.nan, np.inf])
def test_unit_of_the_error_is_above_zero(unit):
    with pytest.raises(ValueError, match="--mse_unit must be a number above 0, got"):
        columns([run()], unit)


def test_unit_of_the_error_is_that_of_one_field():
    both = unequal().isel(channel=[0, 0]).assign_coords(channel=["u", "h"])
    with pytest.raises(ValueError, match="--mse_unit=10 is for data of one field; two has u, h"):
        columns([Run("two", both, {}, Path())], 10.0)


NAMES = (
    "_under",
    "a|b",
    "a\nb",
    "=1+1",
    "+1",
    "-1",
    "@x",
    "$x^{",
    "<b>",
    "a\\b",
    "50 % & more",
    "ü",
)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_shown_as_it_is_and_breaks_nothing(name, tmp_path):
    runs = [run("plain"), run(name)]
    lines = table(runs).split("\n\n")[0].splitlines()
    assert len(lines) == 4
    bars = [line.replace("\\\\", "").replace("\\|", "").count("|") for line in lines]
    assert len(set(bars)) == 1
    assert "<b>" not in table(runs)
    *_, row = csv.reader(io.StringIO(table_csv(runs)))
    assert row[0] in (name, f"'{name}")
    assert not row[0].startswith(("=", "+", "-", "@"))
    text = page([run_in(tmp_path, name)])
    assert "<b>" not in text
    figure = sheet(4, 3)
    axes = figure.subplots()
    RolloutError.panel(axes, methods(runs), runs[0].scores)
    legend = axes.legend()
    shown = [entry.get_text().replace(r"\$", "$").strip() for entry in legend.get_texts()]
    assert name in shown
    assert png(figure).startswith(b"\x89PNG")  # formulas are parsed when it is drawn


def test_names_are_written_for_their_format():
    assert in_markdown("a|b\n<c>\\") == "a\\|b &lt;c>\\\\"
    assert [in_csv(text) for text in ("=a", " =a", "\t@a", "a=b")] == [
        "'=a",
        "' =a",
        "'\t@a",
        "a=b",
    ]
    assert (escape("_a"), escape("a_b$")) == (" _a", r"a_b\$")


def test_headings_of_own_diagnostics_are_written_for_their_format(tmp_path):
    one = Run("a", unequal(), {}, tmp_path, {"=x|<b>": 2.0})
    assert "=x\\|&lt;b>" in table([one]).splitlines()[0]
    assert "'=x|<b>" in table_csv([one]).splitlines()[0]
    assert "=x|&lt;b&gt;" in page([one])


def test_own_diagnostics_reach_every_file_of_a_comparison(tmp_path):
    folder = write(tmp_path / "run")
    (folder / "scores.json").write_text(json.dumps({"scores": {"largest": 7.25, "lost": None}}))
    text, _ = compare([folder], tmp_path)
    assert "| largest | lost |" in text
    assert "| 7.25 | not finite |" in text
    assert "largest" in (tmp_path / "comparison.html").read_text()
    numbers = json.loads((tmp_path / "comparison.json").read_text())
    assert numbers["methods"]["run"]["scores"]["largest"]["mean"] == 7.25
    assert numbers["methods"]["run"]["scores"]["lost"]["mean"] is None
    (row,) = csv.DictReader((tmp_path / "comparison.csv").open())
    assert (row["largest"], row["lost"]) == ("7.25", "nan")


def test_only_pictures_of_the_run_itself_are_embedded(tmp_path):
    picture = png(sheet(1, 1))
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    (run_folder / "own.png").write_bytes(picture)
    (run_folder / "also.png").symlink_to(run_folder / "own.png")  # within the run
    (tmp_path / "secret").write_bytes(picture)
    (run_folder / "link.png").symlink_to(tmp_path / "secret")
    (run_folder / "text.png").write_text("no picture")
    (run_folder / "folder.png").mkdir()
    os.mkfifo(run_folder / "pipe.png")
    text = page([run_in(run_folder)])
    assert text.count("<img") == 2
    for name in ("own", "also"):
        assert f"<summary>{name.capitalize()}</summary>" in text
    for name in ("link", "text", "folder", "pipe"):
        assert f"<summary>{name.capitalize()}</summary>" not in text
