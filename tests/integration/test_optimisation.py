"""From gradients to weights: clipping, accumulation, and what they cost."""

import json

import pytest
import torch
from lightning import Trainer

import cli
from emulators.training.optimizers import with_schedule
from tests.conftest import SMOKE, says

FIT = ["fit", "-c", str(SMOKE), "--model=Baseline", "--model.network.width=4"]
FIT += ["--model.schedule=null", "--model.optimizer=torch.optim.SGD"]
FIT += ["--model.optimizer.weight_decay=0"]


def weights(folder):
    state = torch.load(f"runs/{folder}/last.ckpt", weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if name.startswith(("trained", "averag"))}


def moved(words):
    """Return how far the first step of gradient descent, at a rate of 1, takes every weight."""
    words = [*FIT, *words, "--model.optimizer.lr=1.0"]
    fitted, start = (cli.run([*words, f"--trainer.max_steps={n}"]).model.trained for n in (1, 0))
    pairs = zip(fitted.parameters(), start.parameters(), strict=True)
    return torch.cat([(a - b).detach().flatten() for a, b in pairs])


@pytest.mark.parametrize(("precision", "fused"), [("32-true", "false"), ("bf16-mixed", "true")])
def test_gradients_are_clipped_in_every_precision(workplace, precision, fused):
    words = [f"--trainer.precision={precision}", f"--model.optimizer.fused={fused}"]
    step = moved([*words, "--trainer.gradient_clip_val=0.01"])
    assert step.norm() == pytest.approx(0.01, rel=1e-3)


def test_gradients_are_clipped_by_value(workplace):
    words = ["--trainer.precision=bf16-mixed", "--trainer.gradient_clip_val=1e-4"]
    step = moved([*words, "--trainer.gradient_clip_algorithm=value"])
    assert step.abs().max() == pytest.approx(1e-4, rel=1e-3)


def test_accumulated_batches_equal_a_large_one(workplace):
    for folder, words in {
        "large": ["--data.batch_size=8"],
        "small": ["--data.batch_size=4", "--trainer.accumulate_grad_batches=2"],
    }.items():
        root = f"--trainer.default_root_dir=runs/{folder}"
        cli.run([*FIT, root, "--trainer.max_steps=4", "--model.optimizer.lr=0.1", *words])
    large, small = weights("large"), weights("small")
    assert any(name.startswith("averaged") for name in large)  # moves once per step
    for name, value in large.items():
        torch.testing.assert_close(small[name], value, rtol=1e-4, atol=1e-6)


def test_cost_counts_the_samples_of_all_batches_of_a_step(workplace):
    words = ["--trainer.callbacks+=TrainingCost", "--trainer.accumulate_grad_batches=2"]
    cli.run([*FIT, *words, "--trainer.max_steps=7", "--trainer.default_root_dir=runs/cost"])
    cost = json.loads((workplace / "runs/cost/training.json").read_text())
    assert cost["samples_per_step"] == 8
    assert cost["samples_per_second"] == pytest.approx(8 / cost["seconds_per_step"])


def test_schedule_of_a_training_without_end_is_refused(workplace, say):
    status, _, err = say("fit", "-c", SMOKE, "--trainer.max_steps=-1")
    assert status == 1
    assert says(err, "trainer.max_steps is -1", "model.schedule")


@pytest.mark.parametrize(
    ("option", "found"),
    [
        ("model.schedule=torch.optim.lr_scheduler.ReduceLROnPlateau", "number of steps"),
        ("model.schedule=torch.optim.lr_scheduler.MultiStepLR", "number of steps"),
        ("model.schedule=torch.optim.lr_scheduler.LambdaLR", "number of steps"),
        ("model.schedule=torch.optim.lr_scheduler.OneCycleLR", "number of steps"),
        ("model.schedule=torch.optim.lr_scheduler.ExponentialLR", "takes it for its gamma"),
        ("model.schedule=torch.optim.lr_scheduler.StepLR", "takes it for its step_size"),
        ("model.network=torch.nn.Identity", "no weights"),
        ("model.network=torch.nn.MultiheadAttention", "positional arguments"),
        ("model.optimizer=torch.optim.Rprop", "eta"),
    ],
)
def test_class_of_torch_that_does_not_fit_is_refused_by_its_option(workplace, say, option, found):
    words = {
        "MultiheadAttention": ["--model.network.embed_dim=4", "--model.network.num_heads=2"],
        "Rprop": ["--model.optimizer.etas=[2.0,0.5]"],
    }.get(option.rpartition(".")[2], [])
    status, _, err = say(*FIT[:4], f"--{option}", *words)
    assert status == 1
    assert "emulate: error: " in err
    assert found in err
    assert option.split("=")[0] in err


def test_schedule_of_torch_that_counts_steps_is_taken(workplace):
    schedule = "--model.schedule=torch.optim.lr_scheduler.CosineAnnealingLR"
    words = ["--trainer.max_steps=2", "--model.optimizer.lr=0.5", schedule]
    optimizer = cli.run([*FIT[:4], *words]).trainer.optimizers[0]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0)  # the end of the cosine


def test_optimiser_of_sparse_gradients_is_refused():
    sparse = torch.optim.SparseAdam([torch.nn.Parameter(torch.zeros(2))])
    with pytest.raises(ValueError, match=r"model\.optimizer=SparseAdam is for sparse gradients"):
        with_schedule(sparse, None, Trainer(logger=False, enable_checkpointing=False))
