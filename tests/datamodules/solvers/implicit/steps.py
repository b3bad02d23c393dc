"""Implicit steps for tests: advection-diffusion and Burgers' equation on a small grid."""

import math

import torch

from datamodules.solvers import Grid
from datamodules.solvers.finite_volume import Central, Convection, Diffusion, ThetaScheme
from datamodules.solvers.implicit import (
    GMRES,
    Affine,
    BiCGSTAB,
    ImplicitLayer,
    Lagged,
    NewtonKrylov,
    Picard,
)
from tests.datamodules.solvers.finite_volume.cells import balance

GRID = Grid((4, 6), (1.0, 2.0))


def tracer(grid=GRID):
    return balance(grid, convection=Convection(("v", "u")), diffusion=Diffusion("D"))


def burgers(grid=GRID):
    u = Convection(("phi", "phi"), Central(), factor=0.5)
    return balance(grid, convection=u, diffusion=Diffusion("D"))


def fields(grid=GRID, batch=2, requires_grad=True):
    """An initial state and coefficients, smooth, with velocities of both signs."""
    y, x = (2 * math.pi * p / length for p, length in zip(grid.points(), grid.lengths, strict=True))
    phase = torch.arange(batch).view(-1, 1, 1, 1)
    state = 1 + torch.sin(x + y + phase) * torch.cos(x - 2 * phase)
    u, v = 0.3 + torch.cos(x) * torch.sin(y), 0.5 * torch.sin(x - y)
    D = 0.02 + 0.01 * torch.cos(y)
    return [t.clone().requires_grad_(requires_grad) for t in (state, u, v, D)]


def tight_solvers():
    """Solvers by name, at tolerances near rounding."""
    inner = BiCGSTAB(rtol=1e-13)
    return {
        "newton": NewtonKrylov(inner, rtol=1e-13),
        "picard": Picard(Lagged(inner), rtol=1e-13),
        "gmres": NewtonKrylov(GMRES(rtol=1e-13), rtol=1e-13),
    }


def linear(gradient=None, rtol=1e-13, on_failure="raise", **options):
    layer = ImplicitLayer(Affine(BiCGSTAB(rtol=rtol)), gradient, on_failure)
    return ThetaScheme(layer=layer, **options)


def rollout(scheme, k, state, names, values, steps=3, dt=0.05):
    coefficients = dict(zip(names, values, strict=True))
    for n in range(steps):
        state = scheme.step(k, state, lambda t: coefficients, n * dt, dt)
    return state


def dense_step(k, state, coefficients, theta, dt):
    """One θ-step of an affine balance by dense matrices, with ordinary gradients."""
    bound = k.bind(coefficients)
    flat = state[0].numel()

    def K(u):
        return bound(u.view(1, *state.shape[1:])).flatten()

    constant = K(torch.zeros(flat))
    A = torch.stack([K(e) - constant for e in torch.eye(flat)], 1)
    eye = torch.eye(flat)
    right = state.flatten(1) @ (eye + (1 - theta) * dt * A).T + dt * constant
    return torch.linalg.solve(eye - theta * dt * A, right.T).T.view_as(state)
