import json
import os
import shutil
import time

import pytest

from datamodules.files import hashes
from datamodules.files.hashes import hash_of


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data" / "train" / "β [1]\n.nc"
    path.parent.mkdir(parents=True)
    path.write_text("one")
    return path


@pytest.fixture
def known(file):
    """The hash of the file's text, and how often it was made."""
    calls = []

    def ask(*names):
        def compute():
            calls.append(names)
            return file.read_text() + ",".join(sorted(names))

        return hash_of(file.parents[1], file, names or ("u",), compute)

    ask.calls = calls
    return ask


def test_hash_is_made_once(known, file):
    assert known("u") == known("u") == "oneu"
    assert len(known.calls) == 1


def test_variables_are_told_apart_and_their_order_is_not(known):
    assert known("a,b") == "onea,b"
    assert known("a", "b") == "onea,b"
    assert len(known.calls) == 2  # the first names one variable
    assert known("b", "a") == "onea,b"
    assert len(known.calls) == 2


def test_rewriting_at_once_with_the_same_size_is_noticed(known, file):
    for text in ("one", "two", "six", "ten"):
        file.write_text(text)
        assert known("u") == text + "u"


def test_change_that_keeps_size_and_time_is_noticed(known, file):
    before = file.stat()
    known()
    file.write_text("two")  # in place
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    known()
    other = file.with_name("other")  # renamed over it, with the times of before
    other.write_text("six")
    shutil.copystat(file, other)
    os.replace(other, file)
    known()
    assert len(known.calls) == 3


def test_file_that_changes_while_it_is_read_is_not_remembered(file):
    def compute():
        time.sleep(0.03)
        file.write_text("new")
        return "half old, half new"

    root = file.parents[1]
    assert hash_of(root, file, ["u"], compute) == "half old, half new"
    assert hash_of(root, file, ["u"], lambda: "new") == "new"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"3", b'"text"', b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": {}}',
     b'{"a": [1, 2, "x", "y"]}', b"NaN", b'{"a": 1e999}'],
)  # fmt: skip
def test_broken_list_of_hashes_is_made_again_with_a_word(known, file, capsys, content):
    path = file.parents[1] / "reference" / "hashes.json"
    path.parent.mkdir()
    path.write_bytes(content)
    assert known("u") == known("u") == "oneu"
    assert len(known.calls) == 1
    assert str(path) in capsys.readouterr().err
    assert len(json.loads(path.read_text())) == 1


def test_every_flipped_bit_of_an_entry_is_noticed(known, file):
    known("u")
    path = file.parents[1] / "reference" / "hashes.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :])
        assert known("u") == "oneu"


def test_entry_of_another_file_or_an_older_version_is_not_taken(known, file, capsys):
    path = file.parents[1] / "reference" / "hashes.json"
    known("u")
    ((name, entry),) = json.loads(path.read_text()).items()
    path.write_text(json.dumps({name.replace('"u"', '"v"'): entry}))
    assert known("v") == "onev"
    assert "not as it was written" in capsys.readouterr().err
    state = file.stat()
    path.write_text(json.dumps({f"{file}:u": [state.st_size, state.st_mtime_ns, "f" * 64]}))
    assert known("u") == "oneu"
    assert capsys.readouterr().err == ""


def test_other_meaning_of_hashes_makes_them_again(known, monkeypatch):
    known()
    monkeypatch.setattr(hashes, "VERSION", -1)
    known()
    assert len(known.calls) == 2


def test_folder_that_cannot_be_written_means_computing_anew(known, file):
    (file.parents[1] / "reference").write_text("in the way")
    assert known("u") == known("u") == "oneu"
    assert len(known.calls) == 2


def test_full_disk_means_computing_anew(known, file, monkeypatch, capsys):
    def full(path, content):
        raise OSError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(hashes, "atomic_write", full)
    assert known("u") == known("u") == "oneu"
    assert "No space left" in capsys.readouterr().err


def test_error_of_the_file_itself_is_raised_once(file):
    calls = []

    def compute():
        calls.append(1)
        raise OSError("damaged")

    with pytest.raises(OSError, match="damaged"):
        hash_of(file.parents[1], file, ["u"], compute)
    assert len(calls) == 1


def test_coarse_clocks_are_waited_for(file, monkeypatch):
    slept = []
    monkeypatch.setattr(hashes.time, "sleep", slept.append)
    monkeypatch.setattr(hashes, "stamp_of", lambda path: [1, 2, 3, 4])

    class State:
        st_ctime_ns = int(time.time()) * 10**9

    monkeypatch.setattr(type(file), "stat", lambda self, **kwargs: State)
    hashes._wait_for_another_stamp(file)
    assert 0.9 < slept[0] <= 2.0
