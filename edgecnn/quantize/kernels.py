"""LiteRT's integer kernels: which operators have one, and what it demands of its scales.

Found by experiment with ai-edge-litert 2.3.0 (built-in kernels and XNNPACK): each operator built
alone, run on integers and held against its float answer. An operator that is not in the table has
none, or one that gives wrong answers: NEG ignores the zero point, SQUARE and ADD_N refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from edgecnn.formats.tflite_graph import Operator, Tensor

# Where an output's scale comes from: the tensor's own range; the input's, which it must have too;
# its own range, which all inputs must have too; or a number fixed in the kernel.
Scale = Literal["own", "input", "output", "fixed"]
BITS = (8, 16)
_BIASES = {8: "INT32", 16: "INT64"}


@dataclass(frozen=True)
class Kernel:
    """What an integer kernel demands.

    Attributes:
        scale: where the output's scale comes from.
        bits: widths of activations it takes.
        fixed: (scale, zero point) by width, where the kernel fixes it.
        moves: whether it only moves numbers about or picks among them: its integer answer is the
            float one, rounded.
    """

    scale: Scale
    bits: tuple[int, ...] = BITS
    fixed: tuple[tuple[int, float, int], ...] = ()
    moves: bool = False

    def fixed_scale(self, bits: int) -> tuple[float, int] | None:
        """(scale, zero point) at a width; None where the kernel does not fix it."""
        return next(((scale, zero) for width, scale, zero in self.fixed if width == bits), None)


@dataclass(frozen=True)
class Weighted:
    """Where a weighted operator has its parts.

    Attributes:
        data: position of the input it convolves.
        weights: position of its weights.
        bias: position of its bias.
        axis: the weights' axis that counts outputs; one scale for each.
    """

    data: int
    weights: int
    bias: int
    axis: int


WEIGHTED = {
    "CONV_2D": Weighted(0, 1, 2, 0),
    "DEPTHWISE_CONV_2D": Weighted(0, 1, 2, 3),
    "FULLY_CONNECTED": Weighted(0, 1, 2, 0),
    "TRANSPOSE_CONV": Weighted(2, 1, 3, 0),
}
_OWN = Kernel("own")
_OWN_8 = Kernel("own", (8,))
_PICKS = Kernel("output", moves=True)
_MOVES = Kernel("input", moves=True)
_MOVES_8 = Kernel("input", (8,), moves=True)
_UNIT = ((8, 1 / 256, -128), (16, 1 / 32768, 0))
_SIGNED_UNIT = ((8, 1 / 128, 0), (16, 1 / 32768, 0))

KERNELS: dict[str, Kernel] = {
    **dict.fromkeys(WEIGHTED, _OWN),
    **dict.fromkeys(
        ("ADD", "SUB", "MUL", "DIV", "BATCH_MATMUL", "MEAN", "SUM", "REDUCE_PROD", "ABS",
         "LEAKY_RELU", "GELU", "RELU", "RELU6", "EXP", "LOG", "SQRT", "RSQRT", "GREATER", "LESS",
         "GREATER_EQUAL", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"),
        _OWN,
    ),
    **dict.fromkeys(
        ("PRELU", "ELU", "HARD_SWISH", "RELU_N1_TO_1", "RELU_0_TO_1", "SQUARED_DIFFERENCE",
         "ARG_MAX", "ARG_MIN"),
        _OWN_8,
    ),
    **dict.fromkeys(
        ("MAX_POOL_2D", "RESHAPE", "EXPAND_DIMS", "SQUEEZE", "TRANSPOSE", "PAD", "MIRROR_PAD",
         "SLICE", "STRIDED_SLICE", "GATHER", "GATHER_ND", "SPLIT", "SPLIT_V", "UNPACK",
         "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "BROADCAST_TO", "REVERSE_V2", "TILE",
         "RESIZE_NEAREST_NEIGHBOR", "REDUCE_MAX", "REDUCE_MIN", "TOPK_V2"),
        _MOVES,
    ),
    **dict.fromkeys(("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), _MOVES_8),
    **dict.fromkeys(("AVERAGE_POOL_2D", "RESIZE_BILINEAR"), Kernel("input")),
    **dict.fromkeys(
        ("CONCATENATION", "PACK", "MINIMUM", "MAXIMUM", "SELECT", "SELECT_V2", "PADV2",
         "DYNAMIC_UPDATE_SLICE"),
        _PICKS,
    ),
    "LOGISTIC": Kernel("fixed", fixed=_UNIT),
    "SOFTMAX": Kernel("fixed", fixed=_UNIT),
    "TANH": Kernel("fixed", fixed=_SIGNED_UNIT),
    "L2_NORMALIZATION": Kernel("fixed", (8,), _SIGNED_UNIT),
    "LOG_SOFTMAX": Kernel("fixed", (8,), ((8, 16 / 256, 127),)),
}  # fmt: skip

# What turns numbers into other types of themselves, or makes no numbers: it computes nothing.
CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE", "CAST"})


def has_floats(operator: Operator) -> bool:
    """Whether an operator reads or makes real numbers."""
    return any(tensor.is_float for tensor in (*operator.read, *operator.outputs))


def kernel_of(operator: Operator, bits: int) -> Kernel | None:
    """The integer kernel that can take an operator's place; None where there is none."""
    kernel = KERNELS.get(operator.name)
    if kernel is None or operator.custom or bits not in kernel.bits:
        return None
    return kernel if _is_constant_where_it_must(operator) and _is_plain(operator) else None


def _is_constant_where_it_must(operator: Operator) -> bool:
    """A weighted operator's weights and bias have to be known."""
    parts = WEIGHTED.get(operator.name)
    if parts is None:
        return True
    weights, bias = operator.input(parts.weights), operator.input(parts.bias)
    known = weights is not None and weights.is_float and weights.is_constant
    return known and (bias is None or (bias.is_constant and bias.is_float))


def _is_plain(operator: Operator) -> bool:
    """Whether all its numbers are real ones; a variable keeps its type between inferences."""
    tensors = (*operator.read, *operator.outputs)
    return not any(tensor.is_variable or tensor.dtype == "FLOAT16" for tensor in tensors)


def bias_dtype(bits: int) -> str:
    """Element type of a bias beside activations of a width."""
    return _BIASES[bits]


def data_inputs(operator: Operator) -> list[Tensor]:
    """The real numbers an operator works on: not its weights, bias, indices or shapes."""
    parts = WEIGHTED.get(operator.name)
    if parts is None:
        return [tensor for tensor in operator.read if tensor.is_float]
    source = operator.input(parts.data)
    return [source] if source is not None and source.is_float else []
