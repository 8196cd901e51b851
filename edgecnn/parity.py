"""How close a file's logits are to its float reference."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.records import ParityInfo

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from edgecnn.progress import Progress
    from edgecnn.runtime.session import Session


def compare(reference: NDArray[np.float32], found: NDArray[np.float32]) -> ParityInfo:
    """Measure logits against the reference's.

    Args:
        reference: (samples, classes) float32.
        found: likewise, of the file under test.

    Raises:
        InputError: the shapes differ, logits are not finite, or the reference is all zeros and
            the found logits are not: no ratio says how far they are apart.
    """
    import numpy as np

    if reference.shape != found.shape:
        raise InputError(f"The file's logits are {found.shape}, the reference's {reference.shape}.")
    if not np.isfinite(reference).all():
        raise InputError(
            "The float model's own logits are not finite on the reference images.",
            hint="Look at its weights, and at how its input is scaled.",
        )
    if not np.isfinite(found).all():
        raise InputError("The file's logits are not finite.", hint="Look at the model's weights.")
    if found.any() and not reference.any():
        raise InputError(
            "The float model's logits are all zero on the reference images, the file's are not.",
            hint="Train the model first: its last layer is still zero.",
        )
    wanted, got = reference.astype(np.float64), found.astype(np.float64)
    norms = float(np.linalg.norm(wanted) * np.linalg.norm(got))
    return ParityInfo(
        snr_db=snr_db(reference, found),
        cosine=float((wanted * got).sum()) / norms if norms else float(np.array_equal(wanted, got)),
        max_abs_error=float(np.abs(wanted - got).max()),
        top1_agreement=top1_agreement(reference, found),
        samples=len(reference),
    )


def snr_db(reference: NDArray[np.float32], found: NDArray[np.float32]) -> float | None:
    """10 log10 of the reference's power over the error's; None when there is no error at all."""
    import numpy as np

    wanted = reference.astype(np.float64)
    noise = float(np.square(wanted - found).sum())
    signal = float(np.square(wanted).sum())
    if noise == 0:
        return None
    return 10 * math.log10(signal / noise) if signal else -math.inf


def top1_agreement(reference: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Share of samples with the same best class.

    int8 logits tie often. A tie that includes the reference's class counts as one over the number
    of tied classes: what breaking ties at random would give on average, no more.
    """
    import numpy as np

    best = reference.argmax(axis=1)
    tied = found == found.max(axis=1, keepdims=True)
    hits = tied[np.arange(len(found)), best]
    return float((hits / tied.sum(axis=1)).mean())


def logits(
    model: bytes | Path | str,
    feeds: Iterable[NDArray[np.float32]],
    *,
    threads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Run a file and return what enters its final softmax, as real numbers.

    For a foreign file call it through `isolation.run`: the runtime is native code.

    Args:
        model: the bytes of a .tflite, or the path of a .tflite or .onnx.
        feeds: (1, H, W, C) float32; quantized here as the file's input asks.
        threads: of one inference.
        progress: advanced by one for each image.

    Returns:
        float32 (samples, classes).
    """
    import numpy as np

    from edgecnn.runtime.session import dequantize_output, quantize_input

    session = open_logits(model, threads)
    rows = []
    for feed in feeds:
        output = session.run([quantize_input(feed, session.inputs[0])])[0]
        rows.append(dequantize_output(output, session.outputs[0]).reshape(-1))
        if progress is not None:
            progress.advance()
    return np.stack(rows)


def open_logits(model: bytes | Path | str, threads: int) -> Session:
    """Load a file so that its output is what enters its final softmax.

    Args:
        model: the bytes of a .tflite, or the path of a .tflite or .onnx.
        threads: of one inference.

    Raises:
        InputError: the file is damaged, or its runtime refuses it.
        MissingPartError: its runtime is not installed.
    """
    path = None if isinstance(model, bytes) else Path(model)
    data = model if isinstance(model, bytes) else Path(model).read_bytes()
    if path is not None and path.suffix == ".onnx":
        from edgecnn.formats.onnx_file import tap_logits
        from edgecnn.runtime.onnxrt import OnnxSession

        return OnnxSession(tap_logits(data).model, threads=threads)
    from edgecnn.formats.tflite_logits import tap
    from edgecnn.runtime.litert import LiteRTSession

    return LiteRTSession(tap(data), threads=threads)
