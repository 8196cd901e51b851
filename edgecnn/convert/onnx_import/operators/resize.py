"""Resizing: TFLite's own operators where they sample at the same places, else gathers and sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.sampling import Axis, nearest, source, taps
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, channels_last

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgecnn.convert.onnx_import.node import Node

# TFLite's flags, and the coordinates that ONNX calls so.
_LINEAR = {
    "half_pixel": (False, True),
    "align_corners": (True, False),
    "asymmetric": (False, False),
}
_NEAREST = (("asymmetric", False, "floor"), ("tf_half_pixel_for_nn", True, "floor"))
_SAME = 1e-5


def _limit(attributes: Mapping[str, Any]) -> str:
    if attributes.get("antialias", 0):
        return "TFLite does not filter before it shrinks (antialias)"
    if attributes.get("exclude_outside", 0):
        return "it leaves out what is outside"
    if attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        return "it crops while it resizes"
    return ""


@operator("Resize", "Upsample", limit=_limit, note="without antialias and cropping")
def resize(node: Node) -> Value:
    """Resize by constant scales or to constant sizes."""
    value = node.value(0)
    axes = _axes(node, value)
    if not axes:
        return value
    mode = node.get("mode", "nearest")
    order = channels_last(value.rank) if set(axes) <= {2, 3} else value.order
    tensor = value.stored(order)
    stored = {order[axis]: spec for axis, spec in axes.items()}
    plane = value.rank == 4 and set(axes) <= {2, 3}  # noqa: PLR2004 - an image
    if mode == "nearest":
        tensor = _nearest(node, tensor, stored, plane=plane)
    else:
        tensor = _weighted(node, tensor, stored, plane=plane)
    return Value(tensor, order, nonnegative=value.nonnegative and mode != "cubic")


def _axes(node: Node, value: Value) -> dict[int, Axis]:
    """The axes whose size changes, by ONNX's number of them."""
    scales, sizes = _targets(node)
    chosen = [axis % value.rank for axis in node.get("axes", range(value.rank))]
    default = "asymmetric" if node.operator == "Upsample" or node.opset < 11 else "half_pixel"  # noqa: PLR2004 - where ONNX changed it
    mode = node.get("coordinate_transformation_mode", default)
    if sizes is not None:
        sizes = _kept_ratio(node, [value.shape[axis] for axis in chosen], sizes)
    specs = {}
    for i, axis in enumerate(chosen):
        size = value.shape[axis]
        out = (
            sizes[i]
            if sizes is not None
            else int(np.floor(np.float32(size) * np.float32(scales[i])))
        )
        scale = scales[i] if sizes is None else out / size
        if out != size or abs(scale - 1) > _SAME:
            specs[axis] = Axis(size, out, scale, mode)
    return specs


def _targets(node: Node) -> tuple[list[float], list[int] | None]:
    """Scales or sizes: Upsample and old Resize have scales second, newer ones a region there."""
    old = node.operator == "Upsample" or len(node.operands) == 2  # noqa: PLR2004 - before set 11
    if old:
        return node.option(1, "scales", node.get("scales")), None
    if node.has(3):
        return [], node.option(3, "sizes")
    return node.option(2, "scales"), None


def _kept_ratio(node: Node, sizes: Sequence[int], output_sizes: Sequence[int]) -> list[int]:
    policy = node.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return list(output_sizes)
    ratios = [out / size for out, size in zip(output_sizes, sizes, strict=True)]
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    return [int(np.floor(size * ratio + 0.5)) for size in sizes]


def _both(axes: Mapping[int, Axis], tensor: Any) -> list[Axis]:  # noqa: ANN401 - tf.Tensor
    """Height and width of an image (N, H, W, C); one that keeps its size too."""
    sizes = [int(tensor.shape[axis]) for axis in (1, 2)]
    return [
        axes.get(i, Axis(size, size, 1.0, "asymmetric")) for i, size in enumerate(sizes, start=1)
    ]


def _nearest(node: Node, tensor: Any, axes: Mapping[int, Axis], *, plane: bool) -> Any:  # noqa: ANN401 - tf.Tensor
    default = "floor" if node.operator == "Upsample" or node.opset < 11 else "round_prefer_floor"  # noqa: PLR2004 - where ONNX changed it
    rounding = node.get("nearest_mode", default)
    picks = {axis: nearest(spec, rounding) for axis, spec in axes.items()}
    if plane:
        both = _both(axes, tensor)
        indices = [picks.get(i, np.arange(spec.out)) for i, spec in enumerate(both, start=1)]
        for mode, half_pixel, how in _NEAREST:
            like = [nearest(Axis(s.size, s.out, s.out / s.size, mode), how) for s in both]
            if all(np.array_equal(a, b) for a, b in zip(indices, like, strict=True)):
                return tf.raw_ops.ResizeNearestNeighbor(
                    images=tensor,
                    size=[spec.out for spec in both],
                    align_corners=False,
                    half_pixel_centers=half_pixel,
                )
    for axis, index in picks.items():
        tensor = tf.gather(tensor, tf.constant(index.astype(np.int32)), axis=axis)
    return tensor


def _weighted(node: Node, tensor: Any, axes: Mapping[int, Axis], *, plane: bool) -> Any:  # noqa: ANN401 - tf.Tensor
    mode = node.get("mode")
    if mode == "linear" and plane and (flags := _bilinear_flags(_both(axes, tensor))) is not None:
        return tf.raw_ops.ResizeBilinear(
            images=tensor,
            size=[spec.out for spec in _both(axes, tensor)],
            align_corners=flags[0],
            half_pixel_centers=flags[1],
        )
    for axis, spec in axes.items():
        parts = []
        for index, weight in taps(spec, mode, node.get("cubic_coeff_a", -0.75)):
            shape = [spec.out if i == axis else 1 for i in range(len(tensor.shape))]
            picked = tf.gather(tensor, tf.constant(index.astype(np.int32)), axis=axis)
            parts.append(picked * tf.constant(weight.reshape(shape)))
        tensor = tf.add_n(parts)
    return tensor


def _bilinear_flags(both: Sequence[Axis]) -> tuple[bool, bool] | None:
    """TFLite's (align_corners, half_pixel_centers) that sample both axes where ONNX does."""
    for mode, flags in _LINEAR.items():
        if all(_alike(spec, mode) for spec in both):
            return flags
    return None


def _alike(spec: Axis, mode: str) -> bool:
    theirs = source(mode, spec.size, spec.out, spec.out / spec.size)
    ours = spec.coordinates
    last = spec.size - 1
    return bool(
        np.allclose(np.clip(ours, 0, last), np.clip(theirs, 0, last), atol=_SAME * spec.size)
    )
