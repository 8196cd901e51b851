"""The TensorFlow functions that Keras 2 kept as layers (`x + 1` is a TFOpLambda), as operations.

Only functions of tensors are in the table; none reads a file or runs code.
"""

from __future__ import annotations

import functools
from typing import Any

_OPERATORS = {
    "add": "math.add",
    "radd": "math.add",
    "sub": "math.subtract",
    "mul": "math.multiply",
    "truediv": "math.truediv",
    "floordiv": "math.floordiv",
    "mod": "math.floormod",
    "pow": "math.pow",
    "neg": "math.negative",
    "abs": "math.abs",
    "matmul": "linalg.matmul",
    "eq": "math.equal",
    "ne": "math.not_equal",
    "lt": "math.less",
    "le": "math.less_equal",
    "gt": "math.greater",
    "ge": "math.greater_equal",
    "and": "math.logical_and",
    "or": "math.logical_or",
    "invert": "math.logical_not",
}
_ROOMS = ("math", "nn")  # all that is in them
_FUNCTIONS = {
    "broadcast_to", "cast", "clip_by_value", "concat", "convert_to_tensor", "einsum",
    "expand_dims", "fill", "gather", "gather_nd", "identity", "linalg.matmul", "linalg.normalize",
    "linalg.l2_normalize", "matmul", "meshgrid", "one_hot", "ones", "ones_like", "pad", "range",
    "rank", "repeat", "reshape", "reverse", "roll", "shape", "size", "slice", "split", "squeeze",
    "stack", "stop_gradient", "strided_slice", "tensordot", "tile", "transpose", "unstack",
    "where", "where_v2", "zeros", "zeros_like", "image.adjust_brightness", "image.adjust_contrast",
    "image.central_crop", "image.crop_and_resize", "image.flip_left_right", "image.flip_up_down",
    "image.grayscale_to_rgb", "image.pad_to_bounding_box", "image.per_image_standardization",
    "image.resize", "image.resize_bilinear", "image.resize_nearest_neighbor",
    "image.resize_with_pad", "image.rgb_to_grayscale", "image.rot90", "image.crop_to_bounding_box",
    "image.resize_images",
}  # fmt: skip
_GETITEM = "__operators__.getitem"


def resolve(function: str) -> str | None:
    """The public TensorFlow name that a layer's function stands for; None when it is not known."""
    if function == _GETITEM:
        return function
    prefix, _, operator = function.partition(".")
    if prefix == "__operators__":
        return _OPERATORS.get(operator)
    plain = function.removeprefix("compat.v1.")
    room, _, name = plain.partition(".")
    known = plain in _FUNCTIONS or (room in _ROOMS and name.isidentifier())
    return function if known else None


@functools.cache
def operation_class() -> type[Any]:
    """The Keras operation that calls a function of the table. Imports Keras and TensorFlow."""
    import keras

    class TensorFlowFunction(keras.Operation):  # type: ignore[misc]  # Keras has no types
        """Calls a TensorFlow function on what the layers before it give."""

        def __init__(self, function: str, name: str | None = None) -> None:
            super().__init__(name=name)
            self.function = function

        def call(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - tensors and numbers
            return _function(self.function)(*args, **options)

        def compute_output_spec(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - likewise
            return keras.src.backend.compute_output_spec(self.call, *args, **options)

    return TensorFlowFunction


def _function(name: str) -> Any:  # noqa: ANN401 - a function of TensorFlow
    import tensorflow as tf

    return _getitem if name == _GETITEM else functools.reduce(getattr, name.split("."), tf)


def _getitem(tensor: Any, slice_spec: Any) -> Any:  # noqa: ANN401 - a tensor
    if isinstance(slice_spec, (list, tuple)):
        return tensor[tuple(_index(part) for part in slice_spec)]
    return tensor[_index(slice_spec)]


def _index(part: Any) -> Any:  # noqa: ANN401 - a part of an index, as Keras 2 wrote it
    if isinstance(part, dict):
        if part.get("class_name") == "__ellipsis__":
            return Ellipsis
        return slice(part.get("start"), part.get("stop"), part.get("step"))
    return part


def hard_sigmoid(x: Any) -> Any:  # noqa: ANN401 - a tensor
    """Keras 2's, a line of slope 0.2; Keras 3's of the same name has slope 1/6."""
    import keras

    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)
