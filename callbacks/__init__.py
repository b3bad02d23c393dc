"""What watches a run: diagnostics of rollouts, and the files and figures they end in."""

from callbacks.announcements import Announcements
from callbacks.checkpoints import Checkpoints
from callbacks.diagnostic import RolloutDiagnostic
from callbacks.distribution import Distribution
from callbacks.ensemble import EnsembleSkill
from callbacks.extremes import Extremes
from callbacks.forecast_writer import ForecastWriter
from callbacks.hovmoeller import Hovmoeller
from callbacks.latent_fields import LatentFields
from callbacks.learned_curves import LearnedCurves
from callbacks.moments import Moments
from callbacks.movie import Movie
from callbacks.panels import Panels
from callbacks.pca_autocorrelation import PCAAutocorrelation
from callbacks.predictability import PredictabilityLimit
from callbacks.relative_error import RelativeError
from callbacks.rollout_error import RolloutError
from callbacks.scores import Scores
from callbacks.spectrum import Spectrum
from callbacks.stability import EnergyStability
from callbacks.training_cost import TrainingCost
from callbacks.zonal_mean import ZonalMean

__all__ = [
    "Announcements",
    "Checkpoints",
    "Distribution",
    "EnergyStability",
    "EnsembleSkill",
    "Extremes",
    "ForecastWriter",
    "Hovmoeller",
    "LatentFields",
    "LearnedCurves",
    "Moments",
    "Movie",
    "PCAAutocorrelation",
    "Panels",
    "PredictabilityLimit",
    "RelativeError",
    "RolloutDiagnostic",
    "RolloutError",
    "Scores",
    "Spectrum",
    "TrainingCost",
    "ZonalMean",
]
