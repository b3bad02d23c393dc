"""Learned parts of known physics: fields, curves and sources, which replace known parts by name."""

from emulators.learned.curve import Curve
from emulators.learned.field import LearnedField
from emulators.learned.hybrid import Hybrid, LearnedPart
from emulators.learned.neural_field import NeuralField
from emulators.learned.source import NetworkSource

__all__ = ["Curve", "Hybrid", "LearnedField", "LearnedPart", "NetworkSource", "NeuralField"]
