"""Program of `test_gpu.py`: a training and a test on the CPU and on the simulated GPU.

It runs in a process of its own, because the second device changes torch for good, and says what
differs: results, devices that meet, precisions, and what makes the processor wait in every step.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
import xarray
import yaml
from lightning.pytorch import Callback
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.strategies import SingleDeviceStrategy

import callbacks.run.score_writer
import cli
from emulators.host_copies import copy_to_device
from emulators.rollout import RolloutObserver
from tests.conftest import dot
from tests.gpu.simulated import SimulatedGPU, install
from tests.integration.test_im_pindiff import with_physics

HERE = Path(__file__).parents[1]
NETWORK = {"class_path": "UNet", "init_args": {"width": 4, "multipliers": [1, 2]}}
UNTRAINED = "Simulation", "Persistence"
OPTIONS = {  # of each emulator, in addition to the network
    "Baseline": {}, "Pushforward": {}, "Unrolled": {"unrolled_steps": 2}, "Bundled": {"bundle": 2},
    "Hierarchical": {"latents": [[1, 2], [2, 4]]},
    "HierarchicalPushforward": {"latents": [[1, 2], [2, 4]]},
}  # fmt: skip
OTHERS = {  # of further cases
    "stochastic": {"noise_fields": [2], "noise_numbers": 3, "objective": "CRPS", "members": 2},
    "projected": {"project": ["emulators.ConservedMean", "emulators.DataModes"]},
}
LEADS = range(4, 7)  # of which nothing is special
STEPS = range(2, 4)


class OneGPU(SingleDeviceStrategy):
    """Strategy of Lightning on the simulated GPU."""

    def __init__(self):
        super().__init__(device=torch.device("gpu:0"))


class Watch(Callback, RolloutObserver):
    """Counts what the processor waits for in a training step and at a lead of a rollout."""

    stages = ("test",)

    def __init__(self):
        self.waits = Counter()
        self.before = None

    def count(self, counted):
        gpu = SimulatedGPU.current
        if gpu is not None and self.before is not None and counted:
            self.waits += gpu.waits - self.before
        self.before = None if gpu is None else gpu.waits.copy()

    def on_train_batch_end(self, trainer, *args):
        self.count(trainer.global_step in STEPS)

    def begin(self, start):
        self.before = None

    def observe(self, lead, forecast, truth):
        self.count(lead in LEADS)

    def rollout_state(self):
        return {}


def settings(model, precision):
    """Return a configuration of smoke.yaml with all diagnostics and an emulator."""
    made = yaml.safe_load((HERE / "smoke.yaml").read_text())
    made["trainer"] |= yaml.safe_load((HERE / "diagnostics.yaml").read_text())["trainer"]
    made["trainer"] |= {"precision": precision, "val_check_interval": 4}
    made["model"] = model
    made["data"]["test_rollouts"]["initial_noise"] = 0.01
    made["data"]["test_rollouts"]["members"] = 2
    return made


def write(made):
    """Write settings, with a watch among the callbacks."""
    made["trainer"] |= {"inference_mode": False, "max_steps": 4, "log_every_n_steps": 100}
    made["trainer"]["callbacks"].append("tests.gpu.program.Watch")
    Path("settings.yaml").write_text(yaml.safe_dump(made))


def with_fields(folder):
    """Add parameters, a mask, a static field and a forcing to generated data."""
    for path in Path(folder).glob("*/*.nc"):
        with netCDF4.Dataset(path, "a") as file:
            trajectories, times, points = file["u"].shape
            numbers = np.random.default_rng(0)
            file.createVariable("speed", "f8", ("trajectory",))[:] = 1 + np.arange(trajectories)
            file.createVariable("sea", "i4", ("x",))[:] = np.arange(points) > 3
            file.createVariable("height", "f8", ("x",))[:] = numbers.normal(size=points)
            forcing = file.createVariable("light", "f8", ("trajectory", "time", "x"))
            forcing[:] = numbers.normal(size=(trajectories, times, points))


def device_options(device):
    """Return the options of a stage on a device."""
    if device == "cpu":
        return []
    strategy = "--trainer.strategy={class_path: tests.gpu.program.OneGPU}"
    return ["--trainer.accelerator=simulated", "--trainer.devices=1", strategy]


def run(device, trains=True, resumes=False):
    """Train and test; return the scores and what was waited for by stage."""
    folder, words = f"--trainer.default_root_dir={device}", device_options(device)
    waits = {}
    if resumes:
        cli.run(["fit", "-c", "settings.yaml", folder, "--trainer.max_steps=2", *words])
    if trains:
        start = [f"--ckpt_path={device}/last.ckpt"] if resumes else ["-c", "settings.yaml", folder]
        waits["fit"] = watched(cli.run(["fit", *start, "--trainer.max_steps=4", *words]))
    start = [f"--ckpt_path={device}/last.ckpt"] if trains else ["-c", "settings.yaml", folder]
    waits["test"] = watched(cli.run(["test", *start, *words]))
    return xarray.load_dataset(f"{device}/scores.nc", decode_times=False), waits


def watched(done):
    """Return what the watch among the callbacks of a stage has counted."""
    (watch,) = [one for one in done.trainer.callbacks if type(one).__name__ == "Watch"]
    return {" ".join(key): number for key, number in watch.waits.items()}


def difference(ours, others):
    """Return the relative difference of the errors of two tests: optimisers round differently."""
    name = "mse" if "mse" in ours else "relative_error"
    return float(abs(ours[name] - others[name]).max() / max(abs(others[name]).max(), 1e-12))


def main(name):
    torch.set_num_threads(1)
    callbacks.run.score_writer.png = dot
    trains, resumes = name not in UNTRAINED, name == "resumed"
    if name == "ImPiNDiff":
        write(yaml.safe_load(with_physics()))
    else:
        kind = name if name in (*OPTIONS, *UNTRAINED) else "Hierarchical"
        model = {"class_path": kind, "init_args": {**OPTIONS.get(kind, {})}}
        model["init_args"] |= ({"network": NETWORK} if trains else {}) | OTHERS.get(name, {})
        made = settings(model, "bf16-mixed" if name == "mixed" else "32-true")
        write(made)
        if name == "conditioned":
            cli.run(["generate", "-c", "settings.yaml"])
            with_fields("data")
            made["data"] |= {"static": ["height"], "forcing": ["light"], "mask": "sea"}
            made["data"] |= {"parameters": ["speed"]}
            write(made)
    scores, _ = run("cpu", trains, resumes)
    with install() as gpu:
        MixedPrecision.autocast_context_manager = lambda self: torch.autocast("gpu", torch.bfloat16)
        found, waits = run("gpu", trains, resumes)
        precisions = sorted({f"{what} {kind}" for what, kind in gpu.precisions})
    result = {"waits": waits, "precisions": precisions, "difference": difference(found, scores)}
    Path("result.json").write_text(json.dumps(result, indent=1))


def device():
    """Check that the device refuses what a GPU refuses, and records what waits."""
    with install() as gpu:
        ours, cpu = torch.arange(3.0, device="gpu"), torch.arange(3.0)
        mistakes = {
            "add": lambda: ours + cpu, "dot": lambda: cpu @ ours, "numpy": ours.numpy,
            "stack": lambda: torch.stack((ours, cpu)),
            "where": lambda: torch.where(ours > 1, ours, cpu),
        }  # fmt: skip
        for name, mistake in mistakes.items():
            with pytest.raises(RuntimeError, match=name):
                mistake()
        assert not gpu.waits
        assert (ours + torch.tensor(1.0) + 2).device.type == "gpu"
        assert not gpu.waits
        waiting = {
            "value": lambda: float(ours[1]),
            "size": lambda: ours[ours > 1],
            "copy to the CPU": ours.cpu,
            "copy to the GPU": lambda: cpu.to("gpu"),
        }
        for kind, run in waiting.items():
            run()
            assert {found for found, _ in gpu.waits} == {kind}
            gpu.waits.clear()
        assert copy_to_device(cpu, ours.device).tolist() == [0.0, 1.0, 2.0]
        assert {found for found, _ in gpu.waits} == {"copy to the CPU"}  # by tolist


if __name__ == "__main__":
    device() if sys.argv[1] == "device" else main(sys.argv[1])
