"""The cost of a network that only TensorFlow can build: through the float stage's cache."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgecnn.building import BuildRequest, identify
from edgecnn.calibration.preprocessing import AS_IT_IS
from edgecnn.calibration.sources import Sampling
from edgecnn.convert import float_cache, float_tflite
from edgecnn.inspection import tflite
from edgecnn.latency.files import costs_of_inspection
from edgecnn.latency.precision import for_recipe
from edgecnn.progress import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgecnn.latency.cost import NetCost
    from edgecnn.latency.subjects import Shape
    from edgecnn.progress import Progress

# What is fed decides no time; a few samples are enough for the float stage's proof.
_SAMPLES = 4


def costs_of_built(
    model: str, recipes: Iterable[str], shape: Shape, progress: Progress
) -> dict[str, NetCost]:
    """The cost under each recipe of `keras:NAME`, a Keras file, or a SavedModel folder.

    The float .tflite is the one `edgecnn export` starts from, with random weights where none are
    at hand: they decide no time.

    Raises:
        InputError: there is no such model, or it cannot have that shape.
        MissingPartError: TensorFlow is not installed.
    """
    request = BuildRequest(
        model,
        classes=shape.classes,
        input_size=shape.input_size,
        input_shapes=tuple(shape.input_shapes.items()),
        width=shape.width,
        convolution=shape.convolution,
    )
    identity = identify(request)
    name = identity.name
    progress.stage(f"{name}: its operators (TensorFlow builds it once; then it is in the cache)")
    model_files, _ = float_cache.obtain(
        request,
        identity,
        ("tflite",),
        sampling=Sampling(samples=_SAMPLES, held_out=1, calibrated=False),
        preprocessing=identity.preprocessing or AS_IT_IS,
        progress=StagesOnly(progress),
    )
    tflite_file = float_tflite.read(model_files)
    costs = {}
    for recipe in recipes:
        # The dynamic recipe keeps normalizations as they were converted.
        data = tflite_file.unfolded.write() if recipe == "dynamic" else tflite_file.data
        cost = costs_of_inspection(name, tflite.read(data, name))
        costs[recipe] = for_recipe(cost, recipe)
        if recipe != "float32":  # the file that was read is not the one the recipe makes
            costs[recipe] = replace(costs[recipe], size_bytes=None)
    return costs


class StagesOnly(Recorder):
    """Passes on what is being done; the exporter's warnings are about answers, not about costs."""

    def warn(self, message: str) -> None:
        """Which images adapt random weights decides no time, and no size."""
