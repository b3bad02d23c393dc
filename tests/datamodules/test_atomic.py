import os
import subprocess
import sys
import threading
import time

import pytest

from datamodules.files import atomic as whole_file
from datamodules.files.atomic import atomic_file, atomic_write, locked_folder


def test_content_is_on_the_disk_before_the_name_and_the_name_at_the_end(tmp_path, monkeypatch):
    done, path = [], tmp_path / "a.json"
    monkeypatch.setattr(
        os, "fsync", lambda handle: done.append(os.readlink(f"/proc/self/fd/{handle}"))
    )
    rename = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("rename"), rename(a, b)))
    atomic_write(path, "text")
    assert done == [f"{path}.{os.getpid()}.tmp", "rename", str(tmp_path)]
    assert path.read_text() == "text"


def test_disk_that_fails_at_the_last_moment_leaves_the_file_of_before(tmp_path, monkeypatch):
    path = atomic_write(tmp_path / "a.json", "old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"a\.json: cannot be written .No space.* [GM]iB are free"):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_system_that_cannot_flush_is_no_error(tmp_path, monkeypatch):
    def cannot(handle):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", cannot)
    assert atomic_write(tmp_path / "a", "text").read_text() == "text"


def test_missing_folder_is_said(tmp_path):
    with pytest.raises(OSError, match=r"gone/a: cannot be written .*no such folder"):
        atomic_write(tmp_path / "gone" / "a", "text")


def test_what_killed_processes_left_of_a_file_is_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path, other = tmp_path / "a[1].nc", tmp_path / "b.nc.77.tmp"
    left = tmp_path / f"{path.name}.{dead.pid}.tmp"
    alive = tmp_path / f"{path.name}.{os.getppid()}.tmp"
    notes = tmp_path / f"{path.name}.notes.tmp"
    for file in (left, alive, other, notes):
        file.write_text("part")
    atomic_write(path, "text")
    assert set(tmp_path.iterdir()) == {path, alive, other, notes}
    os.utime(alive, (0, 0))  # a number that another process has by now
    atomic_write(path, "text")
    assert set(tmp_path.iterdir()) == {path, other, notes}


def test_two_threads_are_never_in_a_folder_together(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with locked_folder(tmp_path / "folder"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(1e-4)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 60


def test_who_is_in_a_folder_may_enter_it_again(tmp_path):
    with locked_folder(tmp_path), locked_folder(tmp_path / "."):
        pass
    with locked_folder(tmp_path):
        (tmp_path / "a").write_text("still alone")


def test_file_system_without_locks_is_used_without(tmp_path, monkeypatch):
    def refuse(handle, kind):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked_folder(tmp_path / "a"):
        atomic_write(tmp_path / "a" / "b", "text")
    assert (tmp_path / "a" / "b").read_text() == "text"


def test_folder_that_is_removed_meanwhile_is_made_again(tmp_path, monkeypatch):
    folder, opened = tmp_path / "a", os.open
    removed = []

    def remove_first(path, flags):
        if not removed:
            removed.append(folder.rmdir())
        return opened(path, flags)

    monkeypatch.setattr(os, "open", remove_first)
    with locked_folder(folder):
        assert (folder / "lock").exists()


def test_folder_in_which_nothing_can_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    place, message = tmp_path / "file" / "x", r"file/x: cannot write here .*set data\.root"
    with pytest.raises(OSError, match=message), locked_folder(place):
        pass


def test_number_of_a_process_that_there_cannot_be_is_no_error():
    assert not whole_file.is_running(2**22 + 5)
    assert whole_file.is_running(10**30)  # it cannot be known


def test_failure_while_writing_leaves_nothing(tmp_path):
    def fail_halfway():
        with atomic_file(tmp_path / "a") as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_halfway()
    assert list(tmp_path.iterdir()) == []
