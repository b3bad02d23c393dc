"""Scores and studies that are damaged or of other kinds, for `compare` and `study`."""

import copy
import json
import shutil

import netCDF4
import numpy as np
import pytest
import xarray
import yaml

from callbacks.comparison import load_runs, table
from callbacks.comparison.table import table_csv
from commands.study import read_study
from tests.fuzz.damage import ATTRIBUTES, JUNK, OTHER_KINDS, blanked, flipped, truncated
from tests.fuzz.judge import apart, left, tried

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tested, tmp_path_factory):
    """A tested run, of which cases change a file and put it back."""
    folder = tmp_path_factory.mktemp("scored") / "run"
    shutil.copytree(tested / "runs" / "smoke", folder)
    return folder, look(folder)


def look(folder):
    runs = load_runs([folder])
    return table(runs), table_csv(runs)


def spoiled(run, name, spoiler):
    """Return whether scores are accepted with a spoiled file, which must change nothing."""
    folder, expected = run
    path = folder / name
    whole = path.read_bytes()
    try:
        path.write_bytes(spoiler(whole))
        found = apart(lambda: tried(lambda: look(folder), [str(path)], "compare"))
    finally:
        path.write_bytes(whole)
    assert not left(folder)
    return found


@pytest.mark.parametrize("name", JUNK)
@pytest.mark.parametrize("file", ["scores.nc", "scores.json"])
def test_junk(run, file, name):
    assert spoiled(run, file, lambda whole: JUNK[name]) is None


@pytest.mark.parametrize("seed", range(20))
def test_truncated_scores(run, seed):
    assert spoiled(run, "scores.nc", lambda whole: truncated(whole, seed)) is None


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("damage", [flipped, blanked])
def test_numbers_of_damaged_scores_are_those_of_before_or_refused(run, damage, seed):
    folder, _ = run
    intact = load_runs([folder])[0].scores
    path = folder / "scores.nc"
    whole = path.read_bytes()

    def read():
        scores = load_runs([folder])[0].scores
        return {name: (v.dims, v.values) for name, v in scores.variables.items()}

    try:
        path.write_bytes(damage(whole, seed))
        found = apart(lambda: tried(read, [str(path)], "compare"))
    finally:
        path.write_bytes(whole)
    if found is not None:
        for name, variable in intact.variables.items():
            np.testing.assert_array_equal(found[name][1], variable.values)


@pytest.mark.parametrize("kind", ATTRIBUTES)
@pytest.mark.parametrize("name", ["provenance", "content_hash"])
def test_attribute_of_another_kind(run, name, kind, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run[0], folder)
    with netCDF4.Dataset(folder / "scores.nc", "a") as file:
        file.setncattr(name, ATTRIBUTES[kind])
    found = apart(lambda: tried(lambda: look(folder), [str(folder)], "compare"))
    assert found in (None, run[1])


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_what_determined_scores_of_other_kinds(run, kind, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run[0], folder)
    scores = xarray.load_dataset(folder / "scores.nc")
    about = json.loads(scores.attrs["provenance"])
    for key in about:
        changed = {**about, key: OTHER_KINDS[kind]}
        with netCDF4.Dataset(folder / "scores.nc", "a") as file:
            file.setncattr("provenance", json.dumps(changed))
        tried(lambda: look(folder), [str(folder)], "compare")
        tried(lambda: load_runs([run[0], folder]), [str(folder), "run"], "compare")


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_summary_of_other_kinds(run, kind):
    value = json.dumps(OTHER_KINDS[kind]).encode()
    spoiled(run, "scores.json", lambda whole: value)
    spoiled(run, "scores.json", lambda whole: b'{"scores": ' + value + b"}")
    spoiled(run, "scores.json", lambda whole: b'{"scores": {"own": ' + value + b"}}")


STUDY = {
    "root": "runs/x",
    "common": ["a.yaml"],
    "options": ["--trainer.max_steps=3"],
    "seeds": [0, 1],
    "data": {"jet": ["data.yaml"]},
    "runs": {"one": ["a.yaml"], "two": ["a.yaml", "--model.noise=0.1"]},
}


@pytest.fixture
def study(tmp_path):
    (tmp_path / "a.yaml").write_text("model: {}\n")
    (tmp_path / "data.yaml").write_text("data: {root: somewhere}\n")
    return tmp_path / "study.yaml"


def places(value, path=()):
    """Yield the path of every part of nested collections."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from places(value[key], (*path, key))


def replaced(value, path, new):
    changed = copy.deepcopy(value)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return changed


@pytest.mark.parametrize("kind", OTHER_KINDS)
@pytest.mark.parametrize("path", list(places(STUDY)), ids=str)
def test_study_with_a_part_of_another_kind(study, path, kind):
    study.write_text(yaml.safe_dump(replaced(STUDY, path, OTHER_KINDS[kind])))
    found = tried(lambda: read_study(study), [str(study.parent)], "study")
    if found is not None:
        names = [run.folder for run in found.runs]
        assert len(set(names)) == len(names) > 0


@pytest.mark.parametrize("kind", ["nan", "null", "true", "list", "map", "empty map", "empty list"])
@pytest.mark.parametrize("path", [("root",), ("runs",), ("seeds", 0), ("runs", "one", 0)], ids=str)
def test_part_of_a_study_that_means_nothing_is_refused(study, path, kind):
    study.write_text(yaml.safe_dump(replaced(STUDY, path, OTHER_KINDS[kind])))
    assert tried(lambda: read_study(study), [str(study.parent)], "study") is None


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("damage", [truncated, flipped])
def test_damaged_text_of_a_study(study, damage, seed):
    study.write_bytes(damage(yaml.safe_dump(STUDY).encode(), seed))
    tried(lambda: read_study(study), [str(study.parent)], "study")
