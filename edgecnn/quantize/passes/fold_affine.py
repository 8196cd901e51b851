"""Folds a BatchNormalization that follows a ReLU (MUL and ADD) into the next convolution.

A convolution is linear: conv(a * x + b) = conv_a(x) + conv(b), where conv_a has its weights scaled
by `a` along the input channels. With nothing padded, conv(b) is one number a channel and joins the
bias. A padded convolution sees zeros, not `b`, beyond the border, so there only the scale folds:
a * x + b = a * (x + b / a), and the MUL disappears while the ADD stays. Both are exact but for
float32 rounding. A chain of several normalizations (xception-mini) becomes at most one ADD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.formats.tflite_graph import Operator
from edgecnn.quantize import affine
from edgecnn.quantize.passes import PassResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.formats.tflite_graph import Graph, Tensor

# Beyond this b / a is a channel that is nearly constant: the division would lose its digits.
_LARGEST_SHIFT_RATIO = 1e4
_NHWC = 4


def apply(graph: Graph) -> PassResult:
    """Fold a float graph; counts the convolutions that absorbed something."""
    folded = sum(_fold_into(graph, operator) for operator in list(graph.operators))
    graph.remove_dead()
    return PassResult(folded)


def _fold_into(graph: Graph, operator: Operator) -> bool:
    if operator.name not in affine.CONVOLUTIONS or affine.weights(operator) is None:
        return False
    reshape = _reshape_before(graph, operator)
    reader = operator if reshape is None else reshape
    chain = affine.affine_chain(graph, reader.source)
    if chain.source is reader.source:
        return False
    if affine.is_padded(operator) and chain.shifts:
        return _fold_scale(graph, operator, chain)
    _absorb(graph, operator, chain.scale, chain.shift)
    _redirect(graph, operator, reshape, chain.source)
    return True


def _reshape_before(graph: Graph, operator: Operator) -> Operator | None:
    """The Flatten in front of a fully connected layer, where the channels stay the fastest axis."""
    reshape = graph.producer(operator.source)
    if reshape is None or operator.name != "FULLY_CONNECTED" or reshape.name != "RESHAPE":
        return None
    before, after = reshape.source.shape, reshape.output.shape
    keeps_order = len(before) > 0 and after[-1] % before[-1] == 0
    return reshape if keeps_order else None


def _absorb(
    graph: Graph, operator: Operator, scale: NDArray[np.float64], shift: NDArray[np.float64]
) -> None:
    kernel = affine.weights(operator)
    assert kernel is not None  # noqa: S101 - the caller looked
    if np.any(shift != 0):
        moved = affine.response(kernel, operator.name, shift)
        old = affine.bias(operator)
        affine.set_bias(graph, operator, moved if old is None else old + moved)
    affine.set_weights(graph, operator, affine.scale_inputs(kernel, operator.name, scale))


def _redirect(graph: Graph, operator: Operator, reshape: Operator | None, source: Tensor) -> None:
    """Let the convolution read the chain's source, through a reshape of its own if need be."""
    if reshape is None:
        operator.inputs[0] = source
    elif graph.only_reader(reshape.output) is not None:
        reshape.inputs[0] = source
    else:
        flat = graph.add_like(reshape.output, f"flat_{graph.tensors.index(source)}")
        twin = Operator("RESHAPE", [source, *reshape.inputs[1:]], [flat], reshape.options)
        graph.insert_before(operator, twin)
        operator.inputs[0] = flat


def _fold_scale(graph: Graph, operator: Operator, chain: affine.Affine) -> bool:
    """Turn the chain in front of padded convolutions into one ADD, where they alone read it."""
    tensor = operator.source
    add, readers = graph.producer(tensor), graph.consumers(tensor)
    if add is None or np.all(chain.scale == 1):
        return False
    if not _may_rescale(graph, add, readers, chain):
        return False
    shift = (chain.shift / chain.scale).astype(np.float32)
    places = [graph.tensors.index(end) for end in (chain.source, tensor)]
    fixed = graph.add_like(tensor, f"{places[0]}_shift_{places[1]}")
    fixed.data = shift.reshape(1, 1, 1, -1)
    add.inputs = [chain.source, fixed]
    for reader in readers:
        _absorb(graph, reader, chain.scale, np.zeros(len(shift)))
    return True


def _may_rescale(
    graph: Graph, add: Operator, readers: list[Operator], chain: affine.Affine
) -> bool:
    tensor = add.output
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(chain.shift / chain.scale)
    return (
        add.name == "ADD"
        and len(tensor.shape) == _NHWC
        and tensor not in graph.outputs
        and bool(np.all(np.isfinite(ratio)) and np.all(ratio < _LARGEST_SHIFT_RATIO))
        and all(
            reader.name in affine.CONVOLUTIONS
            and reader.source is tensor
            and affine.weights(reader) is not None
            for reader in readers
        )
    )
