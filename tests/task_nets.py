"""Networks of a few hundred bytes whose boxes, masks and classes can be worked out by hand."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from PIL import Image
from tiny_tflite import TinyModel, conv_options

from edgecnn import manifest as manifests
from edgecnn.records import (
    Endpoint,
    FileInfo,
    GraphInfo,
    Manifest,
    ModelInfo,
    OutputInfo,
    ParityInfo,
    Preprocessing,
    TensorInfo,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (1, 8, 8, 3)
IMAGE = Endpoint("image", "float32", SHAPE, "NHWC")
RAW = Preprocessing(mean=(0.0,), std=(1.0,))


def _flat(net: TinyModel, source: int, shape: tuple[int, ...]) -> int:
    target = net.tensor("float32", shape)
    wanted = net.tensor("int32", (len(shape),), values=np.array(shape, np.int32))
    net.operator("RESHAPE", [source, wanted], [target])
    return target


def _dense(
    net: TinyModel,
    source: int,
    matrix: Any,  # noqa: ANN401 - an array
    bias: Any,  # noqa: ANN401 - likewise
    name: str = "",
    *,
    batch: int = 1,
) -> int:
    weights = np.asarray(matrix, np.float32)
    constants = [
        net.tensor("float32", weights.shape, values=weights),
        net.tensor("float32", (len(weights),), values=np.asarray(bias, np.float32)),
    ]
    target = net.tensor("float32", (batch, len(weights)), name=name)
    net.operator("FULLY_CONNECTED", [source, *constants], [target], schema.FullyConnectedOptionsT())
    return target


def one_logit(
    border: float = 127.5, *, sigmoid: bool = False, batch: int = 1, pixels: bool = False
) -> bytes:
    """The mean of all pixels less `border`: below, a picture is dark.

    With `pixels` it takes them as uint8.
    """
    net, shape = TinyModel(), (batch, *SHAPE[1:])
    image = values = net.tensor("uint8" if pixels else "float32", shape, name="image")
    if pixels:
        values = net.tensor("float32", shape)
        net.operator("CAST", [image], [values])
    flat = _flat(net, values, (batch, 192))
    logit = _dense(net, flat, np.full((1, 192), 1 / 192), [-border], "logit", batch=batch)
    if sigmoid:
        net.operator("LOGISTIC", [logit], [net.tensor("float32", (1, 1), name="light")])
    net.border([image], [len(net.graph.tensors) - 1])
    return net.to_bytes()


def channel_of_most(scale: tuple[float, float, float] = (1, 1, 1)) -> bytes:
    """A mask: 0, 1 or 2 where red, green or blue is strongest, each scaled."""
    net = TinyModel()
    image = net.tensor("float32", SHAPE, name="image")
    kernel = np.diag(np.array(scale, np.float32)).reshape(3, 1, 1, 3)
    weights = net.tensor("float32", kernel.shape, values=kernel)
    bias = net.tensor("float32", (3,), values=np.zeros(3, np.float32))
    scores = net.tensor("float32", SHAPE, name="scores")
    net.operator("CONV_2D", [image, weights, bias], [scores], conv_options())
    net.border([image], [scores])
    return net.to_bytes()


def boxes_in_pixels(
    scale: Sequence[float] = (1, 1, 1, 1, 0.01, 1), shift: Sequence[float] | None = None
) -> bytes:
    """Boxes (1, 32, 6) that the pixels spell: x1, y1, x2, y2, a hundred times the score, class.

    `shift` is added to the first of them.
    """
    net = TinyModel()
    image = net.tensor("float32", SHAPE, name="image")
    rows = _flat(net, image, (1, 32, 6))
    scaled, boxes = (
        net.tensor("float32", (1, 32, 6)),
        net.tensor("float32", (1, 32, 6), name="rows"),
    )
    factor = np.asarray(scale, np.float32).reshape(1, 1, 6)
    summand = np.zeros((1, 32, 6), np.float32)
    if shift is not None:
        summand[0, 0] = shift
    factors = net.tensor("float32", factor.shape, values=factor)
    summands = net.tensor("float32", summand.shape, values=summand)
    net.operator("MUL", [rows, factors], [scaled], schema.MulOptionsT())
    net.operator("ADD", [scaled, summands], [boxes], schema.AddOptionsT())
    net.border([image], [boxes])
    return net.to_bytes()


def picture_and_numbers() -> tuple[bytes, NDArray[np.float32], NDArray[np.float32]]:
    """Three class scores of an image and four numbers, and the matrices that make them."""
    random = np.random.default_rng(0)
    of_image = random.standard_normal((3, 192)).astype(np.float32)
    of_numbers = 20 * random.standard_normal((3, 4)).astype(np.float32)
    net = TinyModel()
    image = net.tensor("float32", SHAPE, name="image")
    numbers = net.tensor("float32", (1, 4), name="numbers")
    left = _dense(net, _flat(net, image, (1, 192)), of_image, np.zeros(3))
    right = _dense(net, numbers, of_numbers, np.zeros(3))
    scores = net.tensor("float32", (1, 3), name="scores")
    net.operator("ADD", [left, right], [scores], schema.AddOptionsT())
    net.border([image, numbers], [scores])
    return net.to_bytes(), of_image, of_numbers


def two_outputs() -> bytes:
    """A softmax over dark and light, "shade", and the means of the channels, "means"."""
    net = TinyModel()
    image = net.tensor("float32", SHAPE, name="image")
    flat = _flat(net, image, (1, 192))
    rows = np.stack([np.full(192, -1 / 192), np.full(192, 1 / 192)])
    logits = _dense(net, flat, rows, [127.5, -127.5])
    shade = net.tensor("float32", (1, 2), name="shade")
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    net.operator("SOFTMAX", [logits], [shade], options)
    means = _dense(net, flat, np.tile(np.eye(3), 64) / 64, np.zeros(3), "means")
    net.border([image], [shade, means])
    return net.to_bytes()


def write_folder(
    folder: Path,
    content: bytes,
    outputs: Sequence[OutputInfo],
    *,
    recipe: str = "float32",
    inputs: Sequence[Endpoint] = (IMAGE,),
    file_inputs: Sequence[str] = ("NHWC",),
) -> Path:
    """An artifact of a .tflite alone, as far as `evaluate` reads one; returns the folder."""
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(content)
    ends = [
        TensorInfo(end.name, end.dtype, end.shape, layout=layout)
        for end, layout in zip(inputs, file_inputs, strict=True)
    ]
    info = FileInfo(
        path="model.tflite",
        format="tflite",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        inputs=tuple(ends),
        outputs=tuple(TensorInfo(end.name, end.dtype, end.shape) for end in outputs),
        graph=GraphInfo({}, {}, {}, None, {}),
        parity=ParityInfo(None, 1.0, 0.0, None, 1),
    )
    manifest = Manifest(
        edgecnn="0.1.0",
        model=ModelInfo("net", 1, 1, 1, SHAPE, 3, "net.keras"),
        recipe=recipe,
        seed=0,
        preprocessing=RAW,
        calibration=None,
        versions={},
        files=(info,),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
    )
    manifests.write(manifest, folder)
    return folder


def save(path: Path, pixels: Any) -> None:  # noqa: ANN401 - an array
    """Write a PNG of any integers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def spelt(*boxes: Sequence[float]) -> NDArray[np.uint8]:
    """The picture that makes `boxes_in_pixels` say these."""
    rows = np.zeros((32, 6), np.uint8)
    rows[: len(boxes)] = np.asarray(boxes).reshape(-1, 6)
    return rows.reshape(8, 8, 3)
