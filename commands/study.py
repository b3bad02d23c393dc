"""Studies: several runs, each a `fit` and a `test` in its own folder, and their comparison.

A study is a YAML file:

    root: runs/quickstart             # a folder per run appears here
    common: [../trainer.yaml, ...]    # configuration files of every run, relative to this file;
                                      # configs/... may also be a file that comes with the program
    options: [--trainer.max_steps=3000]
    seeds: [0, 1, 2]                  # if given, each run once per seed: NAME-seed0, ...; {seed} in
                                      # an option is the number of the run's seed
    data:                             # if given, each run on each of them, in a folder per data set
      jet: [../data/jet256.yaml]
    runs:                             # configuration files and options of each run
      baseline: [../model/baseline.yaml]
      noisy: [../model/baseline.yaml, --model.noise=0.03]
    untrained:                        # if given, runs that are only tested, once for all seeds,
      exact: [../model/simulation.yaml]    # without the `options` of the model
    search: {trials: 40, ...}         # if given, trials of each run with other options: see
                                      # `commands.search_section`

`commands.jobs` runs them, `commands.search` the trials of a search.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

from commands.search_section import Search, read_search
from commands.shipped import shipped_file
from commands.study_checks import check_study
from commands.yaml_files import read_mapping


@dataclass
class StudyRun:
    """One run of a study: its folder and the commands that make it.

    Attributes:
        name: Name of the run.
        folder: Folder of the run.
        arguments: Arguments of its training.
        stages: Stages of the run, `fit`, `test` or both.
    """

    name: str
    folder: Path
    arguments: list[str]
    stages: tuple[str, ...] = ("fit", "test")

    @property
    def finished(self) -> bool:
        """True if the run has been tested."""
        return (self.folder / "scores.json").exists()

    def commands(self) -> list[list[str]]:
        """Return the stages that remain, as arguments of this program.

        The test gets the rollouts of the study file, which may have changed since the training. An
        interrupted test is resumed.
        """
        last = self.folder / "last.ckpt"
        resume = [f"--ckpt_path={last}"] if last.exists() else []
        fit = ["fit", *self.arguments, f"--trainer.default_root_dir={self.folder}", *resume]
        rollouts = [a for a in self.arguments if a.startswith("--data.test_rollouts")]
        resume = ["--resume=true"] if (self.folder / "rollout-0.ckpt").exists() else []
        test = ["test", *rollouts, *resume, f"--ckpt_path={last}"]
        return [command for command in (fit, test) if command[0] in self.stages]


class UntrainedRun(StudyRun):
    """Run of an emulator that has nothing to train, such as `emulators.Simulation`."""

    def commands(self) -> list[list[str]]:
        """Return the only stage, a test with all arguments, as arguments of this program."""
        resume = ["--resume=true"] if (self.folder / "rollout-0.ckpt").exists() else []
        return [["test", *self.arguments, f"--trainer.default_root_dir={self.folder}", *resume]]


@dataclass
class Study:
    """Contents of a study file.

    Attributes:
        root: Folder of the runs and of their comparison.
        data: Arguments of `generate` for each data set, to be simulated before the runs if it has
            a generator.
        runs: Runs in the order of the file.
        untrained: Runs that are only tested.
        search: Search of options of each run, if there is one.
    """

    root: Path
    data: list[list[str]]
    runs: list[StudyRun]
    untrained: list[UntrainedRun] = field(default_factory=list)
    search: Search | None = None

    @property
    def all_runs(self) -> list[StudyRun]:
        """Runs with a training, then those without."""
        return [*self.runs, *self.untrained]

    def compared(self) -> dict[Path, list[StudyRun]]:
        """Return the runs grouped by data set; the keys are the folders of the comparisons."""
        folders: dict[Path, list[StudyRun]] = {}
        for run in self.all_runs:
            folders.setdefault(run.folder.parent, []).append(run)
        return folders


def read_study(file: Path) -> Study:
    """Return the contents of a study file.

    Raises:
        FileNotFoundError: The study file, or a file that it names, does not exist.
        ValueError: The file is not YAML, or a key is missing, unknown or of the wrong type.
    """
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such study; give the path of its YAML file.")
    study = read_mapping(file)
    check_study(file, study)
    search = read_search(file, study)

    def existing(names: list[str]) -> list[Path]:
        paths = [shipped_file(name, file.parent) for name in names]
        for path in paths:
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file, but {file} names it.")
        return paths

    @cache
    def has_data(path: Path) -> bool:
        return "data" in read_mapping(path)

    def described(data: list[Path], paths: list[Path]) -> list[Path]:
        return [path for path in paths if path in data or has_data(path)]

    common = existing(study.get("common", []))
    options = [str(option) for option in study.get("options", [])]
    root = Path(study["root"]).expanduser()
    places: dict[Path, tuple[list[Path], list[str]]] = {root: ([], [])}
    if "data" in study:
        places = {root / name: split(own, existing) for name, own in study["data"].items()}
    runs, made = [], []
    # seeds and data outermost, so that a study that is cut short has every method
    for seed, (folder, (data, more)) in product(study.get("seeds", [None]), places.items()):
        for name, own in study["runs"].items():
            paths, words = split(own, existing)
            paths, words = [*data, *common, *paths], [*options, *words, *more]
            method = name
            if seed is not None:
                name = f"{name}-seed{seed}"
                words = [word.replace("{seed}", str(seed)) for word in words]
            elif any("{seed}" in word for word in words):
                raise ValueError(
                    f"{file}: run '{name}' has {{seed}} in an option, but the study has no seeds; "
                    "add a list of 'seeds', or write the number."
                )
            made.append(data_arguments(described(data, paths), words))
            arguments = [f"--config={path}" for path in paths]
            arguments += [f"--trainer.method={method}", *words]
            if seed is not None:
                arguments += [f"--seed_everything={seed}", f"--data.seed={seed}"]
            runs.append(StudyRun(name, folder / name, arguments))
    untrained = []
    for (folder, (data, more)), (name, own) in product(
        places.items(), study.get("untrained", {}).items()
    ):
        paths, words = split(own, existing)
        words = [*without_model(options), *words, *without_model(more)]
        if any(option.partition("=")[0] == "--config" for option in options_of(words)):
            raise ValueError(
                f"{file}: an option names a file with --config, whose model would take the place "
                f"of the untrained run '{name}'; name the file under 'common', without --config."
            )
        paths = [*data, *common, *paths]
        made.append(data_arguments(described(data, paths), words))
        arguments = [f"--config={path}" for path in paths]
        arguments += [f"--trainer.method={name}", *words]
        untrained.append(UntrainedRun(name, folder / name, arguments))
    check_untrained(file, runs, untrained)
    data_sets = [one for n, one in enumerate(made) if one and one not in made[:n]]
    return Study(root, data_sets, runs, untrained, search)


def check_untrained(file: Path, runs: Sequence[StudyRun], untrained: Sequence[StudyRun]) -> None:
    """Raise an error for an untrained run in the folder of another run, or with a seed."""
    folders = {str(run.folder).casefold() for run in runs}
    for run in untrained:
        if str(run.folder).casefold() in folders:
            raise ValueError(
                f"{file}: 'runs' and 'untrained' both have a run in {run.folder}; rename one."
            )
        for word in run.arguments:
            if "{seed}" in word:
                raise ValueError(
                    f"{file}: the untrained run '{run.name}' has {{seed}} in {word}, but it is "
                    "made once for all seeds; write the number, or give the option to 'runs' only."
                )


def split(
    words: list[str], existing: Callable[[list[str]], list[Path]]
) -> tuple[list[Path], list[str]]:
    """Return the configuration files and the options in a list of words."""
    files = existing([word for word in words if not word.startswith("--")])
    return files, [word for word in words if word.startswith("--")]


def data_arguments(files: list[Path], words: list[str]) -> list[str]:
    """Return the arguments of a run that name its data; empty if there are none."""
    pairs = zip(words, options_of(words), strict=True)
    options = [word for word, option in pairs if option.startswith("--data.")]
    if not files and not any(word.startswith("--data.root") for word in options):
        return []
    return [*(f"--config={path}" for path in files), *options]


def without_model(words: list[str]) -> list[str]:
    """Return words without the options of the model and their values."""
    pairs = zip(words, options_of(words), strict=True)
    return [word for word, option in pairs if not option.startswith("--model")]


def options_of(words: list[str]) -> list[str]:
    """Return for each word the option that it is or that it is the value of.

    Example:
        >>> options_of(["--data.root", "x", "--model.noise=0.1"])
        ['--data.root', '--data.root', '--model.noise=0.1']
    """
    options: list[str] = []
    for word in words:
        options.append(word if word.startswith("--") or not options else options[-1])
    return options
