"""What inspection finds out about one model file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.text import count_text, shape_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.records import GraphInfo, TensorInfo

DYNAMIC = "dynamic"
# No machine holds such a tensor, and none runs such a network within an hour: the numbers of a
# file that says so are damaged.
MOST_ELEMENTS = 1 << 40
_MOST_MACS = 10**15


@dataclass(frozen=True)
class Operator:
    """One operator of a graph, in the graph's order.

    Attributes:
        name: TFLite's builtin name, a custom operator's code, or ONNX's op_type.
        compute_dtype: the dtype it computes in, which is that of the activations it reads;
            "dynamic" where float activations meet integer weights and are quantized as they come.
        weights_dtype: the dtype its weights are stored in; None where it has no constant weights.
        weights_elements: how many they are.
        macs: multiply-accumulates at batch 1; 0 for operators that do none.
        input_shapes: of its activations, constants left out; -1 for a size the file leaves open.
        output_shapes: likewise.
        weights_shape: of the weights, in the format's own layout; () without weights.
        input_dtypes: of its activations, constants left out.
        output_dtypes: of what it writes.
        at_border: whether it reads the graph's input or writes its output.
        window: height and width of a pooling's window; () where it has none.
        parameters: elements of all learned constants it reads: weights, bias, factors.
        sources: for each of its activations, the place in `Inspection.operators` of the operator
            that made it; -1 for the graph's input.
        counted: False where it multiplies and shapes that stay open, or the operator itself, leave
            nobody to say how often; `macs` is 0 then.
    """

    name: str
    compute_dtype: str
    weights_dtype: str | None
    weights_elements: int
    macs: int
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    weights_shape: tuple[int, ...]
    input_dtypes: tuple[str, ...]
    output_dtypes: tuple[str, ...]
    at_border: bool
    window: tuple[int, ...] = ()
    parameters: int = 0
    sources: tuple[int, ...] = ()
    counted: bool = True


@dataclass(frozen=True)
class Inspection:
    """What a model file really is, read from the file itself.

    Attributes:
        format: "tflite" or "onnx".
        size_bytes: of the file (an ONNX file's external data not included).
        sha256: of the file, hexadecimal.
        inputs: of the main graph; -1 in a shape for a size the file leaves open.
        outputs: likewise.
        graph: the counts that also stand in a manifest.
        operators: every operator of every subgraph.
        producer: the program that wrote the file, as the file says; "" when it does not.
        description: the file's own words.
        schema_version: TFLite's schema version, or ONNX's IR version.
        opsets: ONNX operator set versions by domain; empty for TFLite.
        metadata: the file's metadata, name to text (binary entries by their size).
        notes: what could not be found out, and why; one sentence each.
    """

    format: str
    size_bytes: int
    sha256: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    graph: GraphInfo
    operators: tuple[Operator, ...]
    producer: str
    description: str
    schema_version: int
    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def uncounted(self) -> dict[str, int]:
        """Operators that multiply nobody can say how often, name to count."""
        names = Counter(operator.name for operator in self.operators if not operator.counted)
        return dict(sorted(names.items()))


def check_plausible(inspection: Inspection, name: str) -> None:
    """Raise InputError for numbers that no network for any device has."""
    macs = sum(inspection.graph.macs_by_dtype.values())
    if macs <= _MOST_MACS:
        return
    heaviest = max(inspection.operators, key=lambda operator: operator.macs)
    raise InputError(
        f"{name} is damaged: it says {count_text(macs)} multiply-accumulates, {heaviest.name} from"
        f" {shape_text(next(iter(heaviest.input_shapes), ()))} to"
        f" {shape_text(next(iter(heaviest.output_shapes), ()))} the most of them.",
        hint="Get or make the file again.",
    )


def uncounted_note(names: Sequence[str]) -> list[str]:
    """The sentence about operators that multiply nobody can say how often; none for none."""
    if not names:
        return []
    kinds = ", ".join(sorted(set(names)))
    what = "operator" if len(names) == 1 else "operators"
    why = "shapes are open, or there is no rule for it"
    return [f"MACs of {len(names)} {what} ({kinds}) are not counted: {why}."]
