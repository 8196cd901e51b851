"""Networks with several ends as sources of an export, made without TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from judging import Source
from onnx import TensorProto, helper, numpy_helper
from tiny_tflite import TinyModel, conv_options

if TYPE_CHECKING:
    from pathlib import Path

    Array = np.ndarray[Any, Any]

JUDGED, CALIBRATED = 12, 100


def samples(shape: tuple[int, ...], count: int, seed: int, *, channels: int = -1) -> Array:
    """Samples that differ in the level of each channel, and in detail."""
    random = np.random.default_rng(seed)
    level_shape = [count, *[1] * len(shape)]
    level_shape[channels] = ([count, *shape])[channels]
    level = random.uniform(-1.4, 1.4, level_shape)  # within bounds, as calibration sees them
    values: Array = (level + random.normal(0, 0.4, (count, *shape))).astype(np.float32)
    return values


def tflite_of_several_ends() -> TinyModel:
    """Two inputs, three outputs, weights kept as float16; neither ends nor names are in order."""
    random = np.random.default_rng(0)
    net = TinyModel()

    def weights(*shape: int) -> int:
        values = random.normal(0, 0.4, shape).astype(np.float16)
        half = net.tensor("float16", shape, values=values)
        whole = net.tensor("float32", shape)
        net.operator("DEQUANTIZE", [half], [whole], schema.DequantizeOptionsT())
        return whole

    numbers = net.tensor("float32", (1, 4), name="numbers")
    image = net.tensor("float32", (1, 8, 8, 3), name="image")
    features = net.tensor("float32", (1, 8, 8, 4), name="features")
    pooled, total = (net.tensor("float32", (1, 4)) for _ in range(2))
    scores = net.tensor("float32", (1, 3))
    zeal, ages = (net.tensor("float32", (1, n), name=k) for n, k in ((1, "zeal"), (3, "ages")))
    net.operator("CONV_2D", [image, weights(4, 3, 3, 3), weights(4)], [features], conv_options())
    axes = net.tensor("int32", (2,), values=np.array([1, 2], np.int32))
    net.operator("MEAN", [features, axes], [pooled], schema.ReducerOptionsT())
    net.operator("ADD", [pooled, numbers], [total], schema.AddOptionsT())
    for made, width in ((zeal, 1), (scores, 3)):
        net.operator("FULLY_CONNECTED", [total, weights(width, 4), weights(width)], [made],
                     schema.FullyConnectedOptionsT())  # fmt: skip
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    net.operator("SOFTMAX", [scores], [ages], softmax)
    net.border([numbers, image], [zeal, features, ages])
    return net


def tflite_source(folder: Path) -> Source:
    """The same with its answers under LiteRT, and calibration arrays in another order."""
    path = folder / "net.tflite"
    path.write_bytes(tflite_of_several_ends().to_bytes())
    inputs = {"numbers": samples((4,), JUDGED, 1), "image": samples((8, 8, 3), JUDGED, 2)}
    calibration = folder / "calibration.npz"
    np.savez(calibration, image=samples((8, 8, 3), CALIBRATED, 3),
             numbers=samples((4,), CALIBRATED, 4))  # fmt: skip
    return Source(path, inputs, litert_answers(path, inputs), calibration)


def litert_answers(path: Path, inputs: dict[str, Array]) -> dict[str, Array]:
    """What a float .tflite gives for samples, by output name in its order."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    ends = interpreter.get_output_details()
    rows = []
    for k in range(len(next(iter(inputs.values())))):
        for info in interpreter.get_input_details():
            interpreter.set_tensor(info["index"], inputs[info["name"]][k : k + 1])
        interpreter.invoke()
        rows.append([interpreter.get_tensor(info["index"]).copy() for info in ends])
    return {info["name"]: np.concatenate([row[k] for row in rows]) for k, info in enumerate(ends)}


def onnx_of_several_ends() -> onnx.ModelProto:
    """Channels first, an open batch and size; two inputs, three outputs."""
    random = np.random.default_rng(0)
    weights = {"w": (6, 3, 3, 3), "h": (2, 6, 1, 1), "v": (6, 3), "u": (4, 6)}
    constants = {k: random.normal(0, 0.4, shape).astype(np.float32) for k, shape in weights.items()}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "h"], ["heat"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["numbers", "u"], ["n"]),
        helper.make_node("Add", ["f", "n"], ["zeal"]),
        helper.make_node("MatMul", ["zeal", "v"], ["s"]),
        helper.make_node("Softmax", ["s"], ["ages"], axis=-1),
    ]

    def info(name: str, *sizes: int | str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sizes])

    graph = helper.make_graph(
        nodes,
        "net",
        [info("numbers", 4), info("image", 3, "height", "width")],
        [info("zeal", 6), info("heat", 2, "h", "w"), info("ages", 3)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def onnx_source(folder: Path, height: int = 12, width: int = 16) -> Source:
    """The same at one size with its answers under ONNX Runtime."""
    path = folder / "net.onnx"
    onnx.save(onnx_of_several_ends(), path)

    def draw(count: int, seed: int) -> dict[str, Array]:
        image = samples((3, height, width), count, seed + 1, channels=1)
        return {"numbers": samples((4,), count, seed), "image": image}

    inputs = draw(JUDGED, 1)
    names = ["zeal", "heat", "ages"]
    answers = onnxruntime.InferenceSession(str(path)).run(names, inputs)
    calibration = folder / "calibration.npz"
    np.savez(calibration, **draw(CALIBRATED, 3))  # type: ignore[arg-type] # numpy means allow_pickle
    return Source(path, inputs, dict(zip(names, answers, strict=True)), calibration)
