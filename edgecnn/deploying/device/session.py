"""A release's network, loaded, and its answers to what it is fed."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.deploying.device import answers
from edgecnn.deploying.device.emulator import emulated
from edgecnn.deploying.device.ends import image_input
from edgecnn.deploying.device.feeds import Feed, Feeder, UnreadableError
from edgecnn.deploying.device.network import Network
from edgecnn.tasks.outputs import Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

RANDOM_WEIGHTS = "the weights are random: good for latency, not for answers"


@dataclass(frozen=True, eq=False)
class Result:
    """What one run came to.

    Attributes:
        record: its JSON object.
        answer: None where the file could not be read.
        outputs: real numbers in the source model's layout, in its order.
    """

    record: dict[str, Any]
    answer: answers.Answer | None = None
    outputs: tuple[Output, ...] = ()


class Session:
    """The network of a release.

    Args:
        here: the release's folder.
        threads: of one inference.

    Attributes:
        manifest: manifest.json's content.
        network: loaded.

    Raises:
        UnusableError: it cannot be run here.
    """

    def __init__(self, here: Path, manifest: dict[str, Any], threads: int) -> None:
        self.manifest = manifest
        with silenced():
            self.network = Network(str(here / "model.tflite"), manifest, threads)
        self._emulated = emulated()
        self._warm = False

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the image input; None without one."""
        index = image_input(self.network.inputs)
        return None if index is None else self.network.inputs[index].size

    def feeder(self, fit: str, beside: Path | None = None) -> Feeder:
        """A reader of what this network is fed."""
        return Feeder(self.network.inputs, self.manifest["preprocessing"], fit, beside)

    def results(self, name: str, feeder: Feeder, question: answers.Question) -> Iterator[Result]:
        """Answer each run of one file; a file that cannot be read is one result that says so.

        Raises:
            TroubleError, TaskError, UnusableError: no file of this kind can be answered.
        """
        try:
            for feed in feeder.read(name):
                yield self.result(feed, question)
        except UnreadableError as error:
            yield Result({"file": name, "error": str(error)})

    def warm_up(self) -> None:
        """Run once, if it did not run yet: the first inference prepares the kernels."""
        if not self._warm:
            self.network.warm_up()
            self._warm = True

    def result(self, feed: Feed, question: answers.Question) -> Result:
        """Answer one run.

        Raises:
            TroubleError, TaskError, UnusableError: no run of this kind can be answered.
        """
        self.warm_up()
        outputs = self._outputs(self.network.run(feed.values))
        answer = answers.answer(question, outputs, feed.placement)
        record = {
            "file": feed.file,
            **({} if feed.run is None else {"run": feed.run}),
            "latency_ms": round(self.network.latency_ms, 3),
            "emulated": self._emulated,
            "task": question.task,
            **answer.record,
            "remarks": list(feed.remarks),
        }
        return Result(record, answer, outputs)

    def _outputs(self, raw: list[NDArray[np.generic]]) -> tuple[Output, ...]:
        return tuple(
            Output(end.name, values, end.kind, end.layout)
            for end, values in zip(self.network.outputs, self.network.real(raw))
        )


def read_json(path: Path) -> dict[str, Any]:
    """A file's object."""
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def warnings(manifest: dict[str, Any]) -> list[str]:
    """What a user should know before he relies on an answer; written to stderr too."""
    cautions = [RANDOM_WEIGHTS] if manifest["model"]["weights"] == "random" else []
    for warning in cautions:
        sys.stderr.write(f"warning: {warning}\n")
    return cautions


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """LiteRT tells of its delegate on stderr, and no Python setting stops it."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
