"""A data module of the user's own, with what `DataSource` says and nothing of ours on disk."""

from types import SimpleNamespace

import pytest
import torch
from lightning import LightningDataModule, Trainer
from torch.utils.data import DataLoader

from callbacks import EnergyStability, FineTuning, RolloutError, ZonalMean
from datamodules import DataDescription
from datamodules.rollouts import Rollouts
from datamodules.solvers import Grid, Variable
from datamodules.statistics import accumulate
from emulators import Baseline
from emulators.networks.dilated_resnet import DilatedResNet
from tests.callbacks.conftest import RolloutBatch

WINDOWS = torch.randn(12, 2, 1, 8, 8, generator=torch.Generator().manual_seed(0)).float()


class Tides(LightningDataModule):
    """Random heights of the surface of a sea."""

    generator = None
    rollouts = {  # noqa: RUF012 - never changed
        "val": Rollouts(2, 3, 3), "test": Rollouts(2, 3, 3)
    }  # fmt: skip

    def __init__(self, interval=600.0, **entries):
        super().__init__()
        self.interval, self.entries, self.read = interval, entries, []

    def describe(self):
        height = Variable("height", "height of the surface", "m")
        grid = Grid((8, 8), (1e6, 1e6))
        return DataDescription.on_grid([height], grid, self.interval, "m", "s", **self.entries)

    @property
    def statistics(self):
        self.read.append("statistics")
        return accumulate([WINDOWS.flatten(0, 1)])

    def trajectories(self, split):
        self.read.append(split)
        states = WINDOWS[:, 0]
        return SimpleNamespace(
            lengths=[len(states)],
            snapshots=len(states),
            chunks=lambda label, snapshots=4: states.split(snapshots),
        )

    def reference(self, split, definition, compute):
        return compute()

    def train_dataloader(self):
        return DataLoader(WINDOWS, batch_size=4)

    def test_dataloader(self):
        batch = RolloutBatch(WINDOWS[:2, 0], torch.arange(2), 3, 3)
        return DataLoader([batch], batch_size=None)


def trainer(folder, *callbacks):
    return Trainer(
        default_root_dir=folder, callbacks=list(callbacks), accelerator="cpu", logger=False,
        max_steps=2, limit_val_batches=0, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip


def small(*args, **kwargs):
    return DilatedResNet(*args, width=4, blocks=1, dilations=(1,), **kwargs)


@pytest.fixture
def checkpoint(tmp_path, single_precision):
    run = trainer(tmp_path)
    run.fit(Baseline(network=small), Tides())
    run.save_checkpoint(tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt"


def test_trains_and_is_scored(checkpoint, tmp_path):
    error, data = RolloutError(), Tides()
    run = trainer(tmp_path, error, EnergyStability(), ZonalMean(every=1))
    run.test(Baseline(network=small), data, ckpt_path=checkpoint, verbose=False, weights_only=True)
    assert error.results["mse"].shape[-1] == 3
    assert error.results["lead_time"].attrs["units"] == "s"
    assert "statistics" not in data.read  # those of the checkpoint are used


def test_description_travels_in_the_checkpoint(checkpoint, tmp_path):
    saved = torch.load(checkpoint, weights_only=True)["trained_on"]
    kept = DataDescription.from_dict(saved)
    assert kept.to_dict() == saved
    assert Tides().describe().difference(kept) is None
    torch.testing.assert_close(kept.statistics.std, Tides().statistics.std, rtol=0, atol=0)
    run, options = trainer(tmp_path), {"ckpt_path": checkpoint, "weights_only": True}
    with pytest.raises(ValueError, match=r"trained on data with interval 600 s, .* have 60 s"):
        run.test(Baseline(network=small), Tides(60.0), verbose=False, **options)


def test_data_at_another_level_are_refused_and_noted_in_fine_tuning(tmp_path, single_precision):
    levels = {"depth": (10.0, "m")}, {"depth": (500.0, "m")}
    run, path = trainer(tmp_path), tmp_path / "a.ckpt"
    run.fit(Baseline(network=small), Tides(levels=levels[0]))
    run.save_checkpoint(path)
    different, options = r"level depth = 10 m, .* have 500 m", {"ckpt_path": path}
    run, options["weights_only"] = trainer(tmp_path), True
    run.test(Baseline(network=small), Tides(levels=levels[0]), verbose=False, **options)
    for stage in (run.test, run.fit):
        with pytest.raises(ValueError, match=different):
            stage(Baseline(network=small), datamodule=Tides(levels=levels[1]), **options)
    with pytest.warns(match=different):
        trainer(tmp_path, FineTuning(path)).fit(Baseline(network=small), Tides(levels=levels[1]))
