"""Runs a .tflite file of any inputs and outputs: what a device computes, and what we expect."""

from __future__ import annotations

import importlib
import importlib.util
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.deploying.device.ends import arranged, ends, runs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_RUNTIMES = ("ai_edge_litert", "tflite_runtime")


class UnusableError(RuntimeError):
    """The runtime does not load, or does not take the network or what it is fed."""


class Network:
    """A .tflite file.

    Args:
        path: the file.
        manifest: manifest.json's content.
        threads: of one inference.

    Attributes:
        inputs: as the source model has them.
        outputs: likewise.
        latency_ms: of the last inference alone.

    Raises:
        UnusableError: it cannot be run here.
    """

    def __init__(self, path: str, manifest: dict[str, Any], threads: int = 1) -> None:
        self.inputs, self.outputs = ends(manifest, "inputs"), ends(manifest, "outputs")
        self.latency_ms = 0.0
        self._interpreter = _load(path, threads)
        self._fed = self._interpreter.get_input_details()
        self._read = self._interpreter.get_output_details()
        if (len(self._fed), len(self._read)) != (len(self.inputs), len(self.outputs)):
            raise UnusableError(
                f"the file has {len(self._fed)} inputs and {len(self._read)} outputs, its manifest"
                f" names {len(self.inputs)} and {len(self.outputs)}"
            )

    def run(self, feeds: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """One inference.

        Args:
            feeds: an array for each input, as the source model takes it: real numbers where it
                takes floats.

        Returns:
            The outputs as the file gives them, in its own dtype and layout.

        Raises:
            UnusableError: an array does not fit.
        """
        for values, end, detail in zip(feeds, self.inputs, self._fed):
            placed = arranged(values, end.layout, end.file_layout)
            shape = tuple(int(size) for size in detail["shape"])
            if placed.shape != shape:
                raise UnusableError(
                    f"input {end.name} is fed {placed.shape}, and the file takes {shape}"
                )
            encoded = _encoded(placed, detail, end.dtype)
            self._interpreter.set_tensor(detail["index"], np.ascontiguousarray(encoded))
        start = time.perf_counter()
        self._interpreter.invoke()
        self.latency_ms = (time.perf_counter() - start) * 1e3
        return [self._interpreter.get_tensor(detail["index"]) for detail in self._read]

    def real(self, raw: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs as the source model gives them: its layout, real numbers where it has floats."""
        return [
            arranged(_decoded(values, detail, end.dtype), end.file_layout, end.layout)
            for values, end, detail in zip(raw, self.outputs, self._read)
        ]

    def warm_up(self) -> None:
        """The first inference prepares the kernels, and says nothing of the speed of the others."""
        self.run([np.zeros(end.shape, end.dtype) for end in self.inputs])


def _encoded(values: NDArray[Any], detail: dict[str, Any], source: str) -> NDArray[Any]:
    """Quantized as edgecnn does: rint(x / scale) + zero_point in float64, saturated."""
    dtype = np.dtype(detail["dtype"])
    if dtype.kind not in "iu" or np.dtype(source).kind != "f":
        return values.astype(dtype)
    scale, zero_point = _quantization(detail)
    limits = np.iinfo(dtype)
    steps = np.rint(values.astype(np.float64) / scale) + zero_point
    quantized: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(dtype)
    return quantized


def _decoded(values: NDArray[Any], detail: dict[str, Any], source: str) -> NDArray[Any]:
    """(q - zero_point) * scale, computed in float64, for what was quantized."""
    if values.dtype.kind not in "iu" or np.dtype(source).kind != "f":
        return values
    scale, zero_point = _quantization(detail)
    real: NDArray[Any] = ((values.astype(np.float64) - zero_point) * scale).astype(source)
    return real


def _quantization(detail: dict[str, Any]) -> tuple[float, int]:
    scale, zero_point = detail["quantization"]
    if not scale > 0:
        raise UnusableError(f"{detail['name']} holds integers without a scale")
    return scale, zero_point


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
    path: str,
    manifest: dict[str, Any],
    arrays: Sequence[NDArray[Any]],
    threads: int = 1,
    progress: Any = None,  # noqa: ANN401 - a Progress, which devices do not have
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Run a file on arrays of many runs, as reference.npz has its inputs.

    For a foreign file call it through `gate.run`: the runtime is native code.

    Returns:
        Every output (runs, *shape) as the file gives it, and as the source model does.
    """
    network = Network(path, manifest, threads)
    raw = []
    for feeds in runs_of(arrays, network.inputs, _scaling(manifest)):
        raw.append(network.run(feeds))
        if progress is not None:
            progress.advance()
    real = [network.real(values) for values in raw]
    places = range(len(network.outputs))
    return [np.stack([run[k] for run in raw]) for k in places], [
        np.stack([run[k] for run in real]) for k in places
    ]


def _scaling(manifest: dict[str, Any]) -> dict[str, Any]:
    preprocessing: dict[str, Any] = manifest["preprocessing"]
    return preprocessing
