"""Callbacks that keep a run: checkpoints, shutdown, reports, scores and forecasts."""
