"""The searches of a study on the page of a comparison."""

import json
import re

import pytest

from callbacks.comparison.page import file, page
from callbacks.comparison.searches import SHORT, read_searches, search_section
from tests.callbacks.test_comparison_page import run

OPTIONS = {"a.b": "0.00443037", "a.c": "x<y"}
TRIALS = [
    {"number": 3, "outcome": "complete", "value": 0.123456, "step": 200, "options": OPTIONS},
    {"number": 0, "outcome": "pruned", "value": None, "step": None, "options": {"a.b": "32"}},
]
FOUND = {
    "run": "base",
    "objective": "val/a + 1 < 2",
    "trials": TRIALS,
    "importances": {"a.c": 0.2, "a.b": 0.8},
    "best": 3,
    "command": "emulate fit '--a.c=x<y'",
}


def read(folder, found):
    (folder / "search.json").write_text(json.dumps({"searches": [found]}))
    return read_searches(folder)


def cells(text):
    rows = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    return [
        [re.sub(r"<.*?>", "", part) for part in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)]
        for row in rows
    ]


def test_page_has_importances_as_bars_and_numbers_and_all_trials(tmp_path):
    searches = read(tmp_path, FOUND)
    text = page([run("base", (1, 2, 3))], searches=searches)
    section = text.partition("<h2>Search</h2>")[2].partition("<h2>")[0]
    assert re.findall(r'style="width:([\d.]+)%"', section) == ["80.0", "20.0"]
    assert cells(section) == [
        ["a.b", "", "80 %"],
        ["a.c", "", "20 %"],
        ["trial", "outcome", "objective", "step", "a.b", "a.c"],
        ["3", "complete", "0.1235", "200", "0.00443", "x&lt;y"],
        ["0", "pruned", "-", "-", "32", "-"],
    ]
    assert "<code>val/a + 1 &lt; 2</code>" in section
    assert "Trial 3 is the best, and the run above: a.b = 0.00443, a.c = x&lt;y." in section
    assert "<code>emulate fit &#x27;--a.c=x&lt;y&#x27;</code>" in section
    assert "<b>0.1235</b>" in section
    assert "(PED-ANOVA of 1 complete trials, rough below 20)" in section
    assert re.findall("<summary>(.*?)<", section) == ["Command that trains the best options"]


def test_bars_have_the_colours_of_the_page():
    (rule,) = re.findall(r"\.bars span \{(.*?)\}", file("style.css"), re.DOTALL)
    assert "background: var(--focus)" in rule  # which differs in light and dark


def test_long_table_is_folded(tmp_path):
    trials = [{**TRIALS[0], "number": number} for number in range(SHORT + 1)]
    many = search_section(read(tmp_path, {**FOUND, "trials": trials}))
    assert not any("rough" in part for part in many)
    text, _ = [
        part
        for part in search_section(read(tmp_path, {**FOUND, "trials": trials}))
        if "details" in part
    ]
    assert "<summary>21 trials</summary>" in text


def test_search_without_importances_or_a_best_trial(tmp_path):
    found = {**FOUND, "importances": {}, "best": None}
    text = "\n".join(search_section(read(tmp_path, found)))
    assert "class=bars" not in text
    assert "is the best" not in text
    assert "Too few trials are complete for importances." in text


def test_comparison_without_a_search_has_no_such_part(tmp_path):
    assert read_searches(tmp_path) == []
    assert "<h2>Search</h2>" not in page([run("a", (1, 2, 3))])


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"searches": 3}',
        '{"searches": [3]}',
        json.dumps({"searches": [{**FOUND, "importances": {"a": 2}}]}),
        json.dumps({"searches": [{**FOUND, "importances": {"a": float("nan")}}]}),
        json.dumps({"searches": [{**FOUND, "trials": [{}]}]}),
        json.dumps({"searches": [{**FOUND, "trials": [{**TRIALS[0], "options": 3}]}]}),
        json.dumps({"searches": [{**FOUND, "best": "a"}]}),
        "[" * 100_000,
    ],
)
def test_damaged_file_is_left_out_with_a_note(tmp_path, capsys, text):
    (tmp_path / "search.json").write_text(text)
    assert read_searches(tmp_path) == []
    assert "search.json is not read for the searches" in capsys.readouterr().err


def test_large_file_is_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("callbacks.comparison.searches.LARGEST", 10)
    assert read(tmp_path, FOUND) == []
    assert "it is too large" in capsys.readouterr().err
