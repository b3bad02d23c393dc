"""Objective of a search: an expression of scores of validation, of which no code is run.

Scores are written as trackers show them, such as `val/mse/lead_25 + 10 * (1 - val/stability_rate)`;
a name with other letters than `a` to `z`, digits and `_` is put in quotes. `/` divides where a
blank or a digit follows. The operators are `+ - * / **` and the functions those in `FUNCTIONS`.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

SCORE = re.compile(r"""'[^']*'|"[^"]*"|\bval(?:/[A-Za-z_]\w*)+""")
LONGEST = 400  # letters, so that no nesting is too deep for Python
OPERATORS: dict[type, Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,  # a root of a negative number is an error, and no complex number
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "exp": math.exp,
    "log": math.log,
    "max": max,
    "min": min,
    "sqrt": math.sqrt,
}


def check_objective(text: str) -> None:
    """Check that a text is an expression of one score or more.

    Raises:
        ValueError: It is not; the message says what it has, without naming the option.
    """
    try:
        if len(text) > LONGEST:
            raise ValueError(f"has {len(text)} letters, expected at most {LONGEST}")
        names = scores_in(text)
        if not names:
            raise ValueError("has no score, expected one such as val/mse/lead_25")
        objective(text, dict.fromkeys(names, 1.0))
    except SyntaxError as error:
        raise ValueError(
            f"is not an expression ({error.msg}), expected one such as val/mse/lead_25"
        ) from None


def scores_in(text: str) -> list[str]:
    """Return the names of the scores in an expression.

    Example:
        >>> scores_in("val/mse/lead_25 / 2 + log('val/error of u') - val/mse/lead_25")
        ['val/mse/lead_25', 'val/error of u']
    """
    return list(dict.fromkeys(word.strip("'\"") for word in SCORE.findall(text)))


def objective(text: str, scores: Mapping[str, float]) -> float:
    """Return the value of an expression; NaN where it, or a score in it, has no finite value.

    Args:
        text: Expression.
        scores: Scores of a validation by name.

    Raises:
        ValueError: The expression has a score that the validation has not, or another part that is
            not allowed.

    Example:
        >>> objective("val/mse/lead_25 + 10 * (1 - val/stable)", {"val/mse/lead_25": 2.0,
        ...                                                       "val/stable": 0.5})
        7.0
    """
    names = scores_in(text)
    unknown = [name for name in names if name not in scores]
    if unknown:
        raise ValueError(f"has {unknown[0]}, which {choice(unknown[0], sorted(scores))}")
    quoted = SCORE.sub(lambda found: repr(found[0].strip("'\"")), text)
    tree = ast.parse(quoted.strip(), mode="eval").body
    try:
        value = number(tree, scores)
    except (ArithmeticError, DomainError):
        return math.nan
    return value if all(map(math.isfinite, (value, *(scores[n] for n in names)))) else math.nan


class DomainError(Exception):
    """The error of a function outside of its domain, such as the logarithm of 0."""


def number(tree: ast.expr, scores: Mapping[str, float]) -> float:
    """Return the value of a part of an expression; other parts than numbers are refused."""
    match tree:
        case ast.Constant(value=str(name)):
            return scores[name]
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as value):
            return float(value)  # powers of whole numbers could fill the memory
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in OPERATORS:
            return OPERATORS[type(sign)](number(operand, scores))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
            return applied(OPERATORS[type(sign)], [left, right], scores)
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as parts, keywords=[]) if (
            name in FUNCTIONS
        ):
            return applied(FUNCTIONS[name], parts, scores)
    raise ValueError(
        f"has {ast.unparse(tree)!r:.60}, expected scores such as val/mse/lead_25, numbers, "
        f"+ - * / ** ( ) and the functions {', '.join(FUNCTIONS)}"
    )


def applied(
    function: Callable[..., float], parts: Sequence[ast.expr], scores: Mapping[str, float]
) -> float:
    """Return the value of a function of several parts."""
    values = [number(part, scores) for part in parts]
    try:
        return float(function(*values))
    except ValueError:
        raise DomainError from None
    except TypeError:  # of a wrong number of parts, or of max and min of a single one
        raise ValueError(
            f"has {function.__name__} of {len(parts)} part(s), which is not defined"
        ) from None


def choice(name: str, known: Sequence[str]) -> str:
    """Return the end of a sentence about a score that a validation does not have."""
    if not known:
        return "validation does not score: it has no scores; add a diagnostic such as RolloutError"
    near = get_close_matches(name, known, 1, 0.7)
    meant = f" (did you mean {near[0]}?)" if near else ""
    shorter = ", ".join(one.removeprefix("val/") for one in known)
    return f"validation does not score{meant}; its scores are, after val/: {shorter}"
