"""Discrete Fourier transforms of real signals: products with cosines and sines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.convert.onnx_import.lazy import tf
from edgecnn.convert.onnx_import.table import operator
from edgecnn.convert.onnx_import.value import Value, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edgecnn.convert.onnx_import.node import Node


def _limit_inverse(attributes: Mapping[str, Any]) -> str:
    return "it is inverse" if attributes.get("inverse", 0) else ""


def _waves(length: int, *, onesided: bool) -> NDArray[np.float32]:
    """(length, 2 * bins): for each bin its cosine, then its sine with ONNX's sign."""
    bins = np.arange(length // 2 + 1 if onesided else length)
    turns = np.outer(np.arange(length), bins) % length * (2 * np.pi / length)
    waves = np.stack([np.cos(turns), -np.sin(turns)], axis=-1)
    return waves.reshape(length, -1).astype(np.float32)


def _real(node: Node) -> Value:
    """The signal without its last axis, which would hold imaginary parts too."""
    value = node.value(0)
    if value.shape[-1] != 1:
        raise node.refused("its signal is complex")
    return plain(tf.reshape(value.plain(), value.shape[:-1]))


@operator("DFT", limit=_limit_inverse, note="of real signals along the last axis, not inverse")
def dft(node: Node) -> Value:
    """DFT of the last axis of a real signal."""
    signal = _real(node)
    last = signal.rank - 1
    # From opset 20 on the axis is an operand, and counts from the back.
    axis = int(node.known(2, "axis")) if node.has(2) else int(node.get("axis", 1))
    if axis % (signal.rank + 1) != last:
        raise node.refused("its axis is not the last")
    if node.has(1) and int(node.known(1, "length")) != signal.shape[-1]:
        raise node.refused("its length is not the signal's")
    waves = _waves(signal.shape[-1], onesided=bool(node.get("onesided", 0)))
    result = tf.matmul(tf.reshape(signal.tensor, (-1, signal.shape[-1])), tf.constant(waves))
    return plain(tf.reshape(result, (*signal.shape[:-1], -1, 2)))


@operator("STFT", note="of real signals, with constant steps and windows")
def stft(node: Node) -> Value:
    """Short-time transform of real signals (N, L, 1): a convolution over one axis."""
    value = node.value(0)
    signal = _real(node) if value.shape[2:] else value
    step = int(node.known(1, "step"))
    window = node.known(2, "window") if node.has(2) else None
    length = int(node.known(3, "length")) if node.has(3) else None
    if length is None:
        length = signal.shape[1] if window is None else len(window)
    waves = _waves(length, onesided=bool(node.get("onesided", 1)))
    if window is not None:
        if len(window) != length:
            raise node.refused("its window has another length than its frames")
        waves = waves * window.reshape(-1, 1)
    batch, samples = signal.shape
    kernels = tf.constant(waves.reshape(1, length, 1, -1).astype(np.float32))
    rows = tf.reshape(signal.tensor, (batch, 1, samples, 1))
    result = tf.nn.conv2d(rows, kernels, [1, 1, step, 1], "VALID")
    return plain(tf.reshape(result, (batch, -1, waves.shape[1] // 2, 2)))
