"""One subgraph of a .tflite file: looked up and edited by object, never by index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.formats.tflite_parts import Operator, Quantization, Tensor, Watched, edits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


@dataclass
class _Lookups:
    """What was looked up, and the edit after which."""

    edit: int
    producers: dict[Tensor, Operator]
    consumers: dict[Tensor, list[Operator]]
    positions: dict[Operator, int]


class Subgraph:
    """Operators in the order they run, and the tensors between them.

    Attributes:
        name: of the subgraph.
        inputs: tensors that are given.
        outputs: tensors that are asked for.
        tensors: all of them, in the order of the file; those that nothing names are not written.
    """

    def __init__(
        self,
        inputs: Iterable[Tensor] = (),
        outputs: Iterable[Tensor] = (),
        operators: Iterable[Operator] = (),
        tensors: Iterable[Tensor] = (),
        *,
        name: str = "main",
    ) -> None:
        self.name = name
        self.inputs, self.outputs = list(inputs), list(outputs)
        self._operators = Watched(operators)
        self.tensors: list[Tensor] = list(dict.fromkeys(tensors))
        self.raw: Any = None  # the generated class: what else the file says of it
        self._known: _Lookups | None = None

    @property
    def operators(self) -> list[Operator]:
        """In the order they run."""
        return self._operators

    @operators.setter
    def operators(self, operators: Iterable[Operator]) -> None:
        self._operators = Watched(operators)
        self._known = None

    def _lookups(self) -> _Lookups:
        if self._known is None or self._known.edit != edits():
            known = _Lookups(edits(), {}, {}, {})
            for position, operator in enumerate(self._operators):
                known.positions[operator] = position
                for tensor in operator.outputs:
                    known.producers[tensor] = operator
                for source in operator.inputs:
                    if source is not None:
                        known.consumers.setdefault(source, []).append(operator)
            self._known = known
        return self._known

    def producer(self, tensor: Tensor) -> Operator | None:
        """The operator that makes a tensor; None for an input or a constant."""
        return self._lookups().producers.get(tensor)

    def consumers(self, tensor: Tensor) -> list[Operator]:
        """The operators that read a tensor, in order; twice one that reads it twice."""
        return list(self._lookups().consumers.get(tensor, ()))

    def position(self, operator: Operator) -> int:
        """The operator's place in the order of execution."""
        return self._lookups().positions[operator]

    def find(self, name: str) -> Tensor | None:
        """The tensor of this name."""
        return next((tensor for tensor in self.tensors if tensor.name == name), None)

    def __getitem__(self, name: str) -> Tensor:
        """The tensor of this name; KeyError where there is none."""
        tensor = self.find(name)
        if tensor is None:
            raise KeyError(name)
        return tensor

    def by_name(self) -> dict[str, Tensor]:
        """Every tensor by its name."""
        return {tensor.name: tensor for tensor in self.tensors}

    def by_output(self) -> dict[str, Operator]:
        """Every operator by the name of the first tensor it makes."""
        return {op.output.name: op for op in self._operators if op.outputs}

    def is_end(self, tensor: Tensor) -> bool:
        """Whether a tensor is an input or an output."""
        return tensor in self.inputs or tensor in self.outputs

    def only_reader(self, tensor: Tensor) -> Operator | None:
        """The one operator that reads a tensor; None too where the tensor is an output."""
        readers = self.consumers(tensor)
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None

    def unique_name(self, name: str) -> str:
        """The name, or with a number behind it where it is taken."""
        taken = {tensor.name for tensor in self.tensors}
        return unique(name, taken)

    def add_tensor(
        self,
        name: str,
        dtype: str = "FLOAT32",
        shape: Iterable[int] = (),
        *,
        data: NDArray[Any] | None = None,
        quantization: Quantization | None = None,
    ) -> Tensor:
        """A new tensor behind the others; its name gets a number where it is taken."""
        tensor = Tensor(self.unique_name(name), dtype, shape, data=data, quantization=quantization)
        self.tensors.append(tensor)
        return tensor

    def add_constant(self, name: str, values: NDArray[Any]) -> Tensor:
        """A new constant; its type and shape are the values'."""
        return self.add_tensor(name, data=values)

    def add_like(self, tensor: Tensor, name: str) -> Tensor:
        """A new tensor without contents, of the type, shape and quantization of another."""
        copy = tensor.like(self.unique_name(name))
        self.tensors.append(copy)
        return copy

    def insert_before(self, operator: Operator, *added: Operator) -> None:
        """Let operators run right before another."""
        place = self.position(operator)
        self._operators[place:place] = added

    def insert_after(self, operator: Operator, *added: Operator) -> None:
        """Let operators run right behind another."""
        place = self.position(operator) + 1
        self._operators[place:place] = added

    def replace(self, operator: Operator, *replacement: Operator) -> None:
        """Put operators in the place of another."""
        place = self.position(operator)
        self._operators[place : place + 1] = replacement

    def remove(self, operators: Iterable[Operator]) -> None:
        """Take operators out; what they made is not redirected."""
        gone = set(operators)
        self.operators = [operator for operator in self._operators if operator not in gone]

    def redirect(
        self, tensor: Tensor, to: Tensor, *, readers: Iterable[Operator] | None = None
    ) -> int:
        """Let operators read another tensor in place of one; returns how many do now.

        Args:
            tensor: what they read.
            to: what they are to read.
            readers: which of them; None for all. Outputs stay what they are: `rename_output`.
        """
        chosen = dict.fromkeys(self.consumers(tensor) if readers is None else readers)
        for operator in chosen:
            operator.inputs = [to if source is tensor else source for source in operator.inputs]
        return len(chosen)

    def end_instead(self, tensor: Tensor, to: Tensor) -> None:
        """Let another tensor be the output that one was, under its name; the two swap names."""
        if tensor in self.outputs:
            self.outputs = [to if output is tensor else output for output in self.outputs]
            tensor.name, to.name = to.name, tensor.name

    def named_tensors(self) -> list[Tensor]:
        """The tensors that operators or ends name: in the order of the file, new ones behind."""
        named = dict.fromkeys(self.tensors, False)
        for tensor in (*self.inputs, *self.outputs):
            named[tensor] = True
        for operator in self._operators:
            for operand in (*operator.inputs, *operator.outputs, *operator.intermediates):
                if operand is not None:
                    named[operand] = True
        return [tensor for tensor, is_named in named.items() if is_named]

    def drop_unused(self) -> None:
        """Forget the tensors that neither an operator nor an end names."""
        self.tensors = self.named_tensors()

    def remove_dead(self) -> None:
        """Remove operators whose results nobody reads, then the tensors only they named.

        One that makes nothing (an assignment to a variable) is run for what it does, and stays.
        """
        while True:
            needed = {tensor for operator in self._operators for tensor in operator.read}
            needed.update(self.outputs)
            kept = [o for o in self._operators if not o.outputs or not needed.isdisjoint(o.outputs)]
            if len(kept) == len(self._operators):
                break
            self.operators = kept
        self.drop_unused()


def unique(name: str, taken: set[str]) -> str:
    """The name, or the first of name_1, name_2, ... that is not taken."""
    number, candidate = 0, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
