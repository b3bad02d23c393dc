"""Modules of the working folder and of PYTHONPATH beside those of the program."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import cli

HOME = Path(cli.__file__).parent
EMULATE = ["-c", "from cli import main; main()"]  # as the installed program does


def run(words, folder, *path):
    """Run Python with PYTHONPATH; return exit status, output and errors."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def hostile(tmp_path):
    """A folder whose modules have the names of ours and of libraries."""
    for name in ("callbacks", "emulators", "commands/__init__", "datamodules/__init__", "yaml"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise SystemExit('the wrong module')\n")
    (tmp_path / "m.yaml").write_text("model: {}\n")
    (tmp_path / "study.yaml").write_text("root: runs\nruns: {one: [m.yaml]}\n")
    return tmp_path


@pytest.mark.parametrize("words", [["generate", "--help"], ["study", "study.yaml", "--dry_run"]])
@pytest.mark.parametrize("program", ["cli.py", "emulate", "emulate, working folder first"])
def test_modules_of_the_working_folder_hide_nothing(hostile, program, words):
    start = [HOME / "cli.py"] if program == "cli.py" else EMULATE
    path = [HOME, hostile] if program == "emulate" else [".", HOME] if "," in program else []
    if start is EMULATE:  # Python itself would put the working folder before PYTHONPATH
        start = ["-P", *EMULATE]
    status, out, err = run([*start, *words], hostile, *path)
    assert (status, err) == (0, "")
    assert "emulate" in out


def test_libraries_find_nothing_in_the_working_folder(tmp_path):
    for name in ("scipy", "ruamel", "omegaconf", "dask", "transformers", "torchvision", "cupy"):
        if find_spec(name) is None:
            (tmp_path / f"{name}.py").write_text("raise RuntimeError('of the user')\n")
    (tmp_path / "beside.py").write_text("from lightning import Callback\nfrom deep.er import one\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/er.py").write_text("one = 1\n")
    text = "import beside\nclass Own(beside.Callback):\n    import dask\n"
    (tmp_path / "mine.py").write_text(text.replace("    import dask", "    pass"))
    (tmp_path / "lost.py").write_text(text)
    words = [*EMULATE, "fit", "-c", HOME / "tests/smoke.yaml", "--print_config"]
    status, out, err = run([*words, "--trainer.callbacks+=mine.Own"], tmp_path, HOME)
    assert status == 0, err
    assert "mine.Own" in out
    status, _, err = run([*words, "--trainer.callbacks+=lost.Own"], tmp_path, HOME)
    assert status == 1  # who means the file finds it
    assert "of the user" in err


@pytest.mark.parametrize("name", ["callbacks.py", "emulators/__init__.py"])
def test_module_of_ours_from_elsewhere_is_refused(tmp_path, name):
    path = tmp_path / "other" / name
    path.parent.mkdir(parents=True)
    path.write_text("")
    where = [tmp_path / "other", HOME]
    status, _, err = run(["-P", *EMULATE, "--help"], tmp_path, *where)
    assert status == 1
    found = path if name == "callbacks.py" else path.parent
    assert f"the module '{found.stem}' comes from {found}, the rest" in err
    assert f"take {tmp_path / 'other'} out of PYTHONPATH" in err


def test_library_that_is_none_is_refused_and_an_installed_one_is_not(tmp_path):
    other = tmp_path / "other"
    (other / "tqdm").mkdir(parents=True)
    (other / "tqdm" / "__init__.py").write_text("")
    words = ["-P", *EMULATE, "--help"]
    status, _, err = run(words, tmp_path, other, HOME)
    assert status == 1
    assert f"the library 'tqdm' comes from {other / 'tqdm'}, which is not an installed one" in err
    (other / "tqdm-9.dist-info").mkdir()
    assert run(words, tmp_path, other, HOME)[0] == 0


def test_copy_of_the_program_runs_whole_or_is_said_not_to(tmp_path):
    clone = tmp_path / "clone"
    clone.mkdir()
    shutil.copy(HOME / "cli.py", clone)
    for name in cli.OURS:
        shutil.copytree(HOME / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    said = "print(set(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] in names))"
    names = ("cli", *cli.OURS)
    code = f"import sys, cli; names = {names}; cli.check_origins(); import commands.study; {said}"
    for path in ([clone, HOME], ["."]):
        status, out, err = run(["-P", "-c", code], clone, *path)
        assert (status, err) == (0, "")
        assert str(HOME) not in out
    status, _, err = run(["-P", *EMULATE, "--help"], clone, HOME)
    assert status == 0
    assert f"note: the program in {HOME} runs, not the copy of it in this folder" in err


def test_removed_working_folder_is_said(tmp_path, monkeypatch, say):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    status, _, err = say("--help")
    assert status == 1
    assert err == "emulate: error: the working folder has been removed; change to another one.\n"
