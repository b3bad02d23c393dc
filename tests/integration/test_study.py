import csv
import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import xarray

import commands.jobs
from callbacks.comparison import compare, load_runs, table
from callbacks.comparison.table import note
from commands.jobs import Job, next_run, run_all
from commands.study import StudyRun, UntrainedRun, read_study
from tests.conftest import SMOKE
from tests.processes import start, wait, wait_for


def write(folder, text):
    (folder / "study.yaml").write_text(text)
    return folder / "study.yaml"


def test_study_names_runs_with_their_files_and_options(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("model: {}\n")
    (tmp_path / "data.yaml").write_text("data: {root: somewhere}\n")
    file = write(
        tmp_path,
        "root: runs/x\ncommon: [data.yaml]\noptions: [--trainer.max_steps=3]\n"
        "runs: {one: [a.yaml], two: [a.yaml, b.yaml]}\n",
    )
    study = read_study(file)
    assert study.data == [[f"--config={tmp_path / 'data.yaml'}"]]
    one, two = study.runs
    assert (one.name, str(one.folder)) == ("one", "runs/x/one")
    assert two.arguments == [
        f"--config={tmp_path / 'data.yaml'}",
        f"--config={tmp_path / 'a.yaml'}",
        f"--config={tmp_path / 'b.yaml'}",
        "--trainer.method=two",
        "--trainer.max_steps=3",
    ]


def test_every_method_runs_with_one_seed_before_the_next(tmp_path):
    (tmp_path / "a.yaml").write_text("model: {}\n")
    file = write(
        tmp_path,
        "root: runs\nseeds: [0, 7]\noptions: [--x=1]\n"
        "runs: {one: [a.yaml], two: [a.yaml, --model.noise=0.1]}\n",
    )
    runs = read_study(file).runs
    assert [run.name for run in runs] == ["one-seed0", "two-seed0", "one-seed7", "two-seed7"]
    assert str(runs[3].folder) == "runs/two-seed7"
    assert runs[3].arguments == [
        f"--config={tmp_path / 'a.yaml'}",
        "--trainer.method=two",
        "--x=1",
        "--model.noise=0.1",
        "--seed_everything=7",
        "--data.seed=7",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("runs: [a, b]", r"'runs' is \['a', 'b'\], expected 'NAME: \[files and options\]'"),
        ("runs: {a: m.yaml}", r"'runs\.a' is 'm\.yaml', expected a list; write \[m\.yaml\]"),
        ("runs: {a: []}\nseeds: 3", r"'seeds' is 3, expected a list; write \[3\]"),
    ],
)
def test_what_is_no_list_is_said(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_study(write(tmp_path, f"root: r\n{text}\n"))


def test_data_are_generated_with_the_options_of_the_study(tmp_path):
    (tmp_path / "d.yaml").write_text("data: {}\n")
    text = "root: r\ncommon: [d.yaml]\noptions: [--data.root=x, --model.y=1]\nruns: {a: []}\n"
    made = read_study(write(tmp_path, text)).data
    assert made == [[f"--config={tmp_path / 'd.yaml'}", "--data.root=x"]]


def test_options_of_a_run_may_name_its_seed(tmp_path):
    text = "root: runs\nruns: {tuned: ['--checkpoint=runs/first-seed{seed}/last.ckpt']}\n"
    runs = read_study(write(tmp_path, text + "seeds: [0, 7]\n")).runs
    assert [run.arguments[1] for run in runs] == [
        "--checkpoint=runs/first-seed0/last.ckpt",
        "--checkpoint=runs/first-seed7/last.ckpt",
    ]
    with pytest.raises(ValueError, match=r"run 'tuned' has \{seed\} .* no seeds; add"):
        read_study(write(tmp_path, text))


def test_every_run_on_every_data_set_is_compared_within_its_set(tmp_path):
    for name in ("a", "jet", "calm"):
        (tmp_path / f"{name}.yaml").write_text("model: {}\n")
    (tmp_path / "common.yaml").write_text("data: {batch_size: 3}\n")
    file = write(
        tmp_path,
        "root: runs\nseeds: [0, 1]\n"
        "data: {jet: [jet.yaml], calm: [calm.yaml, --model.x=1, --data.y=2]}\n"
        "common: [common.yaml]\nruns: {one: [a.yaml], two: [a.yaml]}\n",
    )
    study, common = read_study(file), f"--config={tmp_path / 'common.yaml'}"
    assert study.data == [
        [f"--config={tmp_path / 'jet.yaml'}", common],
        [f"--config={tmp_path / 'calm.yaml'}", common, "--data.y=2"],
    ]
    assert [str(run.folder) for run in study.runs] == [
        f"runs/{data}/{name}-seed{seed}"
        for seed in (0, 1)
        for data in ("jet", "calm")
        for name in ("one", "two")
    ]
    assert study.runs[2].arguments == [
        f"--config={tmp_path / name}.yaml" for name in ("calm", "common", "a")
    ] + ["--trainer.method=one", "--model.x=1", "--data.y=2"] + [
        "--seed_everything=0",
        "--data.seed=0",
    ]
    groups = {str(folder): len(runs) for folder, runs in study.compared().items()}
    assert groups == {"runs/jet": 4, "runs/calm": 4}


def test_untrained_runs_are_tested_once_without_the_options_of_the_model(tmp_path):
    for name in ("d", "s", "a", "jet"):
        (tmp_path / f"{name}.yaml").write_text("model: {}\n")
    text = (
        "root: runs\nseeds: [3, 4]\ncommon: [d.yaml]\nruns: {one: [a.yaml]}\n"
        "options: [--data.x=1, --model.noise, 0.1, --model.y=2, --trainer.precision, 32-true]\n"
        "untrained: {solver: [s.yaml, --model.z=3]}\n"
    )
    study = read_study(write(tmp_path, text))
    assert [run.name for run in study.all_runs] == ["one-seed3", "one-seed4", "solver"]
    (run,) = study.untrained
    files = [f"--config={tmp_path / name}.yaml" for name in ("d", "s")]
    words = ["--data.x=1", "--trainer.precision", "32-true", "--model.z=3"]
    (command,) = run.commands()
    assert command == [
        "test",
        *files,
        "--trainer.method=solver",
        *words,
        "--trainer.default_root_dir=runs/solver",
    ]
    assert study.compared() == {Path("runs"): study.all_runs}
    text += "data: {jet: [jet.yaml, --data.u=5, --model.v=6], calm: []}\n"
    jet, calm = read_study(write(tmp_path, text)).untrained
    assert [str(run.folder) for run in (jet, calm)] == ["runs/jet/solver", "runs/calm/solver"]
    assert jet.arguments == [
        f"--config={tmp_path / 'jet.yaml'}", *files, "--trainer.method=solver", *words, "--data.u=5"
    ]  # fmt: skip


def test_interrupted_test_of_an_untrained_run_is_resumed(tmp_path):
    run = UntrainedRun("solver", tmp_path / "solver", ["--config=s.yaml"])
    run.folder.mkdir()
    (run.folder / "rollout-0.ckpt").touch()
    assert run.commands() == [
        [
            "test",
            "--config=s.yaml",
            f"--trainer.default_root_dir={run.folder}",
            "--resume=true",
        ]
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("untrained: {A: []}", "'runs' and 'untrained' both have 'A'; rename one"),
        ("untrained: {a: []}\nseeds: [1]", "'runs' and 'untrained' both have 'a'; rename one"),
        ("untrained: {s: []}\noptions: [--config=b.yaml]", "with --config, .* untrained run 's'"),
        ("untrained: {s: []}\noptions: [--config, b]", "with --config, .* untrained run 's'"),
        ("untrained: {a-seed1: []}\nseeds: [1]", "both have a run in runs/a-seed1; rename one"),
        (
            "untrained: {s: []}\nseeds: [1]\noptions: ['--data.root=x{seed}']",
            r"run 's' has \{seed\} in --data.root=x\{seed\}, but it is made once",
        ),
    ],
)
def test_untrained_runs_have_folders_of_their_own_and_no_seed(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_study(write(tmp_path, f"root: runs\nruns: {{a: []}}\n{text}\n"))


def test_study_without_a_training_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'runs' is missing, .* `emulate test`, and compare by"):
        read_study(write(tmp_path, "root: runs\nuntrained: {s: []}\n"))


def test_data_of_untrained_runs_are_made_with_the_others(tmp_path):
    (tmp_path / "d.yaml").write_text("data: {}\n")
    (tmp_path / "s.yaml").write_text("model: {}\n")
    text = (
        "root: runs\ncommon: [d.yaml]\nruns: {a: []}\nuntrained: {s: [s.yaml], t: [--data.x=1]}\n"
    )
    file = f"--config={tmp_path / 'd.yaml'}"
    assert read_study(write(tmp_path, text)).data == [[file], [file, "--data.x=1"]]


def test_refused_comparison_hides_neither_failed_runs_nor_other_comparisons(
    tmp_path, monkeypatch, say
):
    made = []

    def compare(arguments):
        made.append(arguments)
        if "--output=runs/jet" in arguments:
            raise ValueError("one and two cannot be compared.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("commands.run_study.compare_runs", compare)
    monkeypatch.setattr("commands.jobs.run_all", lambda runs, jobs, cores: [runs[-1]])
    monkeypatch.setattr("commands.run_options.check_runs", lambda study, file: None)
    text = "root: runs\nruns: {one: [], two: []}\ndata: {jet: [], calm: []}\n"
    status, _, err = say("study", str(write(tmp_path, text)))
    assert status == 1
    assert [arguments[-1] for arguments in made] == ["--output=runs/jet", "--output=runs/calm"]
    assert "1 of 4 runs failed; the reasons are in runs/calm/two/log.txt." in err
    assert "one and two cannot be compared." in err


@pytest.mark.parametrize(
    ("text", "name", "option"),
    [
        ("runs: {a: [], b: [--model.nose=1]}", "b", "'nose'"),
        ("runs: {a: [], b: [--trainer.max_steps=many]}\nseeds: [0, 1]", "b-seed0", "max_steps"),
        (
            "runs: {a: []}\nuntrained: {s: [--data.batch_sise=4, --model=Simulation]}",
            "s",
            "batch_sise",
        ),
        ("runs: {a: []}\nuntrained: {s: [--model=Simulation, --model.width=4]}", "s", "'width'"),
    ],
)
def test_options_of_every_run_are_checked_before_the_first_starts(
    tmp_path, say, monkeypatch, text, name, option
):
    monkeypatch.setattr("commands.jobs.run_all", lambda *given: pytest.fail("a run started"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke.yaml").write_text(SMOKE.read_text())
    status, _, err = say(
        "study", str(write(tmp_path, f"root: runs\ncommon: [smoke.yaml]\n{text}\n"))
    )
    assert status == 1
    assert re.search(rf"study\.yaml: the run '{name}' is refused: .*{option}", err), err
    assert not (tmp_path / "data").exists()


def test_options_are_checked_also_if_another_seed_is_finished(tmp_path, say, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke.yaml").write_text(SMOKE.read_text())
    (tmp_path / "runs/a-seed0").mkdir(parents=True)
    (tmp_path / "runs/a-seed0/scores.json").write_text("{}")
    text = "root: runs\ncommon: [smoke.yaml]\nseeds: [0, 1]\nruns: {a: [--model.nose=1]}\n"
    status, _, err = say("study", str(write(tmp_path, text)))
    assert status == 1
    assert "the run 'a-seed1' is refused" in err


def test_cores_are_shared_among_the_runs_that_are_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("commands.jobs.PROGRAM", tmp_path / "program.py")
    (tmp_path / "program.py").write_text("import os\nprint(os.environ['OMP_NUM_THREADS'])\n")
    monkeypatch.setattr(StudyRun, "commands", lambda run: [["fit"]])
    runs = [StudyRun(name, tmp_path / name, []) for name in ("one", "two", "three")]
    assert run_all(runs, jobs=2, cores=8) == []
    ended = re.findall(
        r"^(\w+): done after \d+ s(?:; (\d) more, about \d+ s)?$", capsys.readouterr().out, re.M
    )
    assert sorted(left for _, left in ended) == ["", "1", "2"]
    threads = [(tmp_path / run.name / "log.txt").read_text().strip() for run in runs]
    assert threads[:2] == ["4", "4"]
    run_all(runs[2:], jobs=2, cores=8)
    assert (tmp_path / "three" / "log.txt").read_text().split()[-1] == "8"


def test_run_that_continues_another_begins_after_it():
    first = StudyRun("first", Path("runs/first"), [])
    words = ["--trainer.callbacks.checkpoint=runs/first/last.ckpt", "--data.root=runs/first-data"]
    second = StudyRun("second", Path("runs/second"), words[:1])
    third = StudyRun("third", Path("runs/third"), words[1:])
    assert next_run([second, first, third], []) is first
    assert next_run([second, third], [first]) is third
    assert next_run([second], [first]) is None
    assert next_run([second], []) is second  # which says so if the first has failed
    assert next_run([], []) is None
    one = StudyRun("one", Path("one"), ["--ckpt_path=other/last.ckpt"])
    other = StudyRun("other", Path("other"), ["--ckpt_path=one/last.ckpt"])
    assert next_run([one, other], []) is one


def test_dry_run_prints_the_commands_of_what_is_unfinished(tmp_path, say, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b.yaml").write_text("model: {}\n")
    write(tmp_path, "root: runs\nruns: {one: [a b.yaml], two: [a b.yaml], done: []}\n")
    (tmp_path / "runs" / "done").mkdir(parents=True)
    (tmp_path / "runs" / "done" / "scores.json").touch()
    status, out, _ = say("study", "study.yaml", "--dry_run")
    assert status == 0
    assert out.splitlines() == [
        f"emulate fit '--config=a b.yaml' --trainer.method={name} "
        f"--trainer.default_root_dir=runs/{name} && "
        f"emulate test --ckpt_path=runs/{name}/last.ckpt"
        for name in ("one", "two")
    ]
    assert not (tmp_path / "runs" / "one").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a]", "study.yaml is ['a'], expected"),
        ("text", "study.yaml is 'text', expected"),
        ("", "study.yaml is empty, expected"),
        ("null: 3", "'None' is not a key"),
        ("3: 3", "'3' is not a key"),
        ("root: 3", "'root' is 3, expected the path"),
        ("root: ''", "'root' is '', expected the path"),
        ("root: null", "'root' is None, expected the path"),
        ("root: [a]", "'root' is ['a'], expected the path"),
        ("root: a", "the key 'root' is given twice"),
        ("runs: {}", "'runs' is {}, expected"),
        ("runs: null", "'runs' is None, expected"),
        ("runs: {3: []}", "'runs' has the name 3, which"),
        ("runs: {2020-01-01: []}", "'runs' has the name datetime.date(2020, 1, 1), which"),
        ("runs: {null: []}", "'runs' has the name None, which"),
        ("runs: {yes: []}", "'runs' has the name True, which"),
        ("runs: {'': []}", "'runs' has the name '', which no folder"),
        ("runs: {' ': []}", "'runs' has the name ' ', which no folder"),
        ("runs: {a/b: []}", "'runs' has the name 'a/b', which no folder"),
        ("runs: {..: []}", "'runs' has the name '..', which no folder"),
        ('runs: {"a\\nb": []}', "'runs' has the name 'a\\nb', which no folder"),
        ("runs: {a: [], a: []}", "the key 'a' is given twice"),
        ("runs: {a: [], A: []}", "'a' and 'A', which are one folder"),
        ("runs: {a: null}", "'runs.a' is None, expected a list"),
        ("runs: {a: {b: c}}", "'runs.a' is {'b': 'c'}, expected a list"),
        ("runs: {a: [null]}", "'runs.a[0]' is None, expected a file or an option"),
        ("runs: {a: [[b]]}", "'runs.a[0]' is ['b'], expected a file or an option"),
        ("runs: {a: [--x=1, 3]}", "'runs.a[1]' is 3, expected a file or an option"),
        ("runs: {a: ['']}", "'runs.a[0]' is '', expected a file or an option"),
        ("data: {}", "'data' is {}, expected"),
        ("data: {1.5: []}", "'data' has the name 1.5, which"),
        ("data: {a: [2020-01-01]}", "'data.a[0]' is datetime.date(2020, 1, 1), expected"),
        ("untrained: {a: b.yaml}", "'untrained.a' is 'b.yaml', expected a list; write [b.yaml]"),
        ("common: a.yaml", "'common' is 'a.yaml', expected a list; write [a.yaml]"),
        ("common: {a: b}", "'common' is {'a': 'b'}, expected a list."),
        ("common: [null]", "'common[0]' is None, expected"),
        ("options: --x=1", "'options' is '--x=1', expected a list; write [--x=1]"),
        ("options: [3]", "'options[0]' is 3, expected an option"),
        ("options: [--x=1, 3]", "'options[1]' is 3, expected an option"),
        ("options: [--x, null]", "'options[1]' is None, expected an option"),
        ("options: [{--x: 1}]", "'options[0]' is {'--x': 1}, expected an option"),
        ("options: [a.yaml]", "'options[0]' is 'a.yaml', expected an option"),
        ("seeds: []", "'seeds' is [], expected one number"),
        ("seeds: [a]", "'seeds[0]' is 'a', expected a whole number"),
        ("seeds: [0, 1.5]", "'seeds[1]' is 1.5, expected a whole number"),
        ("seeds: [true]", "'seeds[0]' is True, expected a whole number"),
        ("seeds: [-1]", "'seeds[0]' is -1, expected a whole number"),
        ("seeds: [4294967296]", "'seeds[0]' is 4294967296, expected a whole number"),
        ("seeds: [null]", "'seeds[0]' is None, expected a whole number"),
        ("seeds: [2, 1, 2]", "'seeds' has 2 twice"),
    ],
)
def test_study_of_other_kinds_is_refused_by_its_key(tmp_path, text, words):
    whole = "" if text in ("[a]", "text", "") else "root: r\n"
    if text.startswith("root: ") and text[-1] != "a":
        whole = ""
    runs = "runs: {m: []}\n" if whole + text and "runs" not in text and ": " in text else ""
    with pytest.raises(ValueError, match=r"study\.yaml") as refusal:
        read_study(write(tmp_path, f"{whole}{runs}{text}\n"))
    assert words in str(refusal.value)


def test_option_and_its_value_may_be_two_words(tmp_path):
    text = "root: r\nruns: {a: []}\noptions: [--trainer.max_steps, 3, --data.root, x]\n"
    study = read_study(write(tmp_path, text))
    words = ["--trainer.max_steps", "3", "--data.root", "x"]
    assert study.runs[0].arguments == ["--trainer.method=a", *words]
    assert study.data == [["--data.root", "x"]]


def test_data_of_the_runs_themselves_are_made_once_per_seed(tmp_path):
    (tmp_path / "d.yaml").write_text("data: {}\n")
    text = (
        "root: r\nseeds: [1, 2]\noptions: ['--data.root=x{seed}', --data.batch_size=3]\n"
        "runs: {a: [d.yaml], b: [d.yaml, --model.y=1]}\n"
    )
    made = [[f"--config={tmp_path / 'd.yaml'}", f"--data.root=x{n}"] for n in (1, 2)]
    study = read_study(write(tmp_path, text))
    assert study.data == [[*words, "--data.batch_size=3"] for words in made]
    text = "root: r\noptions: [--data.batch_size=3]\nruns: {a: [--ckpt_path=a.ckpt]}\n"
    assert read_study(write(tmp_path, text)).data == []  # the checkpoint says where they are


def test_study_on_data_of_the_users_own(tested, tmp_path, say, monkeypatch):
    (tmp_path / "own.yaml").write_text(f"data: {{root: {tested / 'data'}, variables: [u]}}\n")
    (tmp_path / "made.yaml").write_text(SMOKE.read_text())
    write(tmp_path, "root: runs\nruns: {one: []}\ndata: {own: [own.yaml], made: [made.yaml]}\n")
    monkeypatch.chdir(tmp_path)

    def all_done(runs, jobs, cores):
        for run in runs:
            shutil.copytree(tested / "runs" / "smoke", run.folder)
        return []

    monkeypatch.setattr("commands.jobs.run_all", all_done)
    status, out, err = say("study", "study.yaml", "--jobs=1")
    assert status == 0, err
    assert "data in data" in out  # the other data set has a generator
    assert (tmp_path / "data" / "train").is_dir()
    assert (tmp_path / "runs" / "own" / "comparison.md").exists()


@pytest.mark.parametrize("jobs", [0, -1])
def test_number_of_jobs_is_checked(tmp_path, say, jobs):
    status, _, err = say("study", write(tmp_path, "root: r\nruns: {a: []}\n"), f"--jobs={jobs}")
    assert status == 1
    assert f"--jobs must be at least 1, got {jobs}" in err


def test_run_is_fitted_then_tested_and_resumed_if_interrupted(tmp_path):
    run = StudyRun("one", tmp_path / "one", ["--config=a.yaml"])
    fit, test = run.commands()
    folder = tmp_path / "one"
    assert fit == ["fit", "--config=a.yaml", f"--trainer.default_root_dir={folder}"]
    assert test == ["test", f"--ckpt_path={folder / 'last.ckpt'}"]
    assert not run.finished
    folder.mkdir()
    (folder / "last.ckpt").touch()
    assert run.commands()[0][-1] == f"--ckpt_path={folder / 'last.ckpt'}"
    (folder / "rollout-0.ckpt").touch()  # of a test that was interrupted
    assert run.commands()[1] == ["test", "--resume=true", f"--ckpt_path={folder / 'last.ckpt'}"]
    (folder / "scores.json").touch()
    assert run.finished


def test_rollouts_of_a_test_are_those_of_the_study_now(tmp_path):
    options = ["--data.test_rollouts.steps=9", "--data.seed=1"]
    _, test = StudyRun("one", tmp_path, options).commands()
    assert test == ["test", options[0], f"--ckpt_path={tmp_path / 'last.ckpt'}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("root: a\n", "'runs' is missing"),
        ("root: a: b\n", "study.yaml is not readable as YAML: mapping values are not allowed"),
        ("root: a\nruns: {}\nruns_: {}\n", "'runs_' is not a key"),
        ("root: a\nruns: {one: [gone.yaml]}\n", "gone.yaml: no such file, but .*study.yaml names"),
    ],
)
def test_malformed_study_is_refused(tmp_path, text, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_study(write(tmp_path, text))


def test_missing_study_is_refused(say):
    status, _, err = say("study", "gone.yaml")
    assert status == 1
    assert "gone.yaml: no such study" in err


def test_failed_run_does_not_stop_the_others(tmp_path, monkeypatch):
    programs = {"good": "print('fine')", "bad": "raise SystemExit(3)"}
    monkeypatch.setattr("commands.jobs.PROGRAM", tmp_path / "program.py")
    (tmp_path / "program.py").write_text("import sys\nexec(sys.argv[1])\n")
    monkeypatch.setattr(StudyRun, "commands", lambda run: [[programs[run.name]]])
    runs = [StudyRun(name, tmp_path / name, []) for name in ("bad", "good")]
    assert [run.name for run in run_all(runs, jobs=1, cores=1)] == ["bad"]
    assert (tmp_path / "good" / "log.txt").read_text() == "fine\n"


STUDY = """
from pathlib import Path
from commands import jobs
from commands.study import StudyRun

jobs.PROGRAM, jobs.PATIENCE = Path("program.py"), 2.0
StudyRun.commands = lambda run: [[str(run.folder / "state")]]
jobs.run_all([StudyRun(name, Path(name), []) for name in ("one", "two")], jobs=2, cores=2)
"""
RUN = """
import signal, sys, time
from pathlib import Path

def leave(signum, frame):
    time.sleep(0.5)
    Path(sys.argv[1]).write_text("left in good order")
    raise SystemExit(1)

for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, leave)
Path(sys.argv[1]).write_text("at work")
time.sleep(60)
"""


@pytest.fixture
def working_study(tmp_path, monkeypatch):
    """A study whose two runs are at work, in processes of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(commands.jobs.__file__).parents[1]))
    (tmp_path / "program.py").write_text(RUN)
    (tmp_path / "study.py").write_text(STUDY)
    process = start("study.py")
    for name in ("one", "two"):
        wait_for(tmp_path / name / "state", process)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("whole_group", [False, True])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_study_that_is_ended_waits_for_its_runs(working_study, number, whole_group):
    if whole_group:
        os.killpg(working_study.pid, number)  # as Control-C does
    else:
        working_study.send_signal(number)
    wait(working_study)
    for name in ("one", "two"):
        assert Path(name, "state").read_text() == "left in good order"


def test_two_studies_are_not_at_work_on_one_run(working_study, tmp_path):
    working_study.send_signal(signal.SIGKILL)  # its runs go on
    with pytest.raises(ValueError, match="one: another study is at work here"):
        Job(StudyRun("one", tmp_path / "one", []), threads=1)
    os.killpg(working_study.pid, signal.SIGKILL)


def test_status_is_the_newest_line_of_the_progress_bar(tmp_path, monkeypatch):
    monkeypatch.setattr("commands.jobs.PROGRAM", tmp_path / "program.py")
    said = "a: 10%|# |\r\x1b[1Aa: 20%|##|\x1b[A\nother"
    (tmp_path / "program.py").write_text(f"print({said!r}, end='')\n")
    monkeypatch.setattr(StudyRun, "commands", lambda run: [["fit"]])
    job = Job(StudyRun("one", tmp_path / "one", []), threads=1)
    job.process.wait()
    assert job.status().split() == ["one", "fit", "a:", "20%|##|"]


@pytest.fixture
def two_runs(tested, tmp_path):
    for name in ("smoke", "other"):
        shutil.copytree(tested / "runs" / "smoke", tmp_path / "runs" / name)
    return tmp_path / "runs"


def test_comparison_is_a_table_and_a_figure(two_runs, say):
    status, out, _ = say("compare", two_runs / "smoke", two_runs / "other", "--output", two_runs)
    assert status == 0
    for name in ("comparison.png", "comparison_climate.png"):
        assert (two_runs / name).stat().st_size > 10_000
    text = (two_runs / "comparison.md").read_text()
    assert text.strip() in out
    header, _, first, second = text.splitlines()[:4]
    assert header.split(" | ")[:3] == ["| run", "parameters", "MSE at 1"]
    assert first.startswith("| smoke |")
    assert second.startswith("| other |")
    scores = xarray.open_dataset(two_runs / "smoke" / "scores.nc", decode_times=False)
    assert f"{float(scores['mse'][:, 0].mean()):.2g}" in first
    assert f"{100 * float(scores['stable'].mean()):.0f} %" in first
    page = (two_runs / "comparison.html").read_text()
    pictures = len(list((two_runs / "smoke").glob("*.png")))
    forecasts = 1  # in one dimension: a picture without a slider
    assert page.count('src="data:image/') == page.count("<img") == forecasts + 2 * pictures
    assert page.count("<section class=plot") > 4
    assert 'src="http' not in page
    rows = list(csv.DictReader((two_runs / "comparison.csv").open()))
    assert [row["run"] for row in rows] == ["smoke", "other"]
    assert float(rows[0]["MSE at 1"]) == pytest.approx(float(scores["mse"][:, 0].mean()))


def test_seeds_of_a_method_share_a_row_with_their_spread(two_runs):
    shutil.copytree(two_runs / "smoke", two_runs / "smoke-seed0")
    (two_runs / "other").rename(two_runs / "smoke-seed1")
    for seed, factor in ((0, 1), (1, 3)):
        path = two_runs / f"smoke-seed{seed}" / "scores.nc"
        scores = xarray.load_dataset(path, decode_times=False)
        first = float(scores["mse"][:, 0].mean())
        about = json.loads(scores.attrs["provenance"])
        assert (about["method"], about["seed"]) == (None, 0)
        scores.attrs["provenance"] = json.dumps({**about, "method": "smoke", "seed": seed})
        scores["mse"] = factor * scores["mse"]
        scores.to_netcdf(path)
    text, _ = compare([two_runs / f"smoke-seed{n}" for n in (0, 1)], two_runs)
    (row,) = text.splitlines()[2:3]
    assert row.startswith("| smoke (2 seeds) |")
    spread = f"{first * np.sqrt(2):.2g}"
    (mean,) = re.findall(rf"\| ([\d.]+) ± {re.escape(spread)} \|", row)
    assert float(mean) == pytest.approx(2 * first, rel=0.05)


def test_unequal_means_of_training_are_said(two_runs):
    runs = load_runs([two_runs / "smoke", two_runs / "other"])
    for run in runs:
        run.about.update(commit="0123456-dirty", data_hash="fedcba9876543210ff")
    assert note(runs).endswith("on the same data (fedcba9876543210), at commit 0123456-dirty.")
    runs[1].about["commit"] = None
    assert note(runs).endswith("at commits 0123456-dirty, unknown.")
    assert "They differ" not in note(runs)
    for run, parameters, steps, batch in zip(runs, (100, 105), (6, 7), (4, 8), strict=True):
        run.about.update(parameters=parameters, steps=steps, training={"samples_per_step": batch})
    assert note(runs).endswith(
        "They differ in training steps (smoke: 6, other: 7); batch size (smoke: 4, other: 8)."
    )
    runs[1].about["parameters"] = 106
    assert "They differ in parameters (smoke: 100, other: 106); training" in note(runs)
    assert "| 8 |" in table(runs)
    runs[0].about["training"] = {"seconds_per_step": 20.0}
    assert "| 2 |" in table(runs).splitlines()[2]  # minutes of 6 steps


def test_files_that_hold_no_scores_are_refused(two_runs):
    (two_runs / "other" / "scores.nc").write_bytes(b"nothing")
    with pytest.raises(
        ValueError, match=r"scores.nc does not hold scores of this version; run `emu"
    ):
        load_runs([two_runs / "other"])


def test_runs_on_other_data_or_rollouts_are_not_compared(two_runs):
    path = two_runs / "other" / "scores.nc"
    with xarray.open_dataset(path, decode_times=False) as dataset:
        scores = dataset.load()
    for old, new, key in (
        ('"data_hash": "', '"data_hash": "f', "data_hash"),
        ('"threshold": 0.5', '"threshold": 0.6', "RolloutError.threshold"),
        ('"steps": 20', '"steps": 30', "rollouts"),
        ('"domain lengths": [22.0]', '"domain lengths": [22000.0]', "domain"),
        ('"time unit": "s"', '"time unit": "h"', "domain"),
    ):
        changed = scores.copy()
        assert old in scores.attrs["provenance"]
        changed.attrs["provenance"] = scores.attrs["provenance"].replace(old, new)
        changed.to_netcdf(path)
        with pytest.raises(ValueError, match=f"other and smoke cannot be compared: their {key}"):
            load_runs([two_runs / "smoke", two_runs / "other"])


def test_run_without_scores_is_named(tmp_path, say):
    status, _, err = say("compare", tmp_path)
    assert status == 1
    assert "scores.nc: no such file; run `emulate test" in err


def test_table_leaves_out_leads_beyond_the_truth(two_runs):
    assert "MSE at 10" not in table(load_runs([two_runs / "smoke"]))


def test_study_runs_what_is_unfinished_and_compares(tested, workplace, say):
    shutil.copytree(tested / "runs/smoke", "runs/smoke", dirs_exist_ok=True)
    (workplace / "smoke.yaml").write_text(SMOKE.read_text())
    (workplace / "baseline.yaml").write_text(
        "model: {class_path: Baseline, init_args: {network: {class_path: UNet, init_args: "
        "{width: 4, multipliers: [1, 2]}}}}\n"
    )
    write(workplace, "root: runs\ncommon: [smoke.yaml]\nruns: {smoke: [], base: [baseline.yaml]}\n")
    status, out, err = say("study", "study.yaml", "--jobs", "2")
    assert status == 0, err
    assert "| smoke |" in out
    assert "| base |" in out
    assert (workplace / "runs" / "comparison.png").is_file()
    assert not (workplace / "runs/smoke/log.txt").exists()  # it was finished
    before = (workplace / "runs/base/scores.json").stat().st_mtime_ns
    assert say("study", "study.yaml")[0] == 0  # finished: nothing runs again
    assert (workplace / "runs/base/scores.json").stat().st_mtime_ns == before
