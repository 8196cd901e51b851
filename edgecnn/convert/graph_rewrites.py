"""What the traced graph says in operators that no edge runtime has, said in others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_ARGUMENTS = {"ArgMax", "ArgMin"}
# Which input of an operator on lists says the shape of an element.
_ELEMENT_SHAPE = {
    "TensorListReserve": 0,
    "TensorListFromTensor": 1,
    "TensorListStack": 1,
    "TensorListGetItem": 2,
}
_SELECT = {"Select", "SelectV2"}


def apply(graph: Any) -> None:  # noqa: ANN401 - a tf.Graph
    """Rewrite the graph in place; what nothing reads any more stays, for converters to drop."""
    _rewrite(graph, _REWRITES)


def apply_for_tflite(graph: Any) -> None:  # noqa: ANN401 - a tf.Graph
    """As `apply`, of what TFLite alone does not have."""
    _rewrite(graph, _REWRITES_FOR_TFLITE)


def _rewrite(graph: Any, table: Mapping[str, Callable[[Any], None]]) -> None:  # noqa: ANN401 - a tf.Graph
    for operation in graph.get_operations():
        rewrite = table.get(operation.type)
        if rewrite is not None:
            rewrite(operation)


def close_lists(definition: Any, batch: int) -> None:  # noqa: ANN401 - a tf.GraphDef
    """Give lists of tensors (a recurrent layer's steps) the batch, in place.

    A SavedModel's loops were written for an open batch: the shape of a list's elements begins
    with -1, and TFLite needs it fixed.
    """
    for nodes in (definition.node, *(body.node_def for body in definition.library.function)):
        by_name = {node.name: node for node in nodes}
        for node in nodes:
            if node.op in _ELEMENT_SHAPE:
                name = node.input[_ELEMENT_SHAPE[node.op]].partition(":")[0]
                _close(by_name.get(name), batch)


def _close(constant: Any, batch: int) -> None:  # noqa: ANN401 - a tf.NodeDef, or None
    import tensorflow as tf

    if constant is None or constant.op != "Const":
        return
    shape = tf.make_ndarray(constant.attr["value"].tensor)
    if shape.ndim == 1 and len(shape) and shape[0] == -1:
        closed = tf.make_tensor_proto([batch, *shape[1:]], shape.dtype)
        constant.attr["value"].tensor.CopyFrom(closed)


def _plain_argmax(operation: Any) -> None:  # noqa: ANN401 - a tf.Operation
    """Keras's argmax and argmin over a tensor as it is.

    Keras first turns -0.0 into the smallest normal number below 0, looking at the sign's bit. It
    decides only ties between 0.0 and -0.0.
    """
    select = operation.inputs[0].op
    if select.type == "Reshape":
        select = select.inputs[0].op
    if select.type in _SELECT and any(
        op.type == "BitwiseAnd" for op in _above(select.inputs[0].op)
    ):
        reader = operation if operation.inputs[0].op is select else operation.inputs[0].op
        reader._update_input(0, select.inputs[2])  # noqa: SLF001 - TensorFlow's way to edit a graph


def _above(operation: Any, depth: int = 8) -> Iterator[Any]:  # noqa: ANN401 - a tf.Operation
    """The operation and what it reads, some steps back."""
    yield operation
    if depth:
        for tensor in operation.inputs:
            yield from _above(tensor.op, depth - 1)


def _pool_flat(operation: Any) -> None:  # noqa: ANN401 - a tf.Operation
    """A pooling over depth, height and width as one over height and width, then one over depth.

    Both the largest of the largest and the mean of means: a window's part inside the map has
    height, width and depth of its own, so every plane of it counts the same.
    """
    import tensorflow as tf

    source = operation.inputs[0]
    window, strides = operation.get_attr("ksize"), operation.get_attr("strides")
    padding = operation.get_attr("padding").decode()
    if operation.get_attr("data_format") != b"NDHWC" or not source.shape.is_fully_defined():
        return
    pool = tf.nn.max_pool2d if operation.type == "MaxPool3D" else tf.nn.avg_pool2d
    batch, depth, height, width, channels = source.shape
    with operation.graph.as_default(), tf.name_scope(f"{operation.name}/"):
        planes = tf.reshape(source, (batch * depth, height, width, channels))
        flat = pool(planes, window[2:4], strides[2:4], padding)
        _, height, width, _ = flat.shape
        rows = tf.reshape(flat, (batch, depth, height * width, channels))
        deep = pool(rows, (window[1], 1), (strides[1], 1), padding)
        pooled = tf.reshape(deep, (batch, deep.shape[1], height, width, channels))
    _redirect(operation.outputs[0], pooled)


def _resize_by_matrices(operation: Any) -> None:  # noqa: ANN401 - a tf.Operation
    """A bicubic or smoothing resize as products with one matrix for each of height and width.

    The matrices are what TensorFlow makes of the unit matrix, each of whose rows is a channel.
    """
    import tensorflow as tf

    source, *numbers = operation.inputs
    known = [tf.get_static_value(tensor) for tensor in numbers]
    if not source.shape.is_fully_defined() or known[0] is None:
        return
    high, wide = (_matrix(operation, known, axis) for axis in (0, 1))
    batch, height, width, channels = source.shape
    with operation.graph.as_default(), tf.name_scope(f"{operation.name}/"):
        image = tf.cast(source, tf.float32)
        columns = tf.reshape(image, (batch, height, width * channels))
        taller = tf.matmul(tf.constant(high), columns)
        rows = tf.reshape(taller, (batch * len(high), width, channels))
        resized = tf.matmul(tf.constant(wide), rows)
        result = tf.reshape(resized, (batch, len(high), len(wide), channels))
    _redirect(operation.outputs[0], result)


def _matrix(operation: Any, known: Sequence[Any], axis: int) -> NDArray[np.float32]:  # noqa: ANN401 - a tf.Operation
    """(out, size): what the operation does to the height (0) or width (1)."""
    import tensorflow as tf

    size, to = operation.inputs[0].shape[axis + 1], int(known[0][axis])
    # tf.image.resize computes the scale in the graph, of sizes; the proof would tell another one.
    scale, move = (
        start if values is None else float(values[axis])
        for start, values in zip((to / size, 0.0), known[1:] or (None, None), strict=True)
    )
    with tf.init_scope():
        unit = tf.reshape(tf.eye(size), (1, size, 1, size))
        if operation.type == "ResizeBicubic":
            flags = ("align_corners", "half_pixel_centers")
            resized = tf.raw_ops.ResizeBicubic(
                images=unit, size=[to, 1], **{name: operation.get_attr(name) for name in flags}
            )
        else:
            resized = tf.raw_ops.ScaleAndTranslate(
                images=unit,
                size=[to, 1],
                scale=[scale, 1.0],
                translation=[move, 0.0],
                kernel_type=operation.get_attr("kernel_type"),
                antialias=operation.get_attr("antialias"),
            )
    return np.asarray(resized, np.float32).reshape(to, size)


def _patches(operation: Any) -> None:  # noqa: ANN401 - a tf.Operation
    """Patches of an image: moved, or where they overlap picked by a convolution with ones.

    The depth of a patch is its rows, columns and channels, in this order.
    """
    import tensorflow as tf

    source = operation.inputs[0]
    if not source.shape.is_fully_defined() or source.dtype != tf.float32:
        return
    sizes, strides, rates = (
        tuple(operation.get_attr(name)[1:3]) for name in ("ksizes", "strides", "rates")
    )
    padding = operation.get_attr("padding").decode()
    fits = all(size % step == 0 for size, step in zip(source.shape[1:3], strides, strict=True))
    with operation.graph.as_default(), tf.name_scope(f"{operation.name}/"):
        if sizes == strides and rates == (1, 1) and (fits or padding == "VALID"):
            patches = _tiles(source, *sizes)
        else:
            count = sizes[0] * sizes[1] * source.shape[3]
            ones = np.eye(count, dtype=np.float32).reshape(*sizes, source.shape[3], count)
            patches = tf.nn.conv2d(source, tf.constant(ones), strides, padding, dilations=rates)
    _redirect(operation.outputs[0], patches)


def _tiles(image: Any, height: int, width: int) -> Any:  # noqa: ANN401 - tensors of TensorFlow
    """Patches side by side; what is left over at the far edges goes."""
    import tensorflow as tf

    batch, rows, columns, channels = image.shape
    down, across = rows // height, columns // width
    whole = image[:, : down * height, : across * width]
    apart = tf.reshape(whole, (batch * down, height, across, width * channels))
    moved = tf.transpose(apart, (0, 2, 1, 3))
    return tf.reshape(moved, (batch, down, across, height * width * channels))


def _redirect(old: Any, new: Any) -> None:  # noqa: ANN401 - tensors of TensorFlow
    """Let every reader of a tensor read another one instead."""
    for reader in old.consumers():
        for place, read in enumerate(reader.inputs):
            if read is old:
                reader._update_input(place, new)  # noqa: SLF001 - TensorFlow's way to edit a graph


_REWRITES: dict[str, Callable[[Any], None]] = {
    **dict.fromkeys(_ARGUMENTS, _plain_argmax),
    "ExtractImagePatches": _patches,
    "ScaleAndTranslate": _resize_by_matrices,
}
# LiteRT convolves over three axes and pools over two.
_REWRITES_FOR_TFLITE = {
    **dict.fromkeys(("MaxPool3D", "AvgPool3D"), _pool_flat),
    "ResizeBicubic": _resize_by_matrices,  # it resizes by the nearest and by two neighbours alone
}
