"""Reads an artifact folder as what is to be deployed: a .tflite that classifies images."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import isolation, verifying
from edgecnn import manifest as manifests
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edgecnn.progress import Progress
    from edgecnn.records import FileInfo, Manifest

# Every image costs a slow device seconds, and one that computes something else is found by the
# first: thousands of multiply-accumulates go into each of its outputs.
_PROOF_IMAGES = 4
_IMAGE_RANK = 4
_IMAGE_CHANNELS = (1, 3)
# Operators behind which an output is still the same answer.
_SEEN_THROUGH = {"DEQUANTIZE", "QUANTIZE", "RESHAPE"}


@dataclass(frozen=True, eq=False)
class Deployable:
    """A network that `classify` can run.

    Attributes:
        folder: the artifact's.
        manifest: the artifact's.
        file: the .tflite among its files.
        output: "probabilities", or "logits", which a softmax turns into them.
        inputs: (N, H, W, C) reference images, uint8 pixels or float32 as they are fed.
        outputs: (N, classes) what this machine computes for them, in the output's own dtype.
        float_outputs: (N, classes) float64, what the float network gave for them at export.
    """

    folder: Path
    manifest: Manifest
    file: FileInfo
    output: str
    inputs: NDArray[Any]
    outputs: NDArray[Any]
    float_outputs: NDArray[np.float64]

    @property
    def path(self) -> Path:
        """The model file."""
        return self.folder / self.file.path

    def reference(self) -> bytes:
        """A reference.npz of the inputs and outputs; the same bytes for the same arrays."""
        import numpy as np

        stream = io.BytesIO()
        np.savez(stream, inputs=self.inputs, outputs=self.outputs)
        return stream.getvalue()


def read(path: Path, progress: Progress) -> Deployable:
    """Read, check and run an artifact's .tflite on its reference images.

    Args:
        path: an artifact folder, its manifest.json, or its .tflite.
        progress: told of the stages.

    Raises:
        InputError: there is no manifest, no .tflite, one that was changed, or one that does not
            classify images.
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
    _check_input(manifest, file, folder)
    inputs, logits = verifying.read_reference(folder / verifying.REFERENCE)
    inputs, logits = inputs[:_PROOF_IMAGES], logits[:_PROOF_IMAGES]
    progress.stage("computing what the device must repeat")
    outputs = _expected(folder / file.path, manifest, inputs)
    if {outputs.shape[1], logits.shape[1]} != {manifest.model.classes}:
        raise InputError(
            f"{folder / file.path} gives {outputs.shape[1]} numbers for an image, its reference has"
            f" {logits.shape[1]}, and its manifest says {manifest.model.classes} classes.",
            hint="`deploy` takes networks that classify images.",
        )
    return Deployable(
        folder,
        manifest,
        file,
        _output(folder / file.path),
        inputs,
        outputs,
        _float_outputs(folder / file.path, logits),
    )


def _tflite(manifest: Manifest, folder: Path) -> FileInfo:
    found = [file for file in manifest.files if file.format == "tflite"]
    if not found:
        raise InputError(
            f"{folder} holds no .tflite file, and nothing else is deployed.",
            hint="Export with --format tflite or both.",
        )
    return found[0]


def _check_input(manifest: Manifest, file: FileInfo, folder: Path) -> None:
    shapes = [info.shape for info in file.inputs]
    fits = (
        len(shapes) == 1
        and len(shapes[0]) == _IMAGE_RANK
        and shapes[0][0] == 1
        and min(shapes[0]) > 0
        and shapes[0][-1] in _IMAGE_CHANNELS
    )
    if not fits:
        raise InputError(
            f"{folder / file.path} takes {' and '.join(map(str, shapes)) or 'nothing'}; an image"
            " file makes (1, height, width, 3 or 1).",
            hint="`deploy` takes networks that classify images.",
        )
    for values in (manifest.preprocessing.mean, manifest.preprocessing.std):
        if len(values) not in {1, shapes[0][-1]}:
            raise InputError(
                f"{folder}: mean or std has {len(values)} values for {shapes[0][-1]} channels.",
                hint="Export again; the manifest is damaged.",
            )


def _expected(path: Path, manifest: Manifest, inputs: NDArray[Any]) -> NDArray[Any]:
    try:
        outputs: NDArray[Any] = isolation.run(
            "edgecnn.deploying.network:outputs",
            str(path),
            asdict(manifest.preprocessing),
            inputs,
            what=f"running {path}",
        )
    except RuntimeError as error:  # network.UnusableError, and what fails while it runs
        raise InputError(f"{path}: {error}", hint="`edgecnn verify` says more.") from error
    return outputs


def _float_outputs(path: Path, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the float network's logits are behind the softmax, if the file has one."""
    import numpy as np

    from edgecnn.formats import tflite_logits

    values = logits.astype(np.float64)
    if not tflite_logits.find(path.read_bytes()).has_softmax:
        return values
    powers: NDArray[np.float64] = np.exp(values - values.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _output(path: Path) -> str:
    """Whether the file ends in a SOFTMAX or LOGISTIC, or gives logits."""
    from edgecnn.inspection import inspect

    ends = [op.name for op in inspect(path).operators if op.name not in _SEEN_THROUGH]
    return "probabilities" if ends and ends[-1] in {"SOFTMAX", "LOGISTIC"} else "logits"
