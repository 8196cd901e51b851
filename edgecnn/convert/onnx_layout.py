"""What the axes of a model's inputs and outputs are, from the convolutions they lead to.

A Conv's data is (batch, channels, spatial ...). From an input one walks forward, from an output
backward, through operators that keep the axes, and through Transpose, which permutes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.formats.onnx_graph import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx_ir as ir

    Axes = dict[ir.Value, tuple[int, ...]]

_LETTERS = {3: "NCW", 4: "NCHW", 5: "NCDHW"}
# Their first input and their output are channels-first.
_SPATIAL = {
    "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace",
    "GlobalAveragePool", "GlobalMaxPool", "InstanceNormalization", "MaxPool", "SpaceToDepth",
}  # fmt: skip
_KEEPING = {
    "Add", "Cast", "Clip", "Concat", "Div", "Dropout", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid",
    "HardSwish", "Identity", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "Max",
    "Min", "Mish", "Mul", "Neg", "PRelu", "Pad", "Pow", "Relu", "Resize", "Selu", "Sigmoid",
    "Slice", "Softmax", "Softplus", "Split", "Sqrt", "Sub", "Tanh", "Upsample",
}  # fmt: skip
_FARTHEST = 40  # operators on the way to a convolution


def layouts(graph: ir.Graph) -> dict[str, str]:
    """Name of an input or output to its layout, such as "NCHW"; those unknown are left out."""
    known = {name_of(value): _forward(value) for value in graph.inputs}
    known |= {name_of(value): _backward(value) for value in graph.outputs}
    return {name: layout for name, layout in known.items() if layout}


def _own_axes(value: ir.Value) -> tuple[int, ...]:
    return tuple(range(len(value.shape) if value.shape is not None else 0))


def _forward(value: ir.Value) -> str:
    # tensor -> which axis of the input each of its axes is
    axes: Axes = {value: _own_axes(value)}
    queue = [value] if len(axes[value]) in _LETTERS else []
    for tensor in _growing(queue):
        for node in tensor.consumers():
            if node.op_type in _SPATIAL and node.inputs[0] is tensor:
                return _spelled(axes[tensor])
            _step(node, tensor, axes, queue)
    return ""


def _growing(queue: list[ir.Value]) -> Iterator[ir.Value]:
    """The tensors of a queue that grows meanwhile, up to those too far to tell anything."""
    for position in range(_FARTHEST):
        if position == len(queue):
            return
        yield queue[position]


def _step(node: ir.Node, tensor: ir.Value, axes: Axes, queue: list[ir.Value]) -> None:
    """Note the axes of what a node makes of `tensor`, where it keeps or permutes them."""
    order = _order(node, len(axes[tensor]))
    for target in node.outputs if order else ():
        if target not in axes:
            axes[target] = tuple(axes[tensor][axis] for axis in order)
            queue.append(target)


def _order(node: ir.Node, rank: int) -> tuple[int, ...]:
    """Which axis of what a node reads each axis of its result is; () where it keeps none."""
    plain = tuple(range(rank))
    if node.op_type == "Transpose":
        order = tuple(node.attributes.get_ints("perm", plain[::-1]))
        return order if tuple(sorted(order)) == plain else ()
    return plain if node.op_type in _KEEPING else ()


def _spelled(axes: tuple[int, ...]) -> str:
    letters = [""] * len(axes)
    for position, axis in enumerate(axes):
        letters[axis] = _LETTERS[len(axes)][position]
    return "".join(letters)


def _backward(value: ir.Value) -> str:
    axes: Axes = {value: _own_axes(value)}
    queue = [value] if len(axes[value]) in _LETTERS else []
    for tensor in _growing(queue):
        node = tensor.producer()
        if node is None:
            continue
        if node.op_type in _SPATIAL:
            return _spelled(axes[tensor])
        order = _order(node, len(axes[tensor]))
        binary = node.op_type in {"Add", "Mul", "Sub", "Div"}
        for source in node.inputs[: 2 if binary else 1] if order else ():
            rank = None if source is None or source.shape is None else len(source.shape)
            if source is not None and rank in {None, len(order)}:  # not one that is broadcast
                # axis i of the tensor is axis order[i] of its source
                places = tuple(axes[tensor][order.index(axis)] for axis in range(len(order)))
                axes.setdefault(source, places)
                queue.append(source)
    return ""
