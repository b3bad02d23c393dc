"""The diagnostic of docs/your-diagnostic.md, used from another folder as a user would."""

import doctest
import io
import json
import re
import shutil
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import pytest

import cli
from callbacks import Column, Panel
from callbacks.comparison import load_runs
from callbacks.comparison.figures import draw_climate
from tests.conftest import working_in
from tests.processes import start, wait

HOME = Path(__file__).parents[2]
PAGE = (HOME / "docs" / "your-diagnostic.md").read_text()
LAST = "runs/smoke/last.ckpt"


def block(language):
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return text


def emulate(folder, *words):
    """Run the program in a process of its own, as a user does."""
    with working_in(folder):
        status, text = wait(start(HOME / "cli.py", *words))
    assert status == 0, text[-3000:]


@contextmanager
def working_alone_in(folder):
    """Run in a folder in this process, which forgets the modules of the folder afterwards."""
    before = [*sys.path]
    sys.modules.pop("largest", None)  # of another test
    try:
        with working_in(folder):
            yield
    finally:
        sys.path[:] = before
        sys.modules.pop("largest", None)


def compare(folder, *words):
    """Compare runs in a folder."""
    out, err = io.StringIO(), io.StringIO()
    with working_alone_in(folder), redirect_stdout(out), redirect_stderr(err):
        cli.run(["compare", *words])
    return SimpleNamespace(stdout=out.getvalue(), stderr=err.getvalue())


@pytest.fixture(scope="module")
def scored(trained, tmp_path_factory):
    """A folder with the page's diagnostic and a run that it scored."""
    folder = tmp_path_factory.mktemp("own") / "work"
    shutil.copytree(trained, folder)
    (folder / "largest.py").write_text(block("python"))
    (folder / "largest.yaml").write_text(block("yaml"))
    emulate(folder, "test", f"--ckpt_path={LAST}", "-c=largest.yaml")
    return folder


def titles(runs):
    return [axes.get_title() for axes in draw_climate(runs).axes]


def labels(runs):
    (axes,) = [axes for axes in draw_climate(runs).axes if axes.get_title() == "Largest value"]
    return axes.get_xlabel(), axes.get_ylabel()


def test_diagnostic_of_the_page_scores_forecasts_without_a_run(single_precision):
    names = {}
    exec(block("python"), names)
    example = doctest.DocTestParser().get_doctest(block("pycon"), names, "page", None, 0)
    said = []
    doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert len(example.examples) == 9
    assert not said, "".join(said)


def test_page_is_short():
    assert len(block("python").splitlines()) <= 40


def test_scores_say_whose_they_are(scored):
    found = json.loads((scored / "runs/smoke/scores.json").read_text())
    assert found["diagnostics"]["Largest"] == {"module": "largest", "summary": ["largest"]}
    assert found["diagnostics"]["EnergyStability"]["module"] == "callbacks.diagnostics.stability"
    assert (found["method"], found["seed"]) == (None, 0)


def test_diagnostic_of_the_page_has_a_column_and_a_panel(scored):
    done = compare(scored, "runs/smoke", "--output=with")
    assert "note" not in done.stderr
    header = done.stdout.splitlines()[0]
    assert header.endswith("| training steps | largest value |")
    with working_alone_in(scored):
        sys.path.append(".")
        assert labels(load_runs([Path("runs/smoke")])) == ("lead time [s]", "value")


def test_module_elsewhere_is_named_and_leaves_its_numbers(scored, tmp_path):
    done = compare(tmp_path, str(scored / "runs/smoke"), "--output=.")
    assert done.stderr.count("note: ") == 1
    assert "largest.Largest" in done.stderr
    assert done.stdout.splitlines()[0].endswith("| training steps | largest |")


def test_scores_cannot_have_a_module_run_that_does_not_define_the_class(scored, tmp_path):
    (tmp_path / "largest.py").write_text("import os\nos.mkdir('harmed')\n")
    done = compare(tmp_path, str(scored / "runs/smoke"), "--output=.")
    assert "defines no such class" in done.stderr
    assert not (tmp_path / "harmed").exists()
    compare(tmp_path, str(scored / "runs/smoke"), "--output=.", "--diagnostics", "largest")
    assert (tmp_path / "harmed").exists()


def test_panel_that_fails_leaves_the_others(scored, tmp_path):
    shutil.copytree(scored / "runs", tmp_path / "runs")
    text = block("python").replace("axes.set_xlabel(", "1 / 0; axes.set_xlabel(")
    assert "1 / 0" in text
    (tmp_path / "largest.py").write_text(text)
    done = compare(tmp_path, "runs/smoke")
    assert "Largest.panel cannot be drawn: ZeroDivisionError" in done.stderr
    assert (tmp_path / "comparison_climate.png").exists()


def test_column_that_fails_leaves_the_others(scored, tmp_path):
    shutil.copytree(scored / "runs", tmp_path / "runs")
    text = block("python").replace('lambda run: run.mean("largest")', "lambda run: 1 / 0")
    assert "1 / 0" in text
    (tmp_path / "largest.py").write_text(text)
    done = compare(tmp_path, "runs/smoke")
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    for word in ("Largest", "'largest value'", "ZeroDivisionError"):
        assert word in said
    header, _, row = done.stdout.splitlines()[:3]
    assert header.endswith("| training steps | largest value |")
    assert row.endswith("| - |")


def test_fields_of_columns_and_panels_are_documented():
    for kind in (Column, Panel):
        listed = kind.__doc__.partition("Attributes:\n")[2].partition("\n\n")[0]
        named = re.findall(r"^ {8}(\w+): ", listed, re.MULTILINE)
        assert sorted(named) == sorted(kind.__annotations__)
        assert f"[`{kind.__name__}`](api/diagnostics.md#base-class)" in PAGE


def test_runs_without_the_diagnostic_have_no_such_panel(scored, tested):
    runs = load_runs([tested / "runs/smoke"])
    assert "Largest value" not in titles(runs)
