"""Each trajectory keeps its own parameter through every stage of the trainer."""

from types import SimpleNamespace

import netCDF4
import pytest
import torch
from lightning import Trainer
from lightning.pytorch import Callback
from torch.testing import assert_close

from callbacks import RolloutCheckpoint
from callbacks.run.rollout_checkpoint import fingerprint
from datamodules import Dimensions, Rollouts, TrajectoryDataModule
from emulators import Baseline
from emulators.evaluation import evaluate
from emulators.rollout import RolloutObserver
from tests.datamodules.files import write_file
from tests.emulators.networks_for_tests import small_unet
from tests.emulators.toy_for_tests import BUILD, Multiply, emulator, factors, powers, states


class Keeper(Callback, RolloutObserver):
    """Keeps the states; gives trajectory 1 up at step 150."""

    def __init__(self, gives_up=True):
        self.gives_up = gives_up

    def begin(self, start):
        self.members, self.lead, self.initial = [], 0, start.initial

    def observe(self, lead, forecast, truth):
        self.lead = lead
        self.single = forecast

    def observe_members(self, lead, members, truth):
        self.members.append(members)

    def find_diverged(self):
        gone = torch.zeros(4, dtype=torch.bool)
        gone[1] = self.gives_up and self.lead >= 150
        return gone


class Interrupt(Callback, RolloutObserver):
    def __init__(self, error):
        self.error = error

    def begin(self, start):
        pass

    def observe(self, lead, forecast, truth):
        if lead == 230:
            raise self.error


def start(members):
    perturbed = torch.stack([states() + k for k in range(1, members)]) if members > 1 else None
    return SimpleNamespace(
        initial=states(), perturbed=perturbed, parameters=factors(), index=torch.arange(4),
        steps=250, truth_steps=2, times=[0.0] * 4, truth=lambda lead: states(),
    )  # fmt: skip


@pytest.mark.parametrize("name", BUILD)
def test_ensembles_stay_exact_after_a_trajectory_was_given_up(name, tmp_path):
    model, keeper = emulator(name).eval(), Keeper()
    run = trainer(tmp_path, keeper)
    evaluate(model, start(members=3), run, "test")
    members = torch.stack(keeper.members, dim=2)  # member, batch, time, channel, x
    assert members.shape == (3, 4, 250, 1, 8)
    for k in range(3):
        wanted = (states() + k)[:, None] * powers(factors(), 250)
        assert_close(members[k, [0, 2, 3]], wanted[[0, 2, 3]])
        assert_close(members[k, 1, :200], wanted[1, :200])
        assert members[k, 1, 200:].isnan().all()


@pytest.fixture
def data(tmp_path):
    """A data module of trajectories with a factor each, and how it is made."""
    fields = states()[:, None] * torch.cat((torch.ones(4, 1, 1, 1), powers(factors(), 11)), dim=1)
    for split in ("train", "val", "test"):
        path = tmp_path / split / "a.nc"
        values = {"u": fields[:, :, 0].numpy()}
        write_file(
            path, (4, 12, 8), dims=("trajectory", "time", "x"), lengths=(1.0,), fields=values
        )
        with netCDF4.Dataset(path, "a") as file:
            file.createVariable("a", "f8", ("trajectory",))[:] = factors()[:, 0].numpy()

    def make(**options):
        plan = Rollouts(4, 250, 3, batch_size=4)
        return TrajectoryDataModule(
            tmp_path, ["u"], Dimensions(space=("x",)), parameters=["a"], test_rollouts=plan,
            val_rollouts=plan, predict_rollouts=plan, batch_size=4, **options,
        )  # fmt: skip

    return make


def trainer(tmp_path, *callbacks, **options):
    return Trainer(
        default_root_dir=tmp_path, callbacks=list(callbacks), accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        **options,
    )  # fmt: skip


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt()], ids=type)
def test_interrupted_rollouts_go_on_with_their_parameters(data, tmp_path, single_precision, error):
    # whoever interrupts while some observers have seen a step and others have not
    whole, rest = Keeper(), Keeper()
    trainer(tmp_path, whole).test(emulator(), data(), verbose=False)
    wanted = whole.initial[:, 0] * factors() ** 250
    wanted[1] = float("nan")
    single = {"rtol": 1e-3, "atol": 1e-6, "equal_nan": True}  # 250 times float32
    assert_close(whole.single[:, 0], wanted, **single)
    run = trainer(tmp_path, Keeper(), Interrupt(error), RolloutCheckpoint(0.0))
    with pytest.raises((RuntimeError, SystemExit)):  # after trajectory 1 was left out
        run.test(emulator(), data(), verbose=False)
    bookmark = RolloutCheckpoint(0.0)
    bookmark.resume = True
    trainer(tmp_path, rest, bookmark).test(emulator(), data(), verbose=False)
    assert torch.equal(rest.single.nan_to_num(7.0), whole.single.nan_to_num(7.0))


class Noisy(Baseline):
    """A step to which noise is added that is drawn for each trajectory."""

    def step(self, state, memory=None, context=None):
        later, _ = super().step(state, None, context)
        noise = context.normal(state)
        return later + 0.01 * noise, noise


def test_interrupted_rollouts_draw_the_same_random_numbers(data, tmp_path, single_precision):
    def noisy():
        torch.manual_seed(0)
        return Noisy(network=Multiply, dimensions=1, parameters=1)

    whole, rest = Keeper(), Keeper()
    trainer(tmp_path, whole).test(noisy(), data(), verbose=False)
    run = trainer(tmp_path, Keeper(), Interrupt(KeyboardInterrupt()), RolloutCheckpoint(0.0))
    with pytest.raises((RuntimeError, SystemExit)):  # after trajectory 1 was left out
        run.test(noisy(), data(), verbose=False)
    bookmark = RolloutCheckpoint(0.0)
    bookmark.resume = True
    torch.manual_seed(5)  # where the interrupted test stood is kept with its seed
    trainer(tmp_path, rest, bookmark).test(noisy(), data(), verbose=False)
    assert torch.equal(rest.single.nan_to_num(7.0), whole.single.nan_to_num(7.0))


def test_validation_and_prediction_know_them_too(data, tmp_path, single_precision):
    for stage in ("validate", "predict"):
        keeper = Keeper(gives_up=False)
        getattr(trainer(tmp_path, keeper), stage)(emulator(), datamodule=data())
        wanted = keeper.initial[:, 0] * factors() ** 250
        assert_close(keeper.single[:, 0], wanted, rtol=1e-3, atol=1e-6)


def test_training_takes_their_statistics_and_learns_from_them(data, tmp_path, single_precision):
    model = emulator("Unrolled", small_unet, checkpointing=True)
    trainer(tmp_path, max_steps=3).fit(model, data())
    assert_close(model.conditioning.mean, factors().mean(0))
    assert_close(model.conditioning.std, factors().std(0, correction=0))
    assert model.trained_on.parameters == ("a",)
    assert model.trained.film.perceptron.layers[-1].weight.abs().max() > 0
    with pytest.raises(ValueError, match="they are not known here; give them to `rollout`, or"):
        model.step(states().float())  # nothing of the last batch is left over


def test_test_of_other_parameter_values_is_not_continued(data, tmp_path, single_precision):
    run = trainer(tmp_path)
    run.test(emulator(), data(), verbose=False)
    before = fingerprint(run, run.lightning_module)
    with netCDF4.Dataset(tmp_path / "test" / "a.nc", "a") as file:
        file["a"][2] = 1.02
    run.test(emulator(), data(), verbose=False)
    assert fingerprint(run, run.lightning_module) != before
