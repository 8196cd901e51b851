"""Which operators TensorFlow Lite Micro has, and how MicroMutableOpResolver is told of them.

Source: `tensorflow/lite/micro/micro_mutable_op_resolver.h` of github.com/tensorflow/tflite-micro
(commit 90b983c, 2026-08-20; Apache-2.0).
"""

from __future__ import annotations

SOURCE = (
    "micro_mutable_op_resolver.h of github.com/tensorflow/tflite-micro, commit 90b983c (2026-08-20)"
)

# TFLite's name, as words: the method is Add and the words in one, where nothing else is said.
_REGULAR = """
ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO
CALL_ONCE CAST CEIL CONCATENATION COS DEPTH_TO_SPACE DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU
EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER
GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND
LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK
PAD PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6 RESHAPE
RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR ROUND RSQRT SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND
SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF
TANH TRANSPOSE TRANSPOSE_CONV UNPACK VAR_HANDLE WHILE ZEROS_LIKE
"""
_IRREGULAR = {
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "BATCH_MATMUL": "AddBatchMatMul",
    "CONV_2D": "AddConv2D",
    "CUMSUM": "AddCumSum",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "L2_NORMALIZATION": "AddL2Normalization",
    "L2_POOL_2D": "AddL2Pool2D",
    "MAX_POOL_2D": "AddMaxPool2D",
    "PADV2": "AddPadV2",
    "REVERSE_V2": "AddReverseV2",
    "SELECT_V2": "AddSelectV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}
# Custom operators go by their code.
_CUSTOM = {"TFLite_Detection_PostProcess": "AddDetectionPostprocess"}


def _method(name: str) -> str:
    return "Add" + "".join(word.capitalize() for word in name.split("_"))


METHODS: dict[str, str] = {
    **{name: _method(name) for name in _REGULAR.split()},
    **_IRREGULAR,
    **_CUSTOM,
}
"""Builtin name or custom operator's code to the method that adds it."""


def missing(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the operators that it has not, each once, sorted."""
    return tuple(sorted(set(names) - METHODS.keys()))
