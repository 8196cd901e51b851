"""What a user may ask of `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.datasets.labelled import Part
    from edgecnn.records import OutputKind, Preprocessing

Task = Literal["classify", "detect", "segment"]
TASKS: tuple[Task, ...] = ("classify", "detect", "segment")
_KINDS: tuple[OutputKind, ...] = ("probabilities", "logits", "values")
# How pictures are brought to the input, as the program that `deploy` sends does it.
_FITS: dict[Task, str] = {"classify": "cover", "detect": "letterbox", "segment": "stretch"}


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Everything but the network.

    Attributes:
        data: "fashion-mnist", a folder of images, or an .npz with an array for each input by its
            name, and `labels`.
        task: "classify", "detect" or "segment"; None for what annotations or masks ask for, else
            "classify".
        annotations: for "detect", a COCO json of the images in `data`.
        masks: for "segment", a folder of PNGs of class indices with the images' names; 255 is no
            class.
        agreement: compare with the float model whether there are labels or not.
        against: the float file to agree with; None for the float32 recipe beside the others.
        output: the output that is scored: its name, what its numbers are ("probabilities",
            "logits" or "values"), or NAME=KIND.
        head: how boxes are written, of `edgecnn.tasks.detect.NAMES`; None recognizes it.
        anchors: a .npy or text file of four numbers a line, for heads that need them.
        labels: a text file of one label a class, in the network's order.
        above: boxes of a lower score are left out; None for 0.001, where mAP asks for nearly all.
        overlap: boxes that overlap more are one; None for the head's own.
        fit: how pictures are brought to the input's size, of `edgecnn.tasks.placing.FITS`; None
            for "cover", for boxes "letterbox" and for masks "stretch".
        split: "test" or "train", of a data set of classes.
        limit: at most so many images, drawn by the seed; None for all.
        seed: of that draw, and of a folder's split.
        threads: processes to run at a time; None for all cores.
        ray: run shards of the samples as tasks of a Ray cluster: "local", "auto" or its address;
            None for this machine's processes.
        shards: how many tasks there are on Ray; None for four a core.
        preprocessing: how images become inputs, where no manifest says it.
    """

    data: str
    task: Task | None = None
    annotations: Path | str | None = None
    masks: Path | str | None = None
    agreement: bool = False
    against: Path | str | None = None
    output: str | None = None
    head: str | None = None
    anchors: Path | str | None = None
    labels: Path | str | None = None
    above: float | None = None
    overlap: float | None = None
    fit: str | None = None
    split: Part = "test"
    limit: int | None = None
    seed: int = 0
    threads: int | None = None
    ray: str | None = None
    shards: int | None = None
    preprocessing: Preprocessing | None = None

    def __post_init__(self) -> None:
        """Hold that the options do not contradict each other.

        Raises:
            InputError: they do.
        """
        if self.task is not None and self.task not in TASKS:
            raise InputError(f"There is no task {self.task!r}.", hint=f"One of {', '.join(TASKS)}.")
        for option, task in (("annotations", "detect"), ("masks", "segment")):
            if getattr(self, option) is not None and self.task not in {None, task}:
                raise InputError(
                    f"--{option} is for --task {task}.", hint=f"Leave out --task {self.task}."
                )
        if self.annotations is not None and self.masks is not None:
            raise InputError("--annotations and --masks are of two tasks.", hint="Give one.")
        for option in ("head", "anchors", "above", "overlap"):
            if getattr(self, option) is not None and self.kind != "detect":
                raise InputError(
                    f"--{option} is for networks that find boxes.", hint="Add --task detect."
                )
        if self.limit is not None and self.limit < 1:
            raise InputError(f"A limit of {self.limit} images leaves none.", hint="1 or more")
        self._check_engine()

    def _check_engine(self) -> None:
        if self.ray is not None and self.threads is not None:
            raise InputError("--threads is for this machine's processes.", hint="Leave it out.")
        if self.shards is not None and (self.ray is None or self.shards < 1):
            raise InputError(
                "--shards is the number of tasks on Ray, 1 or more.", hint="Add --ray local."
            )

    @property
    def kind(self) -> Task:
        """The task."""
        if self.annotations is not None:
            return "detect"
        return "segment" if self.masks is not None else self.task or "classify"

    @property
    def fitted(self) -> str:
        """How pictures are brought to the input's size."""
        return self.fit or _FITS[self.kind]


def parse_output(text: str, names: tuple[str, ...]) -> tuple[str | None, OutputKind | None]:
    """Read NAME, KIND or NAME=KIND.

    Args:
        text: what the user gave.
        names: of the network's outputs; a name comes before a kind of the same letters.

    Returns:
        The output's name and kind; None for what is not said.

    Raises:
        InputError: there is no such output.
    """
    if text in names:
        return text, None
    name, _, kind = text.rpartition("=")
    known = next((candidate for candidate in _KINDS if candidate == kind), None)
    if known is not None and (not name or name in names):
        return name or None, known
    raise InputError(
        f"--output: the network has no output {name or text!r}.",
        hint=f"Its outputs are {', '.join(names)}; or say what one is: {', '.join(_KINDS)}.",
    )
