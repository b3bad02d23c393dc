import numpy as np
import pytest

from datamodules.reference import cached


def counting(calls, value):
    def compute():
        calls.append(value)
        return {"mean": np.array([value]), "std": np.arange(3.0)}

    return compute


def test_arrays_are_computed_once_per_content_and_definition(tmp_path):
    calls = []
    for content, version, value in (("a", 1, 10.0), ("a", 1, 20.0), ("b", 1, 30.0), ("a", 2, 40.0)):
        definition = {"name": "Spectrum", "version": version}
        found = cached(tmp_path, content, definition, counting(calls, value))
        np.testing.assert_array_equal(found["std"], np.arange(3.0))
        assert found["mean"] == (10.0 if value == 20.0 else value)
    assert calls == [10.0, 30.0, 40.0]


def test_folder_that_cannot_be_written_means_computing_anew(tmp_path):
    (tmp_path / "reference").write_text("a file in the way")
    assert cached(tmp_path, "a", {"name": "x"}, counting([], 1.0))["mean"] == 1


def test_computation_that_fails_leaves_nothing(tmp_path):
    def failing():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cached(tmp_path, "a", {"name": "x"}, failing)
    assert [path.name for path in (tmp_path / "reference").iterdir()] == ["lock"]
