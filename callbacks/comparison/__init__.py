"""Compares test scores across runs."""

from callbacks.comparison.compare import compare
from callbacks.comparison.runs import load_runs
from callbacks.comparison.table import table
from callbacks.diagnostics.compared import Run

__all__ = ["Run", "compare", "load_runs", "table"]
