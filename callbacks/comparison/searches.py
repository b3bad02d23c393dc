"""Searches of options by a study: their trials and the importance of each option, on the page."""

import html
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callbacks.comparison.found_diagnostics import note
from callbacks.comparison.page_tables import fold, scrolled

NAME = "search.json"
LARGEST = 10_000_000  # bytes of a file that is read
MANY = 20
"""Number of complete trials whose best quarter has the five that PED-ANOVA should have."""
SHORT = 20
"""Most trials of a table that is not folded."""


@dataclass(frozen=True)
class Trial:
    """Training with options that a search chose.

    Attributes:
        number: Number of the trial.
        outcome: `complete`, `pruned`, `failed`, `not finite` or `running`.
        value: Objective at its last validation, None if there is none or it is not finite.
        step: Training step of its last validation, None if there is none.
        options: Options by name.
    """

    number: int
    outcome: str
    value: float | None
    step: int | None
    options: dict[str, str]


@dataclass(frozen=True)
class Searched:
    """Search of the options of a run.

    Attributes:
        run: Name of the run.
        objective: Expression of scores of validation, of which the least is the best.
        trials: Trials, the best first.
        importances: Importance of each option, whose sum is 1; empty if it is not known.
        best: Number of the best trial, None if there is none.
        command: Command that trains the best options.
    """

    run: str
    objective: str
    trials: list[Trial]
    importances: dict[str, float]
    best: int | None
    command: str


def read_searches(folder: Path) -> list[Searched]:
    """Return the searches that a study has written into the folder of a comparison.

    Without a file there are none, nor with a damaged one, of which a note is printed.
    """
    path = folder / NAME
    if not path.is_file():
        return []
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        return [searched(one) for one in json.loads(path.read_bytes())["searches"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        text = " ".join(str(error).split())
        note(f"{path} is not read for the searches: {type(error).__name__}: {text:.120}")
        return []


def searched(found: dict[str, Any]) -> Searched:
    """Return a search from its JSON values."""
    trials = [
        Trial(
            int(one["number"]),
            str(one["outcome"]),
            None if one["value"] is None else float(one["value"]),
            None if one["step"] is None else int(one["step"]),
            {str(name): str(text) for name, text in one["options"].items()},
        )
        for one in found["trials"]
    ]
    shares = {str(name): float(share) for name, share in found["importances"].items()}
    if not all(0 <= share <= 1 for share in shares.values()):
        raise ValueError(f"importances are {shares}, expected numbers from 0 to 1")
    best = None if found["best"] is None else int(found["best"])
    return Searched(
        str(found["run"]), str(found["objective"]), trials, shares, best, str(found["command"])
    )


def search_section(searches: Sequence[Searched]) -> Iterator[str]:
    """Yield the part of the page with all searches; nothing if there are none."""
    if searches:
        yield "<h2>Search</h2>"
    for one in searches:
        yield f"<h3>{html.escape(one.run)}</h3>"
        yield f"<p class=note>{words(one)}</p>"
        if one.importances:
            yield bars(one.importances, sum(t.outcome == "complete" for t in one.trials))
        table = trials_table(one)
        yield table if len(one.trials) <= SHORT else fold(f"{len(one.trials)} trials", table)
        if one.best is not None:
            command = f"<p class=note><code>{html.escape(one.command)}</code></p>"
            yield fold("Command that trains the best options", command)


def words(one: Searched) -> str:
    """Return the result of a search in words, as HTML."""
    objective = f"<code>{html.escape(one.objective)}</code>"
    text = (
        f"{len(one.trials)} trials, chosen by Optuna to have a small {objective} of the validation "
        "split; the test split has no part in it."
    )
    for trial in (trial for trial in one.trials if trial.number == one.best):
        options = ", ".join(f"{name} = {short(value)}" for name, value in trial.options.items())
        text += f" Trial {trial.number} is the best, and the run above: {html.escape(options)}."
    return text if one.importances else f"{text} Too few trials are complete for importances."


def bars(importances: dict[str, float], complete: int) -> str:
    """Return the importances as bars with their numbers.

    Args:
        importances: Importance of each option.
        complete: Number of complete trials, from which importances are computed.
    """
    source = f"PED-ANOVA of {complete} complete trials"
    source += f", rough below {MANY}" if complete < MANY else ""
    name = "Importance of each option for being among the best quarter of the trials"
    rows = "\n".join(
        f"<tr><th scope=row>{html.escape(option).replace('.', '.<wbr>')}</th>"
        f'<td><span style="width:{100 * share:.1f}%"></span></td><td>{100 * share:.0f} %</td></tr>'
        for option, share in sorted(importances.items(), key=lambda pair: -pair[1])
    )
    return (
        f"<figure><figcaption>{name} ({source})</figcaption>\n"
        f"<table class=bars><caption>{name}</caption>\n<tbody>{rows}</tbody></table></figure>"
    )


def trials_table(one: Searched) -> str:
    """Return the table of all trials, the best in bold."""
    options = list(dict.fromkeys(name for trial in one.trials for name in trial.options))
    rows = []
    for trial in one.trials:
        row = [
            str(trial.number),
            trial.outcome,
            number(trial.value),
            "-" if trial.step is None else str(trial.step),
            *(short(trial.options.get(name, "-")) for name in options),
        ]
        texts = [html.escape(text) for text in row]
        rows.append([f"<b>{t}</b>" for t in texts] if trial.number == one.best else texts)
    header = ["trial", "outcome", "objective", "step", *map(html.escape, options)]
    return scrolled(f"Trials of {html.escape(one.run)}", header, rows)


def number(value: float | None) -> str:
    """Return an objective with four digits."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.4g}"


def short(text: str) -> str:
    """Return the value of an option, a number with four digits.

    Example:
        >>> short("0.00443037"), short("32"), short("AdamW")
        ('0.00443', '32', 'AdamW')
    """
    try:
        return f"{float(text):.4g}" if "." in text or "e" in text else text
    except ValueError:
        return text
