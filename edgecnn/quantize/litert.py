"""litert-quantizer: lays out a quantized graph from a float one and ranges it is given."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import EdgeCnnError, MissingPartError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.runtime.quiet import quiet_stderr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.quantize.ranges import Range

_DYNAMIC_OPERATORS = ("CONV_2D", "FULLY_CONNECTED")


def static(graph: Graph, ranges: Mapping[str, Range], activation_bits: int) -> Graph:
    """Full-integer quantization: int8 per-channel weights, int8 or int16 activations and ends.

    Args:
        graph: a float graph with one signature; left as it is.
        ranges: (low, high) by tensor name.
        activation_bits: 8 or 16.

    Raises:
        EdgeCnnError: the quantizer cannot do this graph.
        MissingPartError: litert-quantizer is not installed.
    """
    recipes = _recipes()
    recipe = recipes.static_wi8_ai8() if activation_bits == 8 else recipes.static_wi8_ai16()  # noqa: PLR2004 - bits
    limits = {
        name: {"min": np.float32(low).reshape(1), "max": np.float32(high).reshape(1)}
        for name, (low, high) in ranges.items()
    }
    return _quantize(graph, recipe, limits)


def dynamic(graph: Graph) -> Graph:
    """Weights int8 per channel, activations quantized as they come.

    XNNPACK has no dynamic kernel for depthwise convolutions, and each would cut the graph in two:
    their weights are stored as int8 too, but turned back into float when the file is loaded.
    """
    from litert_quantizer import recipe_manager

    _recipes()
    manager = recipe_manager.RecipeManager()
    for name in _DYNAMIC_OPERATORS:
        manager.add_dynamic_config(regex=".*", operation_name=name, num_bits=8)
    manager.add_weight_only_config(regex=".*", operation_name="DEPTHWISE_CONV_2D", num_bits=8)
    return _quantize(graph, manager.get_quantization_recipe(), None)


def _recipes() -> Any:  # noqa: ANN401 - a module without types
    if importlib.util.find_spec("litert_quantizer") is None:
        raise MissingPartError(
            "Quantizing a .tflite needs litert-quantizer, which is not installed.",
            hint="pip install 'edgecnn[export]'",
        )
    from litert_quantizer import recipe

    return recipe


def _quantize(graph: Graph, recipe: Any, ranges: Any) -> Graph:  # noqa: ANN401 - its own types
    from litert_quantizer import quantizer

    # It prints sizes and times to stdout, which belongs to --json.
    said = io.StringIO()
    data = bytearray(graph.write(unique_names=True))  # it tells tensors apart by name
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), quiet_stderr(), \
            warnings.catch_warnings():  # fmt: skip
        warnings.simplefilter("ignore")
        worker = quantizer.Quantizer(data, recipe)
        try:
            result = worker.quantize(ranges).quantized_model
        except (ValueError, RuntimeError, KeyError, NotImplementedError) as error:
            raise EdgeCnnError(
                f"litert-quantizer cannot quantize this graph: {error}",
                hint="Try another recipe: float16 and dynamic ask less of a graph.",
            ) from error
    made = Graph.read(bytes(result))
    made.files = list(graph.files)
    return made
