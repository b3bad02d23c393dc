"""Objectives of a search: arithmetic of scores, and nothing else."""

import math

import pytest

from commands.objective import FUNCTIONS, check_objective, objective

SCORES = {"val/mse/lead_25": 4.0, "val/stability_rate": 0.75, "val/error of u-10": 9.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("val/mse/lead_25", 4.0),
        ("val/mse/lead_25 + 10 * (1 - val/stability_rate)", 6.5),
        ("val/mse/lead_25/2", 2.0),
        ("val/mse/lead_25 / val/stability_rate", 4 / 0.75),
        ("-val/mse/lead_25 ** 2", -16.0),
        ("+sqrt('val/error of u-10')", 3.0),
        ('abs(1 - "val/error of u-10")', 8.0),
        ("exp(log(val/mse/lead_25))", 4.0),
        ("max(val/mse/lead_25, 1, 5.5) - min(val/mse/lead_25, 3)", 2.5),
        ("  val/mse/lead_25  ", 4.0),
    ],
)
def test_value_is_that_of_the_formula(text, value):
    check_objective(text)
    assert objective(text, SCORES) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "log(val/stability_rate - 0.75)",  # of 0
        "sqrt(0 - val/mse/lead_25)",
        "(0 - val/mse/lead_25) ** 0.5",  # no complex number
        "1 / (val/mse/lead_25 - 4)",
        "9 ** 9 ** 9 ** val/mse/lead_25",  # in no time and memory
        "val/mse/lead_25 * 1e999",
    ],
)
def test_what_is_not_defined_is_not_a_number(text):
    check_objective(text)
    assert math.isnan(objective(text, SCORES))


@pytest.mark.parametrize("score", [math.nan, math.inf])
@pytest.mark.parametrize("text", ["max(1, val/a)", "min(1, val/a)", "1 / val/a", "0 * val/a"])
def test_score_that_is_not_finite_hides_in_no_function(text, score):
    assert math.isnan(objective(text, {"val/a": score}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 + 2", "has no score, expected one such as val/mse/lead_25"),
        ("", "has no score"),
        ("val/a +", "is not an expression (invalid syntax)"),
        ("val/a = 3", "is not an expression"),
        ("-" * 394 + "'val/a'", "has 401 letters, expected at most 400"),
        ("test/mse/lead_25 + val/a", "has 'test', expected scores such as val/mse/lead_25"),
        ("__import__('os').system('val/a')", "has \"__import__('os').system('val/a')\", expected"),
        ("[val/a]", "expected scores"),
        ("val/a if True else 1", "expected scores"),
        ("val/a + True", "has 'True', expected scores"),
        ("val/a + 1j", "has '1j', expected scores"),
        ("val/a // 2", "expected scores"),
        ("not val/a", "expected scores"),
        ("val/a < 1", "expected scores"),
        ("round(val/a)", "has \"round('val/a')\", expected"),
        ("exp(x=val/a)", "expected scores"),
        ("log()  + val/a", "has 'log()', expected"),
        ("abs(val/a, 2)", "has abs of 2 part(s), which is not defined"),
        ("max(val/a)", "has max of 1 part(s), which is not defined"),
        ("val/a + 'other'", None),
    ],
)
def test_text_that_is_no_arithmetic_of_scores_is_refused(text, words):
    if words is None:  # a name in quotes is a score, which validation will know or not
        check_objective(text)
        return
    with pytest.raises(ValueError, match=r".") as refusal:
        check_objective(text)
    assert words in str(refusal.value)


def test_longest_expression_is_not_nested_too_deeply():
    check_objective("-" * 393 + "'val/a'")
    check_objective("(" * 190 + "val/a" + ")" * 190)
    check_objective("abs(" * 78 + "val/a" + ")" * 78)


def test_refusal_names_all_that_is_allowed():
    with pytest.raises(ValueError, match=r"\+ - \* / \*\* \( \)") as refusal:
        check_objective("f(val/a)")
    assert all(name in str(refusal.value) for name in FUNCTIONS)


def test_unknown_score_is_answered_with_those_that_are_there():
    with pytest.raises(
        ValueError, match=r"has val/mse/lead_26, which validation does not score"
    ) as e:
        objective("val/mse/lead_26", SCORES)
    assert "(did you mean val/mse/lead_25?)" in str(e.value)
    assert "after val/: error of u-10, mse/lead_25, stability_rate" in str(e.value)
    with pytest.raises(ValueError, match=r"val/a, .* it has no scores; add a diagnostic"):
        objective("val/a", {})
