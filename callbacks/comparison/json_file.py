"""The numbers of a comparison as JSON: scores, differences and their intervals."""

import json
import math
from collections.abc import Sequence

import numpy as np

from callbacks.comparison.chance import CONFIDENCE
from callbacks.comparison.independence import independence
from callbacks.comparison.table import bests, columns
from callbacks.diagnostics.compared import Column, Method, Run, methods


def comparison_json(runs: Sequence[Run], unit: float | None = None) -> str:
    """Return the scores of all methods, and the differences of the best to the others, as JSON.

    Args:
        runs: Runs that are compared.
        unit: Unit of the error [units of the data]; by default the training standard deviation.
    """
    starts, shown = independence(runs), columns(runs, unit)
    differences = [
        {
            "score": heading,
            "best": best.name,
            **other._asdict(),
            "more_than_chance": other.more_than_chance,
        }
        for heading, best in bests(runs, unit).items()
        for other in best.others
    ]
    found = {
        "data_hash": runs[0].about.get("data_hash"),
        "confidence": CONFIDENCE,
        "initial_conditions": {
            "count": starts.total,
            "independent": starts.count,
            "decorrelation_time": starts.time,
            "time_unit": starts.units,
        },
        "methods": {
            method.name: {
                "runs": {run.name: run.seed for run in method.runs},
                "parameters": method.runs[0].about.get("parameters"),
                "scores": {column.heading: numbers(column, method) for column in shown},
            }
            for method in methods(runs)
        },
        "differences": differences,
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def numbers(column: Column, method: Method) -> dict[str, float | None] | None:
    """Return the mean of a score, with its spread over seeds and over initial conditions.

    A number that is not finite is None, and so is a spread that is not known.
    """
    values = [value for run in method.runs if (value := column.value(run)) is not None]
    if not values:
        return None
    spreads = [value for run in method.runs if column.spread and (value := column.spread(run))]
    return {
        "mean": finite(np.mean(values)),
        "std_over_seeds": finite(np.std(values, ddof=1)) if len(values) > 1 else None,
        "std_over_initial_conditions": finite(np.mean(spreads)) if spreads else None,
    }


def finite(value: float | np.floating) -> float | None:
    """Return a number as JSON has it: None if it is not finite."""
    return float(value) if math.isfinite(value) else None
