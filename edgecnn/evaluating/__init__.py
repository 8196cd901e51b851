"""The verb `evaluate`: how often a file's answers are right, and what its recipe costs."""

from edgecnn.evaluating.options import EvaluateOptions
from edgecnn.evaluating.records import (
    Agreement,
    CategoryPrecision,
    ClassAccuracy,
    ClassOverlap,
    Detection,
    Difference,
    EvaluateReport,
    Evaluation,
    Segmentation,
)
from edgecnn.evaluating.run import evaluate

__all__ = [
    "Agreement",
    "CategoryPrecision",
    "ClassAccuracy",
    "ClassOverlap",
    "Detection",
    "Difference",
    "EvaluateOptions",
    "EvaluateReport",
    "Evaluation",
    "Segmentation",
    "evaluate",
]
