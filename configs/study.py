"""Several runs and their comparison: each an ordinary `fit` and `test` in a folder of its own.

A study is a YAML file:

    root: runs/quickstart             # a folder per run appears here
    common: [../trainer.yaml, ...]    # configuration files of every run, relative to this file
    options: [--trainer.max_steps=3000]
    seeds: [0, 1, 2]                  # if given, each run once per seed: NAME-seed0, ...; {seed} in
                                      # an option is the number of the run's seed
    data:                             # if given, each run on each of them, in a folder per data set
      jet: [../data/jet256.yaml]
    runs:                             # configuration files and options of each run
      baseline: [../model/baseline.yaml]
      noisy: [../model/baseline.yaml, --model.noise=0.03]

`configs.jobs` runs them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml


@dataclass
class StudyRun:
    """One run of a study: its folder and the commands that make it."""

    name: str
    folder: Path
    arguments: list[str]

    @property
    def finished(self) -> bool:
        """Whether the run has been tested."""
        return (self.folder / "scores.json").exists()

    def commands(self) -> list[list[str]]:
        """Return the stages that remain, as arguments of this program.

        The test is told its rollouts again: a study may have been changed since its training. One
        that was interrupted goes on where it stood.
        """
        last = self.folder / "last.ckpt"
        resume = [f"--ckpt_path={last}"] if last.exists() else []
        fit = ["fit", *self.arguments, f"--trainer.default_root_dir={self.folder}", *resume]
        rollouts = [a for a in self.arguments if a.startswith("--data.test_rollouts")]
        stands = ["--resume=true"] if (self.folder / "rollout-0.ckpt").exists() else []
        return [fit, ["test", *rollouts, *stands, f"--ckpt_path={last}"]]


@dataclass
class Study:
    """What a study file asks for.

    Attributes:
        root: Folder of the runs and of their comparison.
        data: Arguments of `generate` for each data set, to be simulated before the runs.
        runs: In the order of the file.
    """

    root: Path
    data: list[list[str]]
    runs: list[StudyRun]

    def compared(self) -> dict[Path, list[StudyRun]]:
        """Return the runs on the same data, by the folder of their comparison."""
        folders: dict[Path, list[StudyRun]] = {}
        for run in self.runs:
            folders.setdefault(run.folder.parent, []).append(run)
        return folders


def read_study(file: Path) -> Study:
    """Return what a study file asks for.

    Raises:
        FileNotFoundError: The study or a file that it names does not exist.
        ValueError: It is not YAML, or a key is missing, unknown or of the wrong kind.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such study; give the path of its YAML file.")
    try:
        study = yaml.safe_load(file.read_text()) or {}
    except yaml.YAMLError as error:
        raise ValueError(
            f"{file} is not readable as YAML: {' '.join(str(error).split())}"
        ) from None
    optional = {"common", "options", "seeds", "data"}
    keys = {"root", "runs", *optional}
    wrong = sorted(set(study) ^ keys - (optional - set(study)))
    if wrong:
        raise ValueError(
            f"{file}: '{wrong[0]}' is {'not a key' if wrong[0] in study else 'missing'}; "
            f"the keys are {', '.join(sorted(keys))}."
        )
    check_kinds(file, study)

    def existing(names: list[str]) -> list[Path]:
        paths = [file.parent / name for name in names]
        for path in paths:
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file, but {file} names it.")
        return paths

    common = existing(study.get("common", []))
    options = [str(option) for option in study.get("options", [])]
    root = Path(study["root"])
    places = {root: ([], [])}
    if "data" in study:
        places = {root / name: split(own, existing) for name, own in study["data"].items()}
    runs = []
    # seeds and data outermost, so that a study that is cut short has every method
    for seed, (folder, (data, more)) in product(study.get("seeds", [None]), places.items()):
        for name, own in study["runs"].items():
            paths, words = split(own, existing)
            arguments = [f"--config={path}" for path in (*data, *common, *paths)]
            arguments += [*options, *words, *more]
            if seed is not None:
                name = f"{name}-seed{seed}"
                arguments = [word.replace("{seed}", str(seed)) for word in arguments]
                arguments += [f"--seed_everything={seed}", f"--data.seed={seed}"]
            elif any("{seed}" in word for word in arguments):
                raise ValueError(
                    f"{file}: run '{name}' has {{seed}} in an option, but the study has no seeds; "
                    "add a list of 'seeds', or write the number."
                )
            runs.append(StudyRun(name, folder / name, arguments))
    with_data = [path for path in common if "data" in (yaml.safe_load(path.read_text()) or {})]
    made = []
    for data, more in places.values():
        files = [f"--config={path}" for path in (*data, *with_data)]
        made.append([*files, *(w for w in (*options, *more) if w.startswith("--data."))])
    return Study(root, [arguments for arguments in made if arguments], runs)


def check_kinds(file: Path, study: dict[str, Any]) -> None:
    """Refuse lists and mappings of a study that are something else."""
    lists = {key: study[key] for key in ("common", "options", "seeds") if key in study}
    for key in ("runs", "data"):
        group = study.get(key, {})
        if not isinstance(group, dict):
            raise ValueError(
                f"{file}: '{key}' is {group!r}, expected 'NAME: [files and options]' for each."
            )
        lists |= {f"{key}.{name}": words for name, words in group.items()}
    for key, value in lists.items():
        if not isinstance(value, list):
            raise ValueError(f"{file}: '{key}' is {value!r}, expected a list; write [{value}].")


def split(
    words: list[Any], existing: Callable[[list[str]], list[Path]]
) -> tuple[list[Path], list[str]]:
    """Return the configuration files and the options among words."""
    text = [str(word) for word in words]
    files = existing([word for word in text if not word.startswith("--")])
    return files, [word for word in text if word.startswith("--")]
