from .diagnostics.band_crps import BandCRPS
from .diagnostics.base import RolloutDiagnostic
from .diagnostics.compared import Column, Panel, ScoreLayout
from .diagnostics.component_plume import ComponentPlume
from .diagnostics.covariance import CovarianceError
from .diagnostics.distribution import Distribution
from .diagnostics.energy_plume import EnergyPlume
from .diagnostics.ensemble import EnsembleSkill
from .diagnostics.ensemble_panels import EnsemblePanels
from .diagnostics.exceedance_reliability import ExceedanceReliability
from .diagnostics.extremes import Extremes
from .diagnostics.hovmoeller import Hovmoeller
from .diagnostics.latent_fields import LatentFields
from .diagnostics.learned_curves import LearnedCurves
from .diagnostics.moments import Moments
from .diagnostics.movie import Movie
from .diagnostics.panels import Panels
from .diagnostics.pca_autocorrelation import PCAAutocorrelation
from .diagnostics.perturbation_growth import PerturbationGrowth
from .diagnostics.predictability import PredictabilityLimit
from .diagnostics.rank_histogram import RankHistogram
from .diagnostics.relative_error import RelativeError
from .diagnostics.rollout_error import RolloutError
from .diagnostics.spectrum import Spectrum
from .diagnostics.stability import EnergyStability
from .diagnostics.stored_forecasts import score_forecasts
from .diagnostics.zonal_mean import ZonalMean
from .metrics.per_sample import PerSampleMetric
from .plotting.curves import axis_label, plot_seeds
from .run.checkpoints import Checkpoints
from .run.compile import Compile
from .run.divergence import Divergence
from .run.evaluation import evaluate
from .run.fine_tuning import FineTuning
from .run.forecast_writer import ForecastWriter
from .run.graceful_shutdown import GracefulShutdown
from .run.report import RunReport
from .run.rollout_checkpoint import RolloutCheckpoint
from .run.score_writer import ScoreWriter
from .run.training_cost import TrainingCost
from .run.validation_scores import ValidationScores

__all__ = [
    "BandCRPS",
    "Checkpoints",
    "Column",
    "Compile",
    "ComponentPlume",
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
    "ValidationScores",
    "ZonalMean",
    "axis_label",
    "evaluate",
    "plot_seeds",
    "score_forecasts",
]
