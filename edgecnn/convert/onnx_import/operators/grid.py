"""Sampling at computed places: a gather for each neighbour, weighed by how close it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, channels_last

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.convert.onnx_import.node import Node

_PICTURES = 4  # axes
_MODES = {"bilinear", "linear", "nearest"}
Tensor = Any  # tf.Tensor, which is untyped


def _limit(attributes: Mapping[str, Any]) -> str:
    mode = attributes.get("mode", "bilinear")
    return "" if mode in _MODES else f"its mode is {mode!r}"


@operator("GridSample", limit=_limit, note="of pictures, bilinear or nearest")
def grid_sample(node: Node) -> Value:
    """GridSample of (N, C, H, W) at (N, h, w, 2), whose places lie in -1..1, columns first."""
    value, grid = node.value(0), node.value(1)
    if value.rank != _PICTURES:
        raise node.refused("what it samples has not the four axes of pictures")
    count, channels, height, width = value.shape
    order = channels_last(_PICTURES)
    pixels = tf.reshape(value.stored(order), (count * height * width, channels))
    places = tf.reshape(grid.plain(), (-1, 2))
    first = tf.repeat(tf.range(count), grid.size // (2 * count)) * (height * width)
    total = None
    for (column, near_x), (row, near_y) in (
        (x, y)
        for y in _neighbours(node, places[:, 1:], height)
        for x in _neighbours(node, places[:, :1], width)
    ):
        index = tf.reshape(row * width + column, (-1,))
        index = index + first if count > 1 else index
        part = tf.gather(pixels, index)
        weight = _product(near_x, near_y)
        part = part if weight is None else part * weight
        total = part if total is None else total + part
    _, rows, columns, _ = grid.shape
    return Value(tf.reshape(total, (count, rows, columns, channels)), order)


def _product(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return one if other is None else other
    return one * other


def _neighbours(node: Node, place: Tensor, size: int) -> list[tuple[Tensor, Tensor | None]]:
    """Along one axis: the elements that make up each place, and their weights, (P, 1); None: 1."""
    padding = node.get("padding_mode", "zeros")
    at = _inside(_pixel(node, place, size), size, padding, corners=_corners(node))
    if node.get("mode", "bilinear") == "nearest":
        weighed = [(tf.round(at), None)]
    else:
        low = tf.floor(at)
        weighed = [(low, 1.0 - (at - low)), (low + 1.0, at - low)]
    return [_tap(element, weight, size, padding) for element, weight in weighed]


def _tap(
    element: Tensor, weight: Tensor | None, size: int, padding: str
) -> tuple[Tensor, Tensor | None]:
    """An element's index and weight; what lies beyond a picture of zeros has none."""
    kept = tf.clip_by_value(element, 0.0, size - 1.0)
    if padding == "zeros":
        weight = _product(weight, tf.cast(tf.equal(element, kept), tf.float32))
    return tf.cast(kept, tf.int32), weight


def _corners(node: Node) -> bool:
    return bool(node.get("align_corners", 0))


def _pixel(node: Node, place: Tensor, size: int) -> Tensor:
    """-1..1 as an element's number: from middle to middle of the outermost, or edge to edge."""
    if _corners(node):
        return (place + 1.0) * ((size - 1) / 2)
    return (place + 1.0) * (size / 2) - 0.5


def _inside(at: Tensor, size: int, padding: str, *, corners: bool) -> Tensor:
    """Places beyond the picture, where it goes on as its border or its reflection does."""
    if padding == "border":
        return tf.clip_by_value(at, 0.0, size - 1.0)
    if padding != "reflection":
        return at
    low, span = (0.0, size - 1.0) if corners else (-0.5, float(size))
    if span == 0:
        return at * 0.0
    away = tf.abs(at - low)
    turns = tf.floor(away * (1 / (2 * span)))
    folded = away - turns * (2 * span)  # 0 to twice the span
    return tf.clip_by_value(tf.minimum(folded, 2 * span - folded) + low, 0.0, size - 1.0)
