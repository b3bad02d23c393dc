"""Scores and figures of validations and tests reach the trackers of the run's loggers."""

import csv
import io
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lightning.pytorch.loggers import CometLogger, CSVLogger, MLFlowLogger
from lightning.pytorch.loggers.wandb import WandbLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cli
from callbacks.plotting.export import gif
from callbacks.plotting.trackers import log_picture, show
from tests.conftest import SMOKE

MOVIE = gif(np.zeros((2, 8, 8, 3), np.uint8))


@pytest.fixture(autouse=True)
def no_figures_of_validations():
    """Draw the figures of validations, other than in the rest of the suite."""


@pytest.fixture
def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def mlflow(monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed (extra `trackers`)")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def run_test(logger):
    """Test the run in the working directory with another logger than in its training."""
    cli.run(["test", "--ckpt_path=runs/smoke/last.ckpt", "--trainer.logger", logger])


def run_fit(*options):
    cli.run(
        ["fit", "-c", "smoke.yaml", "--trainer.default_root_dir=runs/watched",
         "--trainer.callbacks+=callbacks.Panels", "--trainer.callbacks.leads=[2]", *options]
    )  # fmt: skip


def test_figures_of_each_validation_are_shown(workplace):
    shutil.copy(SMOKE, "smoke.yaml")
    run_fit()
    (file,) = Path("runs/watched").glob("events*")
    events = EventAccumulator(str(file), size_guidance={"images": 0}).Reload()
    assert {"val/rollout_error", "val/energy", "val/panels"} <= set(events.Tags()["images"])
    assert [image.step for image in events.Images("val/panels")] == [3, 6]
    assert not list(Path("runs/watched").glob("*.png"))


@pytest.mark.parametrize(("share", "steps"), [(0.0, [2, 6]), (1e9, [2, 4, 6])])
def test_figures_take_a_small_share_of_a_training(workplace, monkeypatch, share, steps):
    shutil.copy(SMOKE, "smoke.yaml")
    monkeypatch.setattr("callbacks.run.score_writer.SHARE", share)
    run_fit("--trainer.val_check_interval=2")
    (file,) = Path("runs/watched").glob("events*")
    events = EventAccumulator(str(file), size_guidance={"images": 0}).Reload()
    assert [image.step for image in events.Images("val/panels")] == steps


def test_a_tracker_that_fails_does_not_end_a_training(workplace, monkeypatch):
    shutil.copy(SMOKE, "smoke.yaml")

    def refuse(*args):
        raise OSError("no space left")

    monkeypatch.setattr("callbacks.run.score_writer.show", refuse)
    with pytest.warns(match="figures of a validation were not shown: no space left"):
        run_fit()


def test_figures_of_validations_are_not_drawn_for_loggers_that_take_none(workplace, monkeypatch):
    shutil.copy(SMOKE, "smoke.yaml")
    drawn = []
    monkeypatch.setattr("callbacks.Panels.figures", lambda self, scores: drawn.append(scores) or {})
    run_fit("--trainer.logger=lightning.pytorch.loggers.CSVLogger", "--trainer.logger.save_dir=csv")
    assert not drawn


def test_csv_logger_has_the_scores_and_the_figures_are_files(workplace):
    run_test("{class_path: lightning.pytorch.loggers.CSVLogger, init_args: {save_dir: logs}}")
    (file,) = Path("logs").rglob("metrics.csv")
    (row,) = csv.DictReader(file.open())
    assert float(row["test/mse/lead_1"]) > 0
    assert Path("runs/smoke/rollout_error.png").is_file()


def test_mlflow_has_scores_and_figures(workplace, mlflow):
    run_test("{class_path: lightning.pytorch.loggers.MLFlowLogger, init_args: {save_dir: mlruns}}")
    assert list(Path("mlruns").rglob("artifacts/test/rollout_error.png"))
    (file,) = (one for one in Path("mlruns").rglob("lead_1") if one.parts[-3:-1] == ("test", "mse"))
    time, value, step = file.read_text().split()
    assert float(value) > 0


def test_mlflow_has_movies(tmp_path, mlflow):
    logger = MLFlowLogger(save_dir=str(tmp_path / "mlruns"), tracking_uri=f"file:{tmp_path}/mlruns")
    log_picture(logger, "movie", MOVIE, 3)
    (file,) = tmp_path.rglob("movie.gif")
    assert file.read_bytes() == MOVIE


def test_wandb_has_pictures_offline(tmp_path, monkeypatch, picture):
    pytest.importorskip("wandb", reason="wandb is not installed (extra `trackers`)")
    monkeypatch.chdir(tmp_path)
    logger = WandbLogger(save_dir=str(tmp_path), offline=True)
    trainer = SimpleNamespace(loggers=[logger])
    show(trainer, "test/figure", picture, 7)
    show(trainer, "test/movie", MOVIE, 7)
    logger.log_metrics({"test/mse/lead_1": 0.5}, step=7)
    logger.experiment.finish()
    (figure,) = tmp_path.rglob("media/images/test/figure_*.png")
    assert Image.open(figure).size == (3, 2)
    (movie,) = tmp_path.rglob("media/videos/test/movie_*.gif")
    assert movie.read_bytes() == MOVIE


class Experiment:
    """Experiment of Comet that keeps what it is given."""

    def __init__(self):
        self.images = []

    def log_image(self, image_data, name=None, image_format="png", step=None):
        self.images.append((image_data.read(), name, image_format, step))


def test_comet_has_pictures(monkeypatch, picture):
    logger, experiment = CometLogger.__new__(CometLogger), Experiment()
    monkeypatch.setattr(CometLogger, "experiment", experiment)
    log_picture(logger, "test/figure", picture, 7)
    log_picture(logger, "test/movie", MOVIE, 8)
    assert experiment.images == [
        (picture, "test/figure", "png", 7),
        (MOVIE, "test/movie", "gif", 8),
    ]


def test_logger_of_the_user_has_pictures(tmp_path, picture):
    class Own(CSVLogger):
        pass

    seen = []

    @log_picture.register
    def _(logger: Own, tag: str, content: bytes, step: int) -> None:
        seen.append((tag, content, step))

    show(SimpleNamespace(loggers=[CSVLogger(tmp_path), Own(tmp_path)]), "figure", picture, 1)
    assert seen == [("figure", picture, 1)]
