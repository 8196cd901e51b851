"""A .tflite file as an editable, typed graph: read, look up, change, write.

Tensors and operators are objects and stand for themselves; at the seams (statistics, ranges, other
files) a tensor goes by its name, which is unique in its subgraph. Only trusted files come here:
those our own converter wrote, or those that `inspection` has read and a child process has run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.formats.tflite_parts import Buffer, Operator, Quantization, Tensor
from edgecnn.formats.tflite_subgraph import Subgraph

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zipfile import ZipInfo

__all__ = ["Graph", "Metadata", "Operator", "Quantization", "Signature", "Subgraph", "Tensor"]

_SIGNATURE_KEY = "serving_default"


@dataclass(frozen=True)
class Signature:
    """Names under which tools feed and read a subgraph.

    Attributes:
        key: of the signature.
        inputs: (name, tensor), in order.
        outputs: likewise.
        subgraph: it is of.
    """

    key: str
    inputs: tuple[tuple[str, Tensor], ...]
    outputs: tuple[tuple[str, Tensor], ...]
    subgraph: Subgraph


@dataclass(frozen=True)
class Metadata:
    """An entry that no operator reads, such as TFLite Metadata's own FlatBuffer."""

    name: str
    buffer: Buffer

    @property
    def data(self) -> bytes:
        """Its bytes."""
        return b"" if self.buffer.data is None else bytes(self.buffer.data)


class Graph(Subgraph):
    """The subgraph an interpreter runs, and the rest of its file.

    Attributes:
        others: the further subgraphs, in order: bodies and conditions of WHILE and IF. Operators'
            options refer to them by number, 1 for the first of these; the order never changes.
        signatures: names for tools.
        metadata: entries no operator reads.
        files: what TFLite Metadata packed behind the model, such as labels: (entry, bytes).
        description: of the file.
    """

    def __init__(
        self,
        inputs: Iterable[Tensor] = (),
        outputs: Iterable[Tensor] = (),
        operators: Iterable[Operator] = (),
        tensors: Iterable[Tensor] = (),
        *,
        description: str = "",
        name: str = "main",
    ) -> None:
        super().__init__(inputs, outputs, operators, tensors, name=name)
        self.description = description
        self.others: list[Subgraph] = []
        self.signatures: list[Signature] = []
        self.metadata: list[Metadata] = []
        self.files: list[tuple[ZipInfo, bytes]] = []
        self.model: Any = None  # the generated class: what else the file says of the model

    @staticmethod
    def read(data: bytes) -> Graph:
        """Unpack a .tflite file; buffers that lie behind the FlatBuffer are brought inside.

        Raises:
            InputError: it is damaged.
        """
        from edgecnn.formats import tflite_codec

        return tflite_codec.read(data)

    def write(self, *, unique_names: bool = False) -> bytes:
        """Pack it; the same graph gives the same bytes. What nothing names is left out.

        Args:
            unique_names: write the names that reading made unique, for a program that tells
                tensors apart by name; else tensors that shared a name in the file share it again.
        """
        from edgecnn.formats import tflite_codec

        return tflite_codec.write(self, unique_names=unique_names)

    @property
    def subgraphs(self) -> list[Subgraph]:
        """All of the file, this one first: options refer to them by their place here."""
        return [self, *self.others]

    def copy(self) -> Graph:
        """Another graph of the same file; constants are shared until one of them is set."""
        from edgecnn.formats import tflite_copy

        return tflite_copy.copy(self)

    def tapped(self, tensors: Iterable[Tensor]) -> bytes:
        """The file with these tensors as its outputs; the graph is left as it is."""
        from edgecnn.formats import tflite_codec

        return tflite_codec.write(self, outputs=list(tensors))

    def set_signature(
        self,
        inputs: Mapping[str, Tensor] | None = None,
        outputs: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Give the file the one signature that tools expect.

        Args:
            inputs: name to tensor, in order; None for the graph's inputs under their own names.
            outputs: likewise.
        """
        if inputs is None:
            inputs = {tensor.name: tensor for tensor in self.inputs}
        if outputs is None:
            outputs = {tensor.name: tensor for tensor in self.outputs}
        self.signatures = [
            Signature(_SIGNATURE_KEY, tuple(inputs.items()), tuple(outputs.items()), self)
        ]

    def rename_ends(self, inputs: Iterable[str], outputs: Iterable[str]) -> None:
        """Give the ends these names, in order; another tensor that has one of them makes way.

        An input that is an output as well keeps its name as an input; the signature then tells
        both names.
        """
        pairs = dict(zip(self.outputs, outputs, strict=True))
        pairs |= dict(zip(self.inputs, inputs, strict=True))
        names, ends = set(pairs.values()), set(pairs)
        taken = {tensor.name for tensor in self.tensors} | names
        for tensor in self.tensors:
            if tensor.name in names and tensor not in ends:
                tensor.name = _free(tensor.name, taken)
                taken.add(tensor.name)
        for tensor, name in pairs.items():
            tensor.name = name


def _free(name: str, taken: set[str]) -> str:
    from edgecnn.formats.tflite_subgraph import unique

    return unique(f"{name}_inner", taken)
