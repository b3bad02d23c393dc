"""Training and rolling out in bfloat16 autocast against float32, beside the spread over seeds.

Each seed is trained once in each precision, from the same weights on the same batches, and each
checkpoint is rolled out in both: what rounding does to the training and what it does to the rollout
are told apart. Runs that are finished are not repeated. Writes Markdown and JSON.

    python benchmarks/precision.py [--steps 300] [--seeds 2] [--model configs/model/baseline.yaml]
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from machine import header

import cli

PRECISIONS = ("32-true", "bf16-mixed")
LEADS = (1, 10, 50)
CALLBACKS = """
trainer:
  callbacks:
    - class_path: Checkpoints
    - {{class_path: RolloutError, init_args: {{leads: {leads}}}}}
    - class_path: EnergyStability
    - class_path: ScoreWriter
"""


def errors(folder: Path) -> list[float]:
    scores = json.loads((folder / "scores.json").read_text())["scores"]
    return [scores[f"mse/lead_{lead}"] for lead in LEADS]


def train(folder: Path, words: list[str], seed: int, precision: str) -> None:
    if not (folder / "last.ckpt").is_file():
        words = [*words, f"--seed_everything={seed}", f"--data.seed={seed}"]
        words += [f"--trainer.precision={precision}", f"--trainer.default_root_dir={folder}"]
        cli.run(["fit", *words])


def test(checkpoint: Path, folder: Path, precision: str) -> list[float]:
    if not (folder / "scores.json").is_file():
        steps = [f"--data.test_rollouts.{name}={LEADS[-1]}" for name in ("steps", "truth_steps")]
        words = [f"--trainer.precision={precision}", f"--trainer.default_root_dir={folder}"]
        cli.run(["test", f"--ckpt_path={checkpoint}", *steps, *words])
    return errors(folder)


def table(found: dict[tuple[str, str], list[list[float]]]) -> str:
    rows = ["| trained in | rolled out in | " + " | ".join(f"MSE at {n}" for n in LEADS) + " |"]
    rows.append("|---" * (2 + len(LEADS)) + "|")
    for names, seeds in found.items():
        cells = [*names, *map(spread, zip(*seeds, strict=True))]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def spread(values) -> str:
    return f"{statistics.mean(values):.3g} ({', '.join(f'{value:.3g}' for value in values)})"


def ratios(above: list[list[float]], below: list[list[float]]) -> str:
    pairs = [[a / b for a, b in zip(*seed, strict=True)] for seed in zip(above, below, strict=True)]
    return ", ".join(
        f"{spread(values)} at {lead}"
        for lead, values in zip(LEADS, zip(*pairs, strict=True), strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="configs/data/resolved64.yaml")
    parser.add_argument("--model", default="configs/model/baseline.yaml")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs/precision"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    options, more = parser.parse_known_args()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(CALLBACKS.format(leads=list(LEADS)))
        file.flush()
        words = [f"--config={path}" for path in (options.data, options.model, file.name)]
        words += [f"--trainer.max_steps={options.steps}", "--trainer.limit_val_batches=0", *more]
        found = {(a, b): [] for a in PRECISIONS for b in PRECISIONS}
        for seed in range(options.seeds):
            for trained in PRECISIONS:
                run = options.folder / f"{trained}-seed{seed}"
                train(run, words, seed, trained)
                for rolled in PRECISIONS:
                    scores = test(run / "last.ckpt", run / f"test-{rolled}", rolled)
                    found[trained, rolled].append(scores)
    full, half = (found[name, name] for name in PRECISIONS)
    text = header(
        f"float32 and bfloat16 autocast: {Path(options.model).stem} on {Path(options.data).stem}, "
        f"{options.steps} iterations, {options.seeds} seeds"
    )
    text += f"\nOptions: `{' '.join(more)}`.\n" if more else ""
    text += f"\nMSE in units of the variance: mean (each seed).\n\n{table(found)}\n\n"
    text += f"- bf16-mixed / 32-true, same seed: {ratios(half, full)}.\n"
    text += f"- one seed / the next, 32-true: {ratios(full[1:], full[:-1])}.\n"
    rolled = ratios(found["32-true", "bf16-mixed"], full)
    text += f"- the same checkpoint rolled out in bf16-mixed / 32-true: {rolled}.\n"
    (options.output / "precision.md").write_text(text)
    plain = {" ".join(names): seeds for names, seeds in found.items()}
    about = {"leads": LEADS, "mse": plain, **vars(options), "options": more}
    (options.output / "precision.json").write_text(json.dumps(about, indent=1, default=str) + "\n")
    print(text)


if __name__ == "__main__":
    main()
