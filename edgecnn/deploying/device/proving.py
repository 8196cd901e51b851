"""Runs the reference inputs, and holds every output to that of the computer that deployed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.deploying.device import network
from edgecnn.deploying.device.trouble import PROOF_FAILED, SCHEMA, error_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def prove(here: Path, release: dict[str, Any], manifest: dict[str, Any], threads: int) -> int:
    """Print one JSON object that says how far each output is from what is expected.

    Returns:
        The exit code: 0 when every output is within its limit.
    """
    inputs, expected = read_reference(here / "reference.npz")
    computed, _ = network.outputs(str(here / "model.tflite"), manifest, inputs, threads)
    judged = [_judged(computed[k], expected[k], rule) for k, rule in enumerate(release["proof"])]
    record = _record(judged, len(expected[0]), computed)
    print(json.dumps(record))  # noqa: T201 - a program of its own
    return 0 if record["ok"] else PROOF_FAILED


def read_reference(path: Path) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Inputs x0, x1, ... and outputs y0, y1, ... of a reference.npz."""
    with np.load(path, allow_pickle=False) as arrays:
        names = sorted(arrays.files, key=lambda name: (name[0], int(name[1:])))
        xs = [arrays[name] for name in names if name[0] == "x"]
        ys = [arrays[name] for name in names if name[0] == "y"]
    return xs, ys


def _judged(computed: NDArray[Any], expected: NDArray[Any], rule: dict[str, Any]) -> dict[str, Any]:
    distance = difference(computed, expected, rule["rule"], rule["zero_point"])
    ok = bool(distance <= rule["limit"])  # NaN is not
    return {"name": rule["name"], "rule": rule["rule"], "limit": rule["limit"], "ok": ok,
            "max_difference": distance if np.isfinite(distance) else None}  # fmt: skip


def _record(
    judged: Sequence[dict[str, Any]], images: int, computed: Sequence[NDArray[Any]]
) -> dict[str, Any]:
    digest = hashlib.sha256(b"".join(values.tobytes() for values in computed)).hexdigest()
    ok = all(verdict["ok"] for verdict in judged)
    record: dict[str, Any] = {
        "schema": SCHEMA, "ok": ok, "images": images, "output_sha256": digest,
        "outputs": list(judged),
    }  # fmt: skip
    if not ok:
        record["error"] = error_object(
            "; ".join(_sentence(verdict) for verdict in judged if not verdict["ok"]),
            "this device or its runtime computes something else, another recipe may fit it",
            PROOF_FAILED,
        )
    return record


def _sentence(verdict: dict[str, Any]) -> str:
    distance = verdict["max_difference"]
    far = "in kind, or are not finite" if distance is None else f"by {distance:.3g}"
    return (
        f"its outputs differ from those expected {far} in {verdict['name']}"
        f" ({verdict['rule']}), and {verdict['limit']:.3g} is allowed"
    )


def difference(
    computed: NDArray[Any], expected: NDArray[Any], rule: str, zero_point: int = 0
) -> float:
    """How far an output is from the one expected.

    Args:
        computed: of the device.
        expected: of the machine that deployed.
        rule: "absolute" (the largest difference: steps of an integer output), "relative" (that,
            over the largest value), "rms" (of the difference, over the output's own), or "share"
            (of values that are not the same).
        zero_point: the integer that stands for zero.

    Returns:
        0 for the same bits; NaN when the arrays are not of one kind, or one of them has a NaN.
    """
    if computed.dtype != expected.dtype or computed.shape != expected.shape:
        return float("nan")
    if computed.tobytes() == expected.tobytes():
        return 0.0
    if rule == "share":
        return float((computed != expected).mean())
    reference = expected.astype(np.float64) - zero_point
    distance = np.abs(computed.astype(np.float64) - zero_point - reference)
    if rule == "absolute" or not distance.any():
        return float(distance.max())
    if rule == "relative":
        return _over(float(distance.max()), float(np.abs(reference).max()))
    return _over(
        float(np.sqrt(np.square(distance).mean())), float(np.sqrt(np.square(reference).mean()))
    )


def _over(part: float, whole: float) -> float:
    return part / whole if whole else float("inf")
