"""The verb `evaluate`: how often a file's answers are right, and what its recipe costs."""

from edgecnn.evaluating.records import ClassAccuracy, Difference, EvaluateReport, Evaluation
from edgecnn.evaluating.run import evaluate

__all__ = ["ClassAccuracy", "Difference", "EvaluateReport", "Evaluation", "evaluate"]
