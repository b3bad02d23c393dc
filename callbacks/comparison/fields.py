"""Forecast fields of all methods and the truth at many lead times, as pictures of grey levels."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray
from PIL import Image

from callbacks.diagnostics.compared import Method
from callbacks.plotting.levels import coarsened, to_levels

LATER = 4  # most lead times after the last of the movie


def field_pictures(methods: Sequence[Method]) -> dict[str, Any] | None:
    """Return fields of the first initial condition as JSON values; None if there are none in 2-D.

    They are the frames of the movies, which all runs have at the same lead times, and later lead
    times of the panels. A picture has the frames below each other, in grey levels from which a page
    makes colours.

    Args:
        methods: Methods that are compared, each shown by its first seed.
    """
    firsts = [method.runs[0].scores for method in methods]
    movies = all("movie_forecast" in scores for scores in firsts)
    parts = [frames_of(scores, movies) for scores in firsts]
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(methods):
        return None
    leads, shape = known[0]["leads"], known[0]["forecast"].shape
    if any(part["leads"] != leads or part["forecast"].shape != shape for part in known):
        return None
    rows = [("truth", known[0]["truth"])]
    rows += [(method.name, part["forecast"]) for method, part in zip(methods, known, strict=True)]
    return {
        "leads": leads,
        "units": known[0]["units"],
        "height": shape[1],
        "width": shape[2],
        "limit": known[0]["limit"],
        "name": known[0]["name"],
        "rows": [{"name": name, "source": picture(levels)} for name, levels in rows],
    }


def frames_of(scores: xarray.Dataset, movie: bool) -> dict[str, Any] | None:
    """Return lead times and levels (lead, y, x) of forecast and truth, or None if there are none.

    The colours end at three standard deviations: of the training data with a movie, without one of
    the truth that is shown.

    Args:
        scores: Scores of a run.
        movie: True if all runs have the frames of a movie.
    """
    panels = "panel_forecast" in scores and scores["panel_forecast"].ndim == 3
    if not panels and not movie:
        return None
    source = scores["movie_forecast" if movie else "panel_forecast"]
    limit = float(source.attrs["limit"]) if movie else limit_of(scores["panel_truth"].values)
    label = str(source.attrs.get("long_name", "")), str(source.attrs.get("units", "1"))
    found: dict[str, Any] = {
        "leads": [],
        "limit": limit,
        "name": label[0] if label[1] == "1" else f"{label[0]} [{label[1]}]",
    }
    levels: dict[str, list[np.ndarray]] = {"forecast": [], "truth": []}
    last = -np.inf
    if movie:
        times = scores["movie_lead_time"]
        found["leads"] += times.values.tolist()
        last = found["leads"][-1]
        for name, parts in levels.items():
            parts += list(scores[f"movie_{name}"].values)
    if panels:
        times = scores["panel_lead_time"]
        later = [n for n, time in enumerate(times.values) if time > last][
            : LATER if movie else None
        ]
        found["leads"] += times.values[later].tolist()
        for name, parts in levels.items():
            fields = scores[f"panel_{name}"].values[later]
            parts += list(to_levels(coarsened(fields), limit))
    found["units"] = str(times.attrs.get("units", "1"))
    found |= {name: np.stack(parts) for name, parts in levels.items()}
    return found


def limit_of(truth: np.ndarray) -> float:
    """Return three standard deviations of the finite values of a truth, or 1 without any."""
    known = truth[np.isfinite(truth)]
    return 3 * float(known.std()) if known.size and known.std() > 0 else 1.0


def picture(levels: np.ndarray) -> str:
    """Return frames (lead, y, x) of grey levels, y upwards, as one picture in an address."""
    whole = Image.fromarray(np.flip(levels, axis=1).reshape(-1, levels.shape[2]))
    found = []
    for kind, options in (("png", {"optimize": True}), ("webp", {"lossless": True, "method": 4})):
        file = io.BytesIO()
        try:
            whole.save(file, format=kind.upper(), **options)
        except (OSError, ValueError, KeyError):  # too high for WebP, or Pillow lacks it
            continue
        found.append((len(file.getvalue()), kind, file.getvalue()))
    _, kind, content = min(found)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
