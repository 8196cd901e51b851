"""What an .onnx takes over from the .tflite beside it: the same ranges, the same integers.

The two hold the same network, though not with the same operators. A tensor of one is known in the
other by its values on a sample; a layer by its weights. What was decided for the .tflite then holds
here, and neither has to be found out again. What has no twin is measured as in a file that stands
alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import is_float, name_of, sole_reader, tensors_of, to_proto
from edgecnn.quantize import affine
from edgecnn.quantize.onnx_prepare import prepare
from edgecnn.quantize.onnx_products import product_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import onnx_ir as ir
    from numpy.typing import NDArray

    from edgecnn.calibration.layer_inputs import LayerInputs
    from edgecnn.formats.tflite_graph import Graph
    from edgecnn.quantize.assembly import Decided
    from edgecnn.quantize.onnx_products import Product
    from edgecnn.quantize.ranges import Range
    from edgecnn.quantize.weights import QuantizedLayer

    Floats = NDArray[np.float64]

_SAME = 1e-3
_MAP = 4  # axes of a feature map
# Between a product and the tensor that a .tflite, which fuses them, calls its output.
_FUSED = {"Add", "Clip", "Relu"}


@dataclass(frozen=True)
class Beside:
    """The .tflite that an .onnx is written beside.

    Attributes:
        decided: how it was quantized.
        names: by tensor of the float .onnx, the float .tflite's with the same values.
    """

    decided: Decided
    names: Mapping[str, str]


@dataclass(frozen=True)
class Shared:
    """What is known of an .onnx before it is measured, by its own names.

    Attributes:
        ranges: (low, high) by tensor.
        layers: the integer weights, by first output of a product.
        inputs: what such a product sees, likewise.
    """

    ranges: Mapping[str, Range] = field(default_factory=dict)
    layers: Mapping[str, QuantizedLayer] = field(default_factory=dict)
    inputs: Mapping[str, LayerInputs] = field(default_factory=dict)


def shared(graph: ir.Graph, beside: Beside) -> Shared:
    """What holds of the .tflite and of this graph alike.

    Args:
        graph: prepared for int8, scaled as the .tflite is.
        beside: it.
    """
    decided, names = beside.decided, beside.names
    weighed = decided.weighed
    ranges = {name: decided.ranges[twin] for name, twin in names.items() if twin in decided.ranges}
    layers, inputs = {}, {}
    for node in graph:
        product = product_of(node)
        twin = _layer(product, names, weighed.model, weighed.layers) if product else None
        if twin is not None:
            layers[name_of(node.outputs[0])] = weighed.layers[twin]
            inputs[name_of(node.outputs[0])] = weighed.known.layers[twin]
    return Shared(ranges, layers, inputs)


def _layer(
    product: Product, names: Mapping[str, str], graph: Graph, layers: Mapping[str, QuantizedLayer]
) -> str | None:
    """The .tflite's layer with the same output and the same weights."""
    makers = graph.by_output()
    for name in _outputs(product.node):
        twin = names.get(name)
        if twin is None or twin not in layers or twin not in makers:
            continue
        weights, bias = affine.known_weights(makers[twin]), affine.bias(makers[twin])
        expected = product.bias if product.bias is not None else np.zeros(len(product.rows))
        if weights is not None and _same(weights, product.kernel) and _same(bias, expected):
            return twin
    return None


def _outputs(node: ir.Node) -> Iterator[str]:
    """A product's output, and those of what is fused with it."""
    after: ir.Node | None = node
    while after is not None:
        yield name_of(after.outputs[0])
        after = sole_reader(after.outputs[0])
        after = after if after is not None and after.op_type in _FUSED else None


def _same(array: NDArray[Any] | None, other: NDArray[Any]) -> bool:
    if array is None or array.shape != other.shape:
        return False
    return bool(np.abs(array - other).max(initial=0) <= _SAME * np.abs(other).max(initial=0))


def prepared(float_path: Path) -> ir.Model:
    """The float .onnx as `onnx_qdq.draft` will see it: its names stay when it is drafted."""
    model = onnx_file.canonicalize(onnx_file.load(float_path))
    prepare(model)
    return onnx_file.canonicalize(model)


def names(
    model: ir.Model, plain: Graph, feeds: tuple[Sequence[NDArray[Any]], Sequence[NDArray[Any]]]
) -> dict[str, str]:
    """By tensor of the float .onnx, the float .tflite's with the same values.

    Args:
        model: the float .onnx, `prepared`.
        plain: the float .tflite's graph.
        feeds: one sample, as the .tflite takes it and as the .onnx does.
    """
    return paired(_of_onnx(model, feeds[1]), _of_tflite(plain, feeds[0]))


def _of_tflite(graph: Graph, feed: Sequence[NDArray[Any]]) -> dict[str, Floats]:
    """`moments` of every float tensor that is no constant."""
    from edgecnn.runtime.litert import LiteRTSession

    floats = [o.output for o in graph.operators if o.output.dtype == "FLOAT32"]
    session = LiteRTSession(graph.tapped(floats), threads=1)
    values = session.run_in_place(feed)
    known = {
        tensor.name: moments(value.reshape(-1, value.shape[-1] if value.ndim else 1))
        for tensor, value in zip(floats, values, strict=True)
        if value.size
    }
    del values  # no view may outlive its inference
    ends = zip(graph.inputs, feed, strict=True)
    known |= {t.name: moments(array.reshape(-1, array.shape[-1])) for t, array in ends}
    return known


def _of_onnx(model: ir.Model, feed: Sequence[NDArray[Any]]) -> dict[str, Floats]:
    """Likewise."""
    import onnxruntime
    from onnx import TensorProto, helper

    inputs = [name_of(value) for value in model.graph.inputs]
    computed = [name_of(v) for v in tensors_of(model.graph) if is_float(v)]
    computed = [name for name in computed if name not in inputs]
    tapped = to_proto(model)
    del tapped.graph.output[:]
    for name in computed:
        tapped.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        tapped.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    fed = dict(zip(inputs, feed, strict=True))
    values = dict(zip(computed, session.run(computed, fed), strict=True)) | fed
    return {name: moments(rows(value)) for name, value in values.items() if value.size}


def rows(values: NDArray[Any]) -> NDArray[Any]:
    """One position a row, its channels across: axis 1 of a map, else the last."""
    by_channel = np.moveaxis(values, 1, -1) if values.ndim >= _MAP - 1 else values
    return by_channel.reshape(-1, by_channel.shape[-1]) if by_channel.ndim else values.reshape(1, 1)


def moments(positions: NDArray[Any]) -> Floats:
    """Mean and mean square of each channel, (2, C).

    Args:
        positions: (P, C).
    """
    single = positions.astype(np.float64)
    return np.stack([single.mean(axis=0), np.square(single).mean(axis=0)])


def paired(onnx: Mapping[str, Floats], tflite: Mapping[str, Floats]) -> dict[str, str]:
    """By tensor of one file, the first of the other with the same `moments`."""
    pairs = {}
    for name, own in onnx.items():
        twin = next((t for t, other in tflite.items() if _alike(own, other)), None)
        if twin is not None:
            pairs[name] = twin
    return pairs


def _alike(values: Floats, other: Floats) -> bool:
    if values.shape != other.shape or not other[1].any():
        return False
    largest = np.sqrt(other[1].max())
    room = np.abs(other) + np.array([[largest], [largest * largest]])
    return bool((np.abs(values - other) <= _SAME * room).all())
