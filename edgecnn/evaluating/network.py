"""A file that is fed samples and gives each its outputs. Used in child processes alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import files, layouts, parity
from edgecnn.calibration.preprocessing import preprocess
from edgecnn.errors import InputError
from edgecnn.evaluating.signature import (
    InputSpec,
    Signature,
    arranged,
    batch_of,
    check_count,
    input_spec,
    output_spec,
)
from edgecnn.runtime.session import dequantize_output, quantize_input
from edgecnn.tasks.outputs import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgecnn.evaluating.subjects import KnownSignature
    from edgecnn.records import Preprocessing, TensorInfo

    Array = NDArray[Any]

_BOUNDED = {"Softmax", "Sigmoid"}
_MIDDLE = 128  # what is taken from a pixel to make it int8


class Network:
    """A loaded file.

    Args:
        path: a .tflite or .onnx file.
        name: what to call it in messages.
        known: what its manifest says of its signature.

    Attributes:
        signature: what it takes and gives.

    Raises:
        InputError: the file is damaged, its runtime refuses it, or it is not what its manifest
            says.
        MissingPartError: its runtime is not installed.
    """

    def __init__(self, path: str, name: str, known: KnownSignature | None) -> None:
        self._name = name
        self._session, self._taps = parity.open_tapped(Path(path), 1)
        bounded = _bounded(Path(path))
        own = len(self._session.outputs) - len(self._taps)
        check_count(name, len(self._session.inputs), own, known)
        batch = batch_of(name, self._session.inputs)
        inputs = tuple(
            input_spec(info, place, known) for place, info in enumerate(self._session.inputs)
        )
        self.signature = Signature(inputs, (), batch, self._session.runtime)
        ((samples, _),) = self._run([_zeros(info) for info in self._session.inputs])[:1]
        outputs = tuple(
            output_spec(info, samples[place], place, known, bounded=bounded[place])
            for place, info in enumerate(self._session.outputs[:own])
        )
        self.signature = Signature(inputs, outputs, batch, self._session.runtime)

    def pixels(self, pixels: NDArray[np.uint8], preprocessing: Preprocessing | None) -> Array:
        """What the one input is fed for pictures.

        Args:
            pixels: (n, height, width, channels), RGB or grey.
            preprocessing: from pixels to inputs; an input of uint8 or int8 takes them unscaled.
        """
        end = self.signature.inputs[0]
        if not takes_pixels(end):
            if preprocessing is None:
                raise InputError(f"{self._name}: how its input is scaled is not known.")
            values: Array = preprocess(pixels, preprocessing)
        else:
            values = pixels if end.dtype == "uint8" else pixels.astype(np.int16) - _MIDDLE
        return layouts.convert(values, "NHWC", end.layout)

    def answers(self, arrays: Sequence[Array]) -> list[list[Output]]:
        """Run samples, as many at a time as the file takes.

        Args:
            arrays: for each input (n, ...), real numbers in the source model's layout.

        Returns:
            For each sample its outputs; behind them, for each output that ends in a softmax, what
            enters that, as "NAME//logits".
        """
        fed = [
            _quantized(arranged(values, end), info)
            for values, end, info in zip(
                arrays, self.signature.inputs, self._session.inputs, strict=True
            )
        ]
        count, batch = len(fed[0]), self.signature.batch
        result: list[list[Output]] = []
        for start in range(0, count, batch):
            # The last run of a fixed batch is filled up with copies of its last sample.
            places = np.minimum(np.arange(start, start + batch), count - 1)
            runs = self._run([values[places] for values in fed])
            result += [self._named(*sample) for sample in runs[: count - start]]
        return result

    def _named(self, outputs: list[Array], logits: list[Array]) -> list[Output]:
        specs = self.signature.outputs
        named = [
            Output(end.name, values, end.kind, end.layout)
            for end, values in zip(specs, outputs, strict=True)
        ]
        return named + [
            Output(logits_of(specs[place].name), values, "logits")
            for place, values in zip(self._taps, logits, strict=True)
        ]

    def _run(self, fed: Sequence[Array]) -> list[tuple[list[Array], list[Array]]]:
        """Outputs and logits of each sample of one run."""
        results = [
            dequantize_output(values, info)
            for values, info in zip(self._session.run(fed), self._session.outputs, strict=True)
        ]
        own = len(results) - len(self._taps)
        samples = [self._sample(results, place) for place in range(self.signature.batch)]
        return [(values[:own], values[own:]) for values in samples]

    def _sample(self, results: Sequence[Array], place: int) -> list[Array]:
        batch = self.signature.batch
        if batch == 1:
            return [
                values if values.ndim and len(values) == 1 else values[np.newaxis]
                for values in results
            ]
        for values, info in zip(results, self._session.outputs, strict=True):
            if not values.ndim or len(values) != batch:
                raise InputError(
                    f"{self._name}: its output {info.name} is {values.shape}, and it takes {batch}"
                    " samples at a time: which is of which cannot be told.",
                    hint="Export it with a batch of 1.",
                )
        return [values[place : place + 1] for values in results]


def logits_of(output: str) -> str:
    """The name under which what enters an output's softmax is given."""
    return f"{output}//logits"


def takes_pixels(end: InputSpec) -> bool:
    """Whether an input takes pixels as they are, and scales them itself."""
    return end.dtype in {"uint8", "int8"}


def _quantized(values: Array, info: TensorInfo) -> Array:
    """What the file takes: an integer input without a scale gets integers."""
    if info.scale is not None or info.dtype.startswith("float"):
        return quantize_input(values, info)
    fed: Array = values.astype(info.dtype)
    if not np.array_equal(fed, values):
        raise InputError(
            f"Input {info.name!r} is {info.dtype}, and is given values that do not fit.",
            hint=f"Save that array as {info.dtype}.",
        )
    return fed


def _zeros(info: TensorInfo) -> Array:
    return np.zeros([1 if size < 0 else size for size in info.shape], info.dtype)


def _bounded(path: Path) -> list[bool]:
    """Whether each output ends in a softmax or a sigmoid."""
    data = files.read_bytes(path)
    if path.suffix == ".onnx":
        from edgecnn.formats import onnx_taps

        return [name in _BOUNDED for name in onnx_taps.end_operators(data)]
    from edgecnn.formats import tflite_logits

    return [end.has_softmax or end.has_sigmoid for end in tflite_logits.find(data)]
