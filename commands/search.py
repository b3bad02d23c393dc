"""Search of options by Optuna: trials of each run of a study, several at a time.

A trial is a training with options that Optuna chooses from the space of the study (TPE). Its scores
of validation are read from the file that `ValidationScores` writes, so that the process of a trial
knows neither Optuna nor the study: this process evaluates the objective, saves it in Optuna's
storage, and ends trials whose objective is worse than the median of earlier ones at the same step.

The storage, `search.db` in the root of the study, is shared by all processes that search in it. A
trial whose log is not locked by a process was interrupted, and is resumed from its checkpoint.
"""

import json
import math
import sqlite3
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from commands.jobs import Display, Job, jobs_that_end, minutes, what_is_left
from commands.objective import objective
from commands.search_report import SearchReport, Trial
from commands.search_section import Search, text_of, words_of
from commands.study import StudyRun

CALLBACK = "--trainer.callbacks+=callbacks.ValidationScores"
BEST_SHARE = 0.25
"""Share of the trials that importances refer to."""
FEWEST = 8
"""Fewest complete trials from which importances are computed."""
OF_NO_TRIAL = ("--config=", "--data.test_rollouts")
"""Arguments that may differ between trials: paths depend on the folder, and no trial is tested."""
WAIT = 60.0
"""Longest time that a process waits for another one to write into the storage [s]."""
POLL = 0.5
"""Time between two looks at the trials that run [s]."""
FAILURES = 3
"""Number of failed trials after which a search ends if no trial has been scored."""


def search_options(
    runs: Sequence[StudyRun], root: Path, search: Search, jobs: int, cores: int
) -> list[SearchReport]:
    """Run the trials of each run that are left, and return a report of each search.

    Args:
        runs: Runs of the study.
        root: Folder of the study, which holds the storage.
        search: Search of the study.
        jobs: Number of trials at a time.
        cores: Number of cores that the trials share.

    Raises:
        ValueError: Trials have no scores, or the storage is of another search.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    root.mkdir(parents=True, exist_ok=True)
    reports = []
    for run in runs:
        with locked(root):
            trials = Trials(search, run, open_storage(root), root)
        with jobs_that_end() as active:
            run_trials(trials, active, jobs, cores)
        reports.append(trials.report())
    return reports


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Lock the storage of a study, so that one process at a time begins a trial in it."""
    with (root / "search.lock").open("a") as lock:
        with suppress(ImportError):  # not on Windows: there only one process may search
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def open_storage(root: Path) -> optuna.storages.RDBStorage:
    """Return the storage of a study.

    Raises:
        ValueError: Its file is damaged, or of another program.
    """
    path = root / "search.db"
    try:
        with closing(sqlite3.connect(path, timeout=WAIT)) as connection:
            connection.execute("PRAGMA schema_version")
        return optuna.storages.RDBStorage(
            f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": WAIT}}
        )
    except (sqlite3.DatabaseError, RuntimeError) as error:
        raise ValueError(
            f"{path} is not the storage of a search ({error}); move it and the folders of its "
            "trials away."
        ) from None


@dataclass
class Active:
    """Trial of which this process runs the training."""

    trial: optuna.trial.Trial
    reported: set[int] = field(default_factory=set)
    pruned: bool = False


class Trials:
    """Trials of one run of a study, in Optuna's storage.

    Args:
        search: Search of the study.
        run: Run whose options are searched.
        storage: Storage of the study, which is locked.
        root: Folder of the study.

    Raises:
        ValueError: The storage has trials of this run from another search.
    """

    def __init__(
        self, search: Search, run: StudyRun, storage: optuna.storages.RDBStorage, root: Path
    ) -> None:
        self.search, self.run, self.root = search, run, root
        pruner = optuna.pruners.MedianPruner()
        name = run.folder.relative_to(root).as_posix()
        self.study = optuna.create_study(
            storage=storage, study_name=name, pruner=pruner, load_if_exists=True
        )
        self.active: dict[Job, Active] = {}
        words = [word for word in run.arguments if not word.startswith(OF_NO_TRIAL)]
        self.define(
            {
                "objective": search.objective,
                "space": search.space,
                "options": [*words, *search.options],
            }
        )

    def define(self, definition: dict[str, Any]) -> None:
        """Save the definition of the search, or check that it is the earlier one.

        An objective of which no trial has a value, as its scores do not exist, may be changed.
        """
        definition = json.loads(json.dumps(definition))
        earlier: dict[str, Any] = self.study.user_attrs.get("definition") or {}
        trials = self.study.get_trials()
        scored = any(trial.intermediate_values for trial in trials)
        for key in definition if earlier and trials else {}:
            if definition[key] != earlier[key] and (scored or key != "objective"):
                raise ValueError(
                    f"{self.search.file}: the {len(trials)} trials of '{self.run.name}' in "
                    f"{self.root / 'search.db'} have other {key} ({earlier[key]}); write them "
                    "again, or set another 'root'."
                )
        self.study.set_user_attr("definition", definition)

    @property
    def left(self) -> int:
        """Number of trials that are not finished, of this and of other processes."""
        finished = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        return self.search.trials - len(self.study.get_trials(deepcopy=False, states=finished))

    def begin(self, threads: int) -> Job | None:
        """Resume an interrupted trial, or begin a new one; return None if none is left.

        Raises:
            ValueError: The folder of the new trial exists.
        """
        with locked(self.root):
            trials = self.study.get_trials(deepcopy=False)
            own = {active.trial.number for active in self.active.values()}
            for one in trials:
                if one.state == TrialState.RUNNING and one.number not in own:
                    with suppress(ValueError):  # another process runs it
                        trial = optuna.trial.Trial(self.study, one._trial_id)
                        return self.start(trial, set(one.intermediate_values), threads)
            if len(trials) >= self.search.trials:
                return None
            folder = self.folder(len(trials))
            if (folder / "config.yaml").exists():
                raise ValueError(
                    f"{folder} is there, but {self.root / 'search.db'} has no such trial; move the "
                    "folder away, or set another 'root'."
                )
            return self.start(self.study.ask(), set(), threads)

    def folder(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.run.folder.with_name(f"{self.run.name}-trial{number}")

    def start(self, trial: optuna.trial.Trial, reported: set[int], threads: int) -> Job:
        """Start the training of a trial; the options of an interrupted one are in the storage."""
        # a seed for each trial: a resumed search would otherwise draw the first numbers again
        self.study.sampler = optuna.samplers.TPESampler(seed=trial.number)
        for name, values in self.search.space.items():
            suggest(trial, name, values)
        words = [*self.run.arguments, *self.search.options, *words_of(trial.params), CALLBACK]
        folder = self.folder(trial.number)
        job = Job(StudyRun(folder.name, folder, words, stages=("fit",)), threads)
        self.active[job] = Active(trial, reported)
        return job

    def follow(self, job: Job) -> None:
        """Save the objective of new validations; end the trial if it is worse than others."""
        one = self.active[job]
        if one.pruned:
            return
        for line in lines_of(job.run.folder):
            if line["step"] in one.reported:
                continue
            value = self.value(line)
            one.reported.add(line["step"])
            one.trial.report(value if math.isfinite(value) else math.inf, line["step"])
            unfinished = line["of"] is None or line["step"] < line["of"]
            if unfinished and job.process.poll() is None and one.trial.should_prune():
                one.pruned = True
                self.tell(one.trial, "pruned")
                job.process.terminate()
                return

    def value(self, line: dict[str, Any]) -> float:
        """Return the objective of a validation.

        Raises:
            ValueError: The validation does not have a score of the objective.
        """
        scores = {n: math.nan if x is None else float(x) for n, x in line["scores"].items()}
        try:
            return objective(self.search.objective, scores)
        except ValueError as error:
            raise ValueError(f"{self.search.file}: 'search.objective' {error}.") from None

    def tell(self, trial: optuna.trial.Trial, outcome: str, value: float | None = None) -> None:
        """Save the end of a trial.

        A trial without a value counts as pruned, from which the sampler learns to avoid its
        options; failed trials of Optuna tell it nothing.
        """
        trial.set_user_attr("outcome", outcome)
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        self.study.tell(trial, value, state)

    def end(self, job: Job) -> str:
        """Save the result of a trial whose process has ended, and return it in words.

        Raises:
            ValueError: The trial was never validated, or trials fail before they are scored.
        """
        with locked(self.root):  # else another process could find it between its two ends
            try:
                return self.result(job)
            finally:
                job.advance(1)  # which unlocks its log

    def result(self, job: Job) -> str:
        """Save the result of a trial, and return it in words."""
        one, lines = self.active.pop(job), list(lines_of(job.run.folder))
        if one.pruned:
            return f"pruned at step {max(one.reported)}"
        if job.process.returncode:
            self.tell(one.trial, "failed")
            self.check_failures()
            return f"failed ({job.log} says why)"
        if not lines:
            raise ValueError(
                f"{job.run.folder}: the trial was not validated; set trainer.val_check_interval to "
                "a part of trainer.max_steps."
            )
        value = self.value(lines[-1])
        if not math.isfinite(value):
            self.tell(one.trial, "not finite")
            return "objective not finite"
        self.tell(one.trial, "complete", value)
        return f"objective {value:.4g}"

    def check_failures(self) -> None:
        """Raise an error if several trials have failed and none was ever scored."""
        trials = self.study.get_trials(deepcopy=False)
        failed = [trial for trial in trials if trial.user_attrs.get("outcome") == "failed"]
        if len(failed) >= FAILURES and not any(trial.intermediate_values for trial in trials):
            logs = ", ".join(str(self.folder(trial.number) / "log.txt") for trial in failed)
            raise ValueError(
                f"{self.search.file}: all {len(failed)} trials failed; the reasons are in {logs}."
            )

    def report(self) -> SearchReport:
        """Return the trials, the importance of each option, and the best run."""
        trials = []
        for trial in self.study.get_trials(deepcopy=False):
            step = trial.last_step
            outcome = trial.user_attrs.get("outcome", "running")
            last = math.inf if step is None else trial.intermediate_values[step]
            value = last if math.isfinite(last) else None
            options = {name: text_of(own) for name, own in trial.params.items()}
            trials.append(Trial(trial.number, outcome, value, step, options))
        complete = [one for one in trials if one.outcome == "complete"]
        best = min(complete, key=by_value, default=None)
        run = None
        if best is not None:
            words = [*self.run.arguments, *self.search.options, *words_of(best.options)]
            run = StudyRun(self.run.name, self.folder(best.number), words, stages=("test",))
        full = replace(self.run, folder=self.run.folder.with_name(f"{self.run.name}-best"))
        return SearchReport(
            full, self.search.objective, trials, best, run, importances(self.study, self.search)
        )


def by_value(trial: Trial) -> float:
    """Return the objective of a complete trial."""
    return math.inf if trial.value is None else trial.value


def run_trials(trials: Trials, active: list[Job], jobs: int, cores: int) -> None:
    """Run the trials that are left, and print the end of each.

    Args:
        trials: Trials of a run.
        active: List of active jobs, kept up to date.
        jobs: Number of trials at a time.
        cores: Number of cores that the trials share.
    """
    display, taken, some_left = Display(), list[float](), True
    while True:
        while some_left and len(active) < jobs:
            job = trials.begin(max(1, cores // max(1, min(jobs, trials.left))))
            some_left = job is not None
            active += [job] if job is not None else []
        if not active:
            return
        time.sleep(POLL)
        display.show([job.status() for job in active])
        for job in list(active):
            ended = job.process.poll() is not None  # before the last scores are read
            trials.follow(job)
            if ended:
                active.remove(job)
                taken.append(time.monotonic() - job.began)
                result = trials.end(job)
                left = what_is_left(taken, max(0, trials.left), jobs)
                display.leave(f"{job.run.name}: {result} after {minutes(taken[-1])}{left}")


def suggest(trial: optuna.trial.Trial, name: str, values: dict[str, Any]) -> None:
    """Let Optuna choose the value of an option; values of choices are texts."""
    if "choices" in values:
        trial.suggest_categorical(name, [text_of(choice) for choice in values["choices"]])
        return
    low, high, step = values["low"], values["high"], values.get("step")
    log = bool(values.get("log"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the last step may end below `high`
        if all(isinstance(number, int) for number in (low, high, step or 1)):
            trial.suggest_int(name, low, high, step=step or 1, log=log)
        else:
            trial.suggest_float(name, low, high, step=step, log=log)


def lines_of(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines that `ValidationScores` has written, the last one of each step."""
    path = folder / "validation.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found: dict[int, dict[str, Any]] = {}
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):  # else it is being written
            one = json.loads(line)
            found[one["step"]] = one
    yield from (found[step] for step in sorted(found))


def importances(study: optuna.Study, search: Search) -> dict[str, float]:
    """Return the importance of each option for being among the best trials; none if trials are few.

    It is PED-ANOVA, normalised to a sum of 1. (fANOVA would need scikit-learn.)
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
    return optuna.importance.get_param_importances(
        study, evaluator=evaluator, params=list(search.space)
    )
