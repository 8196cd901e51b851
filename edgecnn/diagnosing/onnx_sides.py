"""A quantized .onnx (QDQ or QOperator form) and its float twin, as `sides` has them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import parity
from edgecnn.calibration.statistics import Means
from edgecnn.diagnosing import onnx_matching, onnx_plain, onnx_view
from edgecnn.diagnosing.matching import Pair
from edgecnn.diagnosing.sides import OTHER_NETWORK, Counts, check_ends, check_pairs
from edgecnn.errors import InputError
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import maker_of, shape_of, to_proto

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx
    import onnx_ir as ir
    from numpy.typing import NDArray

    from edgecnn.calibration.sampleset import SampleSet
    from edgecnn.calibration.statistics import Statistics
    from edgecnn.diagnosing.ends import Ends
    from edgecnn.diagnosing.onnx_matching import Match
    from edgecnn.diagnosing.onnx_plain import Plain
    from edgecnn.diagnosing.onnx_view import View
    from edgecnn.formats.tflite_graph import Operator, Tensor
    from edgecnn.records import Preprocessing

    Array = NDArray[Any]

# Operators behind which an output is still the same answer.
_MOVES = {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}


class OnnxSides:
    """Two .onnx files.

    Args:
        quantized: path of the quantized one.
        real: path of the float one.
        ends: of both.

    Raises:
        InputError: a file is damaged, has open sizes, or they are not of one network.
    """

    def __init__(self, quantized: str, real: Path, ends: Ends) -> None:
        self._real_path, self._ends = real, ends
        plain = onnx_plain.plain(onnx_file.load(Path(quantized)), quantized)
        twin, matches, self.skipped = _best_match(plain, real)
        check_ends(quantized, _counts(plain), _counts(twin))
        check_pairs(quantized, len(matches), self.skipped)
        behind = [(m, m.activation) for m in matches if m.activation is not None]
        activations = {m.twin: activation for m, activation in behind}
        fused = {m.node: onnx_view.activation_of(activation) for m, activation in behind}
        known = ends.layouts.inputs
        ours = onnx_view.view(plain, known, {}, fused)
        theirs = replace(
            onnx_view.view(twin, known, activations, {}), rectified=_rectified(plain, matches)
        )
        self.quantized, self.real = ours.graph, theirs.graph
        self.pairs = [_pair(m, ours, theirs) for m in matches]
        self.judged = tuple(dict.fromkeys(_judged(twin.model.graph, theirs)))
        self._forms = [theirs.forms[value] for value in twin.model.graph.inputs]
        self.quantized_means = Means(partial(_Taps, _proto(Path(quantized)), ours))
        self.real_means = Means(
            partial(_Taps, to_proto(twin.model), theirs), partial(_geometry, theirs.geometries)
        )

    def fed(self, feed: Sequence[Array]) -> tuple[Array, ...]:
        """With the channels last."""
        pairs = zip(self._forms, feed, strict=True)
        return tuple(form.channels_last(values) for form, values in pairs)

    def answers(
        self,
        _known: Statistics,
        samples: SampleSet,
        preprocessing: Preprocessing,
        threads: int,
    ) -> parity.Answers:
        """What the float file gives in a run of its own."""
        ends = self._ends
        return parity.answers(
            self._real_path,
            samples.feeds(ends.inputs, preprocessing),
            inputs=ends.inputs,
            outputs=ends.outputs,
            file_layouts=ends.layouts,
            threads=threads,
        )


def _best_match(quantized: Plain, real: Path) -> tuple[Plain, list[Match], int]:
    """The float file as it is, or rewritten as it is for int8: whichever has more in common."""
    from edgecnn.quantize.onnx_prepare import prepare

    attempts = []
    for rewrites in (True, False):
        model = onnx_file.load(real)
        twin = onnx_plain.plain(model, str(real))
        if twin.tensors:
            raise InputError(f"{real} is quantized itself.", hint=OTHER_NETWORK)
        if len(twin.model.graph.inputs) != len(quantized.model.graph.inputs):
            check_ends(str(real), _counts(quantized), _counts(twin))
        if rewrites:
            prepare(twin.model)
        attempts.append((twin, *onnx_matching.match(quantized, twin)))
        if not attempts[-1][2]:
            break
    return max(attempts, key=lambda attempt: len(attempt[1]))


def _rectified(quantized: Plain, matches: Sequence[Match]) -> frozenset[ir.Value]:
    """Tensors whose range may begin at zero though they do not: a ReLU drops the rest later."""
    begins = (quantized.tensors.get(match.node.outputs[0]) for match in matches)
    return frozenset(
        match.real
        for match, steps in zip(matches, begins, strict=True)
        if steps is not None and steps.begins_at_zero and onnx_matching.drops_below_zero(match.real)
    )


def _counts(plain: Plain) -> Counts:
    graph = plain.model.graph
    return Counts(tuple(shape_of(value) for value in graph.inputs), len(graph.outputs))


def _pair(match: Match, ours: View, theirs: View) -> Pair:
    made_by, twin = ours.operators[match.node], theirs.operators[match.twin]
    return Pair(match.index, made_by, twin, match.matched_by)


def _judged(graph: ir.Graph, view: View) -> list[str]:
    """Names of what enters the outputs' softmaxes, and of the outputs without one."""
    places = {value: tensor for tensor, value in view.tensors.items()}
    names = []
    for output in graph.outputs:
        value: ir.Value | None = output
        while (maker := maker_of(value)) is not None and maker.op_type in _MOVES:
            value = maker.inputs[0]
        logits = maker.inputs[0] if maker is not None and maker.op_type == "Softmax" else output
        if logits in places:
            names.append(places[logits].name)
    return names


def _geometry(geometries: Mapping[Operator, Any], operator: Operator) -> Any:  # noqa: ANN401 - Geometry
    return geometries.get(operator)


def _proto(path: Path) -> onnx.ModelProto:
    import onnx

    return onnx.load_model_from_string(path.read_bytes())


class _Taps:
    """An .onnx that gives chosen tensors: as steps where the file stores them so."""

    def __init__(
        self, model: onnx.ModelProto, view: View, tensors: Sequence[Tensor], threads: int
    ) -> None:
        import onnx

        from edgecnn.runtime.onnxrt import OnnxSession

        values = [view.tensors[tensor] for tensor in tensors]
        self._forms = [view.forms[value] for value in values]
        self._rectified = [value in view.rectified for value in values]
        self._inputs = [view.forms[view.tensors[tensor]] for tensor in view.graph.inputs]
        names = [_name_in_file(value, view) for value in values]
        order = list(dict.fromkeys(names))
        self._places = [order.index(name) for name in names]
        tapped = onnx.ModelProto()
        tapped.CopyFrom(model)
        del tapped.graph.output[:]
        tapped.graph.output.extend(onnx.ValueInfoProto(name=name) for name in order)
        self._session = OnnxSession(tapped.SerializeToString(), threads)

    def run_in_place(self, inputs: Sequence[Array]) -> list[Array]:
        """Run once, fed as the view has its inputs."""
        fed = [form.as_in_file(values) for form, values in zip(self._inputs, inputs, strict=True)]
        results = self._session.run(fed)
        return [
            form.channels_last(np.maximum(results[place], 0) if rectified else results[place])
            for form, place, rectified in zip(
                self._forms, self._places, self._rectified, strict=True
            )
        ]


def _name_in_file(value: ir.Value, view: View) -> str:
    steps = view.steps.get(value)
    return value.name or "" if steps is None else steps.source
