"""Training a network of the zoo, or one's own Keras model, on labelled images."""

from edgecnn.training.options import TrainOptions
from edgecnn.training.record import Epoch, TrainingRecord, TrainResult
from edgecnn.training.run import train

__all__ = ["Epoch", "TrainOptions", "TrainResult", "TrainingRecord", "train"]
