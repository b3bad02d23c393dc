"""Scores that no test of this version left: each refused in a sentence that names the file."""

import json

import netCDF4
import numpy as np
import pytest

from callbacks.comparison import load_runs
from callbacks.comparison.found_diagnostics import layouts, library_diagnostics
from callbacks.comparison.scores_file import read_scores
from callbacks.comparison.summary_file import read_own
from callbacks.run.scores_seal import seal
from tests.callbacks.test_comparison import scores, write


def rewrite(folder, data, **about):
    write(folder, **about)
    known = json.loads(read_scores(folder)[0].attrs["provenance"])
    data.assign_attrs(provenance=json.dumps(known)).to_netcdf(folder / "scores.nc")
    return folder


WRONG = [
    (key, value)
    for key, values in {
        "metrics": [None, 3, "a", [], {"A": 3}, {"A": None}, {"A": []}],
        "rollouts": [None, 3, "a", [], {"steps": "a"}, {"initial_conditions": None}],
        "training": [None, 3, "a", [1], {"seconds_per_step": "a"}, {"samples_per_step": [1]}],
        "parameters": [None, "a", 1.5, [1], {}, True, float("nan"), -3],
        "steps": [None, "a", 1.5, [1], {}, False],
        "data_hash": [None, 3, ["a"], {}],
        "commit": [3, ["a"], {}],
        "training_std": [None, 3, "a", {}],
    }.items()
    for value in values
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_provenance_of_a_wrong_kind_is_refused_by_its_key(tmp_path, key, value):
    folder = write(tmp_path / "run", **{key: value})
    with pytest.raises(ValueError, match=r"scores\.nc does not hold scores") as refusal:
        load_runs([folder])
    assert key in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("value", ["", "{", "[]", "3", "null", '"text"', "[" * 100_000, 3, [1, 2]])
def test_provenance_that_is_no_json_object_is_refused(tmp_path, value):
    folder = write(tmp_path / "run")
    with netCDF4.Dataset(folder / "scores.nc", "a") as file:
        file.provenance = value
    with pytest.raises(ValueError, match=r"scores\.nc does not hold scores"):
        load_runs([folder])


@pytest.mark.parametrize(
    "content", [b"", b"CDF\x01", b"\x89HDF\r\n\x1a\n" + bytes(300), b"text", b"{}"]
)
def test_file_that_is_no_netcdf_is_refused(tmp_path, content):
    (tmp_path / "scores.nc").write_bytes(content)
    with pytest.raises(ValueError, match=r"scores\.nc does not hold scores"):
        load_runs([tmp_path])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_scores_are_refused(tmp_path, share):
    path = write(tmp_path / "run") / "scores.nc"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"scores\.nc does not hold scores"):
        load_runs([tmp_path / "run"])


def test_scores_of_other_shapes_or_kinds_are_refused_by_name(tmp_path):
    known = scores(1.0)
    renamed = known.rename_dims(wavenumber="k").rename_vars(wavenumber="other")
    for number, (data, words) in enumerate(
        [
            (known.assign(mse=("initial_condition", [1.0, 2, 3, 4])), "'mse' has the dim"),
            (known.assign(mse=known["mse"].astype(str)), "'mse' holds"),
            (known.isel(initial_condition=slice(0)), "'density' is empty"),
            (renamed, "'spectrum_isotropic' has the dim"),
            (known.drop_vars("lead_time"), "'mse' without 'lead_time'"),
            (known.drop_vars("band"), "'energy' without 'band'"),
            (known.drop_vars("channel"), "'zonal_mean' without 'channel'"),
        ]
    ):
        with pytest.raises(ValueError, match=words):
            load_runs([rewrite(tmp_path / str(number), data)])


def test_runs_of_unequal_shapes_are_not_compared(tmp_path):
    first = write(tmp_path / "first")
    other = rewrite(tmp_path / "other", scores(1.0).isel(lead_time=slice(3)))
    with pytest.raises(ValueError, match=r"other and first .* shape of mse differs"):
        load_runs([first, other])


def test_what_is_checked_is_what_a_test_leaves(tested):
    data, about = read_scores(tested / "runs" / "smoke")
    known = layouts(library_diagnostics())
    assert {"mse", "energy", "density", "panel_truth", "lag"} < set(known) & set(data.variables)
    assert {"parameters", "steps", "commit", "data_hash"} < set(about)


def test_scores_without_what_determined_their_training_are_compared(tmp_path):
    (run,) = load_runs([write(tmp_path / "run")])
    assert "parameters" not in run.about


def test_run_is_given_once_and_has_scores(tmp_path):
    folder = write(tmp_path / "run")
    (tmp_path / "link").symlink_to(folder)
    for again in (folder, folder / ".", tmp_path / "link"):
        with pytest.raises(ValueError, match="is given twice; name each run once"):
            load_runs([folder, again])
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder; give folders of tested"):
        read_scores(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"scores\.nc: no such file; run `emulate test"):
        load_runs([tmp_path])


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"scores": 3}', "[" * 100_000])
def test_summary_that_no_test_left_is_refused(tmp_path, text):
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(ValueError, match=r"scores\.json does not hold the scores of a test"):
        read_own(tmp_path)


@pytest.mark.parametrize("value", ["a", [1], {}, True])
def test_number_of_an_own_diagnostic_is_one(tmp_path, value):
    (tmp_path / "scores.json").write_text(json.dumps({"scores": {"largest": value}}))
    with pytest.raises(ValueError, match=r"scores\.json: 'largest' is .*expected a number"):
        read_own(tmp_path)


def test_numbers_of_own_diagnostics_are_those_that_are_not_ours(tested, tmp_path):
    assert read_own(tested / "runs" / "smoke") == {}
    assert read_own(tmp_path) == {}
    found = {"mse/lead_1": 1.0, "largest": 3, "largest/u": None}
    (tmp_path / "scores.json").write_text(json.dumps({"scores": found}))
    np.testing.assert_equal(read_own(tmp_path), {"largest": 3.0, "largest/u": np.nan})


def test_byte_that_was_changed_after_the_test_is_noticed_and_none_of_others(tmp_path):
    folder = write(tmp_path / "run")
    plain = (folder / "scores.nc").read_bytes()
    read_scores(folder)  # of a version that wrote no hash
    seal(folder / "scores.nc")
    read_scores(folder)
    whole = (folder / "scores.nc").read_bytes()
    assert whole.startswith(plain)
    for place in range(0, len(plain), 97):
        changed = whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]
        (folder / "scores.nc").write_bytes(changed)
        with pytest.raises(ValueError, match=r"run/scores\.nc .*not as the test wrote it"):
            read_scores(folder)


def test_every_panel_of_the_program_reads_a_score_with_a_layout():
    known = layouts(library_diagnostics())
    labels = {"channel", "field"}  # names, not numbers
    for kind in library_diagnostics():
        assert {panel.score for panel in kind.panels()} <= {one.name for one in kind.layouts}
        assert {name for one in kind.layouts for name in one.needs} <= set(known) | labels


def test_layouts_of_an_own_diagnostic_are_checked_and_compared(tmp_path, monkeypatch):
    module = tmp_path / "deep.py"
    module.write_text(
        "from callbacks.diagnostics.base import RolloutDiagnostic\n"
        "from callbacks.diagnostics.compared import ScoreLayout\n"
        "class Deep(RolloutDiagnostic):\n"
        "    layouts = (ScoreLayout('depth', ('initial_condition', 'level'), ('level',)),)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    about = {"diagnostics": {"Deep": {"module": "deep", "summary": []}}}
    deep = scores(1.0).assign(depth=(("initial_condition", "level"), np.ones((4, 3))))
    bare = rewrite(tmp_path / "bare", deep, **about)
    with pytest.raises(ValueError, match=r"bare/scores\.nc .*'depth' without 'level'"):
        load_runs([bare])
    whole = deep.assign_coords(level=[1.0, 2.0, 3.0])
    runs = [
        rewrite(tmp_path / n, whole.isel(level=slice(k)), **about) for n, k in (("a", 3), ("b", 2))
    ]
    with pytest.raises(ValueError, match=r"b and a .* shape of depth differs"):
        load_runs(runs)
    turned = rewrite(tmp_path / "turned", whole.transpose("level", ...), **about)
    with pytest.raises(ValueError, match="'depth' has the dimensions"):
        load_runs([turned])
