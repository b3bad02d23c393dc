"""A training that starts from another's weights, on data whose statistics differ."""

from pathlib import Path

import netCDF4
import pytest
import torch
import yaml

import cli
from tests.conftest import SMOKE, says

CHECKPOINT = "runs/smoke/last.ckpt"


def fit(*options):
    words = ["--trainer.callbacks+=callbacks.FineTuning",
             f"--trainer.callbacks.checkpoint={CHECKPOINT}", *options]  # fmt: skip
    cli.run(
        ["fit", "-c", "smoke.yaml", "--trainer.default_root_dir=runs/fine", "--trainer.max_steps=1",
         "--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.0", *words]
    )  # fmt: skip
    return torch.load("runs/fine/last.ckpt", weights_only=True)["state_dict"]


@pytest.fixture
def doubled(workplace):
    """The data with training states that are twice as large."""
    text = SMOKE.read_text()
    (workplace / "smoke.yaml").write_text(text)
    for path in (workplace / "data" / "train").glob("*.nc"):
        with netCDF4.Dataset(path, "a") as dataset:
            dataset["u"][:] = 2 * dataset["u"][:]
            dataset.delncattr("content_hash")  # changed on purpose
    return torch.load(CHECKPOINT, weights_only=True)["state_dict"]


def test_weights_are_the_averaged_ones_and_statistics_are_kept(doubled):
    found = fit()
    for name, value in doubled.items():
        wanted = doubled.get(name.replace("trained.", "averaged.", 1), value)
        assert torch.equal(found[name], wanted), name


def test_averages_may_begin_and_end(doubled):
    found = fit("--model.ema_decay=0")
    assert not [name for name in found if name.startswith("averaged.")]
    names = [name for name in found if name.startswith("trained.")]
    assert names
    for name in names:
        assert torch.equal(found[name], doubled[name.replace("trained.", "averaged.", 1)]), name
    Path("runs/fine").rename("runs/plain")
    begun = fit("--trainer.callbacks.checkpoint=runs/plain/last.ckpt")
    for name in names:
        averaged = begun[name.replace("trained.", "averaged.", 1)]
        assert torch.equal(begun[name], found[name])
        torch.testing.assert_close(averaged, found[name])


def test_statistics_are_recomputed_on_demand(doubled):
    found = fit("--trainer.callbacks.statistics=recompute")
    torch.testing.assert_close(found["standardize.std"], 2 * doubled["standardize.std"])
    name = next(name for name in doubled if name.startswith("averaged."))
    assert torch.equal(found[name], doubled[name])


def test_other_networks_are_refused_in_a_sentence(doubled, say):
    status, _, err = say(
        "fit", "-c", "smoke.yaml", "--trainer.default_root_dir=runs/fine",
        "--model.network.width=8", "--trainer.callbacks+=callbacks.FineTuning",
        f"--trainer.callbacks.checkpoint={CHECKPOINT}",
    )  # fmt: skip
    assert status == 1
    assert "The checkpoint does not fit this Hierarchical" in err


def test_deeper_networks_are_refused(doubled, say):
    words = ["fit", "-c", "smoke.yaml", "--trainer.callbacks+=callbacks.FineTuning",
             f"--trainer.callbacks.checkpoint={CHECKPOINT}"]  # fmt: skip
    noise = ["--model.noise_numbers=2", "--model.objective=CRPS"]
    for deeper in ("--model.network.blocks=2", "--model.network.multipliers=[1,2,2]"):
        for added in ([], noise):
            status, _, err = say(*words, deeper, *added)
            assert status == 1
            says(err, CHECKPOINT, "has no weights for", "also its depth", "config.yaml")


def test_weights_outside_of_the_network_that_begin_untrained_are_named(doubled):
    with pytest.warns(match="no weights for coarsening.encoders, coarsening.decoders; they begin"):
        fit("--model.coarsening=emulators.LearnedCoarsening")


def test_averages_of_added_inputs_are_not_named(doubled, recwarn):
    fit("--model.noise_numbers=2", "--model.objective=CRPS")
    assert not [one for one in recwarn if "begin untrained" in str(one.message)]


def test_what_has_begun_needs_the_other_run_no_more(doubled):
    before = fit()
    Path(CHECKPOINT).unlink()
    cli.run(["fit", "--ckpt_path=runs/fine/last.ckpt", "--trainer.max_steps=3"])
    after = torch.load("runs/fine/last.ckpt", weights_only=True)
    assert after["global_step"] == 3
    assert torch.equal(after["state_dict"]["standardize.std"], before["standardize.std"])
    cli.run(["test", "--ckpt_path=runs/fine/last.ckpt", "--trainer.limit_test_batches=0"])


def test_missing_checkpoint_is_named(doubled, say):
    status, _, err = say(
        "fit", "-c", "smoke.yaml", "--trainer.callbacks+=callbacks.FineTuning",
        "--trainer.callbacks.checkpoint=gone.ckpt",
    )  # fmt: skip
    assert status == 1
    assert says(err, "gone.ckpt", "FineTuning.checkpoint")


def test_a_fine_tuning_on_another_grid_deserves_a_word(doubled, workplace):
    for path in (workplace / "data").glob("*/*.nc"):
        with netCDF4.Dataset(path, "a") as dataset:
            dataset["x"][:] = 3 * dataset["x"][:]
            dataset["x"].modulo *= 3
    text = yaml.safe_load((workplace / "smoke.yaml").read_text())
    text["data"].pop("generator")
    (workplace / "smoke.yaml").write_text(yaml.safe_dump(text))
    with pytest.warns(
        UserWarning, match=r"trained on data with the grid x = .*continues on these data"
    ):
        fit()
