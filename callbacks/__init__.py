"""What watches a run: diagnostics of rollouts, and the files and figures they end in."""

from callbacks.announcements import Announcements
from callbacks.checkpoints import Checkpoints
from callbacks.diagnostic import RolloutDiagnostic
from callbacks.forecast_writer import ForecastWriter
from callbacks.panels import Panels
from callbacks.rollout_error import RolloutError
from callbacks.scores import Scores
from callbacks.stability import EnergyStability

__all__ = [
    "Announcements",
    "Checkpoints",
    "EnergyStability",
    "ForecastWriter",
    "Panels",
    "RolloutDiagnostic",
    "RolloutError",
    "Scores",
]
