"""Which operator of the graph each entry of a profile belongs to.

XNNPACK reports what it ran, in the order it ran it, but not for which operator of the graph: some
operators run as none (a weight that is unpacked when the file is loaded), some as two (a float
activation is quantized, then convolved). What both sides keep is the order. So the longest common
subsequence of kinds that can mean each other is taken (Needleman and Wunsch's alignment, without a
cost for gaps), and an entry that is left over belongs to the operator it prepares.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEPTHWISE_KERNEL = "DWConv"
# XNNPACK's names (xnn_operator_type_to_string) that are not TFLite's own in other letters. A 1x1
# convolution runs as "Fully Connected"; joining and splitting are copies.
_MEANINGS = {
    "convolution": {"CONV_2D", "DEPTHWISE_CONV_2D"},
    "deconvolution": {"TRANSPOSE_CONV"},
    "fullyconnected": {"FULLY_CONNECTED", "CONV_2D", "BATCH_MATMUL"},
    "batchmatrixmultiply": {"BATCH_MATMUL"},
    "multiply": {"MUL"},
    "subtract": {"SUB"},
    "divide": {"DIV"},
    "clamp": {"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"},
    "sigmoid": {"LOGISTIC"},
    "negate": {"NEG"},
    "squareroot": {"SQRT"},
    "reciprocalsquareroot": {"RSQRT"},
    "ceiling": {"CEIL"},
    "bankersrounding": {"ROUND"},
    "convert": {"QUANTIZE", "DEQUANTIZE"},
    "copy": {
        "CONCATENATION", "SPLIT", "RESHAPE", "EXPAND_DIMS", "SQUEEZE", "SLICE", "STRIDED_SLICE",
        "PAD", "PADV2",
    },
    "staticreshape": {"RESHAPE", "EXPAND_DIMS", "SQUEEZE"},
    "reshape": {"RESHAPE", "EXPAND_DIMS", "SQUEEZE"},
    "concatenate": {"CONCATENATION"},
    "constantpad": {"PAD", "PADV2"},
    "maxpooling": {"MAX_POOL_2D"},
    "averagepooling": {"AVERAGE_POOL_2D", "MEAN"},
    "globalaveragepooling": {"MEAN", "AVERAGE_POOL_2D"},
    "reduce": {"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"},
    "mean": {"MEAN", "AVERAGE_POOL_2D"},
    "hardswish": {"HARD_SWISH"},
}  # fmt: skip
# "Convert (NC, F32, QDU8)": the activations of a dynamically quantized operator, which no operator
# of the graph stands for.
_DYNAMIC_CONVERT = re.compile(r"convert.*, ?qd", re.IGNORECASE)
_TRAILING = {"clamp"}  # finishes the operator before it, where it stands for none of its own


def align(
    kernels: Sequence[str], anchors: Sequence[int | None], kinds: Sequence[str]
) -> tuple[list[int], frozenset[int]]:
    """For each entry of the profile, the operator it belongs to.

    Args:
        kernels: the profile's entries in the order they ran.
        anchors: for each entry, the operator the runtime itself names; None where it names none.
        kinds: TFLite's names of the graph's operators, in order.

    Returns:
        An index into `kinds` for each entry, and the entries that stand for that operator itself,
        not only for a part of it. Both empty where nothing fits anything.
    """
    pairs = dict(_common(kernels, anchors, kinds))
    if not pairs:
        return [], frozenset()
    return [_owner(entry, kernels[entry], pairs) for entry in range(len(kernels))], frozenset(pairs)


def _owner(entry: int, kernel: str, pairs: dict[int, int]) -> int:
    if entry in pairs:
        return pairs[entry]
    before = [paired for paired in pairs if paired < entry]
    after = [paired for paired in pairs if paired > entry]
    if before and (not after or _base(kernel) in _TRAILING):
        return pairs[max(before)]
    return pairs[min(after)]


def _common(
    kernels: Sequence[str], anchors: Sequence[int | None], kinds: Sequence[str]
) -> list[tuple[int, int]]:
    """The longest common subsequence, as (entry, operator)."""
    rows, columns = len(kernels), len(kinds)
    fits = _Fits(kernels, anchors, kinds)
    # length[i][j]: of what can be matched from entry i and operator j onwards
    length = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        below, row = length[i + 1], length[i]
        for j in range(columns - 1, -1, -1):
            row[j] = below[j + 1] + 1 if fits(i, j) else max(below[j], row[j + 1])
    i = j = 0
    pairs = []
    while i < rows and j < columns:
        if fits(i, j) and length[i][j] == length[i + 1][j + 1] + 1:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif length[i + 1][j] >= length[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs


class _Fits:
    """Whether an entry can stand for an operator; each pair of names is compared once."""

    def __init__(
        self, kernels: Sequence[str], anchors: Sequence[int | None], kinds: Sequence[str]
    ) -> None:
        self._kernels, self._anchors, self._kinds = kernels, anchors, kinds
        self._taken = {anchor for anchor in anchors if anchor is not None}
        self._known: dict[tuple[str, str], bool] = {}

    def __call__(self, entry: int, operator: int) -> bool:
        anchor = self._anchors[entry]
        if anchor is not None or operator in self._taken:
            return anchor == operator
        names = (self._kernels[entry], self._kinds[operator])
        if names not in self._known:
            self._known[names] = stands_for(*names)
        return self._known[names]


def stands_for(kernel: str, kind: str) -> bool:
    """Whether XNNPACK may have run `kernel` for a TFLite operator of `kind`.

    >>> stands_for("Fully Connected (NC, QS8, QC8W) GEMM", "CONV_2D")
    True
    >>> stands_for("Convolution (NHWC, QC8) DWConv", "CONV_2D")
    False
    """
    if _DYNAMIC_CONVERT.match(kernel):
        return False
    if kernel.endswith(_DEPTHWISE_KERNEL):
        return kind == "DEPTHWISE_CONV_2D"
    base = _base(kernel)
    return base == _letters(kind) or kind in _MEANINGS.get(base, ())


def _base(kernel: str) -> str:
    return _letters(kernel.partition("(")[0])


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
