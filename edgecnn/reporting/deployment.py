"""What `edgecnn deploy` did, and how it is used now."""

from __future__ import annotations

import dataclasses
import math
import shlex
from typing import TYPE_CHECKING, Any

from edgecnn.records import SCHEMA
from edgecnn.reporting.text import printable, size_text

if TYPE_CHECKING:
    from edgecnn.deploying import Bundle, Deployment, Proof

_RANDOM = "random"
_CAUTION = "The weights are random: this is fit for measuring latency, not for answers."


def deployment_object(result: Deployment) -> dict[str, Any]:
    """The one object of `--json`."""
    told = dataclasses.asdict(result)
    told["removed"] = list(result.removed)
    told["proof"]["bit_identical"] = result.proof.bit_identical
    return {"schema": SCHEMA, "deployed": told}


def bundle_object(result: Bundle) -> dict[str, Any]:
    """The one object of `--bundle FILE --json`."""
    return {"schema": SCHEMA, "bundle": {**dataclasses.asdict(result), "path": str(result.path)}}


def deployment_pairs(result: Deployment) -> tuple[tuple[str, str], ...]:
    """Names and values, for a person."""
    release = f"{result.release}, as before" if result.unchanged else result.release
    pairs = (
        ("network", f"{printable(result.model)} ({printable(result.recipe)})"),
        ("device", f"{printable(result.target)}: {printable(result.device.model)}"),
        ("runtime", result.runtime),
        ("release", release),
        ("before it", result.previous),
        ("sent", size_text(result.sent_bytes)),
        ("proof", proof_text(result.proof)),
    )
    return tuple((name, value) for name, value in pairs if value)


def proof_text(proof: Proof) -> str:
    """What the device's outputs were held to, and how they came out."""
    images = f"{proof.images} reference image{'s' if proof.images > 1 else ''}"
    if proof.bit_identical:
        return f"outputs for {images} bit-identical to this machine's"
    if proof.rule == "absolute":
        return (
            f"outputs for {images} within {proof.max_difference:g} steps of this machine's"
            f" ({proof.limit:g} allowed)"
        )
    if proof.rule == "relative":
        return (
            f"outputs for {images} within {proof.max_difference:.1e} of the largest of this"
            f" machine's ({proof.limit:g} allowed)"
        )
    return (
        f"outputs for {images} {_decibels(proof.max_difference)} SNR from this machine's, of"
        f" another runtime ({_decibels(proof.limit)} allowed)"
    )


def _decibels(noise: float) -> str:
    return f"{-20 * math.log10(noise):.1f} dB"


def bundle_pairs(result: Bundle) -> tuple[tuple[str, str], ...]:
    """Names and values, for a person."""
    return (
        ("network", f"{printable(result.model)} ({printable(result.recipe)})"),
        ("for", f"{result.machine}, Python {result.python}"),
        ("runtime", result.runtime),
        ("release", result.release),
        ("size", size_text(result.bytes)),
        ("sha256", result.sha256),
    )


def cautions(result: Deployment | Bundle) -> tuple[str, ...]:
    """What a user should know before he relies on it."""
    return (_CAUTION,) if result.weights == _RANDOM else ()


def use_deployment(result: Deployment) -> str:
    """The command to paste that classifies a picture there."""
    program = shlex.quote(f"{result.folder}/current/classify")
    return f"{program} photo.jpg"


def use_bundle(result: Bundle) -> tuple[str, ...]:
    """The commands to paste on the device."""
    return (
        f"tar xzf {shlex.quote(result.path.name)}",
        f"{shlex.quote(f'./{result.folder}/current/classify')} --prove",
    )
