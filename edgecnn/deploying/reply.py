"""What install.py says over there, as records: nothing is taken that was not asked for."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn import strict
from edgecnn.deploying.records import OutputProof, Proof
from edgecnn.errors import DeviceError
from edgecnn.strict import UnfitError, refuse, structured
from edgecnn.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgecnn.deploying.artifact import Deployable
    from edgecnn.deploying.release import Release
    from edgecnn.devices.device import Completed

UNCHANGED = "Nothing was changed there."
_HINTS = {
    "full": f"Free some space there, or choose another place with --to. {UNCHANGED}",
    "busy": f"Deploy again when it has ended. {UNCHANGED}",
    "place": f"Choose another place with --to. {UNCHANGED}",
    "proof": f"{UNCHANGED} What ran before still runs.",
}
_DAMAGED = "Deploy again; if it stays so, look at the device's memory and disk."
_LAST_WORDS = 1500
_PATH = re.compile(r"/[^\x00-\x1f\x7f]{0,4095}")
_NAME = re.compile(r"[^\x00-\x1f\x7f/]{0,255}")


@dataclass(frozen=True)
class OutputReply:
    """How far one output was from what it was held to."""

    name: str
    rule: str
    limit: float
    max_difference: float


@dataclass(frozen=True)
class ProofReply:
    """What the release's own proof printed."""

    images: int
    outputs: tuple[OutputReply, ...]
    output_sha256: str


@dataclass(frozen=True)
class InstallReply:
    """A release that is in its place; see `edgecnn.deploying.records.Deployment`."""

    folder: str
    release: str
    previous: str
    removed: tuple[str, ...]
    unchanged: bool
    proof: ProofReply
    service: bool = False


@dataclass(frozen=True)
class Refusal:
    """Why a program on the device did nothing."""

    kind: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """Whether a program on the device did what it was sent for."""

    ok: bool


def parse_reply(
    target: str, done: Completed, deployable: Deployable, release: Release
) -> InstallReply:
    """Check what came back.

    Args:
        target: the device, for errors.
        done: how the program ended there.
        deployable: what was to be proved, and what this machine computes.
        release: the one that was sent.

    Raises:
        DeviceError: nothing was installed, or the answer is not one about this release.
    """
    try:
        parsed = strict.parse(done.stdout)
    except UnfitError:
        words = _words(done.stderr)
        raise DeviceError(
            f"{target}: installing ended with exit code {done.exit_code}. {words}".strip(),
            hint=_HINTS["proof"],
        ) from None
    try:
        if not structured(parsed, Outcome).ok:
            raise _refusal(target, structured(parsed, Refusal))
        reply = structured(parsed, InstallReply)
        refuse(_problems(reply, deployable, release))
    except UnfitError as error:
        raise DeviceError(
            f"{target}: what installing printed is damaged: {_words(str(error))}.", hint=_DAMAGED
        ) from error
    return reply


def proof(reply: ProofReply) -> Proof:
    """The same for whoever asked for the deployment."""
    outputs = tuple(OutputProof(o.name, o.rule, o.limit, o.max_difference) for o in reply.outputs)
    return Proof(reply.images, outputs, reply.output_sha256)


def _refusal(target: str, refusal: Refusal) -> DeviceError:
    message = _words(refusal.message).rstrip(".")
    return DeviceError(f"{target}: {message}.", hint=_HINTS.get(refusal.kind, UNCHANGED))


def _words(text: str) -> str:
    return printable_lines(text.strip()[-_LAST_WORDS:])


def _problems(reply: InstallReply, deployable: Deployable, release: Release) -> Iterator[str]:
    if not _PATH.fullmatch(reply.folder):
        yield f"{reply.folder[:100]!r} is no folder"
    if not re.fullmatch(rf"{release.name}(\.[0-9]+)?", reply.release):
        yield f"{reply.release[:100]!r} is not the release {release.name} that was sent"
    for name in (reply.previous, *reply.removed):
        if not _NAME.fullmatch(name):
            yield f"{name[:100]!r} is no release"
    yield from _proof_problems(reply.proof, deployable, release)


def _proof_problems(reply: ProofReply, deployable: Deployable, release: Release) -> Iterator[str]:
    """A proof is of the runs that were sent, by the rules that were sent, and within them."""
    runs = len(deployable.outputs[0])
    if reply.images != runs:
        yield f"a proof over {reply.images} runs, where {runs} were asked for"
    held = [(output.name, output.rule, output.limit) for output in reply.outputs]
    if held != [(rule.name, rule.rule, rule.limit) for rule in release.rules]:
        yield "a proof by other rules than those that were sent"
    for output in reply.outputs:
        if not 0 <= output.max_difference <= output.limit:
            yield f"a difference of {output.max_difference!r} where {output.limit!r} is the limit"
    if not re.fullmatch("[0-9a-f]{64}", reply.output_sha256):
        yield f"{reply.output_sha256[:100]!r} is no SHA-256"
    same = all(output.max_difference == 0 for output in reply.outputs)
    if same and _all_integer(deployable) and reply.output_sha256 != _sha256(deployable):
        yield "a proof of the same bits, whose sum is of others"


def _all_integer(deployable: Deployable) -> bool:
    """Zeros of floats have two signs and do not differ: only of integers the bits are known."""
    return all(values.dtype.kind in "iub" for values in deployable.outputs)


def _sha256(deployable: Deployable) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in deployable.outputs)).hexdigest()
