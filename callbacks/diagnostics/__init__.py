"""Diagnostics that watch rollouts."""
