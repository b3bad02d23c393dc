"""Help of the stages, which lists the options that have an effect in each."""

from argparse import _HelpAction
from typing import Any

from commands.help import Parser, is_brief

EVERY_STAGE = (
    *("default_root_dir", "method", "callbacks", "enable_progress_bar"),
    *("accelerator", "devices", "num_nodes", "strategy", "precision"),
)
TRAINER = {
    "fit": (
        *("logger", "max_steps", "max_epochs", "max_time", "val_check_interval"),
        *("limit_train_batches", "limit_val_batches", "fast_dev_run"),
        *("gradient_clip_val", "accumulate_grad_batches", "log_every_n_steps"),
    ),
    "validate": ("limit_val_batches",),
    "test": ("limit_test_batches",),
    "predict": ("limit_predict_batches",),
}
"""Options of Lightning's Trainer in the help of each stage; `--trainer.help` lists the others."""

OF_TRAINING = ("data.batch_size", "data.workers", "data.seed", "data.observations")
WITHOUT_EFFECT = {
    "fit": (),
    "validate": (*OF_TRAINING, "data.test", "data.test_rollouts", "data.predict_rollouts"),
    "test": (*OF_TRAINING, "data.val", "data.val_rollouts", "data.predict_rollouts"),
    "predict": (
        *(*OF_TRAINING, "data.val", "data.val_rollouts", "data.test_rollouts"),
        "return_predictions",
    ),
}
"""Options that change nothing in a stage; the training split gives statistics in each. What `fit`
does not use itself is kept in the checkpoint."""

CHECKPOINT = {
    "fit": "Checkpoint to resume from, such as runs/a/last.ckpt.",
    "validate": "Checkpoint of the trained emulator, such as runs/a/last.ckpt.",
}
TEXTS = {
    "config": "Configuration in YAML; of several, a later one overrides an earlier one.",
    "print_config": "Print the configuration and exit; =skip_default leaves the defaults out.",
    "seed_everything": "Seed of weights, noise and rollouts; true draws one.",
    "weights_only": "Whether to refuse a checkpoint that can run code; false if you trust it.",
    "model": "Emulator, by the name of its class; --model.OPTION VALUE after it sets one of its "
    "options, which --model.help CLASS lists.",
    "trainer.default_root_dir": "Folder of the run.",
    "trainer.callbacks": "Diagnostics and other callbacks; --trainer.callbacks+=CLASS adds one.",
    "trainer.logger": "Loggers of the training; null and true mean TensorBoard, false none.",
    "trainer.enable_progress_bar": "Whether to show a progress bar.",
    "trainer.accelerator": "Kind of device: cpu, gpu, mps or auto.",
    "trainer.devices": "Number of devices on this node, indices of devices, or auto (all).",
    "trainer.num_nodes": "Number of nodes.",
    "trainer.strategy": "Strategy of several processes, such as ddp; emulators.Sharded divides "
    "the weights among them.",
    "trainer.precision": "32-true, 64-true or bf16-mixed; null means bf16-mixed on an NVIDIA or "
    "AMD GPU, and 32-true elsewhere.",
    "trainer.max_steps": "Number of training steps; -1 means no limit.",
    "trainer.max_epochs": "Largest number of epochs; -1 means no limit.",
    "trainer.max_time": "Longest duration of the training, DD:HH:MM:SS or a map such as "
    "{hours: 2}; null means no limit.",
    "trainer.val_check_interval": "Number of training batches between two validations (integer), "
    "fraction of an epoch (0.0 to 1.0), or duration, DD:HH:MM:SS.",
    "trainer.check_val_every_n_epoch": "Number of epochs between two validations; null means that "
    "val_check_interval counts batches across epochs.",
    "trainer.gradient_clip_val": "Largest norm of the gradient, to which larger ones are scaled "
    "down; null means no limit.",
    "trainer.accumulate_grad_batches": "Number of batches of which the gradients are averaged "
    "for one training step.",
    "trainer.log_every_n_steps": "Number of training steps between entries in the log.",
    "trainer.num_sanity_val_steps": "Number of validation batches before the training starts.",
    "trainer.enable_checkpointing": "Whether to add Lightning's ModelCheckpoint; Checkpoints is "
    "built in without it.",
    "trainer.enable_model_summary": "Whether to print Lightning's table of modules.",
    "trainer.fast_dev_run": "Whether to run one batch of each kind in a temporary folder, as a "
    "test of the configuration; a number runs as many batches.",
}
"""Descriptions that replace the ones of Lightning."""

for name, batches in {
    "train": "batches per epoch and process",
    "val": "batches of validation rollouts per process",
    "test": "batches of rollouts per process",
    "predict": "batches of forecasts per process",
}.items():
    TEXTS[f"trainer.limit_{name}_batches"] = (
        f"Number of {batches}, or their fraction, such as 0.5; null means all."
    )


class TrainerHelp(_HelpAction):
    """Option that prints the help of all options of the trainer."""

    def __call__(self, parser: Any, *args: Any, **kwargs: Any) -> None:
        parser.shown = lambda option: option.startswith("trainer")
        super().__call__(parser, *args, **kwargs)


def describe_stage(parser: Parser, stage: str) -> None:
    """Set the options that the help of a stage shows, and their descriptions."""
    parser.description = (
        f"{parser.description or ''} Defaults are set in configs/trainer.yaml. "
        "--OPTION.help CLASS describes a class that an option may be given.".strip()
    )
    parser.shown = lambda option: is_shown(option, stage)
    texts = {**TEXTS, "ckpt_path": CHECKPOINT.get(stage, CHECKPOINT["validate"])}
    for action in parser._actions:
        names = [name.removeprefix("--") for name in action.option_strings]
        for name in names:
            action.help = texts.get(name, action.help)
    for group in parser._action_groups:
        if any(action.dest == "ckpt_path" for action in group._group_actions):
            group.title = f"options of {stage}"
    parser.groups["trainer"].add_argument(
        "--trainer.help", action=TrainerHelp,
        help="Show all options of the trainer, also those that are not listed here.",
    )  # fmt: skip


def is_shown(option: str, stage: str) -> bool:
    """Return whether the help of a stage lists an option (name without dashes)."""
    group, _, name = option.removesuffix(".help").partition(".")
    if option != "trainer.help" and not is_brief(option):
        return False
    if group == "trainer" and name:
        return name in (*EVERY_STAGE, *TRAINER[stage])
    return not any(f"{option}.".startswith(f"{other}.") for other in WITHOUT_EFFECT[stage])
