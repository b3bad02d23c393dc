"""Solvers of F(z) = 0."""
