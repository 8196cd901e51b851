"""litert-quantizer: int8 weights, activations quantized as they come."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from typing import Any

from edgecnn.errors import EdgeCnnError, MissingPartError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize.passes import weights_only
from edgecnn.runtime.quiet import quiet_stderr

_DYNAMIC_OPERATORS = ("CONV_2D", "FULLY_CONNECTED")


def dynamic(graph: Graph) -> Graph:
    """Weights int8 per channel, activations quantized as they come.

    XNNPACK has no dynamic kernel for depthwise convolutions, and each would cut the graph in two:
    their weights are stored as int8 too, but turned back into float when the file is loaded. So are
    those of transposed ones, which litert-quantizer leaves alone.
    """
    _need_quantizer()
    from litert_quantizer import recipe_manager

    manager = recipe_manager.RecipeManager()
    for name in _DYNAMIC_OPERATORS:
        manager.add_dynamic_config(regex=".*", operation_name=name, num_bits=8)
    manager.add_weight_only_config(regex=".*", operation_name="DEPTHWISE_CONV_2D", num_bits=8)
    quantized = _quantize(graph, manager.get_quantization_recipe())
    weights_only.apply(quantized, {"TRANSPOSE_CONV"})
    return quantized


def _need_quantizer() -> None:
    if importlib.util.find_spec("litert_quantizer") is None:
        raise MissingPartError(
            "Quantizing a .tflite needs litert-quantizer, which is not installed.",
            hint="pip install 'edgecnn[export]'",
        )


def _quantize(graph: Graph, recipe: Any) -> Graph:  # noqa: ANN401 - its own type
    from litert_quantizer import quantizer

    # It prints sizes and times to stdout, which belongs to --json.
    chatter = io.StringIO()
    data = bytearray(graph.write(unique_names=True))  # it tells tensors apart by name
    with contextlib.redirect_stdout(chatter), contextlib.redirect_stderr(chatter), quiet_stderr(), \
            warnings.catch_warnings():  # fmt: skip
        warnings.simplefilter("ignore")
        worker = quantizer.Quantizer(data, recipe)
        try:
            result = worker.quantize(None).quantized_model
        except (ValueError, RuntimeError, KeyError, NotImplementedError) as error:
            raise EdgeCnnError(
                f"litert-quantizer cannot quantize this graph: {error}",
                hint="Try another recipe: float16 asks less of a graph.",
            ) from error
    quantized = Graph.read(bytes(result))
    quantized.files = list(graph.files)
    return quantized
