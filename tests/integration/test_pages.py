"""Command lines of the pages parse in a folder that holds only the files that the page shows."""

import re
import shlex
import sys
from contextlib import suppress
from pathlib import Path

import pytest

import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
INSTEAD = {"fit": "--print_config", "generate": "--print_config", "study": "--dry_run"}
PLACEHOLDERS = re.compile(r"\b[A-Z]{4,}\b|\$|last\.ckpt$")


def commands(page):
    """Return the command lines of a page in words, without the program and comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines if re.match(r"\s*emulate\s", line)]
    return [[word for word in words[1:] if word != "..."] for words in found]


def files(page):
    """Return the files of a page: blocks whose first line is a comment with their name."""
    return re.findall(r"^```\w+\n# ([\w.]+)\n(.*?)^```", page.read_text(), re.M | re.S)


EXAMPLES = [
    (page, words)
    for page in PAGES
    for words in commands(page)
    if words[0] in INSTEAD
    and not any(PLACEHOLDERS.search(w) for w in words if "callbacks" not in w)
]


def test_pages_have_command_lines():
    assert {words[0] for _, words in EXAMPLES} == set(INSTEAD)
    known = {
        "fit",
        "validate",
        "test",
        "predict",
        "generate",
        "compare",
        "study",
        "inspect",
        "export",
    }
    assert {words[0] for page in PAGES for words in commands(page)} <= known


@pytest.mark.parametrize(("page", "words"), EXAMPLES, ids=lambda value: getattr(value, "stem", ""))
def test_command_line_of_a_page_parses(page, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, text in files(page):
        (tmp_path / name).write_text(text)
        monkeypatch.delitem(sys.modules, Path(name).stem, raising=False)
    words = [word for word in words if word not in ("--dry_run", ">", "runs.txt")]
    with suppress(SystemExit):
        cli.run([*words, INSTEAD[words[0]]])
    assert re.search(r"^(data:|emulate fit)", capsys.readouterr().out, re.M)
