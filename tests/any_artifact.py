"""Artifact folders of networks that do not just classify: made tensor by tensor, with manifests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tiny_artifact import describe_any, manifest_of
from tiny_tflite import TinyModel, conv_options, int8_net

from edgecnn import manifest as manifests
from edgecnn.records import Endpoint, ModelInfo, OutputInfo, Preprocessing
from edgecnn.runtime.session import dequantize_output, open_session, quantize_input

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

RUNS = 3
PIXELS = Endpoint("image", "float32", (1, 64, 64, 3), "NHWC")
CELLS = 64 + 16 + 4  # of strides 8, 16 and 32 over 64 x 64 pixels
PAINT = Preprocessing((0.0,), (255.0,))


def write(
    folder: Path,
    net: TinyModel,
    inputs: tuple[Endpoint, ...],
    outputs: tuple[OutputInfo, ...],
    *,
    layouts: tuple[str, str] = ("", ""),
) -> Path:
    """A folder of one .tflite with a reference of a few random runs.

    Args:
        folder: made.
        net: the file.
        inputs: of the source model.
        outputs: likewise.
        layouts: of the file's first input and output, where they are not the source's.
    """
    folder.mkdir(parents=True)
    path = folder / "model.tflite"
    path.write_bytes(net.to_bytes())
    file = describe_any(path, *layouts)
    random = np.random.default_rng(0)
    arrays = [_values(random, end) for end in inputs]
    answers = _answers(path, arrays, inputs, file.inputs[0].layout)
    stored: dict[str, Any] = {f"x{k}": array for k, array in enumerate(arrays)}
    for k, output in enumerate(outputs):
        values = [_arranged(run[k], layouts[1], output.layout) for run in answers]
        stored[f"y{k}"] = np.concatenate(values)
    np.savez(folder / "reference.npz", **stored)
    model = ModelInfo("any", 1, 1, 1, (1,), 0, "trained.keras")
    made = replace(
        manifest_of((file,)), model=model, inputs=inputs, outputs=outputs, preprocessing=PAINT
    )
    manifests.write(made, folder)
    return folder


def _values(random: np.random.Generator, end: Endpoint) -> NDArray[Any]:
    shape = (RUNS * end.shape[0], *end.shape[1:])
    if end.dtype == "float32":
        return random.uniform(0, 1, shape).astype(np.float32)
    return random.integers(0, 4, shape).astype(end.dtype)


def _answers(
    path: Path, arrays: Sequence[NDArray[Any]], inputs: tuple[Endpoint, ...], layout: str
) -> list[list[NDArray[Any]]]:
    session = open_session(path)
    answers = []
    for run in range(RUNS):
        feeds = []
        for array, end, info in zip(arrays, inputs, session.inputs, strict=True):
            rows = array[run * end.shape[0] : (run + 1) * end.shape[0]]
            placed = _arranged(rows, end.layout, layout) if rows.ndim == 4 else rows
            feeds.append(quantize_input(placed, info) if info.dtype == "int8" else placed)
        raw = session.run(feeds)
        infos = zip(raw, session.outputs, strict=True)
        answers.append([dequantize_output(r, i) if i.dtype == "int8" else r for r, i in infos])
    return answers


def _arranged(values: NDArray[Any], have: str, want: str) -> NDArray[Any]:
    if not have or not want:
        return values
    return values.transpose([have.index(axis) for axis in want])


def _mean(net: TinyModel, image: int, shape: tuple[int, ...]) -> int:
    """The mean of an image, in a shape of ones."""
    axes = net.tensor("int32", (3,), values=np.array([1, 2, 3], np.int32))
    mean = net.tensor("float32", (1,))
    options = schema.ReducerOptionsT()
    options.keepDims = False
    net.operator("MEAN", [image, axes], [mean], options)
    wanted = net.tensor("int32", (len(shape),), values=np.array(shape, np.int32))
    reshaped = net.tensor("float32", shape)
    net.operator("RESHAPE", [mean, wanted], [reshaped])
    return reshaped


def _combined(
    net: TinyModel, name: str, one: int, values: NDArray[np.float32], end: str = ""
) -> int:
    other = net.tensor("float32", values.shape, values=values)
    made = net.tensor("float32", values.shape, name=end)
    options = {"MUL": schema.MulOptionsT, "ADD": schema.AddOptionsT}[name]()
    net.operator(name, [one, other], [made], options)
    return made


def one_logit(folder: Path, kind: str = "logits") -> Path:
    """A bright picture is the second of two classes."""
    net = TinyModel()
    image = net.tensor("float32", PIXELS.shape, name="image")
    mean = _mean(net, image, (1, 1))
    scaled = _combined(net, "MUL", mean, np.full((1, 1), 8, np.float32))
    net.border([image], [_combined(net, "ADD", scaled, np.full((1, 1), -4, np.float32), "score")])
    output = OutputInfo("score", "float32", (1, 1), "NC", kind)  # type: ignore[arg-type] # a literal
    return write(folder, net, (PIXELS,), (output,))


def yolov8(folder: Path, boxes: Sequence[tuple[float, ...]], classes: int = 2) -> Path:
    """Whatever the picture: these boxes (centre x, y, width, height, class, score)."""
    table = np.zeros((1, 4 + classes, CELLS), np.float32)
    table[0, :2, -1] = 64
    for k, (*box, index, score) in enumerate(boxes):
        table[0, :4, k] = box
        table[0, 4 + int(index), k] = score
    net = TinyModel()
    image = net.tensor("float32", PIXELS.shape, name="image")
    nothing = _combined(net, "MUL", _mean(net, image, (1, 1, 1)), np.zeros((1, 1, 1), np.float32))
    net.border([image], [_combined(net, "ADD", nothing, table, "boxes")])
    output = OutputInfo("boxes", "float32", table.shape)
    return write(folder, net, (PIXELS,), (output,))


def picture_and_numbers(folder: Path) -> Path:
    """Two inputs, two outputs: a map of the image, and the numbers less the image's mean."""
    random = np.random.default_rng(0)
    net = TinyModel()
    image = net.tensor("float32", (1, 8, 8, 3), name="image")
    numbers = net.tensor("float32", (1, 5), name="numbers")
    kernel = net.tensor(
        "float32", (4, 3, 3, 3), values=random.standard_normal((4, 3, 3, 3)).astype(np.float32)
    )
    bias = net.tensor("float32", (4,), values=np.zeros(4, np.float32))
    features = net.tensor("float32", (1, 8, 8, 4), name="map")
    net.operator("CONV_2D", [image, kernel, bias], [features], conv_options())
    mean = _mean(net, image, (1, 1))
    less = net.tensor("float32", (1, 5), name="less")
    net.operator("SUB", [numbers, mean], [less], schema.SubOptionsT())
    net.border([image, numbers], [features, less])
    inputs = (
        Endpoint("image", "float32", (1, 8, 8, 3), "NHWC"),
        Endpoint("numbers", "float32", (1, 5), "NC"),
    )
    outputs = (
        OutputInfo("map", "float32", (1, 8, 8, 4), "NHWC"),
        OutputInfo("less", "float32", (1, 5), "NC"),
    )
    return write(folder, net, inputs, outputs)


def int8_map_of_an_onnx_source(folder: Path) -> Path:
    """Channels first in the source, channels last in the file, which is int8 throughout."""
    inputs = (Endpoint("image", "float32", (1, 3, 8, 8), "NCHW"),)
    outputs = (OutputInfo("result", "float32", (1, 2, 8, 8), "NCHW", "logits"),)
    return write(folder, int8_net(), inputs, outputs, layouts=("NHWC", "NHWC"))


def argmax_inside(folder: Path) -> Path:
    """Bytes in, the number of the largest channel of each pixel out."""
    net = TinyModel()
    image = net.tensor("uint8", (1, 8, 8, 3), name="bytes")
    axis = net.tensor("int32", (1,), values=np.array([3], np.int32))
    largest = net.tensor("int32", (1, 8, 8), name="classes")
    options = schema.ArgMaxOptionsT()
    options.outputType = schema.TensorType.INT32
    net.operator("ARG_MAX", [image, axis], [largest], options)
    net.border([image], [largest])
    inputs = (Endpoint("bytes", "uint8", (1, 8, 8, 3), "NHWC"),)
    return write(folder, net, inputs, (OutputInfo("classes", "int32", (1, 8, 8), "NHW"),))


def two_at_once(folder: Path) -> Path:
    """A batch of two rows of numbers, doubled."""
    net = TinyModel()
    rows = net.tensor("float32", (2, 6), name="rows")
    doubled = net.tensor("float32", (2, 6), name="doubled")
    net.operator("ADD", [rows, rows], [doubled], schema.AddOptionsT())
    net.border([rows], [doubled])
    inputs = (Endpoint("rows", "float32", (2, 6), "NC"),)
    return write(folder, net, inputs, (OutputInfo("doubled", "float32", (2, 6), "NC"),))
