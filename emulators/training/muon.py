r"""Muon: momentum SGD with orthogonalised updates for matrix-shaped parameters.

Reference: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon; the size of the steps follows Liu et al., "Muon is
Scalable for LLM Training", 2025, https://arxiv.org/abs/2502.16982, equation 4, so that learning
rates of AdamW carry over.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

from datamodules.solvers.finite import check_finite
from emulators.distributed import divided, full_tensor

QUINTIC = (3.4445, -4.7750, 2.0315)  # p(σ) = aσ + bσ³ + cσ⁵, steep at zero
ROUNDS = 5
SMALLEST = 16  # rows and columns of what is treated as a matrix
LARGEST_KERNEL = 7  # points along an axis; longer axes hold something else, such as Fourier modes


class Muon(Optimizer):
    r"""Orthogonalised momentum for matrices and convolutions, AdamW for everything else.

    With the gradient g of a matrix of m x n (a convolution's outputs x inputs and kernel),

        M <- μM + (1 - μ)g,   W <- W - η (0.2 √max(m, n) · O(μM + (1 - μ)g) + λW),

    where O(UΣVᵀ) = U p(p(...p(Σ/|Σ|)))Vᵀ, p a quintic that takes singular values near one.

    It is not `torch.optim.Muon`, which refuses parameters that are not matrices, and so the kernels
    of convolutions and all biases, and iterates matrix by matrix in bfloat16.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate η, shared by matrices and all other parameters.
        momentum: Momentum μ in [0, 1).
        weight_decay: Weight decay λ of all parameters.
        betas: Decay rates of AdamW's averages of the gradient and of its square.
        eps: Term that AdamW adds to the root of the averaged square, above 0.

    Raises:
        ValueError: A number is out of its range.

    Example:
        All singular values of a step are near 0.2 √16 · lr, for gradients of any size:

        >>> weight = torch.nn.Parameter(torch.zeros(16, 16))
        >>> optimizer = Muon([weight], lr=1.0, weight_decay=0.0)
        >>> weight.grad = 1e-3 * torch.eye(16)
        >>> optimizer.step()
        >>> values = torch.linalg.svdvals(weight.detach()) / 0.8
        >>> bool((values > 0.65).all() and (values < 1.25).all())
        True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 5e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        check_finite(
            "Muon", lr=lr, momentum=momentum, weight_decay=weight_decay, betas=betas, eps=eps
        )
        if lr < 0 or weight_decay < 0 or not eps > 0:
            raise ValueError(
                "Muon needs lr and weight_decay of at least 0 and a positive eps, got "
                f"lr={lr}, weight_decay={weight_decay}, eps={eps}."
            )
        if not all(0 <= decay < 1 for decay in (momentum, *betas)):
            raise ValueError(
                f"Muon needs momentum and betas in [0, 1), got momentum={momentum}, betas={betas}."
            )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "betas": tuple(betas),
            "eps": eps,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters and return the loss of the closure.

        Args:
            closure: Function that computes the gradients and returns the loss.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            trained = [parameter for parameter in group["params"] if parameter.grad is not None]
            alike: dict[tuple[int, ...], list[Tensor]] = {}
            for parameter in trained:
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                if is_matrix(parameter):
                    alike.setdefault(tuple(parameter.shape), []).append(parameter)
                else:
                    self._step_elements(parameter, group)
            for parameters in alike.values():
                self._step_matrices(parameters, group)
        return loss

    def _step_matrices(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Update all matrices of one shape at once.

        Where a matrix is divided among processes, each of them computes the whole update.
        """
        updates = []
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
            update = parameter.grad.lerp(state["momentum"], group["momentum"])
            updates.append(full_tensor(update).flatten(1))
        matrices = torch.stack(updates).float()
        size = 0.2 * max(matrices.shape[1:]) ** 0.5
        steps = orthogonalize(matrices).to(parameters[0].dtype)
        for parameter, step in zip(parameters, steps, strict=True):
            own = divided(step.reshape(parameter.shape), parameter)
            parameter.add_(own, alpha=-group["lr"] * size)

    def _step_elements(self, parameter: Tensor, group: dict[str, Any]) -> None:
        """Update every number on its own, as AdamW does.

        `torch.optim.adamw.adamw` takes the square root before the bias correction: its last bits
        differ, so that a run would not resume as it began.
        """
        state = self.state[parameter]
        if not state:
            state["steps"] = 0
            state["average"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        state["steps"] += 1
        first, second = group["betas"]
        gradient = parameter.grad
        state["average"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = (state["square"] / (1 - second ** state["steps"])).sqrt_().add_(group["eps"])
        size = group["lr"] / (1 - first ** state["steps"])
        parameter.addcdiv_(state["average"], root, value=-size)


def is_matrix(parameter: Tensor) -> bool:
    """Return whether a parameter is the matrix of a linear layer or of a convolution.

    Example:
        >>> is_matrix(torch.zeros(32, 16, 3, 3)), is_matrix(torch.zeros(2, 64))
        (True, False)
    """
    return (
        parameter.dim() >= 2
        and not parameter.is_complex()
        and min(len(parameter), parameter[0].numel()) >= SMALLEST
        and all(points <= LARGEST_KERNEL for points in parameter.shape[2:])
    )


def orthogonalize(matrices: Float[Tensor, "batch m n"]) -> Float[Tensor, "batch m n"]:
    r"""Return U q(Σ/|Σ|)Vᵀ of matrices UΣVᵀ, with q five rounds of the quintic.

    Rounds work on the small matrix G = XXᵀ alone, with which all factors commute: X' = QX with
    Q = a + bG + cG², and G' = QGQ. That costs 4m²n + 40m³ operations in place of 20m²n + 10m³.

    Args:
        matrices: Matrices of any size.

    Returns:
        Matrices with the same singular vectors and singular values near one.

    Example:
        >>> values = torch.linalg.svdvals(orthogonalize(torch.diag(torch.tensor([1.0, 2.0]))[None]))
        >>> bool((values > 0.65).all() and (values < 1.25).all())
        True
    """
    if matrices.shape[-2] > matrices.shape[-1]:
        return orthogonalize(matrices.mT).mT
    a, b, c = QUINTIC
    gram = matrices @ matrices.mT
    norm = gram.diagonal(dim1=-2, dim2=-1).sum(-1).clamp(min=1e-30)[:, None, None]
    gram = gram / norm
    product = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    for _ in range(ROUNDS):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor @ product
        gram = factor @ gram @ factor
    return (product @ matrices) * norm.rsqrt()
