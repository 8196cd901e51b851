"""LiteRT's own profiler, through the C API; and each operator in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tiny_tflite import TinyModel, float_net, int8_net

from edgecnn import isolation
from edgecnn.errors import InputError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.profiling import operator_alone, operator_sums
from edgecnn.profiling.operator_costs import tflite_costs
from edgecnn.profiling.operator_litert import ProfilerFailedError
from edgecnn.runtime.litert import LiteRTSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgecnn.profiling.operator_litert import Run

PROFILER = "edgecnn.profiling.operator_litert:profile"
ALONE = "edgecnn.profiling.operator_alone:profile"


def profiled(function: str, data: bytes, folder: Path) -> Sequence[Run]:
    path = folder / "net.tflite"
    path.write_bytes(data)
    runs: Sequence[Run] = isolation.run(function, str(path), 1, 0.05, what="profiling the net")
    return runs


@pytest.mark.parametrize(
    ("net", "kinds"),
    [
        # XNNPACK fuses the RELU into the convolution before it.
        (float_net, ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]),
        (int8_net, ["CONV_2D", "RELU", "CONV_2D"]),
    ],
)
def test_the_profiler_sees_every_operator_inside_xnnpack(
    net: Callable[[], TinyModel], kinds: list[str], tmp_path: Path
) -> None:
    data = net().to_bytes()
    runs = profiled(PROFILER, data, tmp_path)
    assert len(runs) >= 3
    found = operator_sums.attribute(runs[0].events, tflite_costs(data, "net"))
    assert [each.cost.kind for each in found] == kinds


def test_operators_outside_the_delegate_are_named_by_their_place(tmp_path: Path) -> None:
    events = profiled(PROFILER, int8_net().to_bytes(), tmp_path)[0].events
    assert [event.node for event in events if event.kernel == "RELU"] == [1]
    assert [event.node for event in events if event.kernel.startswith("Convolution")] == [None] * 2


def test_a_file_that_is_no_model_fails_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProfilerFailedError, match=r"LiteRt\w+ gave \d+ on"):
        profiled(PROFILER, b"TFL3" * 20, tmp_path)


@pytest.mark.parametrize("net", [float_net, int8_net])
def test_operators_alone_compute_together_what_the_net_computes(
    net: Callable[[], TinyModel],
) -> None:
    data = net().to_bytes()
    whole = LiteRTSession(data)
    fed = whole.inputs[0]
    random = np.random.default_rng(0)
    values = (100 * random.standard_normal(fed.shape)).astype(fed.dtype)
    graph = Graph.read(data)
    before = graph.write()
    step = values
    for operator in graph.operators:
        (step,) = LiteRTSession(operator_alone.extract(graph, operator)).run([step])
    np.testing.assert_allclose(step, whole.run([values])[0], rtol=1e-5)
    assert graph.write() == before


def half_net() -> TinyModel:
    """Weights in float16 behind a DEQUANTIZE, read by two fully connected layers."""
    net = TinyModel()
    source = net.tensor("float32", (1, 4))
    half = net.tensor("float16", (4, 4), values=np.eye(4, dtype=np.float16))
    weights = net.tensor("float32", (4, 4))
    between, result = net.tensor("float32", (1, 4)), net.tensor("float32", (1, 4))
    net.operator("DEQUANTIZE", [half], [weights])
    net.operator("FULLY_CONNECTED", [source, weights, -1], [between])
    net.operator("FULLY_CONNECTED", [between, weights, -1], [result])
    net.border([source], [result])
    return net


def test_an_operator_alone_keeps_what_unpacks_its_weights() -> None:
    graph = Graph.read(half_net().to_bytes())
    alone = Graph.read(operator_alone.extract(graph, graph.operators[2]))
    assert [operator.name for operator in alone.operators] == ["DEQUANTIZE", "FULLY_CONNECTED"]
    assert len(alone.inputs) == 1


def test_operators_alone_leave_out_what_runs_when_the_file_is_loaded(tmp_path: Path) -> None:
    (run,) = profiled(ALONE, half_net().to_bytes(), tmp_path)
    assert [event.node for event in run.events] == [1, 2]
    # of one form, so timed once
    assert run.events[0].elapsed_us == run.events[1].elapsed_us


def test_operators_of_a_damaged_file_are_not_taken_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be run"):
        profiled(ALONE, b"TFL3" * 20, tmp_path)
