"""Weights and biases of an int8 ONNX file, chosen for what they do to real inputs.

The same arithmetic as for a .tflite (`weights`): adaptive rounding, and a bias that takes back what
rounding does to the mean. On top of it, where uint8 activations meet int8 weights, no pair of
neighbours may overflow (`onnx_saturation`); a layer that this would cost too much takes its weights
as uint8 with zero point 128, the same numbers, whose products onnxruntime adds up in 32 bits.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgecnn.calibration.layer_inputs import LayerInputs
from edgecnn.formats.onnx_graph import array_of, float32, name_of
from edgecnn.formats.onnx_rewrites import constant
from edgecnn.quantize import rounding
from edgecnn.quantize.onnx_products import Product, bias_place, product_of
from edgecnn.quantize.onnx_ranges import LEVELS
from edgecnn.quantize.onnx_saturation import LARGEST_PAIR, largest_pairs
from edgecnn.quantize.weights import QuantizedLayer, quantize_layer, room_for_bias

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import onnx_ir as ir
    from numpy.typing import NDArray

_LARGEST_BIAS = 2.0**30
_ZERO_POINT = 128  # of uint8 weights
# What smaller pairs may add to all the noise that 8 bits make in a layer: 0.4 dB.
_MOST_NOISE = 1.1


class Weights(NamedTuple):
    """One product's weights as they go into the file.

    Attributes:
        layer: int8 in -127..127 and their scale, and the corrected bias.
        unsigned: whether they are stored as uint8, 128 more.
    """

    layer: QuantizedLayer
    unsigned: bool


def quantize(
    graph: ir.Graph,
    inputs: Mapping[str, LayerInputs],
    ranges: Mapping[str, tuple[float, float]],
    *,
    kept_float: Collection[str],
    ready: Mapping[str, QuantizedLayer] | None = None,
    exact: bool,
    threads: int,
) -> tuple[dict[str, list[dict[str, Any]]], tuple[str, ...]]:
    """Replace weights and biases of a float graph by those its int8 twin can represent.

    Args:
        graph: prepared for int8; weights become multiples of their steps.
        inputs: by first output of a product.
        ranges: (low, high) by tensor.
        kept_float: names of the nodes that are not quantized.
        ready: weights that are decided already, by first output of a product.
        exact: whether activations are uint8, so that pairs may overflow.
        threads: to compute with.

    Returns:
        What onnxruntime's quantizer takes as `TensorQuantOverrides`, by weight; and sentences for
        the manifest.
    """
    from threadpoolctl import threadpool_limits

    shared: dict[tuple[object, ...], list[Product]] = {}
    for node in graph:
        product = product_of(node) if node.name not in kept_float else None
        if product is not None and name_of(node.inputs[0]) in ranges:
            shared.setdefault(product.constants, []).append(product)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads or None) as pool:
        work = [
            pool.submit(
                _choose,
                some[0],
                _pooled([inputs.get(name_of(p.node.outputs[0])) for p in some]),
                min(_step(ranges[name_of(p.node.inputs[0])]) for p in some),
                (ready or {}).get(name_of(some[0].node.outputs[0])) if len(some) == 1 else None,
                exact=exact,
            )
            for some in shared.values()
        ]
        chosen = [future.result() for future in work]
    overrides = {}
    for products, weights in zip(shared.values(), chosen, strict=True):
        overrides.update(_write(graph, products, weights))
    wide = sum(weights.unsigned for weights in chosen)
    note = (
        f"{wide} of {len(chosen)} layers have their weights as uint8 with zero point 128, the"
        " same 8 bits: as int8, sums of two products would overflow 16 bits on processors without"
        " VNNI."
    )
    return overrides, ((note,) if wide else ())


def _pooled(some: Sequence[LayerInputs | None]) -> LayerInputs | None:
    """What products with the same weights see, all together; None where one is not known."""
    known = [inputs for inputs in some if inputs is not None]
    if len(known) < len(some) or len(some) == 1:
        return some[0] if len(some) == 1 else None
    mean = np.mean([inputs.mean for inputs in known], axis=0)
    power = np.mean([inputs.power for inputs in known], axis=0)
    covariance = None
    covariances = [inputs.covariance for inputs in known if inputs.covariance is not None]
    if len(covariances) == len(known):
        apart = np.stack([inputs.mean - mean for inputs in known])
        between = np.einsum("n...i,n...j->...ij", apart, apart) / len(known)
        within = np.mean(covariances, axis=0, dtype=np.float64)
        covariance = (within + between).astype(np.float32)
    return LayerInputs(mean, power, covariance)


def _step(span: tuple[float, float]) -> float:
    return max((span[1] - span[0]) / (LEVELS - 1), float(np.finfo(np.float32).tiny))


def _choose(
    product: Product,
    inputs: LayerInputs | None,
    step: float,
    ready: QuantizedLayer | None,
    *,
    exact: bool,
) -> Weights:
    """Weights without regard to pairs; where those overflow, the better of the two ways out."""
    seen = inputs or _unseen(product)
    wide = ready or quantize_layer(product.kernel, product.bias, seen, depthwise=product.depthwise)
    wide = _with_room(wide, step)
    if not exact or product.depthwise or _fits(product, wide):
        return Weights(wide, unsigned=False)
    paired = quantize_layer(product.kernel, product.bias, seen, depthwise=False, free=wide)
    paired = _with_room(paired, step)
    floor = step**2 / 12 * float(np.square(product.rows, dtype=np.float64).sum())
    costs = [floor + _noise(product, layer, seen) for layer in (paired, wide)]
    if _fits(product, paired) and costs[0] <= _MOST_NOISE * costs[1]:
        return Weights(paired, unsigned=False)
    return Weights(wide, unsigned=True)


def _unseen(product: Product) -> LayerInputs:
    """Nothing is known of its inputs: weights are rounded to nearest, the bias stays."""
    rows = product.rows.shape[1]
    shape = (len(product.rows), rows) if product.depthwise else (rows * product.groups,)
    return LayerInputs(np.zeros(shape), np.ones(shape), None)


def _with_room(layer: QuantizedLayer, step: float) -> QuantizedLayer:
    values, scale = room_for_bias(layer, step, _LARGEST_BIAS)
    return replace(layer, weights=values, scale=scale.astype(np.float64))


def _fits(product: Product, layer: QuantizedLayer) -> bool:
    """Whether no pair of its weights overflows."""
    return float(largest_pairs(product.as_rows(layer.weights)).max()) <= LARGEST_PAIR


def _noise(product: Product, layer: QuantizedLayer, inputs: LayerInputs) -> float:
    """The variance that rounding its weights adds to the layer's results, summed over outputs."""
    rows, integers = product.rows, product.as_rows(layer.weights)
    total = 0.0
    for group, part in enumerate(np.split(np.arange(len(rows)), product.groups)):
        own = product.places(group)
        scale = layer.scale[part].astype(np.float64)
        if inputs.covariance is None:
            variance = np.maximum(inputs.power - inputs.mean**2, 0.0)[own]
            wrong = integers[part] * scale[:, None] - rows[part]
            total += float((np.square(wrong) @ variance).sum())
        else:
            covariance = inputs.covariance
            covariance = covariance if product.groups == 1 else covariance[np.ix_(own, own)]
            total += float(rounding.error(rows[part], integers[part], scale, covariance).sum())
    return total


def _write(
    graph: ir.Graph, products: Sequence[Product], weights: Weights
) -> dict[str, list[dict[str, Any]]]:
    """Put multiples of the steps in place of the weights that these share, in their own layout."""
    from onnxruntime.quantization import QuantType

    first, layer = products[0], weights.layer
    scale = layer.scale.astype(np.float32)
    values = first.as_rows(layer.weights).astype(np.float32) * scale[:, None]
    # New constants: nodes that stay float may read the old ones.
    weight = constant(graph, "weight", float32(first.from_rows(values)))
    bias = _corrected_bias(graph, first, layer.bias)
    for product in products:
        node, place = product.node, bias_place(product.node)
        node.replace_input_with(1, weight)
        if bias is not None and place is not None:
            place[0].replace_input_with(place[1], bias)
        elif bias is not None and node.op_type != "MatMul":
            node.resize_inputs(3)
            node.replace_input_with(2, bias)
    kind = QuantType.QUInt8 if weights.unsigned else QuantType.QInt8
    zero = _ZERO_POINT if weights.unsigned else 0
    return {
        name_of(weight): [
            {"quant_type": kind, "axis": first.axis, "scale": step, "zero_point": zero}
            for step in scale
        ]
    }


def _corrected_bias(
    graph: ir.Graph, product: Product, corrected: NDArray[np.float64]
) -> ir.Value | None:
    """A new constant; None where the bias cannot change: one number for all, or no constant."""
    node = product.node
    old = 0.0 if product.bias is None else product.bias.astype(np.float64)
    share = 1.0
    if node.op_type == "Gemm":
        alpha, beta = (node.attributes.get_float(name, 1.0) for name in ("alpha", "beta"))
        share = alpha / (beta or 1.0)
    value = old + (corrected - old) * share
    place = bias_place(node)
    if place is not None:
        shape = np.asarray(array_of(place[0].inputs[place[1]])).shape
        fits = int(np.prod(shape)) == len(corrected)
        return constant(graph, "bias", float32(value.reshape(shape))) if fits else None
    if node.op_type == "MatMul" or len(node.inputs) > 2 or not value.any():  # noqa: PLR2004
        return None
    return constant(graph, "bias", float32(value))
