"""What a loaded model file can do, whichever runtime loaded it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from edgecnn.progress import Progress
    from edgecnn.records import TensorInfo

    Array = NDArray[Any]


_QUANTIZED = {"int8", "uint8", "int16"}


class UnsupportedOpsError(InputError):
    """The file is sound, but holds operators this runtime cannot run."""


class Session(Protocol):
    """A model loaded by a runtime, ready to run.

    Attributes:
        runtime: the runtime and its version, such as "ai-edge-litert 2.3.0".
        inputs: what `run` takes, in order; -1 in a shape stands for any size.
        outputs: what `run` returns, in order.
    """

    @property
    def runtime(self) -> str: ...  # noqa: D102 - the class describes it

    @property
    def inputs(self) -> tuple[TensorInfo, ...]: ...  # noqa: D102 - likewise

    @property
    def outputs(self) -> tuple[TensorInfo, ...]: ...  # noqa: D102 - likewise

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run one inference on arrays of the inputs' dtypes and shapes; the outputs are copies."""


def open_session(path: Path, threads: int = 1) -> Session:
    """Load a .tflite or .onnx file in this process.

    Native code parses the file: do this with files edgecnn made or has already opened in a child
    (`edgecnn.inspection.inspect`), or call `infer` through `edgecnn.isolation.run`.

    Args:
        path: the file; its extension picks the runtime.
        threads: threads one inference may use.

    Raises:
        InputError: the file does not exist, is of neither kind, or the runtime refuses it.
        MissingPartError: the runtime is not installed.
    """
    path = Path(path)
    if path.suffix not in {".tflite", ".onnx"}:
        raise InputError(
            f"{path} is neither a .tflite nor a .onnx file.", hint="Name one of those."
        )
    if not path.is_file():
        raise InputError(f"{path} does not exist or is no file.", hint="Check the path.")
    if path.suffix == ".tflite":
        from edgecnn.runtime.litert import LiteRTSession

        return LiteRTSession(path, threads)
    from edgecnn.runtime.onnxrt import OnnxSession

    return OnnxSession(path, threads)


def infer(
    path: Path,
    batches: Iterable[Sequence[Array]],
    threads: int = 1,
    progress: Progress | None = None,
) -> list[list[Array]]:
    """Open `path` and run it on each of `batches` (each one array for every input).

    Made for `isolation.run("edgecnn.runtime.session:infer", path, batches, what=...)`, which keeps
    a foreign file's crash out of this process.

    Raises:
        InputError, MissingPartError: as `open_session` and `Session.run`.
    """
    session = open_session(path, threads)
    results = []
    for batch in batches:
        results.append(session.run(batch))
        if progress is not None:
            progress.advance()
    return results


def check_inputs(inputs: Sequence[Array], expected: Sequence[TensorInfo]) -> None:
    """Refuse arrays a runtime would refuse in native code, or silently misread.

    Raises:
        InputError: naming the input that does not fit.
    """
    if len(inputs) != len(expected):
        raise InputError(f"The model takes {len(expected)} inputs, {len(inputs)} were given.")
    for array, info in zip(inputs, expected, strict=True):
        fits = len(array.shape) == len(info.shape) and all(
            want in (-1, have) for have, want in zip(array.shape, info.shape, strict=True)
        )
        if array.dtype.name != info.dtype or not fits:
            raise InputError(
                f"Input {info.name!r} takes {info.dtype} of shape {info.shape}, "
                f"not {array.dtype.name} of shape {array.shape}."
            )


def quantize_input(values: Array, info: TensorInfo) -> Array:
    """Turn real numbers into what an input takes: rint(x / scale) + zero_point, saturated.

    That is the affine scheme of TFLite's 8-bit quantization specification. Ties round to even
    (numpy's rint), where TFLite's own QUANTIZE rounds them away from zero.

    Args:
        values: array of any shape, real numbers.
        info: the input. One without a scale gets the values in its own dtype: a float input, or
            the integers of an index or a raw pixel.

    Raises:
        InputError: the values hold a NaN, or are no integers where the input has no scale.
    """
    import numpy as np

    if info.dtype.startswith("float"):
        return values.astype(info.dtype)
    if info.scale is None or info.dtype not in _QUANTIZED:
        if values.dtype.kind == "f":
            raise InputError(f"Input {info.name!r} is {info.dtype}: it holds no real numbers.")
        return values.astype(info.dtype)
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise InputError(f"Input {info.name!r} cannot be fed a NaN: it is {info.dtype}.")
    limits = np.iinfo(info.dtype)
    steps = np.rint(values.astype(np.float64) / _scale(info)) + (info.zero_point or 0)
    quantized: Array = np.clip(steps, limits.min, limits.max).astype(info.dtype)
    return quantized


def dequantize_output(values: Array, info: TensorInfo) -> Array:
    """Turn an output into real numbers, float32: (q - zero_point) * scale, or a float's own value.

    Integers without a scale (class indices) stay the integers they are.

    Raises:
        InputError: the scale is not positive.
    """
    import numpy as np

    if info.dtype.startswith("float"):
        return values.astype(np.float32)
    if info.scale is None:
        return values
    return ((values.astype(np.float64) - (info.zero_point or 0)) * _scale(info)).astype(np.float32)


def _scale(info: TensorInfo) -> float:
    if info.scale is None or info.scale <= 0:
        raise InputError(f"{info.name!r} is {info.dtype} with the scale {info.scale}.")
    return info.scale
