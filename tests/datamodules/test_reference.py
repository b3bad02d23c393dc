import numpy as np
import pytest

from datamodules.reference_cache import cached


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


def only(folder):
    (path,) = (folder / "reference").glob("*.npz")
    return path


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped", "others", "plain", "folder"])
def test_broken_arrays_are_made_again_with_a_word(tmp_path, capsys, damage):
    cached(tmp_path, "a", {"name": "x"}, counting([], 1.0))
    path = only(tmp_path)
    whole = path.read_bytes()
    if damage == "others":  # of other data, under this name
        cached(tmp_path / "b", "b", {"name": "x"}, counting([], 9.0))
        path.write_bytes(only(tmp_path / "b").read_bytes())
    elif damage == "plain":
        np.savez(path, mean=np.array([9.0]), std=np.arange(3.0))
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        at = whole.index(np.float64(1.0).tobytes())
        flipped = whole[:at] + np.float64(3.0).tobytes() + whole[at + 8 :]
        contents = {"empty": b"", "text": b"text", "cut": whole[:-200], "flipped": flipped}
        path.write_bytes(contents[damage])
    calls = []
    assert cached(tmp_path, "a", {"name": "x"}, counting(calls, 1.0))["mean"] == 1
    assert len(calls) == 1
    assert str(path) in capsys.readouterr().err
    if damage != "folder":
        assert cached(tmp_path, "a", {"name": "x"}, counting(calls, 2.0))["mean"] == 1


def test_definition_cannot_pose_as_content(tmp_path):
    cached(tmp_path, "a", {"name": "x", "content": "b"}, counting([], 1.0))
    assert cached(tmp_path, "b", {"name": "x", "content": "b"}, counting([], 2.0))["mean"] == 2


def test_arrays_are_the_same_when_computed_and_when_read(tmp_path):
    def compute():
        return {"share": 0.25, "count": [1, 2]}

    first, second = (cached(tmp_path, "a", {"name": "x"}, compute) for _ in range(2))
    for name, array in first.items():
        assert array.dtype == second[name].dtype
        np.testing.assert_array_equal(array, second[name])


def test_reference_that_there_is_serves_also_where_nothing_can_be_written(tmp_path, monkeypatch):
    cached(tmp_path, "a", {"name": "x"}, counting([], 1.0))
    monkeypatch.setattr(
        "datamodules.reference_cache.locked_folder", lambda folder: pytest.fail("waits")
    )
    assert cached(tmp_path, "a", {"name": "x"}, counting([], 2.0))["mean"] == 1


def test_full_disk_is_said_and_costs_one_computation(tmp_path, monkeypatch, capsys):
    def full(path, label, arrays):
        raise OSError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr("datamodules.reference_cache.save", full)
    calls = []
    assert cached(tmp_path, "a", {"name": "x"}, counting(calls, 1.0))["mean"] == 1
    assert len(calls) == 1
    assert "No space left" in capsys.readouterr().err


def test_error_of_the_data_is_raised_once(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        raise OSError("a.nc is damaged")

    with pytest.raises(OSError, match="damaged"):
        cached(tmp_path, "a", {"name": "x"}, compute)
    assert len(calls) == 1


def test_one_reference_may_ask_for_another(tmp_path):
    def outer():
        return {"mean": 2 * cached(tmp_path, "a", {"name": "in"}, counting([], 1.0))["mean"]}

    assert cached(tmp_path, "a", {"name": "out"}, outer)["mean"] == 2
