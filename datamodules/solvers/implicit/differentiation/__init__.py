"""Gradients of an implicit solve, and checkpoints of steps."""
