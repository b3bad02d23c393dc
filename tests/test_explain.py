import pytest

from configs.errors import explain, tells_of_a_lost_process


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--model.widht=3"], "Hierarchical has no option 'widht'"),
        (["--model.network.widht=3"], "UNet has no option 'widht'"),
        (["--foo"], "there is no option --foo"),
        (["-c", "nope.yaml"], "nope.yaml: no such file; give the path of a YAML file with -c"),
        (
            ["--data.storage=tape"],
            "data.storage must be one of 'auto', 'memory', 'shared', 'device', 'stream', got tape",
        ),
        (["--data.batch_size=x"], "data.batch_size must be of type int, got x"),
        (["--model=Nothere"], "model names the class 'Nothere', which is neither"),
        (["--model.ema_decay=2"], "ema_decay must lie in [0, 1), got 2.0."),
        (["--model.network.width=0"], "UNet.width must be at least 1, got 0."),
        (
            ["--data.generator.solver.dt=0.3"],
            "SpectralSolver.interval must be a whole number of dt",
        ),
    ],
)
def test_wrong_setting_is_one_sentence(words, sentence, say, workplace):
    status, _, err = say("fit", "--ckpt_path", "runs/smoke/last.ckpt", *words)
    assert status == 1
    lines = [line for line in err.splitlines() if line.startswith("emulate: error:")]
    assert len(lines) == 1
    assert sentence in lines[0]
    assert "Traceback" not in err


def test_missing_settings_are_named(say):
    status, _, err = say("test")
    assert status == 1
    assert "data.root, model missing: give YAML files with -c, or a checkpoint with --ck" in err
    status, _, err = say("generate")
    assert status == 1
    assert "data.root missing: give YAML files with -c." in err


def test_unknown_command_is_named(say):
    status, _, err = say("tset")
    assert status == 1
    assert "there is no command 'tset'; `emulate --help` lists them." in err


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
    assert tells_of_a_lost_process(message)
    assert explain(message).startswith("another process of this run has ended; its own message")
