"""A whole artifact folder of a few kilobytes, made without TensorFlow and without `export`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx_nets import Net, images
from tiny_tflite import float_net

from edgecnn import manifest as manifests
from edgecnn import parity, reference
from edgecnn.calibration.preprocessing import AS_IT_IS
from edgecnn.calibration.sampleset import from_arrays
from edgecnn.inspection import inspect
from edgecnn.records import (
    Endpoint,
    FileInfo,
    Manifest,
    ModelInfo,
    OutputInfo,
    ParityInfo,
    Preprocessing,
)

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

SAMPLES = 4
IMAGE = Endpoint("image", "float32", (1, 8, 8, 3), "NHWC")
SCORES = OutputInfo("logits", "float32", (1, 5), kind="logits")


def same_net_as_onnx() -> onnx.ModelProto:
    """The network of tiny_tflite.float_net, with the same weights."""
    random = np.random.default_rng(0)
    kernel, bias, matrix, shift = (
        random.standard_normal(shape).astype(np.float32)
        for shape in ((4, 3, 3, 3), (4,), (5, 256), (5,))
    )
    net = Net()
    image = net.node("Transpose", "input", perm=[0, 3, 1, 2])
    weight = net.constant(np.ascontiguousarray(kernel.transpose(0, 3, 1, 2)))
    features = net.node("Conv", image, weight, net.constant(bias), pads=[1, 1, 1, 1])
    back = net.node("Transpose", net.node("Relu", features), perm=[0, 2, 3, 1])
    flat = net.node("Flatten", back, axis=1)
    logits = net.node("Gemm", flat, net.constant(matrix), net.constant(shift), transB=1)
    return net.model(logits, (1, 5))


def write_artifact(folder: Path, formats: tuple[str, ...] = ("tflite", "onnx")) -> Path:
    """Write model files, reference.npz and manifest.json into a new folder; returns it."""
    folder.mkdir(parents=True)
    contents = {
        "tflite": float_net().to_bytes(),
        "onnx": same_net_as_onnx().SerializeToString(deterministic=True),
    }
    inputs = from_arrays("noise", SAMPLES, [np.concatenate(images(SAMPLES))])
    feeds = list(inputs.feeds((IMAGE,), AS_IT_IS))
    expected = parity.answers(contents["tflite"], feeds, inputs=(IMAGE,), outputs=(SCORES,))
    reference.write(folder / reference.NAME, reference.Reference(inputs, expected))
    for name in formats:
        (folder / f"model.{name}").write_bytes(contents[name])
    files = tuple(describe(folder / f"model.{name}", feeds, expected) for name in formats)
    manifests.write(manifest_of(files), folder)
    return folder


def describe(path: Path, feeds: list[Any], expected: parity.Answers) -> FileInfo:
    """What a manifest says of one file."""
    found = inspect(path)
    measured = parity.answers(path, feeds, inputs=(IMAGE,), outputs=(SCORES,))
    parities = parity.compare(expected, measured, (SCORES,))
    return FileInfo(
        path=path.name,
        format=found.format,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        bytes=path.stat().st_size,
        inputs=found.inputs,
        outputs=found.outputs,
        graph=found.graph,
        parity=parities[0],
        parities=parities,
    )


def describe_any(path: Path, into: str = "", out: str = "") -> FileInfo:
    """The same of a file of any ends; `into` and `out` are the layouts of its first ones."""
    found = inspect(path)
    first_in = replace(found.inputs[0], layout=into)
    first_out = replace(found.outputs[0], layout=out)
    return FileInfo(
        path=path.name,
        format=found.format,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        bytes=path.stat().st_size,
        inputs=(first_in, *found.inputs[1:]),
        outputs=(first_out, *found.outputs[1:]),
        graph=found.graph,
        parity=ParityInfo(None, 1.0, 0.0, None, SAMPLES),
    )


def manifest_of(files: tuple[FileInfo, ...]) -> Manifest:
    """A manifest of these files."""
    return Manifest(
        edgecnn="0.1.0",
        model=ModelInfo("tiny", 1397, 1397, 8192, (1, 8, 8, 3), 5, "random"),
        recipe="float32",
        seed=0,
        preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)),
        calibration=None,
        versions={"edgecnn": "0.1.0"},
        files=files,
        inputs=(IMAGE,),
        outputs=(SCORES,),
    )
