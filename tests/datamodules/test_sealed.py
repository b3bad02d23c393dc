import io
import os
import pickle

import numpy as np
import pytest

from datamodules.files.sealed import SEAL, load, save

ARRAYS = {"mean": np.arange(6.0).reshape(2, 3), "names": np.array(["u", "βv"]), "n": np.array(3)}


@pytest.fixture
def path(tmp_path):
    save(tmp_path / "a.npz", "label", ARRAYS)
    return tmp_path / "a.npz"


def test_arrays_come_back_as_they_were(path):
    found = load(path, "label")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    with np.load(path) as plain:  # other programs read them too
        np.testing.assert_array_equal(plain["mean"], ARRAYS["mean"])


def test_another_label_does_not_open_them(path):
    assert load(path, "other") is None
    assert load(path, "") is None


def test_every_flipped_byte_and_every_length_is_noticed(path):
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert load(path, "label") is None
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert load(path, "label") is None
    path.write_bytes(whole + b"more")
    assert load(path, "label") is None
    path.write_bytes(whole)
    assert load(path, "label") is not None


def test_arrays_of_others_and_pickles_are_not_taken(path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(path) + "-harm",)

    stored = io.BytesIO()
    np.savez(stored, mean=np.array([Harm()], dtype=object))
    for content in (b"", b"\0" * SEAL, pickle.dumps(Harm()), stored.getvalue()):
        path.write_bytes(content)
        assert load(path, "label") is None
    assert list(path.parent.iterdir()) == [path]


def test_objects_are_not_kept(tmp_path):
    with pytest.raises(ValueError, match="'odd' is an array of objects"):
        save(tmp_path / "a.npz", "label", {"odd": np.array([None])})
    assert list(tmp_path.iterdir()) == []
