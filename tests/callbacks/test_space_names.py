"""Dimensions of space that are called as scores are."""

from dataclasses import replace

import pytest
import xarray

import cli
from callbacks.diagnostics.space_names import RESERVED, space_names
from datamodules import DataDescription
from datamodules.forecast_layout import check_names
from datamodules.solvers import Grid, Variable
from tests.conftest import DIAGNOSTICS, SMOKE


def test_names_of_scores_are_not_those_of_space():
    assert space_names(("y", "x")) == ("y", "x")
    assert space_names(("latitude", "longitude")) == ("latitude", "longitude")
    assert space_names(("lead_time", "x")) == ("lead_time_of_space", "x")


def test_every_name_among_the_scores_is_reserved(tested):
    with xarray.open_dataset(tested / "runs/smoke/scores.nc", decode_times=False) as scores:
        names = {*map(str, scores.variables), *map(str, scores.dims)} - {"x"}
    assert len(names) > 50
    assert [name for name in sorted(names) if not RESERVED.fullmatch(name)] == []


@pytest.mark.parametrize("name", [pytest.param("lead_time", marks=pytest.mark.slow), "mse"])
def test_run_on_data_with_such_a_name_is_scored(workplace, capsys, name):
    for path in workplace.glob("data/*/*.nc"):
        with xarray.open_dataset(path, decode_times=False) as file:
            renamed = file.load().rename(x=name)
        renamed.to_netcdf(path)
    words = ["--data.generator=null", f"--data.dimensions.space=[{name}]"]
    words += ["--trainer.max_steps=1", "--trainer.default_root_dir=runs/named"]
    cli.run(["fit", "-c", str(SMOKE), *words])
    cli.run(["test", "--ckpt_path=runs/named/last.ckpt", "-c", str(DIAGNOSTICS)])
    assert f"'{name}' of the data is '{name}_of_space' among the scores" in capsys.readouterr().out
    with xarray.open_dataset("runs/named/scores.nc", decode_times=False) as scores:
        assert scores["panel_truth"].dims == ("panel_lead_time", f"{name}_of_space")
        assert scores["mse"].shape == (5, 8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trajectory_dimension": "x"}, "called 'x'"),
        ({"fields": (Variable("valid_time", "", "1"),)}, "called 'valid_time'"),
        ({"parameters": ("u",)}, "called 'u'"),
    ],
)
def test_forecast_with_two_things_of_one_name_is_refused(changes, words):
    data = DataDescription.on_grid([Variable("u", "", "1")], Grid((8,), (1.0,)), 1.0)
    with pytest.raises(ValueError, match=words):
        check_names(replace(data, **changes))
    check_names(replace(data, parameters=("nu",)))
