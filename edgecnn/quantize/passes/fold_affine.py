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

from edgecnn.formats import tflite_file as tfl
from edgecnn.quantize.passes import affine

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Beyond this b / a is a channel that is nearly constant: the division would lose its digits.
_LARGEST_SHIFT_RATIO = 1e4


def apply(model: tfl.ModelT) -> int:
    """Fold in place; returns how many convolutions absorbed something."""
    graph = tfl.main_graph(model)
    folded = sum(_fold_into(model, graph, operator) for operator in list(graph.operators))
    affine.remove_dead(model, graph)
    return folded


def _fold_into(model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT) -> bool:
    name = tfl.operator_name(model, operator)
    if name not in affine.CONVOLUTIONS or affine.weights(model, graph, operator) is None:
        return False
    reshape = _reshape_before(model, graph, operator)
    reader = operator if reshape is None else reshape
    found = affine.affine_chain(model, graph, int(reader.inputs[0]))
    if found.source == int(reader.inputs[0]):
        return False
    if affine.is_padded(model, graph, operator) and found.shifts:
        return _fold_scale(model, graph, operator, found)
    _absorb(model, graph, operator, found.scale, found.shift)
    _redirect(model, graph, operator, reshape, found.source)
    return True


def _reshape_before(
    model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT
) -> tfl.OperatorT | None:
    """The Flatten in front of a fully connected layer, where the channels stay the fastest axis."""
    made_by = tfl.producers(graph).get(int(operator.inputs[0]))
    if made_by is None or tfl.operator_name(model, operator) != "FULLY_CONNECTED":
        return None
    reshape = graph.operators[made_by]
    if tfl.operator_name(model, reshape) != "RESHAPE":
        return None
    before, after = (graph.tensors[int(t)].shape for t in (reshape.inputs[0], reshape.outputs[0]))
    keeps_order = len(before) > 0 and int(after[-1]) % int(before[-1]) == 0
    return reshape if keeps_order else None


def _absorb(
    model: tfl.ModelT,
    graph: tfl.SubGraphT,
    operator: tfl.OperatorT,
    scale: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> None:
    name = tfl.operator_name(model, operator)
    kernel = affine.weights(model, graph, operator)
    assert kernel is not None  # noqa: S101 - the caller looked
    if np.any(shift != 0):
        moved = affine.response(kernel, name, shift)
        old = affine.bias(model, graph, operator)
        affine.set_bias(model, graph, operator, moved if old is None else old + moved)
    affine.set_weights(model, graph, operator, affine.scale_inputs(kernel, name, scale))


def _redirect(
    model: tfl.ModelT,
    graph: tfl.SubGraphT,
    operator: tfl.OperatorT,
    reshape: tfl.OperatorT | None,
    source: int,
) -> None:
    """Let the convolution read the chain's source, through a reshape of its own if need be."""
    if reshape is None:
        operator.inputs = np.asarray([source, *operator.inputs[1:]], np.int32)
    elif _only_reader(graph, int(reshape.outputs[0])):
        reshape.inputs = np.asarray([source, *reshape.inputs[1:]], np.int32)
    else:
        flat = tfl.add_tensor(graph, graph.tensors[int(reshape.outputs[0])], f"flat_{source}")
        twin = tfl.add_operator(model, "RESHAPE", [source, *reshape.inputs[1:]], [flat])
        twin.builtinOptionsType, twin.builtinOptions = (
            reshape.builtinOptionsType, reshape.builtinOptions)  # fmt: skip
        graph.operators.insert(graph.operators.index(operator), twin)
        operator.inputs = np.asarray([flat, *operator.inputs[1:]], np.int32)


def _only_reader(graph: tfl.SubGraphT, tensor: int) -> bool:
    outputs = {int(t) for t in graph.outputs}
    return tensor not in outputs and len(tfl.consumers(graph)[tensor]) == 1


def _fold_scale(
    model: tfl.ModelT, graph: tfl.SubGraphT, operator: tfl.OperatorT, found: affine.Affine
) -> bool:
    """Turn the chain in front of padded convolutions into one ADD, where they alone read it."""
    tensor = int(operator.inputs[0])
    readers = [graph.operators[index] for index in tfl.consumers(graph)[tensor]]
    if np.all(found.scale == 1) or not _may_rescale(model, graph, tensor, readers, found):
        return False
    add = graph.operators[tfl.producers(graph)[tensor]]
    shift = (found.shift / found.scale).astype(np.float32)
    fixed = tfl.add_tensor(graph, graph.tensors[tensor], f"{found.source}_shift_{tensor}")
    tfl.set_constant(model, graph, fixed, shift.reshape(1, 1, 1, -1))
    add.inputs = np.asarray([found.source, fixed], np.int32)
    for reader in readers:
        _absorb(model, graph, reader, found.scale, np.zeros(len(shift)))
    return True


def _may_rescale(
    model: tfl.ModelT,
    graph: tfl.SubGraphT,
    tensor: int,
    readers: list[tfl.OperatorT],
    found: affine.Affine,
) -> bool:
    made_by = graph.operators[tfl.producers(graph)[tensor]]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(found.shift / found.scale)
    return (
        tfl.operator_name(model, made_by) == "ADD"
        and len(graph.tensors[tensor].shape) == 4  # noqa: PLR2004 - NHWC
        and tensor not in {int(t) for t in graph.outputs}
        and bool(np.all(np.isfinite(ratio)) and np.all(ratio < _LARGEST_SHIFT_RATIO))
        and all(
            tfl.operator_name(model, reader) in affine.CONVOLUTIONS
            and int(reader.inputs[0]) == tensor
            and affine.weights(model, graph, reader) is not None
            for reader in readers
        )
    )
