"""Prose of the library and of its pages: words that CONTRIBUTING.md avoids are not in it."""

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("callbacks", "commands", "datamodules", "emulators")
MODULES = [
    ROOT / "cli.py",
    *(ROOT / "docs").glob("*.py"),
    *(path for name in PACKAGES for path in (ROOT / name).rglob("*.py")),
]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + [
    *(ROOT / "docs").rglob("*.md")
]
CONFIGS = [*(ROOT / "configs").rglob("*.yaml")]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
SECTION = "## Words that are avoided"
ARGUMENT = re.compile(r" +[\w, *]+: (What|How|Where|Of|Whose|Which|Who|That|Those|When)\b")
OPENINGS = re.compile(r"(What|Whether|How|Where|Whose|Who|That|Of|Whatever|Whoever)\b")


def avoided():
    """Return the words to write for each avoided one, from the table of CONTRIBUTING.md."""
    section = CONTRIBUTING.read_text().partition(SECTION)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.*?) \| (.*?) \|$", section, re.M)
    return {words: better for words, better in rows if not set(words) <= set("-| ")}


def pattern(words):
    """Return the expression that finds any of the words, which a comma parts."""
    phrases = [r"\s+".join(map(re.escape, phrase.split())) for phrase in words.split(", ")]
    return re.compile(rf"(?<![\w./-])(?:{'|'.join(phrases)})(?![\w-])", re.IGNORECASE)


AVOIDED = {words: pattern(words) for words in avoided() if words != "avoided"}


def plain(text):
    """Return text in one line, without code between backticks."""
    return " ".join(re.sub(r"`[^`\n]*`", "`…`", text).split())


@cache
def docstrings(path):
    """Return the docstrings of a module and of all that it defines, with their lines."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node)
            if text:
                found.append((node.body[0].lineno, text))
    return found


@cache
def prose(path):
    """Return the pieces of prose of a file with their lines: comments, docstrings and messages.

    A string without a blank is a name and no prose.
    """
    text = path.read_text()
    if path.suffix == ".md":
        if path == CONTRIBUTING:
            before, _, section = text.partition(SECTION)
            text = before + section.partition("\n## ")[2]
        return [(0, plain(part)) for part in re.split(r"\n\s*\n|\n- |\n\|", text)]
    if path.suffix == ".yaml":
        return [(0, plain(part)) for part in re.findall(r"#(.*)", text)]
    found, comment = [], (-1, 0, "")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, last, words = comment
            if last == token.start[0] - 1:  # goes on from the line above
                comment = (line, token.start[0], f"{words} {token.string[1:]}")
            else:
                found.append((line, plain(words)))
                comment = (token.start[0], token.start[0], token.string[1:])
    found.append((comment[0], plain(comment[2])))
    tree = ast.parse(text)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
             for part in node.values}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            words = [p.value if isinstance(p, ast.Constant) else "…" for p in node.values]
            found.append((node.lineno, plain("".join(words))))
        elif isinstance(node, ast.Constant) and id(node) not in parts and " " in str(node.value):
            found.append((node.lineno, plain(str(node.value))))
    return found


@pytest.mark.parametrize("words", AVOIDED)
def test_avoided_words_are_not_written(words):
    found = [
        f"{path.relative_to(ROOT)}:{line}: …{text[max(0, one.start() - 40) : one.end() + 30]}…"
        for path in (*MODULES, *PAGES, *CONFIGS)
        for line, text in prose(path)
        for one in [AVOIDED[words].search(text)]
        if one
    ]
    assert not found, f"write {avoided()[words]}:\n" + "\n".join(sorted(found))


def test_docstrings_begin_with_a_noun_or_an_imperative():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in MODULES
        for line, text in docstrings(path)
        if OPENINGS.match(text)
    ]
    assert not found, "\n".join(sorted(found))


def test_arguments_are_described_by_a_noun():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {part.strip()}"
        for path in MODULES
        for line, text in docstrings(path)
        for part in text.splitlines()
        if ARGUMENT.match(part)
    ]
    assert not found, "\n".join(sorted(found))
