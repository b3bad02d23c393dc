"""The section `search` of a study, and its checks; every error names the key.

The section is

    trials: 40                  # of each run of the study
    objective: val/mse/lead_25 + 10 * (1 - val/stability_rate)   # the least is the best
    options: [--trainer.max_steps=200]   # of trials alone, such as a shorter training
    space:                      # options that trials vary
      model.optimizer.lr: {low: 1.0e-4, high: 1.0e-1, log: true}
      model.network.width: {low: 16, high: 64, step: 16}
      model.noise: {choices: [0.0, 0.02]}
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands.objective import check_objective
from commands.study_checks import check_options, not_a_list, wrong_type

REQUIRED = ("trials", "objective", "space")
KEYS = (*REQUIRED, "options")
RANGE = ("low", "high", "step", "log")
LARGEST = 1e300
OPTION = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


@dataclass(frozen=True)
class Search:
    """Search of the options of the runs of a study.

    Attributes:
        file: File of the study.
        trials: Number of trials of each run.
        objective: Expression of the scores of validation; the least is the best.
        space: Range (`low`, `high`, `step`, `log`) or `choices` of each option that trials vary.
        options: Options of trials alone.
    """

    file: Path
    trials: int
    objective: str
    space: dict[str, dict[str, Any]]
    options: list[str] = field(default_factory=list)

    def check_not_given(self, words: Iterable[str], where: str) -> None:
        """Raise an error if an option of the space has a value among words of the study.

        Args:
            words: Options.
            where: Key of the study with these words.
        """
        for word in words:
            name = word.partition("=")[0].removeprefix("--")
            if name in self.space:
                raise ValueError(
                    f"{self.file}: '{name}' is in 'search.space' and in '{where}' ({word}); take "
                    "it out of one of them."
                )


def read_search(file: Path, study: dict[Any, Any]) -> Search | None:
    """Return the search of a study that is checked otherwise; None if it has none.

    Raises:
        ValueError: A key is missing, unknown or has another value than it may.
    """
    if "search" not in study:
        return None
    found = study["search"]
    if not isinstance(found, dict):
        raise wrong_type(file, "search", found, f"the keys {', '.join(KEYS)}")
    check_keys(file, "search", found, REQUIRED, KEYS)
    if not isinstance(found["trials"], int) or found["trials"] is True or found["trials"] < 1:
        raise wrong_type(file, "search.trials", found["trials"], "a whole number of at least 1")
    if not isinstance(found["objective"], str):
        expected = "an expression of scores such as val/mse/lead_25"
        raise wrong_type(file, "search.objective", found["objective"], expected)
    try:
        check_objective(found["objective"])
    except ValueError as error:
        raise ValueError(f"{file}: 'search.objective' {error}.") from None
    options = found.get("options", [])
    if not isinstance(options, list):
        raise not_a_list(file, "search.options", options)
    check_options(file, options, "search.options")
    check_space(file, found["space"])
    if "seeds" in study:
        raise ValueError(
            f"{file}: 'seeds' and 'search' are both there, but trials have one seed; take out "
            "'seeds', and give them to a study of the best options."
        )
    words = [str(option) for option in options]
    search = Search(file, found["trials"], found["objective"], found["space"], words)
    search.check_not_given(words, "search.options")
    search.check_not_given(map(str, study.get("options", [])), "options")
    for key in ("runs", "data"):
        for name, own in study.get(key, {}).items():
            search.check_not_given(own, f"{key}.{name}")
    return search


def check_keys(
    file: Path, key: str, found: dict[Any, Any], required: Sequence[str], known: Sequence[str]
) -> None:
    """Raise an error if a key is unknown or missing."""
    wrong = [name for name in found if name not in known]
    wrong += [name for name in required if name not in found]
    if wrong:
        reason = "not a key" if wrong[0] in found else "missing"
        raise ValueError(
            f"{file}: '{key}.{wrong[0]}' is {reason}; the keys of {key} are {', '.join(known)}."
        )


def check_space(file: Path, space: object) -> None:
    """Raise an error unless options are mapped to ranges or choices."""
    if not isinstance(space, dict) or not space:
        expected = "'OPTION: {low: ..., high: ...}' or 'OPTION: {choices: [...]}' for each"
        raise wrong_type(file, "search.space", space, expected)
    for name, values in space.items():
        key = f"search.space.{name}"
        if not isinstance(name, str) or not OPTION.fullmatch(name):
            raise ValueError(
                f"{file}: 'search.space' has {name!r}, expected the name of an option without "
                "dashes and value, such as model.optimizer.lr."
            )
        if not isinstance(values, dict):
            expected = "{low: ..., high: ...} or {choices: [...]}"
            raise wrong_type(file, key, values, expected)
        if "choices" in values:
            check_keys(file, key, values, ["choices"], ["choices"])
            check_choices(file, f"{key}.choices", values["choices"])
        else:
            check_keys(file, key, values, RANGE[:2], [*RANGE, "choices"])
            check_range(file, key, values)


def check_choices(file: Path, key: str, choices: object) -> None:
    """Raise an error unless there are two choices or more, all different."""
    if not isinstance(choices, list):
        raise not_a_list(file, key, choices)
    if len(choices) < 2:
        raise wrong_type(file, key, choices, "two values or more; put a single one into 'options'")
    texts = []
    for number, choice in enumerate(choices):
        try:
            texts.append(text_of(choice))
        except (TypeError, ValueError):
            expected = "text, a number, true, false, null or a list of these"
            raise wrong_type(file, f"{key}[{number}]", choice, expected) from None
        if texts[-1] in texts[:-1]:
            raise ValueError(f"{file}: '{key}' has {texts[-1]} twice; take one out.")


def check_range(file: Path, key: str, values: dict[str, Any]) -> None:
    """Raise an error unless the numbers of a range fit each other."""
    for name in ("low", "high", "step"):
        value = values.get(name, 1)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not abs(value) <= LARGEST:
            expected = "a finite number (1e-4 is text in YAML; write 1.0e-4)"
            raise wrong_type(file, f"{key}.{name}", value, expected)
    low, high, log = values["low"], values["high"], values.get("log", False)
    if low >= high:
        raise ValueError(f"{file}: '{key}.low' is {low}, expected less than high, which is {high}.")
    if not isinstance(log, bool):
        raise wrong_type(file, f"{key}.log", log, "true or false")
    if log and low <= 0:
        raise wrong_type(file, f"{key}.low", low, "more than 0, as log is true")
    if "step" in values and not 0 < values["step"] <= high - low:
        expected = f"more than 0 and at most {high - low}"
        raise wrong_type(file, f"{key}.step", values["step"], expected)
    if "step" in values and log:
        raise wrong_type(file, f"{key}.step", values["step"], "no step, as log is true")


def text_of(value: Any) -> str:
    """Return a value as it is written on the command line.

    Example:
        >>> text_of(0.02), text_of("AdamW"), text_of([[1, 4]]), text_of(None)
        ('0.02', 'AdamW', '[[1, 4]]', 'null')
    """
    if isinstance(value, dict):
        raise TypeError("a mapping is no choice")
    return value if isinstance(value, str) else json.dumps(value, allow_nan=False)


def words_of(options: Mapping[str, Any]) -> list[str]:
    """Return values of options as arguments of the command line.

    Example:
        >>> words_of({"model.noise": 0.02, "model.network": "FNO"})
        ['--model.noise=0.02', '--model.network=FNO']
    """
    return [f"--{name}={text_of(value)}" for name, value in options.items()]


def corners(space: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Return options of a few trials, in which each end of a range and each choice is once.

    Example:
        >>> corners({"a.b": {"choices": [5, 6, 7]}, "c.d": {"low": 1, "high": 2}})
        [['--a.b=5', '--c.d=1'], ['--a.b=6', '--c.d=2'], ['--a.b=7', '--c.d=2']]
    """
    ends = {n: v["choices"] if "choices" in v else [v["low"], v["high"]] for n, v in space.items()}
    most = max(len(values) for values in ends.values())
    return [
        words_of({name: values[min(n, len(values) - 1)] for name, values in ends.items()})
        for n in range(most)
    ]
