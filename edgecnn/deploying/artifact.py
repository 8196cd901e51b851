"""Reads an artifact folder as what is to be deployed: a .tflite, and what it must compute."""

from __future__ import annotations

import io
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import gate, reference, verifying
from edgecnn import manifest as manifests
from edgecnn.deploying.device import ends as device_ends
from edgecnn.deploying.device import network
from edgecnn.errors import InputError
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.deploying.device.ends import End
    from edgecnn.progress import Progress
    from edgecnn.records import FileInfo, Manifest

    Arrays = tuple[NDArray[Any], ...]

# A device that computes something else is found by the first run: thousands of multiply-accumulates
# go into each output. So there are fewer runs of a large network: one of xception's, 8.5 billion,
# takes an emulated Pi nine seconds.
_PROOF_MACS = 10_000_000_000
_MOST_RUNS, _LEAST_RUNS = 4, 2


@dataclass(frozen=True, eq=False)
class Deployable:
    """A network that `run` can run.

    Attributes:
        folder: the artifact's.
        manifest: the artifact's.
        file: the .tflite among its files.
        inputs: of every input the arrays of all runs, as reference.npz has them.
        outputs: of every output (runs, *shape), what this machine computes for them: the file's
            own dtype and layout.
        real_outputs: the same as real numbers, in the source model's layout.
        float_outputs: likewise, what the float network gave for them at export.
    """

    folder: Path
    manifest: Manifest
    file: FileInfo
    inputs: Arrays
    outputs: Arrays
    real_outputs: Arrays
    float_outputs: Arrays

    @property
    def path(self) -> Path:
        """The model file."""
        return self.folder / self.file.path

    @property
    def image(self) -> End | None:
        """The input that takes pictures; None where none does, or several."""
        ends = device_ends.ends(asdict(self.manifest), "inputs")
        index = device_ends.image_input(ends)
        return None if index is None else ends[index]

    def reference(self) -> bytes:
        """A reference.npz of the inputs and outputs; the same bytes for the same arrays."""
        import numpy as np

        stream = io.BytesIO()
        named = {f"x{k}": values for k, values in enumerate(self.inputs)}
        named.update({f"y{k}": values for k, values in enumerate(self.outputs)})
        np.savez(stream, allow_pickle=False, **named)
        return stream.getvalue()


@gate.guarded("Reading")
def read(path: Path, progress: Progress) -> Deployable:
    """Read, check and run an artifact's .tflite on its reference inputs.

    Args:
        path: an artifact folder, its manifest.json, or its .tflite.
        progress: told of the stages.

    Raises:
        InputError: there is no manifest, no .tflite, one that was changed, or one that an earlier
            edgecnn exported.
    """
    if not path.exists():
        raise InputError(
            f"{path} does not exist.", hint="Name a folder that `edgecnn export` wrote."
        )
    folder = path if path.is_dir() else path.parent
    manifest = manifests.load(folder / manifests.NAME)
    file = _tflite(manifest, folder)
    problems = verifying.check_bytes(folder / file.path, file, folder)
    if problems:
        raise InputError(f"{folder}: {problems[0]}.", hint="Export again; nothing was deployed.")
    _check_ends(manifest, file, folder)
    inputs, floats = _references(folder, manifest, proof_runs(file.graph.macs_by_dtype))
    progress.stage("computing what the device must repeat")
    outputs, real = _expected(folder / file.path, manifest, inputs)
    _check_outputs(real, floats, manifest, folder / file.path)
    return Deployable(folder, manifest, file, inputs, outputs, real, floats)


def proof_runs(macs_by_dtype: Mapping[str, int]) -> int:
    """How many reference inputs a device runs: four, and fewer of a network of over 2.5 GMACs.

    Args:
        macs_by_dtype: the file's multiply-accumulates of one run, by dtype.
    """
    macs = max(1, sum(macs_by_dtype.values()))
    return min(_MOST_RUNS, max(_LEAST_RUNS, _PROOF_MACS // macs))


def _references(folder: Path, manifest: Manifest, wanted: int) -> tuple[Arrays, Arrays]:
    """The first runs of the reference: of each input what is fed, of each output (runs, *shape)."""
    stored = reference.read(folder, manifest)
    inputs = stored.inputs.first(wanted, manifest.inputs)
    runs = stored.answers.runs
    for values, end in zip(stored.answers.outputs, manifest.outputs, strict=True):
        if values.size != runs * math.prod(end.shape):
            raise InputError(
                f"{folder / reference.NAME} cannot be read: it holds {values.shape} for {runs} runs"
                f" of the output {end.name} {end.shape}.",
                hint="Export again; the folder is not whole.",
            )
    outputs = zip(stored.answers.outputs, manifest.outputs, strict=True)
    return inputs.arrays, tuple(
        values.reshape(runs, *end.shape)[: inputs.samples] for values, end in outputs
    )


def _tflite(manifest: Manifest, folder: Path) -> FileInfo:
    files = [file for file in manifest.files if file.format == "tflite"]
    if not files:
        raise InputError(
            f"{folder} holds no .tflite file, and nothing else is deployed.",
            hint="Export with --format tflite or both.",
        )
    return files[0]


def _check_ends(manifest: Manifest, file: FileInfo, folder: Path) -> None:
    if not manifest.inputs or not manifest.outputs:
        raise InputError(
            f"{folder}: its manifest does not name the network's inputs and outputs: an earlier"
            " edgecnn wrote it.",
            hint="Export again.",
        )
    counts = (len(file.inputs), len(file.outputs))
    if counts != (len(manifest.inputs), len(manifest.outputs)):
        raise InputError(
            f"{folder / file.path} has {counts[0]} inputs and {counts[1]} outputs, its manifest"
            f" names {len(manifest.inputs)} and {len(manifest.outputs)}.",
            hint="Export again; the manifest is damaged.",
        )
    ends = device_ends.ends(asdict(manifest), "inputs")
    index = device_ends.image_input(ends)
    for values in (manifest.preprocessing.mean, manifest.preprocessing.std):
        if index is not None and len(values) not in {1, ends[index].channels}:
            raise InputError(
                f"{folder}: mean or std has {len(values)} values for {ends[index].channels}"
                " channels.",
                hint="Export again; the manifest is damaged.",
            )


def _expected(path: Path, manifest: Manifest, inputs: Arrays) -> tuple[Arrays, Arrays]:
    outputs, real = gate.run(
        "edgecnn.deploying.artifact:run_as_device",
        str(path),
        asdict(manifest),
        inputs,
        source=path,
        work=gate.RUN,
        what=f"running {path}",
        progress=Silent(),  # each run is a word of life
    )
    return tuple(outputs), tuple(real)


def run_as_device(
    path: str, manifest: dict[str, Any], inputs: Arrays, *, progress: Progress
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """What the program on the device would compute; see `network.outputs`. For a child process.

    Raises:
        InputError: the file cannot be run, or fails while it runs.
    """
    try:
        return network.outputs(path, manifest, inputs, progress=progress)
    except RuntimeError as error:  # network.UnusableError, and what LiteRT raises
        raise InputError(f"{path}: {error}", hint="`edgecnn verify` says more.") from error


def _check_outputs(real: Arrays, stored: Arrays, manifest: Manifest, path: Path) -> None:
    for computed, expected, output in zip(real, stored, manifest.outputs, strict=True):
        if computed.shape != expected.shape:
            raise InputError(
                f"{path} gives {computed.shape[1:]} for the output {output.name}, and its reference"
                f" has {expected.shape[1:]}.",
                hint="Export again; the folder is not whole.",
            )
