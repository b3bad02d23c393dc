"""Approximate inverses that speed up linear solvers."""
