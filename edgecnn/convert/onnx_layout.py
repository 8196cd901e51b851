"""What the axes of a model's inputs and outputs are, from the convolutions they lead to.

A Conv's data is (batch, channels, spatial ...). From an input one walks forward, from an output
backward, through operators that keep the axes, and through Transpose, which permutes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.formats.onnx_graph import attribute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import onnx

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


def layouts(model: onnx.ModelProto) -> dict[str, str]:
    """Name of an input or output to its layout, such as "NCHW"; those unknown are left out."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    makers: dict[str, onnx.NodeProto] = {}
    for node in model.graph.node:
        makers.update(dict.fromkeys(node.output, node))
        for name in node.input:
            readers.setdefault(name, []).append(node)
    ranks = {
        item.name: len(item.type.tensor_type.shape.dim)
        for item in (*model.graph.input, *model.graph.output)
    }
    known = {}
    for item in model.graph.input:
        known[item.name] = _forward(item.name, ranks[item.name], readers)
    for item in model.graph.output:
        known[item.name] = _backward(item.name, ranks[item.name], makers)
    return {name: layout for name, layout in known.items() if layout}


def _forward(name: str, rank: int, readers: Mapping[str, list[onnx.NodeProto]]) -> str:
    if rank not in _LETTERS:
        return ""
    axes = {name: tuple(range(rank))}  # tensor -> which axis of the input each of its axes is
    queue = [name]
    for tensor in _growing(queue):
        for node in readers.get(tensor, []):
            if node.op_type in _SPATIAL and node.input[0] == tensor:
                return _spelled(rank, axes[tensor])
            _step(node, list(node.output), tensor, axes, queue)
    return ""


def _growing(queue: list[str]) -> Iterator[str]:
    """The tensors of a queue that grows meanwhile, up to those too far to tell anything."""
    for position in range(_FARTHEST):
        if position == len(queue):
            return
        yield queue[position]


def _step(
    node: onnx.NodeProto,
    targets: list[str],
    tensor: str,
    axes: dict[str, tuple[int, ...]],
    queue: list[str],
) -> None:
    """Note the axes of what a node makes of `tensor`, where it keeps or permutes them."""
    order = tuple(range(len(axes[tensor])))
    if node.op_type == "Transpose":
        order = tuple(attribute(node, "perm", order[::-1]))
    elif node.op_type not in _KEEPING:
        return
    for target in targets:
        if target not in axes:
            axes[target] = tuple(axes[tensor][axis] for axis in order)
            queue.append(target)


def _spelled(rank: int, axes: tuple[int, ...]) -> str:
    letters = [""] * rank
    for position, axis in enumerate(axes):
        letters[axis] = _LETTERS[rank][position]
    return "".join(letters)


def _backward(name: str, rank: int, makers: Mapping[str, onnx.NodeProto]) -> str:
    if rank not in _LETTERS:
        return ""
    axes = {name: tuple(range(rank))}
    queue = [name]
    for tensor in _growing(queue):
        node = makers.get(tensor)
        if node is None:
            continue
        if node.op_type in _SPATIAL:
            return _spelled(rank, axes[tensor])
        if node.op_type == "Transpose":
            perm = attribute(node, "perm", list(range(rank))[::-1])
            # axis i of the tensor is axis perm[i] of its source
            source = node.input[0]
            axes[source] = tuple(axes[tensor][perm.index(axis)] for axis in range(rank))
            queue.append(source)
        elif node.op_type in _KEEPING:
            for source in node.input[: 2 if node.op_type in {"Add", "Mul", "Sub", "Div"} else 1]:
                axes.setdefault(source, axes[tensor])
                queue.append(source)
    return ""
