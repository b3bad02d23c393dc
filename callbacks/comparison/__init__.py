"""Runs side by side, from the scores that their tests left behind."""

from callbacks.comparison.compare import compare
from callbacks.comparison.runs import Run, load_runs
from callbacks.comparison.table import table

__all__ = ["Run", "compare", "load_runs", "table"]
