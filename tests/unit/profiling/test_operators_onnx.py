"""onnxruntime's own profiler, and what the nodes of its optimized graph cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from onnx_nets import Net, classifier

from edgecnn import inspection, isolation
from edgecnn.errors import InputError
from edgecnn.profiling import operator_onnx

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from edgecnn.profiling.operator_onnx import OnnxProfile


def profiled(path: Path) -> OnnxProfile:
    found: OnnxProfile = isolation.run(
        "edgecnn.profiling.operator_onnx:profile", str(path), 1, 0.05, what="profiling the net"
    )
    return found


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_the_nodes_that_ran_hold_all_macs_of_the_file(tmp_path: Path) -> None:
    path = saved(classifier(), tmp_path)
    found = profiled(path)
    whole = sum(inspection.inspect(path).graph.macs_by_dtype.values())
    assert sum(cost.macs for cost in found.costs) == whole
    assert found.notes == ()
    assert {cost.compute_dtype for cost in found.costs} == {"float32"}
    assert all(cost.bytes_moved > 0 for cost in found.costs)


def test_each_event_names_a_node_that_ran(tmp_path: Path) -> None:
    found = profiled(saved(classifier(), tmp_path))
    places = [cost.index for cost in found.costs]
    assert places == list(range(len(places)))
    assert all([event.node for event in run.events] == places for run in found.runs)
    assert "Softmax" in {cost.kind for cost in found.costs}


def test_weights_are_counted_without_the_padding_of_blocked_layouts(tmp_path: Path) -> None:
    net = Net((1, 3, 8, 8))
    first = net.conv("input", 3, 40, pads=[1, 1, 1, 1])
    second = net.conv(first, 40, 24, pads=[1, 1, 1, 1])
    found = profiled(saved(net.model(second, (1, 24, 8, 8)), tmp_path))
    assert sum(cost.macs for cost in found.costs) == 8 * 8 * 9 * (3 * 40 + 40 * 24)


def test_a_depthwise_convolution_is_told_from_the_others(tmp_path: Path) -> None:
    net = Net((1, 32, 8, 8))
    wide = net.conv("input", 32, 32, size=1)
    deep = net.conv(wide, 32, 32, pads=[1, 1, 1, 1], group=32)
    grouped = net.conv(deep, 32, 32, size=1, group=2)
    found = profiled(saved(net.model(grouped, (1, 32, 8, 8)), tmp_path))
    kinds = [cost.kind for cost in found.costs if cost.macs]
    assert kinds == ["Conv", "Conv (depthwise)", "Conv"]


def test_a_run_that_branched_another_way_is_left_out() -> None:
    usual, other = [{"name": "a"}], [{"name": "b"}]
    runs = [(1.0, usual), (1.0, other), (1.0, usual)]
    assert operator_onnx._alike(runs) == [(1.0, usual)] * 2  # noqa: SLF001 - a graph that branches at random would be no test


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(InputError, match="cannot be run"):
        profiled(path)
