"""Runs a .tflite file on single images: what a device computes, and what this machine expects.

Sent to the device beside `classify.py`: it runs on Python 3.9 and newer with numpy and a LiteRT
runtime, and imports nothing of edgecnn. Here it computes the outputs that the device must repeat.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_RUNTIMES = ("ai_edge_litert", "tflite_runtime")
_RGB = 3
# What a machine calls itself, and the parent's memory: qemu hides itself in a program's own.
_TELLTALES = ("cpuinfo", "device-tree/model", "{parent}/maps")


class UnusableError(RuntimeError):
    """The runtime does not load, or does not take the network."""


class Network:
    """A .tflite file that takes one image and gives one number for each class.

    Args:
        path: the file.
        preprocessing: `preprocessing` of manifest.json: (pixel - mean) / std in float32, in the
            network's channel order.
        threads: of one inference.

    Raises:
        UnusableError: it cannot be run here.
    """

    def __init__(self, path: str, preprocessing: dict[str, Any], threads: int = 1) -> None:
        self.emulated = emulated()
        self._preprocessing = preprocessing
        self._interpreter = _load(path, threads)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self.input_shape = tuple(int(size) for size in self._input["shape"])

    def feed(self, image: NDArray[Any]) -> None:
        """Set the input: uint8 pixels (H, W, C), or float32 as the network is fed.

        Quantized as edgecnn does: rint(x / scale) + zero_point in float64, saturated.
        """
        values = self._scaled(image) if image.dtype == np.uint8 else image
        dtype = np.dtype(self._input["dtype"])
        if dtype.kind in "iu":
            scale, zero_point = self._input["quantization"]
            limits = np.iinfo(dtype)
            steps = np.rint(values.astype(np.float64) / scale) + zero_point
            values = np.clip(steps, limits.min, limits.max)
        self._interpreter.set_tensor(self._input["index"], values.astype(dtype)[np.newaxis])

    def run(self) -> NDArray[Any]:
        """One inference; the output as it is, (classes,) in its own dtype."""
        self._interpreter.invoke()
        output: NDArray[Any] = self._interpreter.get_tensor(self._output["index"])
        return output.reshape(-1)

    def real(self, output: NDArray[Any]) -> NDArray[np.float64]:
        """An output as real numbers: (q - zero_point) * scale for integers."""
        if output.dtype.kind not in "iu":
            return output.astype(np.float64)
        scale, zero_point = self._output["quantization"]
        real: NDArray[np.float64] = (output.astype(np.float64) - zero_point) * scale
        return real

    def _scaled(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._preprocessing["channel_order"] == "BGR" and pixels.shape[-1] == _RGB:
            pixels = pixels[..., ::-1]
        mean = np.asarray(self._preprocessing["mean"], np.float32)
        std = np.asarray(self._preprocessing["std"], np.float32)
        scaled: NDArray[np.float32] = (pixels.astype(np.float32) - mean) / std
        return scaled


def _load(path: str, threads: int) -> Any:  # noqa: ANN401 - an Interpreter of whichever runtime
    try:
        interpreter = _interpreter_class()(model_path=path, num_threads=threads)
        interpreter.allocate_tensors()
    except ImportError as error:  # a library of the system may be missing
        raise UnusableError(f"the runtime does not load: {error}") from error
    except (ValueError, RuntimeError) as error:  # an operator it does not have
        raise UnusableError(f"the runtime refuses the network: {error}") from error
    return interpreter


def _interpreter_class() -> Any:  # noqa: ANN401 - likewise
    for name in _RUNTIMES:
        if importlib.util.find_spec(name) is not None:
            return importlib.import_module(f"{name}.interpreter").Interpreter
    raise ImportError(f"none of {', '.join(_RUNTIMES)} is there")


def outputs(
    path: str, preprocessing: dict[str, Any], images: Iterable[NDArray[Any]], threads: int = 1
) -> NDArray[Any]:
    """Run a file on images; (images, classes) in the output's own dtype.

    For a foreign file call it through `isolation.run`: the runtime is native code.
    """
    network = Network(path, preprocessing, threads)
    return np.stack([_run_on(network, image) for image in images])


def _run_on(network: Network, image: NDArray[Any]) -> NDArray[Any]:
    network.feed(image)
    return network.run()


def difference(
    found: NDArray[Any], expected: NDArray[Any], rule: str, zero_point: int = 0
) -> float:
    """How far outputs are apart.

    Args:
        found: (images, classes), of the device.
        expected: likewise, of the machine that deployed.
        rule: "absolute" (the largest difference: steps of an integer output), "relative" (that,
            over the largest output), or "rms" (of the difference, over the outputs' own).
        zero_point: the integer that stands for zero.

    Returns:
        NaN when the arrays are not of one kind, or an output is NaN.
    """
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return float("nan")
    wanted = expected.astype(np.float64) - zero_point
    distance = np.abs(found.astype(np.float64) - zero_point - wanted)
    if rule == "absolute" or not distance.any():
        return float(distance.max())
    if rule == "relative":
        return float(distance.max() / np.abs(wanted).max())
    return float(np.sqrt(np.square(distance).mean() / np.square(wanted).mean()))


def emulated(proc: Path = Path("/proc")) -> bool:
    """Whether an emulator runs this program: its times say nothing of the device it imitates."""
    told = [_text(proc / name.format(parent=os.getppid())) for name in _TELLTALES]
    return "QEMU_CPU" in os.environ or any(
        word in text for text in told for word in ("qemu-", "QEMU", "EMULATED")
    )


def _text(path: Path) -> str:
    """What a file of the system says; nothing where there is none, or we may not look."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
