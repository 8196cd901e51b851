"""Whether a device computes what this machine computes, for the same file and the same inputs.

Both run the same `runner.load`: the same inputs, quantized the same way. Integer outputs of the
same runtime are the same bytes on every CPU (measured: LiteRT on x86-64, Cortex-A72, Cortex-A76).
Other kernels round otherwise, and so do float kernels on another CPU, which move an integer behind
them by a step: then the outputs themselves are compared.
"""

from __future__ import annotations

import math
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgecnn.benchmark.files import BenchFile

# Float kernels of other CPUs differ in the last bits: some 100 dB. A file with integer arithmetic
# inside that ends in floats differs by a rounding step here and there.
_FLOAT_DB = 60.0
_ROUNDED_DB = 30.0
# 14 dB were seen of onnxruntime between x86-64 and a Cortex-A72, of a file that had kept 1 dB.
_LEAST_DB = 6.0
# Seen between LiteRT's kernels and those of tflite-runtime; see above.
_ROUNDING_STEPS = 3
_SPARE_BYTES = 1 << 20  # headers, and outputs that are as good as empty here
_LONGEST_NAME = 60
_FLOAT_RECIPES = {"float32", "float16"}


# What numpy and zipfile raise at a file that was cut or changed.
_UNREADABLE = (ValueError, EOFError, OSError, KeyError, OverflowError, NotImplementedError,
               RuntimeError, zipfile.BadZipFile, zlib.error)  # fmt: skip
OPEN_HINT = "Say them: --input-shape [NAME=]1x3x320x320, or --input-size H,W for an image."


class OpenSizesError(InputError):
    """A file leaves sizes of its inputs open, and nobody said them."""


@dataclass(frozen=True)
class Outputs:
    """What a file computes for the reference inputs (or the seeded ones) of a bench.

    Attributes:
        sha256: of all outputs' bytes.
        runtime: that computed them.
        values: each output in the network's own dtype, the runs one behind the other; None where
            they were not kept.
    """

    sha256: str
    runtime: str
    values: tuple[NDArray[Any], ...] | None = field(default=None, compare=False, repr=False)


def compute_here(file: BenchFile) -> Outputs:
    """Run a file once on this machine, in a child process.

    Raises:
        OpenSizesError: the file leaves sizes open that nobody said.
        EdgeCnnError: the runtime is not installed, or refuses the file.
    """
    from edgecnn import gate

    outputs: Outputs = gate.run(
        "edgecnn.benchmark.outputs:compute",
        str(file.path),
        file.inputs,
        file.shapes,
        source=file.path,
        work=gate.RUN,
        what=f"running {file.name}",
        progress=Silent(),  # each run is a word of life
    )
    return outputs


def compute(
    path: str,
    inputs: Sequence[NDArray[Any]] | None,
    shapes: Sequence[tuple[int, ...]] | None = None,
    *,
    progress: Progress | None = None,
) -> Outputs:
    """Run a file in this process; called in a child.

    Raises:
        InputError: the runtime is not installed, or refuses the file, or its sizes are open.
    """
    import numpy as np

    from edgecnn.runtime import runner

    with tempfile.TemporaryDirectory() as folder:
        job: dict[str, Any] = {"path": path, "inputs": None, "seed": 0, "threads": 1}
        job["outputs"], job["shapes"] = str(Path(folder) / "outputs.npz"), shapes
        job["arena"] = False  # it grows by powers of two, and this process has its limit
        if inputs is not None:
            job["inputs"] = [str(Path(folder) / f"{place}.npy") for place in range(len(inputs))]
            for name, values in zip(job["inputs"], inputs, strict=True):
                np.save(name, values)
        try:
            _, facts = runner.load(job, (progress or Silent()).advance)
        except runner.OpenError as error:
            raise OpenSizesError(f"{path}: {error}", hint=OPEN_HINT) from error
        except runner.RunError as error:
            raise InputError(str(error)) from error
        except (ValueError, RuntimeError) as error:
            raise InputError(f"The runtime refuses the file: {error}") from error
        return Outputs(facts["output_sha256"], facts["runtime"], read(Path(job["outputs"])))


def most_bytes(here: Outputs) -> int:
    """The most that an .npz of the same network's outputs has: their number may depend on it."""
    return _SPARE_BYTES + 4 * sum(values.nbytes for values in here.values or ())


def read(path: Path, most: int | None = None) -> tuple[NDArray[Any], ...] | None:
    """The outputs in an .npz of the runner's; None where it wrote none.

    Args:
        path: of the .npz.
        most: bytes that its arrays may have; None where this machine's own runner wrote it.

    Raises:
        EdgeCnnError: the file is damaged, or holds more.
    """
    import numpy as np

    if not path.exists():
        return None
    try:
        if most is not None:
            _check_sizes(path, most)
        with np.load(path, allow_pickle=False) as arrays:
            return tuple(arrays[f"y{place}"] for place in range(len(arrays.files)))
    except _UNREADABLE as error:
        raise EdgeCnnError(f"The outputs that came back cannot be read: {error}") from error


def _check_sizes(path: Path, most: int) -> None:
    """Hold the sizes that the headers promise, before numpy makes room for them."""
    import numpy as np

    budget, readers = most, {(1, 0): np.lib.format.read_array_header_1_0,
                           (2, 0): np.lib.format.read_array_header_2_0}  # fmt: skip
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as stream:
                shape, _, dtype = readers[np.lib.format.read_magic(stream)](stream)
            budget -= max(member.file_size, math.prod(shape) * dtype.itemsize)
            if budget < 0 or min(shape, default=0) < 0:
                raise ValueError(f"{member.filename[:_LONGEST_NAME]!r} has {shape} values")


def agree(
    here: Outputs,
    there: Outputs,
    recipe: str,
    *,
    mixed: bool = False,
    kept_db: float | None = None,
) -> bool | None:
    """Whether both computed the same network; None where that cannot be told.

    Args:
        here: this machine's.
        there: the device's.
        recipe: of the file, "" where it is not known.
        mixed: some of its operators are integer and some float.
        kept_db: SNR that quantization left the file; None where it is not known.
    """
    if here.sha256 == there.sha256:
        return True
    if here.values is None or there.values is None or len(here.values) != len(there.values):
        return None if here.values is None or there.values is None else False
    exact = here.runtime == there.runtime and not mixed
    least = _FLOAT_DB if recipe in _FLOAT_RECIPES else _rounded_db(kept_db)
    return all(
        _close(value, expected, least, exact=exact)
        for value, expected in zip(here.values, there.values, strict=True)
    )


def _rounded_db(kept_db: float | None) -> float:
    """What float outputs behind integers must keep between two CPUs.

    Each rounds in its own way, and what rounding spoiled, it spoils otherwise; but by no more than
    quantization did.
    """
    return _ROUNDED_DB if kept_db is None else min(_ROUNDED_DB, max(_LEAST_DB, kept_db))


def _close(expected: NDArray[Any], actual: NDArray[Any], least: float, *, exact: bool) -> bool:
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return False
    if expected.tobytes() == actual.tobytes():
        return True
    if expected.dtype.kind in "iub":
        return not exact and _steps_apart(expected, actual) <= _ROUNDING_STEPS
    return _snr_db(expected, actual) >= least


def _steps_apart(expected: NDArray[Any], actual: NDArray[Any]) -> int:
    import numpy as np

    return int(np.abs(expected.astype(np.int64) - actual.astype(np.int64)).max(initial=0))


def _snr_db(expected: NDArray[Any], actual: NDArray[Any]) -> float:
    """10 log10 of the power of `expected` over the error's; NaN, which is never enough, for NaN."""
    import numpy as np

    reference = expected.astype(np.float64)
    noise = float(np.square(reference - actual.astype(np.float64)).sum())
    signal = float(np.square(reference).sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal and math.isfinite(noise) else math.nan
