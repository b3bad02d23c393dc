"""What a user can get wrong, each answered in one sentence that says what to change."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch

from tests.conftest import SMOKE, says
from tests.datamodules.files import write_file
from tests.integration.test_run_folder import contents

CHECKPOINT = "runs/smoke/last.ckpt"
FOREIGN = "--data.generator=null"  # the files are the user's own: nothing to compare them with


@pytest.fixture
def refused(workplace, say):
    """Run the program, expect one sentence and no half-written file; return the sentence."""

    def run(*words):
        status, _, err = say(*words)
        assert status == 1
        assert "Traceback" not in err
        assert "training ended" not in err  # it has not begun
        lines = [line for line in err.splitlines() if line.startswith("emulate: error: ")]
        assert len(lines) == 1
        assert not [path for path in workplace.rglob("*") if ".tmp" in path.name]
        return lines[0]

    return run


def file_of_test_split():
    return Path("data/test/test_0000.nc")


def rewrite(workplace, **options):
    path = file_of_test_split()
    path.unlink()
    options = {
        "shape": (2, 40, 32),
        "names": ("u",),
        "dims": ("trajectory", "time", "x"),
        **options,
    }
    write_file(path, lengths=options.pop("lengths", (22.0,)), **options)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("model.objective=L2", ["is of another kind; it takes ", "SpectralCRPS"]),
        ("model.distance=CRPS", ["is of another kind; it takes ", "Sobolev"]),
        ("model.network=Muon", ["is of another kind; it takes ", "FourierUNet"]),
        ("model.network=Nobody", ["is neither one of this project nor an import path"]),
    ],
)
def test_class_of_another_kind(refused, option, words):
    sentence = refused("fit", "-c", str(SMOKE), f"--{option}")
    key, _, name = option.partition("=")
    assert says(sentence, f"{key} names the class '{name}', which {words[0]}", *words[1:])


def test_misnamed_variable(workplace, refused):
    rewrite(workplace, names=("height",))
    sentence = refused("test", "--ckpt_path", CHECKPOINT, FOREIGN)
    assert says(sentence, "test_0000.nc", "'u'", "height", "data.variables")


def test_wrong_dimensions(workplace, refused):
    rewrite(workplace, dims=("run", "time", "x"))
    sentence = refused("test", "--ckpt_path", CHECKPOINT, FOREIGN)
    assert says(sentence, "(run, time, x)", "(trajectory, time, x)", "trajectory to run")


def test_uneven_time(workplace, refused):
    rewrite(workplace, interval=0.5)
    with netCDF4.Dataset(file_of_test_split(), "a") as file:
        file["time"][7] = 3.6
    sentence = refused("test", "--ckpt_path", CHECKPOINT, FOREIGN)
    assert "'time' must increase in uniform steps" in sentence


def test_values_that_are_not_finite(workplace, refused):
    with netCDF4.Dataset(file_of_test_split(), "a") as file:
        file["u"][1, 3, 5] = np.nan
    sentence = refused("test", "--ckpt_path", CHECKPOINT)
    assert says(sentence, "'u'", "not finite", "trajectory 1", "snapshot 3", "(5,)")


def test_grids_that_differ_between_files(workplace, refused):
    path = file_of_test_split().with_name("test_0001.nc")
    write_file(path, (2, 40, 64), ("u",), ("trajectory", "time", "x"), lengths=(22.0,))
    with netCDF4.Dataset(path, "a") as file, netCDF4.Dataset(file_of_test_split()) as other:
        file["time"].setncatts(vars(other["time"]))
    sentence = refused("test", "--ckpt_path", CHECKPOINT, FOREIGN)
    assert says(sentence, "test_0001.nc", "(64,)", "(32,)")


def test_too_few_snapshots_for_the_window(workplace, refused):
    sentence = refused("fit", "-c", str(SMOKE), "--data.train.times.stop=3")
    assert says(sentence, "at most 3 snapshots", "windows of 4")


def test_too_few_snapshots_for_the_rollouts(workplace, refused):
    sentence = refused(
        "test",
        "--ckpt_path",
        CHECKPOINT,
        "--data.test_rollouts.truth_steps=39",
        "--data.test_rollouts.steps=50",
    )
    assert says(sentence, "2 rollouts", "39 true steps", "5 ", "initial_conditions", "truth_steps")


def test_truncated_file(workplace, refused):
    path = file_of_test_split()
    path.write_bytes(path.read_bytes()[:3000])
    assert "test_0000.nc is not a readable NetCDF file" in refused(
        "test", "--ckpt_path", CHECKPOINT
    )


def test_what_is_not_netcdf(workplace, refused):
    file_of_test_split().write_text("time,u\n0,1\n")
    sentence = refused("test", "--ckpt_path", CHECKPOINT, FOREIGN)
    assert "test_0000.nc is not a readable NetCDF file" in sentence


def test_no_data_and_no_generator(workplace, refused):
    sentence = refused("test", "--ckpt_path", CHECKPOINT, FOREIGN, "--data.root=elsewhere")
    assert "No files match elsewhere/t" in sentence
    assert "or give data.generator" in sentence


def test_data_made_with_other_settings(workplace, refused):
    sentence = refused("test", "--ckpt_path", CHECKPOINT, "--data.generator.seed=4")
    assert says(sentence, "other settings", "seed=0", "4", "remove the file")


def test_checkpoint_of_another_grid(workplace, refused):
    for split in ("train", "val", "test"):
        write_file(
            workplace / "fine" / split / "a.nc",
            (2, 40, 64),
            ("u",),
            ("trajectory", "time", "x"),
            lengths=(22.0,),
        )
    sentence = refused("test", "--ckpt_path", CHECKPOINT, FOREIGN, "--data.root=fine")
    assert says(sentence, "shape", "[32]", "[64]")


def test_resuming_on_other_training_data(workplace, refused):
    with netCDF4.Dataset(workplace / "data" / "train" / "train_0000.nc", "a") as file:
        file["u"][:] = 1.01 * file["u"][:]
        del file.provenance
    sentence = refused("fit", "--ckpt_path", CHECKPOINT, FOREIGN, "--trainer.max_steps=8")
    assert "started on other training data (std [" in sentence
    assert says(sentence, "FineTuning")


def test_checkpoint_of_another_variable(workplace, refused):
    rewrite(workplace, names=("h",))
    sentence = refused("test", "--ckpt_path", CHECKPOINT, FOREIGN, "--data.variables=[h]")
    assert says(sentence, "variables", "['u']", "['h']")


def test_checkpoint_of_another_network(workplace, refused):
    sentence = refused("test", "--ckpt_path", CHECKPOINT, "--model.network.width=8")
    assert "checkpoint does not fit this Hierarchical: size mismatch" in sentence
    assert "leave the model's settings as they were in training" in sentence


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (
            "--model=emulators.HierarchicalPushforward",
            "model=emulators.Hierarchical, this emul",
        ),
        ("--model.predict=increment", "model.predict=state, this emulator has increment"),
        ("--model.latents=[[1,2],[3,4]]", "model.latents=[[1, 2], [2, 4]], this emulator has [[1,"),
        ("--model.network.padding=zeros", "model.network.padding=data, this emulator has zer"),
        ("--model.optimizer=AdamW", "model.optimizer=emulators.Muon, this emulator has torch.op"),
        ("--model.schedule=null", "model.schedule=emulators.WarmupCosine, this emulator has None"),
    ],
)
def test_resuming_with_another_model(workplace, refused, option, words):
    before = contents("runs/smoke")
    sentence = refused("fit", "--ckpt_path", CHECKPOINT, "--trainer.max_steps=8", option)
    assert f"The checkpoint is of {words}" in sentence
    assert contents("runs/smoke") == before


def test_checkpoint_of_another_target(workplace, refused):
    sentence = refused("test", "--ckpt_path", CHECKPOINT, "--model.predict=increment")
    assert says(sentence, "model.predict=state", "increment")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_broken_checkpoint(workplace, refused, content):
    (workplace / CHECKPOINT).write_bytes(content)
    assert "last.ckpt is not a readable checkpoint" in refused("test", "--ckpt_path", CHECKPOINT)


def test_truncated_checkpoint(workplace, refused):
    data = (workplace / CHECKPOINT).read_bytes()
    (workplace / CHECKPOINT).write_bytes(data[: len(data) // 2])
    assert "it may be truncated" in refused("test", "--ckpt_path", CHECKPOINT)


def test_missing_checkpoint(refused):
    assert "gone.ckpt: no such checkpoint" in refused("test", "--ckpt_path", "gone.ckpt")


def test_factor_that_does_not_divide_the_grid(workplace, refused):
    sentence = refused("fit", "-c", SMOKE, "--model.latents=[[1, 5]]", "--model.network.patch=1")
    assert says(sentence, "model.latents", "5", "(32,)")


def test_run_folder_that_cannot_be_written(workplace, refused):
    (workplace / "taken").write_text("a file, not a folder")
    words = ["fit", "-c", SMOKE, "--trainer.default_root_dir=taken"]
    assert "taken: cannot write here" in refused(*words)
    assert "set trainer.default_root_dir" in refused(*words)


def test_data_folder_that_cannot_be_written(workplace, refused):
    (workplace / "taken").write_text("a file, not a folder")
    sentence = refused("fit", "-c", SMOKE, "--data.root=taken")
    assert "cannot write here" in sentence
    assert "set data.root" in sentence


def test_nothing_to_generate(workplace, refused):
    (workplace / "own.yaml").write_text("data: {root: data}\n")
    assert "has no data.generator" in refused("generate", "-c", "own.yaml")


def test_user_emulator_that_returns_nan_still_ends_normally(workplace, say):
    (workplace / "broken.py").write_text(
        "from emulators import Untrained\n"
        "class Broken(Untrained):\n"
        "    '''Forecast of nothing.'''\n"
        "    def step(self, state, memory=None):\n"
        "        return state * float('nan'), None\n"
    )
    status, out, _ = say(
        "test",
        "-c",
        SMOKE,
        "--model=broken.Broken",
        "--trainer.default_root_dir=runs/broken",
    )
    assert status == 0
    assert "stability_rate" in out
    assert torch.tensor(float(out.split("stability_rate")[1].split()[0])) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["predict", "--steps=-3"],
            "--steps must be at least 1 (snapshot interval), got -3",
        ),
        (["predict", "--steps=0"], "--steps must be at least 1 (snapshot interval), got 0"),
        (["predict", "--data.predict_rollouts.steps=-3"], "steps of data.val_rollouts, test_"),
        (["test", "--data.test_rollouts.steps=-4"], "must be at least 1, got -4"),
        (["test", "--data.test_rollouts.initial_conditions=0"], "initial_conditions of data.val"),
        (["test", "--data.batch_size=0"], "data.batch_size must be at least 1, got 0"),
        (["test", "--trainer.accelerator=cuda"], "emulate: error: "),
    ],
)
def test_numbers_out_of_range_and_missing_devices_are_one_sentence(workplace, say, words, message):
    status, _, err = say(words[0], "--ckpt_path", "runs/smoke/last.ckpt", *words[1:])
    assert status == 1
    assert message in err
    assert "Traceback" not in err
    assert not list(workplace.glob("runs/smoke/*partial*"))


def test_other_scheme_contradicts_the_provenance(workplace, say):
    words = ["-c", "runs/smoke/config.yaml", "--data.generator.solver.scheme=ETDRK2"]
    status, _, err = say("generate", *words)
    assert status == 1
    assert "ETDRK4" in err
    assert "ETDRK2" in err


def test_study_that_is_not_yaml_is_one_sentence(tmp_path, say):
    (tmp_path / "study.yaml").write_text("root: [\n")
    status, _, err = say("study", tmp_path / "study.yaml")
    assert status == 1
    assert "Traceback" not in err
