"""What sort of loop each operator of the file formats is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.latency.cost import Kind

_TFLITE: dict[Kind, str] = {
    "convolution": "CONV_2D CONV_3D",
    "depthwise": "DEPTHWISE_CONV_2D",
    "transposed": "TRANSPOSE_CONV CONV_3D_TRANSPOSE Convolution2DTransposeBias",
    "dense": "FULLY_CONNECTED",
    "matmul": "BATCH_MATMUL",
    "recurrent": "LSTM UNIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_LSTM RNN"
    " UNIDIRECTIONAL_SEQUENCE_RNN BIDIRECTIONAL_SEQUENCE_RNN SVDF",
    "pool": "MAX_POOL_2D AVERAGE_POOL_2D L2_POOL_2D MaxPoolingWithArgmax2D REDUCE_WINDOW",
    "mean": "MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL",
    "elementwise": "ADD SUB MUL DIV MAXIMUM MINIMUM SQUARED_DIFFERENCE POW FLOOR_DIV FLOOR_MOD"
    " ADD_N GREATER GREATER_EQUAL LESS LESS_EQUAL EQUAL NOT_EQUAL LOGICAL_AND LOGICAL_OR SELECT"
    " SELECT_V2 WHERE ATAN2 BITWISE_XOR RIGHT_SHIFT",
    "activation": "RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 LEAKY_RELU PRELU HARD_SWISH LOGISTIC TANH"
    " ELU GELU SOFTMAX LOG_SOFTMAX EXP LOG SQRT RSQRT SQUARE ABS NEG SIN COS SIGN FLOOR CEIL ROUND"
    " LOGICAL_NOT L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION ARG_MAX ARG_MIN TOPK_V2 CUMSUM"
    " UNIQUE",
    "copy": "CONCATENATION PAD PADV2 MIRROR_PAD TRANSPOSE SPLIT SPLIT_V SLICE STRIDED_SLICE GATHER"
    " GATHER_ND PACK UNPACK TILE SPACE_TO_DEPTH DEPTH_TO_SPACE SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND"
    " REVERSE_V2 CAST BROADCAST_TO FILL DILATE EMBEDDING_LOOKUP ONE_HOT RANGE ZEROS_LIKE"
    " SCATTER_ND SPARSE_TO_DENSE REVERSE_SEQUENCE DYNAMIC_UPDATE_SLICE MATRIX_DIAG MATRIX_SET_DIAG"
    " MaxUnpooling2D ASSIGN_VARIABLE",
    "resize": "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR TransformTensorBilinear",
    "quantize": "QUANTIZE DEQUANTIZE FAKE_QUANT",
    "detection": "TFLite_Detection_PostProcess NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5",
    "free": "RESHAPE SQUEEZE EXPAND_DIMS SHAPE RANK DENSIFY BITCAST BROADCAST_ARGS VAR_HANDLE"
    " READ_VARIABLE CALL_ONCE",
}
_ONNX: dict[Kind, str] = {
    "convolution": "Conv FusedConv NhwcFusedConv ConvInteger QLinearConv DeformConv",
    "transposed": "ConvTranspose",
    "dense": "Gemm QGemm FusedGemm",
    "matmul": "MatMul MatMulInteger DynamicQuantizeMatMul QLinearMatMul FusedMatMul Einsum",
    "recurrent": "LSTM GRU RNN",
    "pool": "MaxPool AveragePool LpPool QLinearAveragePool MaxRoiPool",
    "mean": "GlobalAveragePool GlobalMaxPool GlobalLpPool ReduceMean ReduceSum ReduceMax ReduceMin"
    " ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare"
    " QLinearGlobalAveragePool QLinearReduceMean",
    "elementwise": "Add Sub Mul Div Max Min Pow Sum Mean Mod QLinearAdd QLinearMul Where Greater"
    " GreaterOrEqual Less LessOrEqual Equal And Or Xor"
    " BitShift BitwiseAnd BitwiseOr BitwiseXor BatchNormalization",
    "activation": "Relu Clip LeakyRelu PRelu HardSwish HardSigmoid Sigmoid Tanh Elu Selu Celu Gelu"
    " Softplus Softsign Mish Softmax LogSoftmax Exp Log Sqrt Reciprocal Abs Neg Erf Sin Cos Sign"
    " Floor Ceil Round Not LRN LpNormalization InstanceNormalization LayerNormalization"
    " GroupNormalization QLinearSigmoid QLinearLeakyRelu QLinearSoftmax ArgMax ArgMin TopK CumSum"
    " ThresholdedRelu Shrink Hardmax Swish Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh IsNaN"
    " IsInf BitwiseNot MeanVarianceNormalization RMSNormalization SkipLayerNormalization BiasGelu"
    " FastGelu QuickGelu NonZero Unique",
    "copy": "Concat Pad Transpose Split Slice Gather GatherND GatherElements Tile SpaceToDepth"
    " DepthToSpace Cast Expand ConstantOfShape OneHot Range QLinearConcat ScatterND"
    " ScatterElements Scatter Compress ReverseSequence Trilu EyeLike CenterCropPad Col2Im MaxUnpool"
    " CastLike",
    "resize": "Resize Upsample GridSample AffineGrid",
    "quantize": "QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
    "detection": "NonMaxSuppression RoiAlign",
    "free": "Reshape Squeeze Unsqueeze Flatten Shape Size Identity Dropout Constant",
}
_CONTRIBUTED = "com.microsoft."


def _by_name(table: dict[Kind, str]) -> dict[str, Kind]:
    return {name: kind for kind, names in table.items() for name in names.split()}


_KINDS = {"tflite": _by_name(_TFLITE), "onnx": _by_name(_ONNX)}


def kind_of(file_format: str, name: str) -> Kind:
    """The sort of loop of an operator, before its shapes are looked at; "unknown" for others.

    Args:
        file_format: "tflite" or "onnx".
        name: as the format calls the operator.

    >>> kind_of("tflite", "CONV_2D"), kind_of("onnx", "com.microsoft.QLinearAdd")
    ('convolution', 'elementwise')
    """
    return _KINDS[file_format].get(name.removeprefix(_CONTRIBUTED), "unknown")
