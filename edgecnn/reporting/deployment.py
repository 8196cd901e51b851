"""What `edgecnn deploy` did, and how it is used now."""

from __future__ import annotations

import dataclasses
import math
import shlex
from typing import TYPE_CHECKING, Any

from edgecnn.records import SCHEMA
from edgecnn.text import printable, size_text

if TYPE_CHECKING:
    from edgecnn.deploying import (
        Bundle,
        Deployment,
        OutputProof,
        Proof,
        Rolled,
        Rollout,
        StatusReport,
    )

_RANDOM = "random"
_CAUTION = "The weights are random: use this to measure latency, not to get answers."


def deployment_object(result: Deployment) -> dict[str, Any]:
    """The one object of `--json`."""
    fields = dataclasses.asdict(result)
    fields["removed"] = list(result.removed)
    fields["proof"]["outputs"] = list(fields["proof"]["outputs"])
    fields["proof"]["bit_identical"] = result.proof.bit_identical
    return {"schema": SCHEMA, "deployed": fields}


def rollout_object(report: Rollout) -> dict[str, Any]:
    """The one object of a rollout's `--json`: every device, and whether all of them run it."""
    return {
        "schema": SCHEMA,
        "rollout": {
            "first": report.first,
            "complete": report.complete,
            "stopped": report.stopped,
            "devices": [_rolled(device) for device in report.devices],
        },
    }


def _rolled(rolled: Rolled) -> dict[str, Any]:
    fields = dataclasses.asdict(rolled)
    if rolled.deployment is not None:
        fields["deployment"] = deployment_object(rolled.deployment)["deployed"]
    return fields


def status_object(report: StatusReport) -> dict[str, Any]:
    """The one object of `--status --json`."""
    return {"schema": SCHEMA, **dataclasses.asdict(report)}


def bundle_object(result: Bundle) -> dict[str, Any]:
    """The one object of `--bundle FILE --json`."""
    return {"schema": SCHEMA, "bundle": {**dataclasses.asdict(result), "path": str(result.path)}}


def deployment_pairs(result: Deployment) -> tuple[tuple[str, str], ...]:
    """Names and values, for a person."""
    release = f"{result.release}, unchanged" if result.unchanged else result.release
    pairs = (
        ("network", f"{printable(result.model)} ({printable(result.recipe)})"),
        ("device", f"{printable(result.target)}: {printable(result.device.model)}"),
        ("task", task_text(result)),
        ("runtime", result.runtime),
        ("release", release),
        ("previous", result.previous),
        ("sent", size_text(result.sent_bytes)),
        ("check", proof_text(result.proof)),
    )
    return tuple((name, value) for name, value in pairs if value)


def proof_text(proof: Proof) -> str:
    """What the device's outputs were held to, and how they came out."""
    runs = f"{proof.images} reference input{'s' if proof.images > 1 else ''}"
    if proof.bit_identical:
        return f"outputs for {runs} bit-identical to this machine's"
    if len(proof.outputs) == 1:
        return f"outputs for {runs} {_difference_text(proof.outputs[0])}"
    parts = "; ".join(f"{printable(o.name)} {_difference_text(o)}" for o in proof.outputs)
    return f"outputs for {runs}: {parts}"


def _difference_text(output: OutputProof) -> str:
    difference, limit = output.max_difference, output.limit
    if difference == 0:
        return "bit-identical to this machine's"
    if output.rule == "absolute":
        return f"within {difference:g} steps of this machine's ({limit:g} allowed)"
    if output.rule == "relative":
        return f"within {difference:.1e} of the largest of this machine's ({limit:g} allowed)"
    if output.rule == "share":
        return f"equal to this machine's except for {difference:.2%} ({limit:.0%} allowed)"
    return (
        f"{_decibels(difference)} SNR against this machine's other runtime"
        f" ({_decibels(limit)} allowed)"
    )


def _decibels(noise: float) -> str:
    return f"{-20 * math.log10(noise):.1f} dB"


def bundle_pairs(result: Bundle) -> tuple[tuple[str, str], ...]:
    """Names and values, for a person."""
    return (
        ("network", f"{printable(result.model)} ({printable(result.recipe)})"),
        ("for", f"{result.machine}, Python {result.python}"),
        ("task", task_text(result)),
        ("runtime", result.runtime),
        ("release", result.release),
        ("size", size_text(result.bytes)),
        ("sha256", result.sha256),
    )


def task_text(result: Deployment | Bundle) -> str:
    """What it is for, in a few words."""
    if not result.task:
        return "unknown: give `run` a --task there"
    return f"{result.task}, head {result.head}" if result.head else result.task


def cautions(result: Deployment | Bundle) -> tuple[str, ...]:
    """What a user should know before he relies on it."""
    return (_CAUTION,) if result.weights == _RANDOM else ()


def use_deployment(result: Deployment) -> str:
    """The command to paste that runs the network there."""
    program = shlex.quote(f"{result.folder}/current/run")
    return f"{program} {'' if result.task else '--task none '}photo.jpg"


def use_bundle(result: Bundle) -> tuple[str, ...]:
    """The commands to paste on the device."""
    return (
        f"tar xzf {shlex.quote(result.path.name)}",
        f"{shlex.quote(f'./{result.folder}/current/run')} --prove",
    )
