"""What the two files of a diagnosis take and give, and in which layouts."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import layouts
from edgecnn.errors import InputError
from edgecnn.records import EndLayouts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgecnn.calibration.sampleset import SampleSet
    from edgecnn.formats.tflite_graph import Graph
    from edgecnn.records import Endpoint, FileInfo, Manifest, Preprocessing


@dataclass(frozen=True)
class Ends:
    """The ends of a network and of its files of one format.

    Attributes:
        inputs: of the source model, in its layout.
        outputs: likewise.
        layouts: of the files' ends.
    """

    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    layouts: EndLayouts

    @classmethod
    def recorded(cls, manifest: Manifest, file: FileInfo) -> Ends:
        """As a manifest has them."""
        return cls(manifest.inputs, manifest.outputs, file.layouts)

    @classmethod
    def of_float_file(cls, graph: Graph) -> Ends:
        """As a float file has them that nobody described."""
        from edgecnn.convert import tflite_source

        inputs, outputs = tflite_source.ends(graph)
        own = EndLayouts(tuple(e.layout for e in inputs), tuple(e.layout for e in outputs))
        return cls(inputs, outputs, own)

    @property
    def are_the_files(self) -> bool:
        """Whether the files have their inputs in the source model's layouts."""
        return all(
            layouts.axes(end.layout, there) is None
            for end, there in zip(self.inputs, self.layouts.inputs, strict=True)
        )

    def feeds(
        self, samples: SampleSet, preprocessing: Preprocessing
    ) -> Iterator[tuple[NDArray[Any], ...]]:
        """What each run feeds the float file."""
        for feed in samples.feeds(self.inputs, preprocessing):
            yield tuple(
                layouts.convert(values, end.layout, there)
                for values, end, there in zip(feed, self.inputs, self.layouts.inputs, strict=True)
            )


def of_float_onnx(path: str) -> Ends:
    """As a float .onnx has them that nobody described; call it in a child process.

    Raises:
        InputError: a size is open.
    """
    from edgecnn.convert import onnx_source
    from edgecnn.formats import onnx_file

    inputs, outputs = onnx_source.ends(onnx_file.load(Path(path)).graph)
    if open_ends := [end.name for end in (*inputs, *outputs) if not all(end.shape)]:
        raise InputError(
            f"{path}: the size of {open_ends[0]!r} is open.",
            hint=f"Fix it first: edgecnn export {shlex.quote(path)} --float32 --format onnx"
            " --input-shape ..., and name that file.",
        )
    own = EndLayouts(tuple(e.layout for e in inputs), tuple(e.layout for e in outputs))
    return Ends(inputs, outputs, own)
