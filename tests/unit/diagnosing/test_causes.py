"""Each cause that `diagnose` knows, in a file spoiled on purpose, of either format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx_nets import Net
from random_nets import RandomNet, statistics_of

import edgecnn
from edgecnn.formats.tflite_graph import Graph, Quantization
from edgecnn.quantize import integer, onnx_qdq

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Format = Literal["tflite", "onnx"]

pytestmark = pytest.mark.usefixtures("warm_children")

RUNS = 24


@dataclass(frozen=True)
class Floats:
    """A float network with a residual sum in front of a softmax, and inputs for it."""

    file: Path
    right: Path

    @property
    def inputs(self) -> Array:
        """The inputs that it is meant for."""
        with np.load(self.right) as arrays:
            return np.asarray(arrays["arr_0"])

    def quantized(self, factor: float = 1.0) -> bytes:
        """An int8 file of it, calibrated on the inputs times a factor."""
        feeds = list((self.inputs * np.float32(factor))[:, None])
        data = self.file.read_bytes()
        if self.file.suffix == ".onnx":
            out = self.file.with_suffix(".int8")
            onnx_qdq.to_int8(self.file, out, feeds, runs=RUNS, threads=1)
            return out.read_bytes()
        known, logits = statistics_of(data, feeds)
        made = integer.quantize(Graph.read(data), known, judged=[logits], activation_bits=8)
        return made.graph.write()

    def diagnosed(self, data: bytes) -> edgecnn.Diagnosis:
        """What is found in a spoiled file on the right inputs."""
        spoilt = self.file.with_name(f"spoilt{self.file.suffix}")
        spoilt.write_bytes(data)
        return edgecnn.diagnose(spoilt, float_file=self.file, data=str(self.right))


@pytest.fixture(scope="module", params=["tflite", "onnx"])
def floats(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Floats:
    """The network in a format; convolutions after its first are no narrower than it."""
    folder = tmp_path_factory.mktemp(request.param)
    return (_tflite if request.param == "tflite" else _onnx)(folder)


def _tflite(folder: Path) -> Floats:
    net = RandomNet(3, (1, 12, 12, 3))
    x = net.conv(net.image, 8, activation="RELU")
    x = net.sum_of(net.depthwise(net.conv(x, 8)), x)
    x = net.pool(net.relu(x), "MAX_POOL_2D")
    (folder / "net.tflite").write_bytes(net.finish(net.softmax(net.dense(net.flatten(x), 5))))
    return _with_inputs(folder / "net.tflite", (12, 12, 3))


def _onnx(folder: Path) -> Floats:
    net = Net((1, 3, 12, 12), seed=3)
    x = net.node("Relu", net.conv("input", 3, 8, pads=[1] * 4))
    y = net.conv(net.conv(x, 8, 8, pads=[1] * 4), 8, 8, group=8, pads=[1] * 4)
    x = net.node("Relu", net.node("Add", y, x))
    x = net.node("Flatten", net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]))
    x = net.node("Gemm", x, net.normal(288, 5, scale=0.05), net.normal(5))
    onnx.save(net.model(net.node("Softmax", x), (1, 5)), folder / "net.onnx")
    return _with_inputs(folder / "net.onnx", (3, 12, 12))


def _with_inputs(file: Path, shape: tuple[int, ...]) -> Floats:
    inputs = np.random.default_rng(0).uniform(0, 1, (RUNS, *shape)).astype(np.float32)
    np.savez(file.with_name("right.npz"), inputs)
    return Floats(file, file.with_name("right.npz"))


class FirstLayer:
    """The first convolution of an int8 file, and the file's input.

    Attributes:
        weights: as real numbers, one output a row.
        bias: likewise.
    """

    weights: Array
    bias: Array

    def store(self, *, one_scale: bool = False) -> bytes:
        """The file with weights and bias stored anew."""
        raise NotImplementedError

    def scale_input(self, factor: float) -> bytes:
        """The file with another step of its input."""
        raise NotImplementedError

    def _steps(self, *, one_scale: bool) -> Array:
        rows = np.abs(self.weights.reshape(len(self.weights), -1)).max(axis=1)
        rows = np.maximum(rows, 1e-6) / 127
        return np.full_like(rows[:1], rows.max()) if one_scale else rows


class TfliteLayer(FirstLayer):
    """Of a .tflite."""

    def __init__(self, data: bytes) -> None:
        self.graph = Graph.read(data)
        operator = next(o for o in self.graph.operators if o.name == "CONV_2D")
        self.source, self.kernel, self.shift = operator.read
        scales = [_quantization(tensor).scale for tensor in operator.read]
        self.input_scale = scales[0]
        self.weights = _data(self.kernel) * scales[1].reshape(-1, 1, 1, 1)
        self.bias = _data(self.shift) * scales[2]

    def store(self, *, one_scale: bool = False) -> bytes:
        """Each with its own quantization."""
        steps = self._steps(one_scale=one_scale)
        self.kernel.data = np.rint(self.weights / steps.reshape(-1, 1, 1, 1)).astype(np.int8)
        of_bias = np.asarray(self.input_scale * steps, np.float32)
        self.shift.data = np.rint(self.bias / of_bias).astype(np.int32)
        for tensor, scale in ((self.kernel, steps), (self.shift, of_bias)):
            zero = np.zeros(len(scale), np.int64)
            tensor.quantization = Quantization(np.asarray(scale, np.float32), zero)
        return self.graph.write()

    def scale_input(self, factor: float) -> bytes:
        """Of the input tensor."""
        image = self.graph.inputs[0]
        known = _quantization(image)
        image.quantization = replace(known, scale=known.scale * np.float32(factor))
        return self.graph.write()


def _quantization(tensor: Any) -> Quantization:  # noqa: ANN401 - a Tensor
    assert tensor.quantization is not None
    known: Quantization = tensor.quantization
    return known


def _data(tensor: Any) -> Array:  # noqa: ANN401 - a Tensor
    assert tensor.data is not None
    return np.asarray(tensor.data)


class OnnxLayer(FirstLayer):
    """Of an .onnx in QDQ form."""

    def __init__(self, data: bytes) -> None:
        self.model = onnx.load_model_from_string(data)
        self.constants = {tensor.name: tensor for tensor in self.model.graph.initializer}
        makers = {name: node for node in self.model.graph.node for name in node.output}
        convolution = next(n for n in self.model.graph.node if n.op_type == "Conv")
        self.source, self.kernel, self.shift = (makers[name] for name in convolution.input)
        self.input_scale = self._array(self.source.input[1])
        self.weights, self.bias = self._real(self.kernel), self._real(self.shift)

    def _real(self, dequantize: onnx.NodeProto) -> Array:
        values, scale, zero_point = map(self._array, dequantize.input)
        along = (-1, *[1] * (values.ndim - 1))
        return (values.astype(float) - zero_point.reshape(along)) * scale.reshape(along)

    def _array(self, name: str) -> Array:
        return numpy_helper.to_array(self.constants[name])

    def _set(self, name: str, values: Array) -> None:
        self.constants[name].CopyFrom(numpy_helper.from_array(np.asarray(values), name))

    def store(self, *, one_scale: bool = False) -> bytes:
        """Behind DequantizeLinear; a single scale is a scalar and has no axis."""
        steps = self._steps(one_scale=one_scale).astype(np.float32)
        of_bias = np.asarray(self.input_scale * steps, np.float32)
        kernel = np.rint(self.weights / steps.reshape(-1, 1, 1, 1)).astype(np.int8)
        shift = np.rint(self.bias / of_bias).astype(np.int32)
        for node, values, scale in ((self.kernel, kernel, steps), (self.shift, shift, of_bias)):
            self._set(node.input[0], values)
            self._set(node.input[1], scale.reshape(()) if one_scale else scale)
            zero = np.zeros(() if one_scale else scale.shape, values.dtype)
            self._set(node.input[2], zero)
            if one_scale:
                del node.attribute[:]
        return bytes(self.model.SerializeToString())

    def scale_input(self, factor: float) -> bytes:
        """Of the QuantizeLinear behind the input, and of its DequantizeLinear."""
        self._set(self.source.input[1], np.asarray(self.input_scale * np.float32(factor)))
        return bytes(self.model.SerializeToString())


@pytest.fixture(scope="module")
def sound(floats: Floats) -> bytes:
    """An int8 file in order."""
    return floats.quantized()


def first_layer(floats: Floats, data: bytes) -> FirstLayer:
    return OnnxLayer(data) if floats.file.suffix == ".onnx" else TfliteLayer(data)


def kinds(diagnosis: edgecnn.Diagnosis) -> list[str]:
    return [cause.kind for cause in diagnosis.causes]


def test_a_file_in_order_has_no_cause(floats: Floats, sound: bytes) -> None:
    diagnosis = floats.diagnosed(sound)
    assert kinds(diagnosis) == []
    assert diagnosis.format == floats.file.suffix.removeprefix(".")
    assert diagnosis.observed.skipped == 0
    assert [layer.index for layer in diagnosis.layers] == sorted(
        layer.index for layer in diagnosis.layers
    )
    assert all(layer.snr_db is not None and layer.snr_db > 15 for layer in diagnosis.layers)
    assert sum(layer.share for layer in diagnosis.layers) == pytest.approx(1)
    # Storing what was read changes nothing: the spoiled files differ by what spoils them alone.
    again = floats.diagnosed(first_layer(floats, sound).store())
    assert kinds(again) == []
    assert again.observed.worst.snr_db == pytest.approx(diagnosis.observed.worst.snr_db, abs=3)


@pytest.mark.parametrize(
    ("factor", "kind"),
    [(0.1, "range too narrow"), (8.0, "range too wide"), (255.0, "double normalization")],
)
def test_calibrated_on_inputs_scaled_otherwise(floats: Floats, factor: float, kind: str) -> None:
    diagnosis = floats.diagnosed(floats.quantized(factor))
    assert kind in kinds(diagnosis)
    cause = next(cause for cause in diagnosis.causes if cause.kind == kind)
    is_onnx = floats.file.suffix == ".onnx"
    assert ("--format onnx" in cause.command) is is_onnx
    assert str(floats.file) in cause.command


def test_an_input_scale_that_is_off(floats: Floats, sound: bytes) -> None:
    diagnosis = floats.diagnosed(first_layer(floats, sound).scale_input(0.4))
    assert "input scale" in kinds(diagnosis)
    finding = next(c.finding for c in diagnosis.causes if c.kind == "input scale")
    assert "60%" in finding


def lost_channel(layer: FirstLayer) -> bytes:
    layer.weights[0] = layer.bias[0] = 0
    return layer.store()


def saturated(layer: FirstLayer) -> bytes:
    layer.bias += 1.5
    return layer.store()


def one_scale(layer: FirstLayer) -> bytes:
    layer.weights[0] *= 20
    return layer.store(one_scale=True)


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (saturated, "saturating tensors", "last step"),
        (lost_channel, "dead channels", "zero throughout, though in float"),
        (one_scale, "per-tensor weights", "1 convolution"),
    ],
)
def test_a_first_layer_that_is_stored_wrongly(
    floats: Floats,
    sound: bytes,
    spoil: Callable[[FirstLayer], bytes],
    kind: str,
    says: str,
) -> None:
    diagnosis = floats.diagnosed(spoil(first_layer(floats, sound)))
    assert kind in kinds(diagnosis)
    cause = next(cause for cause in diagnosis.causes if cause.kind == kind)
    assert says in cause.finding
    if kind != "saturating tensors":  # which show most where they end up
        assert cause.layer == diagnosis.layers[0].layer


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_a_branch_that_vanishes_in_its_sum(file_format: Format, tmp_path: Path) -> None:
    floats = (_uneven_tflite if file_format == "tflite" else _uneven_onnx)(tmp_path)
    diagnosis = floats.diagnosed(floats.quantized())
    cause = next(cause for cause in diagnosis.causes if cause.kind == "uneven branches")
    wider = {"tflite": "--int16x8", "onnx": "--float16 --format onnx"}
    assert wider[file_format] in cause.command


def _uneven_tflite(folder: Path) -> Floats:
    net = RandomNet(1, (1, 8, 8, 3))
    trunk = net.conv(net.image, 4)
    small = net.mul(net.conv(trunk, 4), np.full(4, 1e-3, np.float32))
    total = net.sum_of(net.add(net.mul(trunk)), net.add(small, np.full(4, 1e-4, np.float32)))
    (folder / "net.tflite").write_bytes(net.finish(net.dense(net.flatten(total), 5)))
    return _with_inputs(folder / "net.tflite", (8, 8, 3))


def _uneven_onnx(folder: Path) -> Floats:
    net = Net((1, 3, 8, 8), seed=1)
    trunk = net.conv("input", 3, 4, pads=[1] * 4)
    tiny = net.normal(4, 4, 3, 3, scale=1e-4)
    total = net.node("Add", trunk, net.node("Conv", trunk, tiny, pads=[1] * 4))
    x = net.node("Gemm", net.node("Flatten", total), net.normal(256, 5, scale=0.05), net.normal(5))
    onnx.save(net.model(x, (1, 5)), folder / "net.onnx")
    return _with_inputs(folder / "net.onnx", (3, 8, 8))
