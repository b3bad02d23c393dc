from unittest.mock import Mock

import torch
from lightning import LightningModule, Trainer

from callbacks.run.loss_bar import LossBar


def shown(training, **metrics):
    trainer = Mock(spec=Trainer, training=training, callback_metrics=metrics, loggers=[])
    trainer.progress_bar_metrics = {"other": 1.0}
    return LossBar().get_metrics(trainer, Mock(spec=LightningModule))


def test_bar_of_a_training_shows_its_loss():
    assert shown(True, **{"train/loss": torch.tensor(0.25)}) == {"other": 1.0, "train/loss": 0.25}
    assert shown(True) == {"other": 1.0}
    assert shown(False, **{"train/loss": torch.tensor(0.25)}) == {"other": 1.0}
