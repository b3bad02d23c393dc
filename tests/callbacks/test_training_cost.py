import json
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from lightning import LightningModule, Trainer

from callbacks import TrainingCost
from callbacks.run.training_cost import cost_of


def a_trainer(folder, loader, processes, steps):
    return Mock(
        spec=Trainer,
        train_dataloader=loader,
        world_size=processes,
        is_global_zero=True,
        default_root_dir=folder,
        global_step=steps,
        accumulate_grad_batches=1,
    )


def test_waiting_for_data_is_counted_after_the_warm_up(tmp_path, monkeypatch):
    now, loader = [0.0], SimpleNamespace(waited=0.0)
    monkeypatch.setattr("callbacks.run.training_cost.time.perf_counter", lambda: now[0])
    module = Mock(spec=LightningModule, device=torch.device("cpu"))
    trainer = a_trainer(tmp_path, loader, processes=2, steps=14)
    cost = TrainingCost()
    for number in range(14):
        loader.waited += 5.0 if number < 10 else 0.25
        cost.on_train_batch_start(trainer, module, None, number)
        now[0] += 2.0
        cost.on_train_batch_end(trainer, module, None, [0, 0, 0], number)
    cost.on_train_end(trainer, module)
    found = json.loads((tmp_path / "training.json").read_text())
    assert found["seconds_per_step"] == pytest.approx(2.0)
    assert found["data_wait"] == pytest.approx(0.25 / 2.0)
    assert found["samples_per_step"] == 2 * 3  # of both processes
    assert found["samples_per_second"] == pytest.approx(2 * 3 / 2.0)


class Event:
    """An event of a GPU that computes for 3 s per mark, of which nothing may be known too early."""

    made = 0

    def __init__(self, enable_timing):
        assert enable_timing
        self.arrived = False

    def record(self, stream):
        Event.made += 1
        self.time = 3e3 * Event.made

    def synchronize(self):
        self.arrived = True

    def elapsed_time(self, other):
        assert other.arrived
        return other.time - self.time


def test_on_a_gpu_no_step_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setattr("callbacks.run.training_cost.peak_memory", lambda device: 1)
    module = Mock(spec=LightningModule, device=torch.device("cuda:0"))
    trainer = a_trainer(tmp_path, SimpleNamespace(waited=0.0), processes=1, steps=130)
    cost = TrainingCost()
    for number in range(130):
        cost.on_train_batch_start(trainer, module, None, number)
        cost.on_train_batch_end(trainer, module, None, [0], number)
        assert len(cost.marks) <= cost.LAG
        assert not any(end.arrived for _, end in cost.marks)
    cost.on_train_end(trainer, module)
    found = json.loads((tmp_path / "training.json").read_text())
    assert found["seconds_per_step"] == pytest.approx(3.0)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b"null", b'{"steps": "10"}', b'{"steps": null}', b'{"steps": NaN}',
     b'{"steps": true}', b'{"steps": [1]}', b"\xff", b"[" * 100_000],
    ids=range(12),
)  # fmt: skip
def test_broken_cost_is_left_out_with_a_word(tmp_path, capsys, content):
    assert cost_of(tmp_path) == {}
    (tmp_path / "training.json").write_bytes(b'{"steps": 10, "data_wait": 0.5}')
    assert cost_of(tmp_path) == {"steps": 10, "data_wait": 0.5}
    assert capsys.readouterr().err == ""
    (tmp_path / "training.json").write_bytes(content)
    assert cost_of(tmp_path) == {}
    assert f"{tmp_path}/training.json does not hold" in capsys.readouterr().err
