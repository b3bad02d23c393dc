"""Relative L1 error of the forecast at every lead time."""

from collections.abc import Mapping, Sequence

import torch
import xarray
from matplotlib.figure import Figure

from callbacks.diagnostic import RolloutDiagnostic
from callbacks.figures import COLOURS, EACH, lead_time_axes
from callbacks.leads import whole_leads
from callbacks.metrics.relative_error import relative_l1
from callbacks.metrics.rows import Rows
from emulators.rollout import Start, State


class RelativeError(RolloutDiagnostic):
    """Σ|û_n - u_n| / Σ|u_n| over the grid, mean over channels: for fields that are not negative.

    The error of Akhare et al. (2025), arXiv:2504.02260, there in per cent.

    Args:
        leads: Lead times, in steps, that are named in tables and logs.
    """

    def __init__(self, leads: Sequence[int] = (1, 4)) -> None:
        super().__init__()
        self.leads = whole_leads("RelativeError", leads)
        self.rows = Rows("error")

    def begin(self, start: Start) -> None:
        self.index = start.index
        self.error = self.unknown(start, start.truth_steps)

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        if truth is not None:
            channels = zip(forecast.unbind(1), truth.unbind(1), strict=True)
            each = [relative_l1(own, true) for own, true in channels]
            self.error[:, lead - 1] = torch.stack(each).mean(0)

    def end(self) -> None:
        self.rows.update(self.index, error=self.error)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        error, leads = rows["error"], range(1, rows["error"].shape[1] + 1)
        dims = ("initial_condition", "lead_time")
        about = {"long_name": "relative L1 error", "units": "1"}
        return xarray.Dataset(
            {"relative_error": (dims, error, about)},
            coords={
                "lead_time": self.times("lead_time", leads, "lead time"),
                "initial_condition": rows["index"],
            },
        )

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        return self.beyond(self.leads, scores.sizes["lead_time"], "the truth")

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        mean = scores["relative_error"].mean("initial_condition", skipna=False).values
        return {
            f"relative_error/lead_{lead}": float(mean[lead - 1])
            for lead in self.leads
            if lead <= len(mean)
        }

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        figure, axes = lead_time_axes("relative L1 error", self.data.units[1])
        each = 1.0 * scores["relative_error"].transpose("lead_time", "initial_condition")
        axes.plot(scores["lead_time"], each, **EACH)
        axes.plot(scores["lead_time"], each.mean("initial_condition"), color=COLOURS[0])
        if bool((each > 0).any()):
            axes.set_yscale("log")
        return {"relative_error": figure}
