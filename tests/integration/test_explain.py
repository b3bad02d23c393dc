import sys

import pytest

from commands.messages import explain, is_of_an_ended_process
from tests.conftest import SMOKE, says


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--model.widht=3"], "Hierarchical has no option 'widht'"),
        (["--model.network.widht=3"], "UNet has no option 'widht' (did you mean width?);"),
        (
            ["--model.mask=1"],
            "Hierarchical has no option 'mask' (did you mean masking?); `emulate fit ",
        ),
        (["--model.mask=1"], "--model.help Hierarchical` lists its options."),
        (["--foo"], "there is no option --foo;"),
        (["--data.batchsize=3"], "no option --data.batchsize=3 (did you mean --data.batch_size?);"),
        (["--max_steps=3"], "no option --max_steps=3 (did you mean --trainer.max_steps?);"),
        (["--model=Baselin"], "import path such as my_module.MyClass (did you mean Baseline?)."),
        (["--model.network=unet"], "such as my_module.MyClass (did you mean UNet?)."),
        (["--data.generator.solver=SpectralSolvr"], "(did you mean SpectralSolver?)."),
        (["--trainer.callbacks+=callbacks.Spectrm"], "(did you mean callbacks.Spectrum?)."),
        (["-c", "nope.yaml"], "nope.yaml: no such file; give the path of a YAML file with -c"),
        (
            ["--data.storage=tape"],
            "data.storage must be one of 'auto', 'memory', 'shared', 'device', 'stream', got tape",
        ),
        (
            ["--data.periodic=maybe"],
            "data.periodic must be one of 'auto', true, false, a list, got",
        ),
        (
            ["--data.join=space"],
            "data.join must be one of 'time', 'folder', 'name', null, got space",
        ),
        (["--model.optimizer.lr=0.5"], "model.optimizer.lr=0.005, this emulator has 0.5"),
        (["--data.batch_size=x"], "data.batch_size must be of type int, got x"),
        (["--model=Nothere"], "model names the class 'Nothere', which is neither"),
        (["--model.ema_decay=2"], "error: model.ema_decay must lie in [0, 1), got 2.0."),
        (
            ["--model.masking=2"],
            "error: model.masking must lie in [0, 1), got 2.0; it is the probability of a cold",
        ),
        (["--model.latents=[[1, 0]]"], "error: model.latents must have factors of at least 1"),
        (
            ["--model.network=FourierUNet", "--model.network.dropout=3"],
            "error: model.network.dropout must lie in [0, 1), got 3.0.",
        ),
        (["--model.network.width=0"], "UNet.width must be at least 1, got 0."),
        (
            ["--data.generator.solver.dt=0.3"],
            "SpectralSolver.interval must be a whole number of dt",
        ),
    ],
)
def test_wrong_setting_is_one_sentence(words, sentence, say, workplace):
    status, _, err = say(
        "fit", "--ckpt_path", "runs/smoke/last.ckpt", *words, "--trainer.max_steps=9"
    )
    assert status == 1
    lines = [line for line in err.splitlines() if line.startswith("emulate: error:")]
    assert len(lines) == 1
    assert sentence in lines[0]
    assert "Traceback" not in err


def test_option_that_an_optimiser_refuses_at_its_first_step_is_named(say, workplace):
    words = ["--model.optimizer=AdamW", "--model.optimizer.capturable=true"]
    status, _, err = say("fit", "-c", SMOKE, *words)
    assert status == 1
    assert "emulate: error: model.optimizer cannot take a step with its options" in err
    assert "capturable=True" in err


OWN = '''
from emulators import Emulator


class Half(Emulator):
    """Emulator that takes no **kwargs."""

    window = 2

    def __init__(self, strength: float = 1.0):
        super().__init__()

    def step(self, state, memory=None):
        return state, None

    def loss(self, window):
        return window.sum()


class Abstract(Emulator):
    """Emulator without its parts."""


class Other:
    """No emulator."""
'''


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--model=own.Half"],
            "Half.__init__ has no argument dimensions, but the data have 1 dimensions",
        ),
        (["--model=own.Half"], "pass them to super().__init__(**kwargs)"),
        (["--model=own.Abstract"], "'own.Abstract', which is abstract; it must define loss, step"),
        (["--model=own.Other"], "model must be a class derived from Emulator, which 'own.Other'"),
        (["--model=own.Gone"], "'own.Gone' is not there: the module 'own' has no 'Gone'"),
        (["--model=emulators.Gone"], "'emulators.Gone' is not there: the module 'emulators' has"),
        (["--model=imports.A"], "'imports.A' cannot be imported: its module imports 'nothere'"),
        (["--model=syntax.A"], "'syntax.A', which cannot be imported: invalid syntax (syntax.py"),
        (["--model=fails.A"], "'fails.A', which cannot be imported: division by zero"),
        (["--model=callbacks.Mine"], "which comes before callbacks.py in this folder; rename"),
        (["--model.network=own.Other"], "model.network must be a class derived from Module"),
        (["--model.network=torch.nn.Linear"], "Linear needs in_features, out_features; set model"),
        (["--model.latents=x"], "model.latents must be of type list, got x"),
        (["--model.schedule.warmup=x"], "model.schedule.warmup must be of type int, got x"),
        (
            ["--trainer.callbacks+={class_path: Spectrum, init_args: {every: x}}"],
            "every must be of",
        ),
        (["--seed_everything=x"], "seed_everything must be of type bool or int, got x"),
        (["--model.noise=nan"], "model.noise must be a finite number, got nan."),
        (["--model.ema_decay=-Inf"], "model.ema_decay must be a finite number, got -Inf."),
        (["--trainer.limit_val_batches=inf"], "limit_val_batches must be a finite number, got inf"),
        (["--trainer.limit_val_batches=x"], "must be of type float or int or null, got x"),
        (["--data.test_rollouts.truth_steps=x"], "truth_steps must be of type int or null, got x"),
        (["--data.test_rollouts={a: 1}"], "there is no option --data.test_rollouts.a"),
        (["--data.test_rollouts=3"], "data.test_rollouts must be a section of options"),
        (["--data.batch_size=null"], "data.batch_size must be of type int, got None"),
        (["--data.generator.solver.equation.grid=3"], "equation.grid must be a section of options"),
        (["--model.masking=null"], "model.masking is null, which Hierarchical does not take"),
        (["--model.optimizer=torch.optim.Optimizer"], "Optimizer needs defaults; set"),
        (["--trainer.devices=[0]"], "trainer: `devices` selected with `CPUAccelerator` should be"),
        (["--trainer.overfit_batches=1"], "trainer.overfit_batches=1 has no use here"),
    ],
)
def test_wrong_class_or_kind_is_named_by_its_whole_option(
    words, sentence, say, workplace, monkeypatch
):
    monkeypatch.setattr(sys, "path", [*sys.path])  # folders of other tests hold an own.py, too
    for name, text in {
        "own": OWN,
        "imports": "import nothere",
        "syntax": "class A(: pass",
        "fails": "1 / 0",
        "callbacks": "class Mine: pass",
    }.items():
        (workplace / f"{name}.py").write_text(text)
        sys.modules.pop(name if name != "callbacks" else "", None)
    words = [*words, "--trainer.default_root_dir=runs/other"]
    status, _, err = say("fit", "-c", "runs/smoke/config.yaml", *words)
    assert status == 1
    (line,) = [line for line in err.splitlines() if line.startswith("emulate: error:")]
    assert sentence in line
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["study"], "emulate study needs a YAML file, such as configs/study/quick"),
        (["compare"], "emulate compare needs folders of tested runs, such as runs/a"),
        (["compare", "x", "--mse_unit=a"], "mse_unit must be of type float or null, got a."),
        (["study", "x.yaml", "--jobs=a"], "jobs must be of type int, got a."),
        (["fit", "-c"], "-c/--config: expected one argument"),
        (["fit", "surplus", "-c", "c.yaml"], "there is no option surplus; `emulate fit --help`"),
        (["generate", "-c", "c.yaml", "--data.x=3"], "there is no option --data.x=3"),
        (["--foo"], "there is no command '--foo'"),
        ([""], "there is no command ''"),
    ],
)
def test_wrong_words_of_a_command_are_named(words, sentence, say, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("data: {root: d}\n")
    status, _, err = say(*words)
    assert status == 1
    assert sentence in err
    assert "Traceback" not in err


def test_missing_settings_are_named(say):
    for command in ("validate", "test", "predict"):
        status, _, err = say(command)
        assert status == 1
        needs = "needs a trained emulator: give --ckpt_path RUN/last.ckpt."
        assert f"emulate {command} {needs}" in err
    status, _, err = say("fit")
    assert status == 1
    assert "data.root, model missing: give YAML files with -c, or a checkpoint with --ck" in err
    assert "or type --data.root FOLDER --model Baseline." in err
    status, _, err = say("generate")
    assert status == 1
    assert "data.root missing: give YAML files with -c, or type --data.root FOLDER." in err


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (
            ["--model=Baseline", "--model.network.width=8"],
            ["--model.network.width=8 is an option", "--model.network names none", "UNet (or "],
        ),
        (
            ["--model.network=UNet"],
            ["--model.network=UNet is an option", "--model names none", "--model Baseline (or "],
        ),
        (
            ["--model.network.width=8"],
            ["--model.network.width=8 is an option", "--model names none", "--model Baseline (or "],
        ),
        (
            ["--model.latents=3"],
            ["--model.latents=3 is", "add --model Hierarchical (or HierarchicalPushforward) be"],
        ),
        (
            ["--data.generator.solver.dt=0.3"],
            ["--data.generator.solver.dt=0.3 is", "--data.generator.solver SpectralSolver (or "],
        ),
    ],
)
def test_option_of_a_class_that_is_not_named(words, parts, say, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generator = "generator: {splits: {train: {trajectories: 1, snapshots: 2}}}"
    (tmp_path / "data.yaml").write_text(f"data: {{root: d, {generator}}}")
    status, _, err = say("fit", "-c=data.yaml", *words)
    assert status == 1
    assert says(err, "emulate: error: ", *parts)
    assert "NestedArg" not in err
    assert "NetworkInterface" not in err
    assert "FromModule" not in err


def test_unknown_command_is_named(say):
    status, _, err = say("tset")
    assert status == 1
    assert "there is no command 'tset' (did you mean test?); `emulate --help` lists them." in err


def test_message_without_a_pattern_is_shortened_to_one_line():
    assert explain("first\n  second") == "first second"
    assert len(explain("word " * 500)) < 420


def test_module_that_is_not_there_is_named_with_where_to_run():
    message = (
        "Parser key \"model\":\n  - Problem with given class_path 'mine.MyNet':\n"
        "      No module named 'mine'\n"
    )
    assert explain(message) == (
        "'mine.MyNet' cannot be imported: there is no module 'mine'; run from the folder that "
        "holds mine.py, or install it."
    )


def test_full_disk_without_a_name_of_a_file():
    sentence = explain(str(OSError(28, "No space left on device")))
    assert sentence.startswith(
        "a file could not be written or read (No space left on device); make"
    )


@pytest.mark.parametrize(
    "message",
    [
        "[x/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:8600: Connection reset by peer",
        "NCCL error: ncclRemoteError: A call failed possibly due to a network error or a remote "
        "process exited prematurely.",
    ],
)
def test_lost_process(message):
    assert is_of_an_ended_process(message)
    assert explain(message).startswith("another process of this run has ended; its own message")


@pytest.mark.parametrize("value", [-3, "[]", "true"])
def test_option_whose_reason_names_none_is_named(workplace, say, value):
    status, _, error = say("fit", "-c", str(SMOKE), f"--model.network={value}")
    assert status == 1
    assert "Traceback" not in error
    assert "network" in error


CALLBACKS = """Does not validate against any of the Union subtypes
Subtypes: [list[Callback], <class 'Callback'>, <class 'NoneType'>]
Errors:
  - {said}
  - Not a valid subclass of Callback
    Subclass types expect one of:
    - a class path (str)
    - a dict with class_path entry
  - Expected a <class 'NoneType'>
Given value type: <class 'list'>
Given value: [<callbacks.ScoreWriter object at 0x1>]
"""


@pytest.mark.parametrize(
    "said",
    [
        "Compile.backend must be a backend of torch.compile (inductor), got 'fast'.",
        "Spectrum needs every of at least 1 and spin_up of at least 0, got every=0, spin_up=0.",
        "EnergyStability.width must be a finite number, got nan.",
    ],
)
def test_what_an_item_of_a_list_says_of_its_options_is_kept(said):
    assert explain(CALLBACKS.format(said=said), "fit") == said


def test_an_item_that_is_none_of_the_class_is_named_as_such():
    found = explain(CALLBACKS.format(said="Expected a dot import path string: 7"), "fit")
    assert "'7'" in found
