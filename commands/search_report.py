"""Report of a search: its trials as a table, and the command that trains the best options."""

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from callbacks.comparison.searches import NAME, Searched, Trial, short
from commands.search_section import words_of
from commands.study import StudyRun
from datamodules.files.atomic import atomic_write

WIDTH = 100


@dataclass(frozen=True)
class SearchReport:
    """Result of the search of a run's options.

    Attributes:
        full: Run that is trained with the best options at full length.
        objective: Objective of the search.
        rows: Trials, in the order of their numbers.
        best: Best complete trial.
        run: Run of the best trial, to be tested.
        importances: Importance of each option.
    """

    full: StudyRun
    objective: str
    rows: list[Trial]
    best: Trial | None
    run: StudyRun | None
    importances: dict[str, float]

    @property
    def running(self) -> int:
        """Number of trials that another process runs."""
        return sum(row.outcome == "running" for row in self.rows)

    def command(self) -> str:
        """Return the command that trains the run with the best options at full length."""
        options = self.best.options if self.best else {}
        folder = f"--trainer.default_root_dir={self.full.folder}"
        return shlex.join(["emulate", "fit", *self.full.arguments, *words_of(options), folder])

    def text(self) -> str:
        """Return the table of the trials, the best first, and the best options."""
        name = self.full.name
        lines = [f"{name}: {len(self.rows)} trials, objective {self.objective}"[:WIDTH]]
        lines += table(sorted(self.rows, key=order))
        if self.importances:
            shares = ", ".join(f"{n} {100 * x:.0f} %" for n, x in self.importances.items())
            lines.append(f"importance for the best quarter: {shares}"[:WIDTH])
        if self.best is not None:
            lines.append(f"best of {name}: trial {self.best.number}")
            lines += [f"  {word}" for word in words_of(self.best.options)]
            lines += ["train it at full length by", f"  {self.command()}"]
        return "\n".join(lines)


def order(row: Trial) -> tuple[bool, bool, float, int]:
    """Return the order of a trial in the table: complete ones first, by their objective."""
    return (
        row.outcome != "complete",
        row.value is None,
        0.0 if row.value is None else row.value,
        row.number,
    )


def table(rows: Sequence[Trial]) -> list[str]:
    r"""Return trials as lines of at most 100 columns.

    Example:
        >>> print(*table([Trial(3, "complete", 0.5, 200, {"model.noise": "0.1"})]), sep="\n")
          trial  outcome     objective     step  options
              3  complete          0.5      200  noise=0.1
    """
    names = short_names([name for row in rows for name in row.options])
    lines = ["  trial  outcome     objective     step  options"]
    for row in rows:
        options = " ".join(f"{names[name]}={short(text)}" for name, text in row.options.items())
        value = "" if row.value is None else f"{row.value:.4g}"
        step = "" if row.step is None else row.step
        line = f"  {row.number:>5}  {row.outcome:<10}  {value:>9}  {step:>7}  {options}"
        lines.append(line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…")
    return lines


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return the last part of each option, or the whole name where two end in the same.

    Example:
        >>> short_names(["model.optimizer.lr", "model.width", "data.width"])
        {'model.optimizer.lr': 'lr', 'model.width': 'model.width', 'data.width': 'data.width'}
    """
    unique = list(dict.fromkeys(names))
    last = {name: name.rpartition(".")[2] for name in unique}
    count = Counter(last.values())
    return {name: last[name] if count[last[name]] == 1 else name for name in unique}


def write_reports(reports: Sequence[SearchReport], folder: Path) -> Path:
    """Write the searches of a comparison into its folder, for its page."""
    found = [
        Searched(
            report.full.name,
            report.objective,
            sorted(report.rows, key=order),
            report.importances,
            None if report.best is None else report.best.number,
            report.command(),
        )
        for report in reports
    ]
    text = json.dumps({"searches": [asdict(one) for one in found]}, indent=2)
    return atomic_write(folder / NAME, text + "\n")
