"""Solvers of A x = b, given by products."""
