"""A second device for machines that have none: its tensors are numbers on the CPU, kept apart.

Tensors of the device `gpu` wrap tensors of the CPU, with which all is computed, so that a program
runs as on a GPU and its results can be compared with the CPU's to the last bit. As on a GPU, a
tensor of each device in one operation is an error, unless one is a single number. What makes the
processor wait for a GPU is recorded, with the line of this program that asks for it: values that
are read, copies between the devices, and operations whose result has a size that depends on values.

`install` changes torch for good: use it in a process of its own.
"""

import traceback
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.pytorch.accelerators import AcceleratorRegistry, CPUAccelerator
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

from emulators import host_copies

ROOT = Path(__file__).parents[2]
OURS = tuple(str(ROOT / name) for name in ("emulators", "callbacks", "datamodules", "commands"))
aten = torch.ops.aten
READS = {aten._local_scalar_dense.default: "value", aten.equal.default: "value"}
SIZES = {aten.nonzero.default, aten.masked_select.default, aten._unique2.default}
COPIES = {aten._to_copy.default, aten.copy_.default}
WATCHED = {
    aten.convolution.default: "convolution", aten.addmm.default: "product",
    aten.mm.default: "product", aten.bmm.default: "product", aten._fft_r2c.default: "transform",
}  # fmt: skip
ROUNDED = ("conv1d", "conv2d", "conv3d", "linear", "matmul", "mm", "bmm", "addmm", "baddbmm")
KEPT = ("exp", "log", "group_norm", "layer_norm", "softmax.int", "sum", "sum.dim_IntList")
KEPT += ("mse_loss", "pow.Tensor_Scalar", "prod", "cumsum", "norm.Scalar")
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default}


class OnGPU(torch.Tensor):
    """A tensor of the simulated device."""

    @staticmethod
    def __new__(cls, values):
        return torch.Tensor._make_wrapper_subclass(
            cls, values.shape, values.stride(), values.storage_offset(), dtype=values.dtype,
            device="gpu:0",
        )  # fmt: skip

    def __init__(self, values):
        self.values_on_cpu = values

    def __repr__(self):
        return f"OnGPU({self.values_on_cpu!r})"

    def tolist(self):
        return self.cpu().tolist()

    def __reduce_ex__(self, protocol):  # files hold plain tensors, read with map_location="cpu"
        return self.values_on_cpu.__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return compute(function, args, kwargs or {})


class SimulatedGPU(TorchDispatchMode):
    """Computes with tensors of both devices, and records what waits, by kind and place.

    Attributes:
        waits: Number of times by (kind, place), such as ("value", "emulators/x.py:12").
        precisions: Precisions of the results of convolutions, products of matrices and Fourier
            transforms, as pairs (name, precision).
    """

    current = None

    def __init__(self):
        super().__init__()
        self.waits: Counter = Counter()
        self.precisions = set()

    def __enter__(self):
        SimulatedGPU.current = self
        return super().__enter__()

    def __exit__(self, *error):
        SimulatedGPU.current = None
        return super().__exit__(*error)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return compute(function, args, kwargs or {})

    def record(self, kind):
        self.waits[kind, place()] += 1


def compute(function, args, kwargs):
    """Compute on the CPU, and return tensors of the device on which a GPU would have them."""
    given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
    ours = [value for value in given if isinstance(value, OnGPU)]
    wanted = kwargs.get("device")
    target = torch.device(wanted).type if wanted is not None else None
    if target is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    check(function, args, given, ours, target, kwargs)
    plain = tree_map_only(OnGPU, lambda value: value.values_on_cpu, (list(args), kwargs))
    found = function(*plain[0], **plain[1])
    if SimulatedGPU.current and ours and function in WATCHED:
        SimulatedGPU.current.precisions.add((WATCHED[function], tree_leaves(found)[0].dtype))
    if function is aten.copy_.default:
        return args[0]
    if target == "cpu" or (target is None and not ours):
        return found
    known = {id(value.values_on_cpu): value for value in ours}  # of operations in place

    def on_gpu(value):
        return known[id(value)] if id(value) in known else OnGPU(value)

    return tree_map_only(torch.Tensor, on_gpu, found)


def check(function, args, given, ours, target, kwargs):
    """Record what waits; raise an error if devices meet."""
    gpu = SimulatedGPU.current
    if gpu is None:
        return
    if function in COPIES:
        source, goal = given[-1], (target or ("gpu" if isinstance(given[0], OnGPU) else "cpu"))
        pinned = getattr(source, "is_pinned_for_gpu", False)
        if (goal == "gpu") != isinstance(source, OnGPU) and not (pinned and goal == "gpu"):
            gpu.record("copy to the GPU" if goal == "gpu" else "copy to the CPU")
        return
    if ours and function in READS:
        gpu.record(READS[function])
    if ours and (function in SIZES or (function in INDEXED and chooses(args[1]))):
        gpu.record("size")
    if not ours and target == "gpu" and given:
        gpu.record("copy to the GPU")
    apart = [value for value in given if not isinstance(value, OnGPU) and value.dim()]
    if ours and apart:
        shapes = [tuple(value.shape) for value in given]
        raise RuntimeError(f"{function}: tensors of both devices meet, of shapes {shapes}")


def chooses(indices):
    """Return whether a mask is among indices."""
    return any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in indices)


def place():
    """Return the innermost line of this program, or of a library that it called by its trainer."""
    for frame in reversed(traceback.extract_stack()):
        if frame.filename.startswith(OURS) and not frame.filename.endswith("commands/trainer.py"):
            return f"{Path(frame.filename).relative_to(ROOT)}:{frame.lineno}"
        if "/lightning/" in frame.filename or "/torch/optim/" in frame.filename:
            return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}"
    return "elsewhere"


class Generator(torch.Generator):
    """A generator of either device, with the CPU's numbers: which one it is is not checked."""

    def __new__(cls, device="cpu"):
        return super().__new__(cls, "cpu")


def install_autocast():
    """Round arguments as autocast of CUDA does: for ROUNDED, not for KEPT, else as they are."""
    key = torch._C.DispatchKey.AutocastPrivateUse1
    every, each = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    every.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")

    def with_precision(function, dtype):
        def cast(value):
            return value.to(dtype) if value.is_floating_point() and value.dim() else value

        def rounded(*args, **kwargs):
            with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(key)):
                args, kwargs = tree_map_only(OnGPU, cast, (args, kwargs))
                return function(*args, **kwargs)

        return rounded

    for names, dtype in ((ROUNDED, torch.bfloat16), (KEPT, torch.float32)):
        for name in names:
            packet, _, overload = name.partition(".")
            function = getattr(getattr(aten, packet), overload or "default")
            each.impl(name, with_precision(function, dtype), "AutocastPrivateUse1")
    return every, each


class Module(_DummyBackendModule):
    def get_amp_supported_dtype(self):
        return [torch.bfloat16, torch.float16]

    def manual_seed(self, seed):
        torch.default_generator.manual_seed(seed)

    def synchronize(self, device=None):
        SimulatedGPU.current.record("synchronize")

    def get_rng_state(self, device=None):
        return torch.get_rng_state()

    def set_rng_state(self, state, device=None):
        torch.set_rng_state(state)


class Accelerator(CPUAccelerator):
    """One simulated GPU, for Lightning."""

    def setup_device(self, device):
        assert device.type == "gpu"

    @staticmethod
    def get_parallel_devices(devices):
        return [torch.device("gpu:0")]

    @staticmethod
    def name():
        return "simulated"


def pin(values, device=None):
    values = values.clone()
    values.is_pinned_for_gpu = True
    return values


@contextmanager
def install():
    """Add the device `gpu` to torch, and the accelerator `simulated` to Lightning."""
    _setup_privateuseone_for_python_backend("gpu", backend_module=Module())
    libraries = install_autocast()  # as long as they live
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="gpu") is dispatched
    host_copies.PINNED = (*host_copies.PINNED, "gpu")
    torch.Tensor.pin_memory, torch.Generator = pin, Generator
    AcceleratorRegistry.register("simulated", Accelerator)
    # the thread of autograd for such a device cannot call Python
    with torch.autograd.set_multithreading_enabled(False), SimulatedGPU() as gpu:
        yield gpu
    del libraries
