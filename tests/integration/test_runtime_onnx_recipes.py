"""Files onnxruntime's own quantizers make, inspected and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from edgecnn.inspection import check_recipe, inspect
from edgecnn.runtime.session import open_session

if TYPE_CHECKING:
    from pathlib import Path

MACS = 8 * 8 * 16 * 27 + 16 * 10


class Images(CalibrationDataReader):  # type: ignore[misc] # it has no type information
    """Four images."""

    def __init__(self) -> None:
        self._left = [image() for _ in range(4)]

    def get_next(self) -> dict[str, Any] | None:
        """The next, or None."""
        return {"x": self._left.pop()} if self._left else None


def image() -> np.ndarray[Any, Any]:
    return np.random.default_rng(2).random((1, 3, 8, 8), np.float32)


@pytest.fixture
def float_file(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "m", "d"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 10))],
        [weights("w", 16, 3, 3, 3), weights("b", 16), weights("m", 16, 10), weights("d", 10)],
    )
    path = tmp_path / "float32.onnx"
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.mark.parametrize("activations", [QuantType.QInt8, QuantType.QUInt8])
@pytest.mark.parametrize("layout", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_static_quantization_is_int8(
    float_file: Path, activations: QuantType, layout: QuantFormat
) -> None:
    path = float_file.with_name("int8.onnx")
    quantize_static(
        float_file,
        path,
        Images(),
        quant_format=layout,
        activation_type=activations,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    found = inspect(path)
    check_recipe(found, "int8", "float32")
    dtype = "int8" if activations == QuantType.QInt8 else "uint8"
    assert found.graph.macs_by_dtype.get(dtype)
    assert close(float_file, path) > 20


def test_dynamic_quantization_is_dynamic(float_file: Path) -> None:
    path = float_file.with_name("dynamic.onnx")
    quantize_dynamic(float_file, path, weight_type=QuantType.QUInt8)
    found = inspect(path)
    assert found.graph.macs_by_dtype == {"dynamic": MACS}
    check_recipe(found, "dynamic", "float32")
    assert close(float_file, path) > 20


def close(reference: Path, other: Path) -> float:
    """Signal to noise of the other file's output, in dB."""
    wanted, got = (open_session(path).run([image()])[0] for path in (reference, other))
    return float(10 * np.log10((wanted**2).sum() / ((wanted - got) ** 2).sum()))
