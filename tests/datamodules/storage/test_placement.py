from pathlib import Path

import pytest
import torch

from datamodules.storage import placement
from datamodules.storage.free_memory import free_memory, free_on
from datamodules.storage.in_memory import InMemory
from datamodules.storage.on_device import OnDevice
from datamodules.storage.placement import StorageRequest, choose, choose_storage, to_device
from datamodules.storage.streamed import Streamed
from datamodules.trajectories import Trajectories

CPU = torch.device("cpu")
SIZE = 80 * 64 * 4  # the files: 4 trajectories of 20 snapshots of 8 x 8
GIB = 2**30


@pytest.fixture
def storage(files):
    return Trajectories(files).storage


def with_free(monkeypatch, size):
    monkeypatch.setattr(placement, "free_memory", lambda: size)
    monkeypatch.setattr(placement, "free_on", lambda device: size)


@pytest.mark.parametrize(
    ("size", "free", "processes", "writable", "kind", "reason"),
    [
        (4, 8, 1, True, "memory", "8 GiB free"),
        (2, 8, 2, True, "memory", "8 GiB free"),
        (3, 8, 2, True, "shared", "2 x 3 GiB exceed half of the 8 GiB free"),
        (3, 8, 2, False, "stream", "2 x 3 GiB exceed half of the 8 GiB free"),
        (5, 8, 1, True, "stream", "5 GiB exceed half of the 8 GiB free"),
        (5, 8, 2, True, "stream", "2 x 5 GiB exceed half of the 8 GiB free"),
    ],
)
def test_size_and_processes_choose(size, free, processes, writable, kind, reason):
    found = choose(size * GIB, free * GIB, processes, writable)
    assert found[0] == kind
    assert found[1] == reason


@pytest.mark.parametrize(
    ("choice", "free", "kind"),
    [
        ("auto", 2 * SIZE, InMemory),
        ("device", 2 * SIZE, InMemory),
        ("auto", 2 * SIZE - 1, Streamed),
        ("memory", SIZE, InMemory),
        ("shared", 0, InMemory),
        ("stream", 2**40, Streamed),
    ],
)
def test_split_is_placed_and_the_reason_said(storage, tmp_path, monkeypatch, choice, free, kind):
    with_free(monkeypatch, free)
    placed, words = choose_storage(
        storage, choice, StorageRequest("train", tmp_path, lambda: "0123")
    )
    assert isinstance(placed, kind)
    assert words.startswith("20 KiB, ")
    assert ("memory" in words) == (kind is InMemory)
    assert ("free)" in words) == (choice in ("auto", "device"))
    assert (f"data.storage: {choice}" in words) == (choice not in ("auto", "device"))
    assert (tmp_path / "shared" / "train-0123.float32").exists() == (choice == "shared")


def test_memory_without_room_is_refused(storage, tmp_path, monkeypatch):
    with_free(monkeypatch, 2 * SIZE - 1)
    message = r"the train split takes 2 x 20 KiB of memory, 40 KiB are free; set data"
    with pytest.raises(ValueError, match=message):
        choose_storage(storage, "memory", StorageRequest("train", tmp_path, str, processes=2))


@pytest.mark.parametrize(
    ("choice", "device", "free", "moved"),
    [
        ("device", "cpu", SIZE, True),
        ("auto", "cpu", 2**40, False),
        ("memory", "cuda", 2**40, False),
        ("auto", "cuda", 4 * SIZE - 1, False),
    ],
)
def test_training_windows_move_to_a_device_with_room(
    storage, tmp_path, monkeypatch, choice, device, free, moved
):
    with_free(monkeypatch, free)
    found, words = to_device(
        storage, choice, StorageRequest("train", tmp_path, str), torch.device(device)
    )
    assert isinstance(found, OnDevice) == moved
    assert words == ("20 KiB, loaded onto cpu (20 KiB free there)" if moved else "")


def test_gpu_takes_a_split_of_a_quarter_of_its_free_memory(storage, tmp_path, monkeypatch):
    with_free(monkeypatch, 4 * SIZE)
    asked, cuda = [], torch.device("cuda", 1)
    monkeypatch.setattr(placement, "on_device", lambda *words: asked.append(words[1]) or words[0])
    words = to_device(storage, "auto", StorageRequest("train", tmp_path, str), cuda)[1]
    assert asked == [cuda]
    assert "cuda:1" in words


def test_device_without_room_is_refused(storage, tmp_path, monkeypatch):
    with_free(monkeypatch, SIZE - 1)
    with pytest.raises(ValueError, match=r"train split takes .* are free on cpu; set data.storage"):
        to_device(storage, "device", StorageRequest("train", tmp_path, str), CPU)


def write(path: Path, text: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_memory_that_torch_has_reserved_on_a_gpu_and_does_not_use_is_free(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (1000, 5000))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda device: 700)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda device: 300)
    assert free_on(torch.device("cuda", 0)) == 1000 + 400


def test_free_memory_is_what_the_node_and_the_groups_allow(tmp_path):
    assert free_memory(tmp_path) > 0  # of this machine, where the system says nothing
    write(tmp_path / "proc/meminfo", "MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable: 4000 kB\n")
    assert free_memory(tmp_path) == 4000 * 1024
    write(tmp_path / "proc/self/cgroup", "1:cpu:/\n0::/job/step\n")
    group = tmp_path / "sys/fs/cgroup/job"
    write(group / "step/memory.max", "max\n")
    assert free_memory(tmp_path) == 4000 * 1024
    write(group / "memory.max", "3000000\n")
    write(group / "memory.current", "2500000\n")
    write(group / "memory.stat", "anon 1\ninactive_file 700000\n")
    assert free_memory(tmp_path) == 3000000 - 2500000 + 700000


def test_control_groups_of_version_1_count_too(tmp_path):
    write(tmp_path / "proc/meminfo", "MemAvailable: 4000 kB\n")
    write(tmp_path / "proc/self/cgroup", "5:memory:/job\n")
    group = tmp_path / "sys/fs/cgroup/memory/job"
    write(group / "memory.limit_in_bytes", "900")
    write(group / "memory.usage_in_bytes", "500")
    write(group / "memory.stat", "total_inactive_file 30\n")
    assert free_memory(tmp_path) == 900 - 500 + 30
