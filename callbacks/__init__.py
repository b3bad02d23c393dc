"""Callbacks of a run: diagnostics of rollouts, their scores and figures, and files of the run."""

from callbacks.diagnostics.band_crps import BandCRPS
from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.compared import Column, Panel, ScoreLayout
from callbacks.diagnostics.covariance import CovarianceError
from callbacks.diagnostics.distribution import Distribution
from callbacks.diagnostics.energy_plume import EnergyPlume
from callbacks.diagnostics.ensemble import EnsembleSkill
from callbacks.diagnostics.ensemble_panels import EnsemblePanels
from callbacks.diagnostics.exceedance_reliability import ExceedanceReliability
from callbacks.diagnostics.extremes import Extremes
from callbacks.diagnostics.hovmoeller import Hovmoeller
from callbacks.diagnostics.latent_fields import LatentFields
from callbacks.diagnostics.learned_curves import LearnedCurves
from callbacks.diagnostics.moments import Moments
from callbacks.diagnostics.movie import Movie
from callbacks.diagnostics.panels import Panels
from callbacks.diagnostics.pca_autocorrelation import PCAAutocorrelation
from callbacks.diagnostics.perturbation_growth import PerturbationGrowth
from callbacks.diagnostics.predictability import PredictabilityLimit
from callbacks.diagnostics.rank_histogram import RankHistogram
from callbacks.diagnostics.relative_error import RelativeError
from callbacks.diagnostics.rollout_error import RolloutError
from callbacks.diagnostics.spectrum import Spectrum
from callbacks.diagnostics.stability import EnergyStability
from callbacks.diagnostics.stored_forecasts import score_forecasts
from callbacks.diagnostics.zonal_mean import ZonalMean
from callbacks.metrics.per_sample import PerSampleMetric
from callbacks.plotting.curves import axis_label, plot_seeds
from callbacks.run.checkpoints import Checkpoints
from callbacks.run.compile import Compile
from callbacks.run.divergence import Divergence
from callbacks.run.evaluation import evaluate
from callbacks.run.fine_tuning import FineTuning
from callbacks.run.forecast_writer import ForecastWriter
from callbacks.run.graceful_shutdown import GracefulShutdown
from callbacks.run.report import RunReport
from callbacks.run.rollout_checkpoint import RolloutCheckpoint
from callbacks.run.score_writer import ScoreWriter
from callbacks.run.training_cost import TrainingCost

__all__ = [
    "BandCRPS",
    "Checkpoints",
    "Column",
    "Compile",
    "CovarianceError",
    "Distribution",
    "Divergence",
    "EnergyPlume",
    "EnergyStability",
    "EnsemblePanels",
    "EnsembleSkill",
    "ExceedanceReliability",
    "Extremes",
    "FineTuning",
    "ForecastWriter",
    "GracefulShutdown",
    "Hovmoeller",
    "LatentFields",
    "LearnedCurves",
    "Moments",
    "Movie",
    "PCAAutocorrelation",
    "Panel",
    "Panels",
    "PerSampleMetric",
    "PerturbationGrowth",
    "PredictabilityLimit",
    "RankHistogram",
    "RelativeError",
    "RolloutCheckpoint",
    "RolloutDiagnostic",
    "RolloutError",
    "RunReport",
    "ScoreLayout",
    "ScoreWriter",
    "Spectrum",
    "TrainingCost",
    "ZonalMean",
    "axis_label",
    "evaluate",
    "plot_seeds",
    "score_forecasts",
]
