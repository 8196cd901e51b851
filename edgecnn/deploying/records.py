"""What a deployment came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.deploying.services import ServiceReport
    from edgecnn.measurements import DeviceFacts, DeviceFailure


@dataclass(frozen=True)
class OutputProof:
    """One output of the device, held to what this machine computes.

    Attributes:
        name: the output's.
        rule: "absolute" (steps of an integer output), "relative" to the largest value, "rms" of
            the difference over the output's own, or "share" of values that are not the same.
        limit: the largest difference that was allowed; 0 asks for the same bits.
        max_difference: the largest difference that was found.
    """

    name: str
    rule: str
    limit: float
    max_difference: float


@dataclass(frozen=True)
class Proof:
    """What the device computed from the reference inputs, held to what this machine computes.

    Attributes:
        images: how many runs of the network.
        outputs: of each output, in the model's order.
        output_sha256: of all the device's outputs.
    """

    images: int
    outputs: tuple[OutputProof, ...]
    output_sha256: str

    @property
    def bit_identical(self) -> bool:
        """Whether the outputs are the same to the last bit."""
        return all(output.max_difference == 0 for output in self.outputs)


@dataclass(frozen=True)
class Deployment:
    """A network that runs on a device.

    Attributes:
        target: the device, as the user named it.
        device: what it is.
        folder: there; `<folder>/current/run` is the program.
        release: the name of what runs now.
        previous: what ran before, and is still there; "" when there was nothing.
        removed: older releases that are gone now.
        unchanged: the same release was there already; it has proved itself again.
        model: the network's name.
        recipe: its precision.
        weights: "random", "imagenet" or a file's name.
        runtime: what runs it there: "ai-edge-litert 2.3.0".
        sent_bytes: size of the archive that was sent.
        proof: why it is trusted.
        task: "classify", "detect", "segment" or "none"; "" where `run` has to be told.
        head: how the boxes are written; "" for other tasks.
        service: what it runs as there; None where it is started by hand.
    """

    target: str
    device: DeviceFacts
    folder: str
    release: str
    previous: str
    removed: tuple[str, ...]
    unchanged: bool
    model: str
    recipe: str
    weights: str
    runtime: str
    sent_bytes: int
    proof: Proof
    task: str = ""
    head: str = ""
    service: ServiceReport | None = None


@dataclass(frozen=True)
class Network:
    """A network that stands on a device, as the device tells it.

    Attributes:
        folder: there.
        release: the name of what runs now.
        model: the network's name; "" where its manifest cannot be read.
        recipe: likewise.
        runtime: likewise, of what runs it.
    """

    folder: str
    release: str
    model: str
    recipe: str
    runtime: str


@dataclass(frozen=True)
class Standing:
    """What stands on one device."""

    target: str
    networks: tuple[Network, ...]


@dataclass(frozen=True)
class StatusReport:
    """What stands on devices, in the order asked, and those that gave no answer."""

    devices: tuple[Standing, ...]
    failures: tuple[DeviceFailure, ...] = ()


@dataclass(frozen=True)
class Rolled:
    """What became of one device of a rollout.

    Attributes:
        target: the device, as the user named it.
        outcome: "deployed"; "failed" where something was sent and did not prove itself; "missed"
            where nothing could be sent; "left" where it was not begun.
        release: what runs there now; "" for nothing, or where nobody could ask.
        deployment: of a device that was deployed to.
        message: why it was not.
        hint: what to do about it.
    """

    target: str
    outcome: Literal["deployed", "failed", "missed", "left"]
    release: str = ""
    deployment: Deployment | None = None
    message: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Rollout:
    """What became of a farm.

    Attributes:
        devices: in the order asked.
        first: how many had to prove themselves before the others began.
    """

    devices: tuple[Rolled, ...]
    first: int

    @property
    def stopped(self) -> bool:
        """Whether a device did not prove itself."""
        return any(device.outcome == "failed" for device in self.devices)

    @property
    def complete(self) -> bool:
        """Whether all run the new release."""
        return all(device.outcome == "deployed" for device in self.devices)


@dataclass(frozen=True)
class Bundle:
    """The same as a file, for a device that cannot be reached.

    Attributes:
        path: of the .tar.gz.
        sha256: of its bytes, the same for the same artifact, machine and Python.
        bytes: their number.
        folder: the folder it unpacks to.
        release: the release in it.
        machine: the device it is for: "aarch64", "armv7l" or "x86_64".
        python: the device's Python: "3.11".
        model: the network's name.
        recipe: its precision.
        weights: "random", "imagenet" or a file's name.
        runtime: what runs it there.
        needs: what the device must have beside it; "" for nothing but Python.
        task: as `Deployment.task`.
        head: likewise.
    """

    path: Path
    sha256: str
    bytes: int
    folder: str
    release: str
    machine: str
    python: str
    model: str
    recipe: str
    weights: str
    runtime: str
    needs: str
    task: str = ""
    head: str = ""
