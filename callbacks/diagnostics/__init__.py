"""Diagnostics that observe and score rollouts."""
