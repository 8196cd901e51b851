"""From what the user names to a Keras model or a callable, in two steps.

`identify` needs no TensorFlow: it says what is meant and refuses what cannot be before any work.
`build` and `adapt_batch_normalization` need TensorFlow and run in the TensorFlow child process.
"""

from __future__ import annotations

from edgecnn.building.models import BuiltModel, build, load_builder
from edgecnn.building.normalization import adapt_batch_normalization
from edgecnn.building.request import BuildRequest, Kind, ModelIdentity, identify

__all__ = [
    "BuildRequest",
    "BuiltModel",
    "Kind",
    "ModelIdentity",
    "adapt_batch_normalization",
    "build",
    "identify",
    "load_builder",
]
