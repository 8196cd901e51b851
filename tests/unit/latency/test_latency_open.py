"""predict on files that leave sizes open, or hold operators nobody can count."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from open_nets import detector, detector_macs, onnx_model, open_tflite
from tiny_tflite import TinyModel, conv_options, float_net

import edgecnn
from edgecnn.cli.app import run
from edgecnn.errors import InputError
from edgecnn.latency.files import costs_of_file
from edgecnn.latency.kinds import kind_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")

PI = "raspberry-pi-4b"


def one(model: Path, **options: Any) -> edgecnn.PredictedRun:  # noqa: ANN401 - PredictOptions
    (found,) = edgecnn.predict(model, device=PI, **options).predictions
    return found


def saved(model: onnx.ModelProto | TinyModel, folder: Path) -> Path:
    if isinstance(model, TinyModel):
        path = folder / "net.tflite"
        path.write_bytes(model.to_bytes())
    else:
        path = folder / "net.onnx"
        onnx.save(model, path)
    return path


def test_an_open_detector_asks_for_its_shape(tmp_path: Path) -> None:
    path = saved(detector(), tmp_path)
    with pytest.raises(InputError, match="leaves sizes of its inputs open: images") as caught:
        one(path)
    assert "--input-shape images=1x3x320x320" in caught.value.hint
    small, large = (one(path, input_size=size) for size in (160, 320))
    assert small.macs == detector_macs(160, 160)
    assert large.macs == detector_macs(320, 320)
    assert 3 < large.latency_ms / small.latency_ms < 6
    report = edgecnn.predict(path, device=PI, input_shapes={"images": (1, 3, 160, 160)})
    assert report.predictions[0].latency_ms == small.latency_ms
    assert report.notes == ("MACs are counted at images 1x3x160x160.",)


def test_an_open_detector_is_predicted_like_the_fixed_one(tmp_path: Path) -> None:
    (tmp_path / "fixed").mkdir()
    fixed = one(saved(detector(320, 320, 1), tmp_path / "fixed"))
    opened = one(saved(detector(), tmp_path), input_size=320)
    assert opened.latency_ms == pytest.approx(fixed.latency_ms, rel=0.01)


def test_an_open_batch_alone_asks_for_nothing(tmp_path: Path) -> None:
    assert one(saved(detector(64, 64), tmp_path)).macs == detector_macs(64, 64)


def test_an_open_tflite(tmp_path: Path) -> None:
    path = saved(open_tflite(), tmp_path)
    with pytest.raises(InputError, match=r"open: image 1x.x.x3"):
        one(path)
    assert one(path, input_size=(8, 12)).macs == 96 * 4 * 27 + 96 * 16


def test_fixed_files_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--input-size cannot change"):
        one(saved(float_net(), tmp_path), input_size=16)
    with pytest.raises(InputError, match="--input-shape cannot change"):
        one(saved(float_net(), tmp_path), input_shapes={"image": (1, 16, 16, 3)})
    with pytest.raises(InputError, match="--input-size cannot change"):
        one(saved(detector(64, 64, 1), tmp_path), input_size=32)


def test_fit_takes_an_open_file(tmp_path: Path) -> None:
    report = edgecnn.fit(
        saved(detector(), tmp_path), device=PI, latency_ms=1000, input_sizes=(64, 128)
    )
    assert {each.input_size for each in report.candidates} == {64, 128}
    with pytest.raises(InputError, match="open"):
        edgecnn.fit(tmp_path / "net.onnx", device=PI, latency_ms=1000)


def unknown_net(strange: int) -> TinyModel:
    """Eight convolutions, and operators of a kind nobody knows."""
    net = TinyModel()
    tensors = [net.tensor("float32", (1, 8, 8, 3)) for _ in range(9 + strange)]
    kernel = net.tensor("float32", (3, 3, 3, 3), constant=True)
    for place, (source, made) in enumerate(itertools.pairwise(tensors)):
        if place < 8:
            net.operator("CONV_2D", [source, kernel], [made], conv_options())
        else:
            net.operator("MyOwn", [source], [made], custom=True)
    net.border([tensors[0]], [tensors[-1]])
    return net


def test_operators_of_unknown_cost_widen_and_then_refuse(tmp_path: Path) -> None:
    known = one(saved(unknown_net(0), tmp_path))
    wider = one(saved(unknown_net(1), tmp_path))
    assert wider.high_ms / wider.latency_ms > 1.3 * known.high_ms / known.latency_ms
    assert wider.low_ms / wider.latency_ms < known.low_ms / known.latency_ms
    with pytest.raises(InputError, match="no cost is known for 8 MyOwn, 50% of what it does"):
        one(saved(unknown_net(8), tmp_path))


def test_products_nobody_can_count_are_refused(tmp_path: Path) -> None:
    net = unknown_net(0)
    net.operator("FlexConv3D", net.graph.outputs, [net.tensor("float32", (1, 8))], custom=True)
    with pytest.raises(InputError, match="how often 1 FlexConv3D multiply"):
        one(saved(net, tmp_path))


def test_loops_are_refused(tmp_path: Path) -> None:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_in"], ["go_out"]),
            helper.make_node("MatMul", ["x_in", "w"], ["x_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x_in", TensorProto.FLOAT, [1, 8]),
        ],
        [
            helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x_out", TensorProto.FLOAT, [1, 8]),
        ],
    )
    node = helper.make_node("Loop", ["count", "", "x"], ["y"], body=body)
    ends = {"x": (TensorProto.FLOAT, [1, 8]), "count": (TensorProto.INT64, [])}
    constants = {"w": np.ones((8, 8), np.float32)}
    model = onnx_model([node], ends, {"y": (TensorProto.FLOAT, [1, 8])}, constants)
    with pytest.raises(InputError, match="1 Loop repeats what is in it"):
        one(saved(model, tmp_path))


def test_a_recurrent_layer_takes_a_step_after_the_other(tmp_path: Path) -> None:
    def of(steps: int) -> edgecnn.PredictedRun:
        node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=64)
        weights = {
            "w": np.ones((1, 256, 32), np.float32),
            "r": np.ones((1, 256, 64), np.float32),
        }
        ends = {"x": (TensorProto.FLOAT, [steps, 1, 32])}
        outputs = {"y": (TensorProto.FLOAT, [steps, 1, 1, 64])}
        return one(saved(onnx_model([node], ends, outputs, weights), tmp_path))

    short, long = of(10), of(100)
    assert [kind.kind for kind in long.kinds] == ["recurrent"]
    assert long.macs == 100 * 256 * 96
    assert 5 < long.latency_ms / short.latency_ms < 11


def test_a_transposed_convolution_costs_as_its_multiplications(tmp_path: Path) -> None:
    """Twice the stride writes four times the plane, and multiplies as often."""

    def of(stride: int) -> edgecnn.PredictedRun:
        node = helper.make_node(
            "ConvTranspose", ["x", "w"], ["y"], strides=[stride] * 2, kernel_shape=[4, 4]
        )
        weights = {"w": np.ones((32, 16, 4, 4), np.float32)}
        ends = {"x": (TensorProto.FLOAT, [1, 32, 40, 40])}
        outputs = {"y": (TensorProto.FLOAT, [1, 16, "h", "w"])}
        return one(saved(onnx_model([node], ends, outputs, weights), tmp_path))

    assert of(2).macs == of(4).macs
    assert of(4).latency_ms < 2 * of(2).latency_ms


@pytest.mark.parametrize("name", [
    "LEAKY_RELU", "PRELU", "ELU", "GELU", "HARD_SWISH", "RESIZE_BILINEAR", "TRANSPOSE_CONV",
    "RESIZE_NEAREST_NEIGHBOR", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "L2_NORMALIZATION", "TILE",
    "REDUCE_MAX", "MINIMUM", "PACK", "GATHER", "BATCH_MATMUL", "CONV_3D", "SCATTER_ND",
    "Convolution2DTransposeBias", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BROADCAST_TO", "SELECT_V2",
])  # fmt: skip
def test_operators_of_tflite_have_a_kind(name: str) -> None:
    assert kind_of("tflite", name) != "unknown"


@pytest.mark.parametrize("name", [
    "LeakyRelu", "PRelu", "Elu", "Mish", "HardSwish", "Resize", "ConvTranspose", "DepthToSpace",
    "SpaceToDepth", "Einsum", "GRU", "LSTM", "InstanceNormalization", "GridSample", "ReduceL2",
    "ScatterND", "TopK", "Expand", "Where", "Erf", "Softplus", "com.microsoft.QLinearLeakyRelu",
])  # fmt: skip
def test_operators_of_onnx_have_a_kind(name: str) -> None:
    assert kind_of("onnx", name) != "unknown"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--input-shape", "1x3x64"], "has 4 axes"),
        (["--input-shape", "nobody=1x3x64x64"], "no input 'nobody'"),
        (["--input-shape", "im ages\n=$(x)=1x3x64x64"], "no input"),
        (["--input-shape", "1x3x0x64"], "below 1"),
        (["--input-shape", "1x3x999999999x999999999"], "elements"),
        (["--input-shape", "1x3xHxW"], "takes sizes joined by x"),
        (["--input-shape", ""], "takes sizes joined by x"),
        (["--input-size", "0"], "below 1"),
        (["--input-size", "big"], "takes one number of pixels"),
    ],
)
def test_wrong_shapes_are_a_sentence(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(detector(), tmp_path)
    assert run(["predict", str(path), "--device", PI, *options]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_the_zoo_has_square_inputs_and_no_names() -> None:
    assert one("vgg", input_size=(32, 32)).latency_ms == one("vgg").latency_ms  # type: ignore[arg-type]
    with pytest.raises(InputError, match="--input-shape is for models of your own"):
        one("vgg", input_shapes={"": (1, 32, 32, 3)})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="square"):
        one("xception", input_size=(128, 256))  # type: ignore[arg-type]


def test_costs_of_a_damaged_file_at_a_shape(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(detector().SerializeToString()[:100])
    with pytest.raises(InputError):
        costs_of_file(path)


def test_a_float16_file_also_answers_for_int8(tmp_path: Path) -> None:
    net = TinyModel()
    image = net.tensor("float32", (1, 8, 8, 3), name="image")
    packed = net.tensor("float16", (4, 3, 3, 3), constant=True)
    kernel = net.tensor("float32", (4, 3, 3, 3))
    made = net.tensor("float32", (1, 8, 8, 4))
    net.operator("DEQUANTIZE", [packed], [kernel])
    net.operator("CONV_2D", [image, kernel], [made], conv_options())
    net.border([image], [made])
    own, int8 = (one(saved(net, tmp_path), recipes=recipes) for recipes in ((), ("int8",)))
    assert (own.recipe, int8.recipe) == ("float16", "int8")
    assert int8.kinds[0].bytes_moved < own.kinds[0].bytes_moved
