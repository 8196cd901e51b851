"""What a network is deployed for: its task, checked on what the network really gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import files
from edgecnn.errors import InputError
from edgecnn.tasks import classify, detect, segment
from edgecnn.tasks.outputs import Output, TaskError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edgecnn.deploying.artifact import Deployable

TASKS = ("classify", "detect", "segment", "none")
_MOST_BYTES = 10_000_000
_CLASSES_RANK = 2
_BOX = 4


@dataclass(frozen=True)
class TaskOptions:
    """What the user says of a network's task.

    Attributes:
        task: one of TASKS; None where he says nothing.
        labels: a text file of one label a class.
        head: of `edgecnn.tasks.detect.NAMES`; None lets it be recognized.
        anchors: a .npy, .npz or text file of four numbers a line, for heads that need them.
        output: of several, the one that tells the class or the mask; None chooses.
    """

    task: str | None = None
    labels: Path | None = None
    head: str | None = None
    anchors: Path | None = None
    output: str | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """What a release is for.

    Attributes:
        name: one of TASKS; "" where it is not known: `run` asks for it.
        head: of the boxes; "" for other tasks.
        output: the output that tells the class or the mask; "" for other tasks.
        labels: of the classes, in order; None where they are numbered.
        anchors: (N, 4), or None.
    """

    name: str
    head: str = ""
    output: str = ""
    labels: tuple[str, ...] | None = None
    anchors: NDArray[np.float32] | None = None


def resolve(deployable: Deployable, options: TaskOptions) -> Task:
    """The task of a network: what the user says, or what its one output is.

    Every task is tried on the outputs this machine computed, so that the device is not the first
    to find that it does not fit.

    Raises:
        InputError: the outputs are not of this task, or the labels or anchors do not fit.
    """
    name = options.task or _known(deployable)
    _refuse_strays(options, name)
    labels = None if options.labels is None else read_labels(options.labels)
    outputs = _outputs(deployable)
    try:
        if name == "classify":
            return _classifying(outputs, labels, options)
        if name == "detect":
            return _detecting(deployable, outputs, labels, options)
        if name == "segment":
            return _segmenting(deployable, outputs, labels, options)
    except TaskError as error:
        raise InputError(f"{deployable.folder}: {error.message}", hint=error.hint) from error
    return Task(name, labels=labels)


def _known(deployable: Deployable) -> str:
    """Classes, where the one output is one row of scores: all of the zoo's are."""
    outputs = deployable.manifest.outputs
    if len(outputs) != 1 or outputs[0].kind == "values":
        return ""
    return "classify" if len(outputs[0].shape) == _CLASSES_RANK else ""


def _refuse_strays(options: TaskOptions, name: str) -> None:
    for option in ("head", "anchors"):
        if name != "detect" and getattr(options, option) is not None:
            raise InputError(
                f"--{option} is for networks that find boxes.", hint="Add --task detect."
            )


def _outputs(deployable: Deployable) -> list[Output]:
    """Those of the first run."""
    return [
        Output(info.name, values[0], info.kind, info.layout)
        for info, values in zip(deployable.manifest.outputs, deployable.real_outputs, strict=True)
    ]


def _classifying(
    outputs: list[Output], labels: tuple[str, ...] | None, options: TaskOptions
) -> Task:
    output = _chosen(outputs, options.output) or classify.choose(outputs)
    classes = classify.class_count(output)
    if labels is not None and not (len(labels) == 1 and classes == 2):  # noqa: PLR2004 - one of two
        _check_count(options.labels, labels, classes)
    return Task("classify", output=output.name, labels=labels)


def _segmenting(
    deployable: Deployable,
    outputs: list[Output],
    labels: tuple[str, ...] | None,
    options: TaskOptions,
) -> Task:
    output = _chosen(outputs, options.output) or segment.choose(outputs)
    size = _size(deployable, output.values.shape[1:3])
    classes = segment.class_count(output, size)
    segment.class_map(output, size)
    if labels is not None and classes is not None:
        _check_count(options.labels, labels, classes)
    return Task("segment", output=output.name, labels=labels)


def _detecting(
    deployable: Deployable,
    outputs: list[Output],
    labels: tuple[str, ...] | None,
    options: TaskOptions,
) -> Task:
    if deployable.image is None:
        raise TaskError("no input of this network takes pictures", "Deploy it with --task none.")
    size = deployable.image.size
    head = detect.named(options.head) if options.head else detect.recognized(outputs, size)
    anchors = None if options.anchors is None else read_anchors(options.anchors)
    candidates = head.decode(outputs, size, anchors)
    highest = int(candidates.classes.max()) if len(candidates) else 0
    if labels is not None and highest >= len(labels):
        raise InputError(
            f"{options.labels} has {len(labels)} labels, and the network gives class {highest}.",
            hint="One label a line, in the order of the classes.",
        )
    return Task("detect", head=head.name, labels=labels, anchors=anchors)


def _size(deployable: Deployable, otherwise: tuple[int, ...]) -> tuple[int, int]:
    return deployable.image.size if deployable.image else (otherwise[0], otherwise[1])


def _chosen(outputs: list[Output], name: str | None) -> Output | None:
    if name is None:
        return None
    for output in outputs:
        if output.name == name:
            return output
    names = ", ".join(output.name for output in outputs)
    raise TaskError(f"There is no output {name!r}.", f"There are {names}.")


def _check_count(path: Path | None, labels: tuple[str, ...], classes: int) -> None:
    if len(labels) != classes:
        raise InputError(
            f"{path} has {len(labels)} lines, and the network has {classes} classes.",
            hint="One label a line, in the order of the classes, none empty.",
        )


def read_labels(path: Path) -> tuple[str, ...]:
    """One label a line, in the order of the classes.

    Raises:
        InputError: the file cannot be read, or a line is empty.
    """
    try:
        lines = files.read_text(path, _MOST_BYTES, "utf-8-sig").rstrip().split("\n")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as labels: {error}.", hint="Name a text file in UTF-8."
        ) from error
    labels = tuple(line.strip() for line in lines)
    if not all(labels):
        raise InputError(
            f"{path} has {len(labels)} lines, {labels.count('')} of them empty.",
            hint="One label a line, in the order of the classes, none empty.",
        )
    return labels


def read_anchors(path: Path) -> NDArray[np.float32]:
    """(N, 4) numbers of a .npy, of an .npz with one array, or of a text file with four a line.

    Raises:
        InputError: it holds nothing of the kind.
    """
    import numpy as np

    try:
        is_numpy = path.suffix in {".npy", ".npz"}
        values: Any = np.load(path, allow_pickle=False) if is_numpy else _numbers(path)
        if not isinstance(values, np.ndarray):
            with values:
                (name,) = values.files
                values = values[name]
        anchors: NDArray[np.float32] = np.asarray(values, np.float32).reshape(-1, _BOX)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as anchors: {error}.",
            hint="Name a .npy of shape (N, 4), or a text file with four numbers a line.",
        ) from error
    if not len(anchors) or not np.isfinite(anchors).all():
        raise InputError(f"{path} holds no anchors, or some that are no numbers.")
    return anchors


def _numbers(path: Path) -> NDArray[Any]:
    import numpy as np

    rows = files.read_text(path, _MOST_BYTES, "utf-8-sig").replace(",", " ").splitlines()
    return np.array([[float(word) for word in row.split()] for row in rows if row.strip()])
