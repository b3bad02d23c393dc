"""The section `search` of a study: each mistake is one sentence with file, key and remedy."""

import re

import pytest
import yaml

from commands.study import read_study

GOOD = {
    "trials": 3,
    "objective": "val/mse/lead_5",
    "space": {
        "model.optimizer.lr": {"low": 1.0e-4, "high": 0.1, "log": True},
        "model.noise": {"choices": [0.0, 0.02]},
        "model.network.width": {"low": 16, "high": 64, "step": 16},
    },
}


def study(folder, search, **others):
    file = folder / "study.yaml"
    text = {"root": "runs/s", "runs": {"a": []}, **others, "search": search}
    file.write_text(yaml.safe_dump(text))
    return file


def of_space(values, name="model.noise"):
    return {**GOOD, "space": {name: values}}


def test_section_is_read(tmp_path):
    options = ["--trainer.max_steps", 4]
    found = read_study(study(tmp_path, {**GOOD, "options": options})).search
    assert (found.file, found.trials, found.objective) == (
        tmp_path / "study.yaml",
        3,
        GOOD["objective"],
    )
    assert found.space == GOOD["space"]
    assert found.options == ["--trainer.max_steps", "4"]
    assert read_study(study(tmp_path, GOOD)).search.options == []


def test_study_without_a_search_has_none(tmp_path):
    (tmp_path / "study.yaml").write_text("root: r\nruns: {a: []}\n")
    assert read_study(tmp_path / "study.yaml").search is None


def without(key):
    return {name: value for name, value in GOOD.items() if name != key}


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (None, "'search' is None, expected the keys trials, objective, space, options"),
        ([GOOD], "'search' is [{"),
        ({**GOOD, "trails": 3}, "'search.trails' is not a key; the keys of search are trials,"),
        (without("trials"), "'search.trials' is missing"),
        (without("objective"), "'search.objective' is missing"),
        (without("space"), "'search.space' is missing"),
        ({**GOOD, "trials": 0}, "'search.trials' is 0, expected a whole number of at least 1"),
        ({**GOOD, "trials": -1}, "'search.trials' is -1, expected"),
        ({**GOOD, "trials": 2.5}, "'search.trials' is 2.5, expected"),
        ({**GOOD, "trials": True}, "'search.trials' is True, expected"),
        ({**GOOD, "trials": False}, "'search.trials' is False, expected"),
        ({**GOOD, "objective": 3}, "'search.objective' is 3, expected an expression of scores"),
        ({**GOOD, "objective": "val/a +"}, "'search.objective' is not an expression (invalid"),
        ({**GOOD, "options": "--a.b=1"}, "'search.options' is '--a.b=1', expected a list; write"),
        ({**GOOD, "options": ["a.yaml"]}, "'search.options[0]' is 'a.yaml', expected an option"),
        ({**GOOD, "space": {}}, "'search.space' is {}, expected 'OPTION: {low: ..., high: ...}'"),
        ({**GOOD, "space": ["a"]}, "'search.space' is ['a'], expected"),
        (of_space(3), "'search.space.model.noise' is 3, expected {low: ..., high: ...} or"),
        (of_space({"low": 0}, "--model.noise"), "'search.space' has '--model.noise', expected the"),
        (of_space({"low": 0}, "model.noise=3"), "'search.space' has 'model.noise=3', expected"),
        (of_space({"low": 0}, "noise"), "'search.space' has 'noise', expected"),
        (of_space({"low": 0}, 3), "'search.space' has 3, expected"),
        (of_space({}), "'search.space.model.noise.low' is missing; the keys of"),
        (of_space({"low": 1}), "'search.space.model.noise.high' is missing"),
        (of_space({"low": 1, "high": 2, "max": 3}), "'search.space.model.noise.max' is not a key"),
        (of_space({"choices": [1, 2], "low": 3}), "'search.space.model.noise.low' is not a key"),
        (of_space({"low": "1e-4", "high": 1}), "noise.low' is '1e-4', expected a finite number (1"),
        (of_space({"low": True, "high": 2}), "noise.low' is True, expected a finite number"),
        (of_space({"low": 0, "high": float("inf")}), "noise.high' is inf, expected a finite"),
        (of_space({"low": float("nan"), "high": 1}), "noise.low' is nan, expected a finite"),
        (of_space({"low": 0, "high": 10**400}), "noise.high' is 1000"),
        (of_space({"low": 0, "high": 1, "step": "a"}), "noise.step' is 'a', expected a finite"),
        (of_space({"low": 2, "high": 1}), "noise.low' is 2, expected less than high, which is 1"),
        (of_space({"low": 2, "high": 2}), "noise.low' is 2, expected less than high, which is 2"),
        (of_space({"low": 0, "high": 1, "log": True}), "noise.low' is 0, expected more than 0, as"),
        (of_space({"low": -1, "high": 1, "log": True}), "noise.low' is -1, expected more than 0"),
        (of_space({"low": 1, "high": 2, "log": "yes"}), "noise.log' is 'yes', expected true or"),
        (of_space({"low": 1, "high": 2, "log": 1}), "noise.log' is 1, expected true or false"),
        (of_space({"low": 1, "high": 2, "step": 0}), "noise.step' is 0, expected more than 0"),
        (of_space({"low": 1, "high": 2, "step": 1.5}), "noise.step' is 1.5, expected more than 0"),
        (of_space({"low": 1, "high": 4, "step": 1, "log": True}), "noise.step' is 1, expected no"),
        (of_space({"choices": 3}), "noise.choices' is 3, expected a list; write [3]"),
        (of_space({"choices": []}), "noise.choices' is [], expected two values or more"),
        (of_space({"choices": [1]}), "noise.choices' is [1], expected two values or more"),
        (of_space({"choices": [1, {"a": 2}]}), "noise.choices[1]' is {'a': 2}, expected text"),
        (of_space({"choices": [1, float("nan")]}), "noise.choices[1]' is nan, expected text"),
        (of_space({"choices": [1, "1"]}), "noise.choices' has 1 twice"),
        (of_space({"choices": [True, True]}), "noise.choices' has true twice"),
    ],
)
def test_mistake_is_refused_by_its_key(tmp_path, search, words):
    with pytest.raises(ValueError, match=r"study\.yaml: 'search") as refusal:
        read_study(study(tmp_path, search))
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("others", "search", "where"),
    [
        ({"options": ["--model.noise=0.1"]}, {}, "'options' (--model.noise=0.1)"),
        ({"options": ["--model.noise", 0.1]}, {}, "'options' (--model.noise)"),
        ({"runs": {"a": ["--model.noise=0"]}}, {}, "'runs.a' (--model.noise=0)"),
        ({"data": {"d": ["--model.noise=0"]}}, {}, "'data.d' (--model.noise=0)"),
        ({}, {"options": ["--model.noise=0"]}, "'search.options' (--model.noise=0)"),
    ],
)
def test_option_is_in_one_place(tmp_path, others, search, where):
    file = study(tmp_path, {**GOOD, **search}, **others)
    words = f"study.yaml: 'model.noise' is in 'search.space' and in {where}; take it out of one"
    with pytest.raises(ValueError, match=re.escape(words)):
        read_study(file)


def test_option_of_a_longer_name_may_be_given(tmp_path):
    assert read_study(study(tmp_path, GOOD, options=["--model.noise_fields=[2]"])).search


def test_trials_have_one_seed(tmp_path):
    with pytest.raises(ValueError, match=r"'seeds' and 'search' .* take out 'seeds'"):
        read_study(study(tmp_path, GOOD, seeds=[0, 1]))
