"""Weights divided among two processes: the steps of one process, checkpoints that any can load."""

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh

import cli
from emulators import UNet
from emulators.distributed import full_tensor, shard
from emulators.networks.interface import NetworkInterface
from tests.conftest import SMOKE
from tests.processes import start, wait

FIT = ["fit", "-c", str(SMOKE)]
WIDE = ["--model=Baseline", "--model.network.width=16"]
ADAMW = [*WIDE, "--trainer.max_steps=3", "--model.optimizer=AdamW", "--model.optimizer.fused=true"]
ADAMW += ["--trainer.gradient_clip_val=0.1"]
MUON = [*WIDE, "--trainer.max_steps=4", "--trainer.val_check_interval=9"]
MUON += ["--model.optimizer.lr=0.001", "--trainer.precision=bf16-mixed"]
MUON += ["--trainer.gradient_clip_val=null"]
TUNED = ["--trainer.max_steps=1", "--trainer.callbacks+=callbacks.FineTuning"]
TUNED += ["--trainer.callbacks.checkpoint=runs/smoke/last.ckpt"]
PROGRAM = f"""
import torch
from lightning.pytorch import Callback

torch.set_num_threads(1)
import cli


class Observer(Callback):
    def on_validation_batch_end(self, trainer, pl_module, *_):
        if trainer.global_rank == 0:  # as if the rollouts of the other had blown up
            pl_module.rollout(torch.zeros(1, 1, 32), 3)

    def on_train_end(self, trainer, pl_module):
        for network in (pl_module.trained, pl_module.averaged):
            whole, own = (
                sum(count(p) for p in network.parameters())
                for count in (torch.Tensor.numel, lambda p: p.to_local().numel())
            )
            assert 0.4 * whole < own < 0.6 * whole


def fit(name, *words):
    words += (f"--trainer.default_root_dir=runs/{{name}}", "--trainer.devices=2")
    words += ("--trainer.strategy.class_path=emulators.Sharded",)
    cli.run([*{FIT}, "--trainer.callbacks+=sharded_program.Observer", *words])


if __name__ == "__main__":
    fit("adamw", *{ADAMW})
    fit("muon", *{MUON}, "--trainer.max_steps=2")
    fit("muon", *{MUON}, "--ckpt_path=runs/muon/last.ckpt")
    fit("tuned", *{TUNED})
"""


def assert_equal(name, other, rtol=1e-4, atol=1e-6):
    one, several = (
        torch.load(f"runs/{root}/last.ckpt", weights_only=True) for root in (name, other)
    )
    assert one["global_step"] == several["global_step"]
    moments = [run["optimizer_states"][0]["state"] for run in (one, several)]
    close = {"rtol": rtol, "atol": atol}
    torch.testing.assert_close(dict(several["state_dict"]), dict(one["state_dict"]), **close)
    torch.testing.assert_close(moments[1], moments[0], **close)


def test_two_processes_take_the_steps_of_one(workplace):
    (workplace / "sharded_program.py").write_text(PROGRAM)
    status, text = wait(start("sharded_program.py", ranks=2))
    assert status == 0, text[-3000:]
    for name, words in {"adamw": ADAMW, "muon": MUON, "tuned": TUNED}.items():
        root = f"--trainer.default_root_dir=runs/{name}-alone"
        cli.run([*FIT, *words, root, "--data.batch_size=8"])
        rounded = {"rtol": 0.02, "atol": 3e-5} if name == "muon" else {}  # gradients in bfloat16
        assert_equal(f"{name}-alone", name, **rounded)
    alone = ["--trainer.strategy=auto", "--trainer.devices=1", "--data.batch_size=8"]
    alone += ["--trainer.callbacks=[callbacks.Checkpoints]", "--trainer.max_steps=6"]
    for name in ("adamw", "adamw-alone"):
        cli.run(["fit", f"--ckpt_path=runs/{name}/last.ckpt", *alone])
    assert_equal("adamw-alone", "adamw")


def test_divided_network_of_channels_last_layers_has_the_same_gradient(tmp_path):
    network, state = UNet(NetworkInterface(1, 2), width=4), torch.randn(2, 1, 16, 16)
    wanted = network(state)[0]
    wanted.square().sum().backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad()
    distributed.init_process_group("gloo", f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        shard(network, init_device_mesh("cpu", (1,)))
        found = network(state)[0]
        found.square().sum().backward()
        torch.testing.assert_close(found, wanted)
        divided = dict(network.named_parameters())
        for name, gradient in gradients.items():
            torch.testing.assert_close(full_tensor(divided[name].grad), gradient)
    finally:
        distributed.destroy_process_group()


def test_what_is_no_network_is_not_divided(workplace, say):
    one = ["--trainer.devices=1", "--trainer.strategy.class_path=emulators.Sharded"]
    status, _, err = say(*FIT, *one, "--model.coarsening=LearnedCoarsening")
    assert status == 1
    assert "emulators.Sharded divides the network of an emulator, but this Hierarchical" in err
    assert "trains coarsening.encoders.2.0.layer.weight; set trainer.strategy to ddp" in err
