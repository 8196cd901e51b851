"""Float ONNX -> full integer, 8 bits, in QDQ form (static quantization).

Ranges come from `onnx_ranges`, weights from `onnx_weights`; `onnx_draft` lays the file out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.errors import InputError
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import name_of, shape_of, tensors_of
from edgecnn.progress import Progress, Silent
from edgecnn.quantize import onnx_products, onnx_ranges, onnx_twin, onnx_weights
from edgecnn.quantize.onnx_domains import ahead_of_poles
from edgecnn.quantize.onnx_draft import QUANTIZED, Draft
from edgecnn.quantize.onnx_heads import Rows, heads, sensitive
from edgecnn.quantize.onnx_islands import WEIGHTED, FloatParts, Spread, float_parts, tail
from edgecnn.quantize.onnx_prepare import prepare
from edgecnn.quantize.onnx_recurrence import recurrent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    import onnx_ir as ir
    from numpy.typing import NDArray

    from edgecnn.quantize.onnx_draft import ActivationDtype, Int8Result
    from edgecnn.quantize.onnx_twin import Beside

_MAP = 4  # axes of a feature map
# Runs that tell how the network's ends spread, where nothing else is left to find out.
_FEW = 32


def draft(  # noqa: PLR0913 - one call does it all
    float_path: Path,
    feeds: Iterable[onnx_ranges.Feed],
    *,
    method: onnx_ranges.Method = "mse",
    dealt: NDArray[np.int64] | None = None,
    beside: Beside | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    activations: ActivationDtype = "uint8",
    runs: int = 100,
    last_float: int = 0,
    threads: int = 0,
    progress: Progress | None = None,
) -> Draft:
    """Calibrate, and choose weights (int8, per channel) and ranges (8 bits, asymmetric).

    Inputs, outputs and the logits stay as they are, float32 or integers, in order and by name. What
    has no integer kernel or must not lose precision stays float (`onnx_islands`). The same file and
    feeds give the same bytes.

    Activations are uint8 by default. Numerically int8 is the same, one offset apart; but on x86
    onnxruntime fuses int8 only in part (Xception: 13 of 74 convolutions stayed float, 80 ms
    against 41), and on ARM64 both run the same kernels (onnxruntime pull request 9902: uint8
    takes the udot kernel, or the int8 NEON one with a flipped sign bit).

    Args:
        float_path: a float file of ours (`convert.onnx_float`, `convert.onnx_source`).
        feeds: for each run one array for every input, as `onnx_ranges.measure` takes them.
        method: how a range is chosen, see `onnx_ranges.measure`.
        dealt: the part that each run belongs to, where ranges are stretched; see likewise.
        beside: the .tflite that the file is written beside, for ranges and weights that are decided
            already.
        ranges: (low, high) by tensor name of the float file, in place of the measured ones.
        activations: `uint8` or `int8`.
        runs: about how many feeds there are; says how many positions of each are looked at.
        last_float: how many of the last weighted operators stay float, with all behind the first
            of them.
        threads: to calibrate and round with; 0 takes all cores.
        progress: told of the stage and of each image.

    Raises:
        InputError: no feeds, feeds that do not fit, activations that are not finite, a name in
            `ranges` that the file has not.
        MissingPartError: onnx or onnxruntime is not installed.
    """
    watcher = progress or Silent()
    model = onnx_file.canonicalize(onnx_file.load(float_path))
    _refuse_foreign_names(model, ranges or {})
    watcher.stage("calibrating ONNX")
    prepared = model.clone()
    prepare(prepared)
    shared = onnx_twin.shared(prepared.graph, beside) if beside else onnx_twin.Shared()
    seen = _Watched.of(model, prepared, runs, shared.layers.keys())
    measured = onnx_ranges.measure(
        model,
        _needed(feeds, model, shared, seen),
        method=method,
        parts=dealt,
        known=shared.ranges,
        threads=threads,
        progress=watcher,
        watchers=seen.by_tensor,
    )
    watcher.stage("quantizing ONNX")
    graph = prepared.graph
    merged = {**onnx_ranges.inherit(graph, {**measured, **(ranges or {})}), **(ranges or {})}
    parts = _float_parts(graph, merged, seen, last_float)
    for index, node in enumerate(graph):
        node.name = f"{node.op_type}_{index}"
    kept_float = _kept_float(graph, merged, parts)
    overrides, notes = onnx_weights.quantize(
        graph,
        {**shared.inputs, **onnx_products.layer_inputs(seen.patches.values())},
        merged,
        kept_float=set(kept_float),
        ready=shared.layers,
        exact=activations == "uint8",
        threads=threads,
    )
    return Draft(
        prepared, merged, parts, tuple(kept_float), overrides, activations, (*parts.notes, *notes)
    )


def to_int8(
    float_path: Path,
    out_path: Path,
    feeds: Iterable[onnx_ranges.Feed],
    **options: Any,  # noqa: ANN401 - those of `draft`
) -> Int8Result:
    """Quantize a float file in QDQ form: `draft`, written to `out_path`."""
    return draft(float_path, feeds, **options).write(out_path)


def weighted_operators(float_path: Path) -> int:
    """How many operators of a float file have weights."""
    return sum(node.op_type in WEIGHTED for node in onnx_file.load(float_path).graph)


def _needed(
    feeds: Iterable[onnx_ranges.Feed], model: ir.Model, shared: onnx_twin.Shared, seen: _Watched
) -> Iterable[onnx_ranges.Feed]:
    """A few feeds where the .tflite beside it has decided all ranges and weights."""
    is_known = shared.ranges.keys() >= set(onnx_ranges.watched_tensors(model.graph))
    return islice(feeds, _FEW) if is_known and not seen.patches else feeds


def _float_parts(
    graph: ir.Graph, ranges: onnx_ranges.Ranges, seen: _Watched, last_float: int
) -> FloatParts:
    exempt, reasons = sensitive(graph, ranges, seen.rows)
    exempt |= recurrent(graph) | _volumes(graph) | _last(graph, last_float) | ahead_of_poles(graph)
    return float_parts(graph, ranges, seen.spreads, QUANTIZED, (exempt, reasons))


def _volumes(graph: ir.Graph) -> set[ir.Node]:
    """Convolutions over three axes.

    Laid out channels last, as onnxruntime 1.31 lays uint8 out on x86, its integer kernel for them
    gives other sums than its reference (-6 dB on a network that has 21 without optimizations).
    """
    convolutions = (n for n in graph if n.op_type in {"Conv", "ConvTranspose"})
    return {node for node in convolutions if len(shape_of(node.outputs[0])) > _MAP}


def _last(graph: ir.Graph, count: int) -> set[ir.Node]:
    """All nodes from the one on behind which so many weighted ones are, it included."""
    places = [place for place, node in enumerate(graph) if node.op_type in WEIGHTED]
    first = places[-count] if 0 < count <= len(places) else len(graph)
    return set(graph[first:])


@dataclass(frozen=True)
class _Watched:
    """What calibration looks at beside ranges, by tensor."""

    spreads: dict[str, Spread]
    rows: dict[str, Rows]
    patches: dict[str, list[onnx_products.Patches]]

    @classmethod
    def of(
        cls, model: ir.Model, prepared: ir.Model, runs: int, decided: Collection[str]
    ) -> _Watched:
        return cls(
            {name_of(value): Spread() for value in tail(model.graph)},
            {name_of(node.inputs[0]): Rows() for node in heads(model.graph)},
            onnx_products.patches(prepared.graph, runs, decided),
        )

    @property
    def by_tensor(self) -> dict[str, list[onnx_ranges.Watcher]]:
        watchers: dict[str, list[onnx_ranges.Watcher]] = {}
        for by_tensor in (self.spreads, self.rows):
            for name, watcher in by_tensor.items():
                watchers.setdefault(name, []).append(watcher)
        for name, patches in self.patches.items():
            watchers.setdefault(name, []).extend(patches)
        return watchers


def _refuse_foreign_names(model: ir.Model, ranges: Mapping[str, tuple[float, float]]) -> None:
    unknown = sorted(ranges.keys() - {name_of(value) for value in tensors_of(model.graph)})
    if unknown:
        raise InputError(
            f"Ranges are given for tensors the ONNX file has not: {', '.join(unknown[:5])}.",
            hint="Use the names of the float file's tensors, as `edgecnn inspect` lists them.",
        )
    for name, (low, high) in ranges.items():
        if not (low <= 0.0 <= high and 0.0 < high - low < np.inf):
            raise InputError(f"The range of '{name}' is empty, not finite or leaves out zero.")


def _kept_float(graph: ir.Graph, ranges: Mapping[str, Any], parts: FloatParts) -> list[str]:
    """Nodes that stay float, or touch a tensor without a range: an integer, such as a shape."""
    known = {*ranges, *graph.initializers, ""}
    return [
        node.name or ""
        for node in graph
        if node in parts.nodes
        or not {name_of(value) for value in (*node.inputs, *node.outputs)} <= known
    ]
