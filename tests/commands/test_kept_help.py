"""Help that is kept from one call to the next."""

import os
from pathlib import Path

import pytest

from commands import kept_help
from commands.kept_help import keeping, print_kept

WORDS = ("fit", "--help")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")


def make(text="usage: emulate fit\n", status=0, words=WORDS):
    with pytest.raises(SystemExit), keeping(words):
        end(text, status)


def end(text, status):
    print(text, end="")
    raise SystemExit(status)


def test_help_is_printed_when_it_is_made_and_again_without_being_made(capsys):
    assert not print_kept(WORDS)
    make()
    assert capsys.readouterr().out == "usage: emulate fit\n"
    assert print_kept(WORDS)
    assert capsys.readouterr().out == "usage: emulate fit\n"
    assert not print_kept(("test", "--help"))


def test_help_that_ends_without_an_exit_is_kept(capsys):
    with keeping(("generate", "-h")):
        print("usage")
    assert print_kept(("generate", "-h"))
    assert capsys.readouterr().out == "usage\nusage\n"


@pytest.mark.parametrize("words", [(), ("--help",), ("fit",), ("fit", "--model.help", "Baseline")])
def test_nothing_else_is_kept(words, tmp_path, capsys):
    make(words=words)
    assert not print_kept(words)
    assert not [*tmp_path.rglob("*.txt")]
    assert capsys.readouterr().out == "usage: emulate fit\n"


def test_failures_are_not_kept(tmp_path):
    make(status=1)
    with pytest.raises(ValueError, match="no"), keeping(WORDS):
        raise ValueError("no")
    assert not [*tmp_path.rglob("*.txt")]


def test_help_is_made_again_after_a_change(monkeypatch):
    make()
    monkeypatch.setenv("COLUMNS", "140")
    assert not print_kept(WORDS)
    monkeypatch.setenv("COLUMNS", "100")
    assert print_kept(WORDS)
    monkeypatch.setattr(kept_help, "version", lambda name: "0.1")
    assert not print_kept(WORDS)
    monkeypatch.undo()


def test_key_follows_the_files_of_the_program(tmp_path, monkeypatch):
    file = tmp_path / "emulators" / "some.py"
    file.parent.mkdir()
    file.touch()
    (tmp_path / "cli.py").touch()
    monkeypatch.setattr(kept_help, "HOME", tmp_path)
    before = kept_help.key_of(WORDS)
    assert kept_help.key_of(WORDS) == before
    os.utime(file, (1, 1))
    assert kept_help.key_of(WORDS) != before


def test_a_cache_that_cannot_be_used_is_no_error(tmp_path, monkeypatch, capsys):
    (tmp_path / "implicit-emulators").touch()  # a file, where the folder should be
    make()
    assert not print_kept(WORDS)

    def homeless(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    make()
    assert not print_kept(WORDS)
    assert capsys.readouterr().out == 2 * "usage: emulate fit\n"
