"""Whether a prepared model computes what the original computes, on noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.formats.onnx_graph import dtype_name

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    Array = NDArray[Any]

# The same arithmetic in another order of rounding gives 110 dB and more.
_FAITHFUL_DB = 80.0
# A saturated sigmoid gives 1e-5 with errors of 1e-7, however exact what enters it is.
_SATURATED = 1e-6


def check_same(original: onnx.ModelProto, prepared: onnx.ModelProto) -> None:
    """Run both under onnxruntime.

    Raises:
        InputError: onnxruntime refuses the original.
        EdgeCnnError: an output differs: a mistake of the preparation.
    """
    noise = _noise(original)
    before, after = (_run(model, _as_taken(noise, model)) for model in (original, prepared))
    for item, expected, computed in zip(original.graph.output, before, after, strict=True):
        if not _close(expected, computed):
            raise EdgeCnnError(
                f"Output '{item.name}' of the prepared ONNX model is not the original's.",
                hint="This is a mistake of edgecnn; please report the network.",
            )


def _noise(model: onnx.ModelProto) -> dict[str, Array]:
    random = np.random.default_rng(0)
    feed = {}
    for item in model.graph.input:
        shape = tuple(d.dim_value for d in item.type.tensor_type.shape.dim)
        values = random.random(shape)
        feed[item.name] = np.asarray(values).astype(dtype_name(item.type.tensor_type.elem_type))
    return feed


def _as_taken(feed: dict[str, Array], model: onnx.ModelProto) -> dict[str, Array]:
    """The arrays in the dtypes of a model's inputs: a prepared one takes float32 for float64."""
    kinds = {item.name: item.type.tensor_type.elem_type for item in model.graph.input}
    return {name: array.astype(dtype_name(kinds[name])) for name, array in feed.items()}


def _run(model: onnx.ModelProto, feed: dict[str, Array]) -> list[Array]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # of one run it saves nothing, and takes twice the memory
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        values: list[Array] = session.run(None, feed)
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        raise InputError(
            f"onnxruntime cannot run the ONNX model: {str(error).splitlines()[0]}",
            hint="Check the input shapes that were given, and the file itself.",
        ) from error
    return values


def _close(expected: Array, computed: Array) -> bool:
    if expected.shape != computed.shape:
        return False
    if expected.dtype.kind != "f":
        return bool(np.mean(expected != computed) < 1e-3) if expected.size else True  # noqa: PLR2004 - ties of an argmax
    sound = np.isfinite(expected)
    if not np.array_equal(sound, np.isfinite(computed)):
        return False
    signal = np.square(expected[sound], dtype=np.float64).sum()
    error = np.abs(expected[sound].astype(np.float64) - computed[sound])
    close = np.square(error).sum() <= signal * 10 ** (-_FAITHFUL_DB / 10)
    return bool(close or error.max() <= _SATURATED)
