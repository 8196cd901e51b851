"""Products ahead of logarithms and divisions stay float, and others do not."""

from __future__ import annotations

from onnx_foreign import Foreign

from edgecnn.convert import onnx_source
from edgecnn.formats.onnx_graph import from_proto
from edgecnn.quantize.onnx_domains import ahead_of_poles


def _kept(net: Foreign, result: str) -> list[str]:
    source = onnx_source.prepare_model(net.model({result: None}))
    graph = from_proto(source.model).graph
    kept = ahead_of_poles(graph)
    return [node.op_type for node in graph if node in kept]


def test_a_product_that_a_logarithm_reads_stays_float() -> None:
    net = Foreign()
    power = net.node("MatMul", net.input("power", [1, 9, 16]), net.normal(16, 6))
    moved = net.node("Transpose", power, perm=[0, 2, 1])
    raised = net.node("Add", moved, net.constant(1e-4))
    assert _kept(net, net.node("Log", raised)) == ["MatMul", "Transpose", "Add"]


def test_a_divisor_is_held_and_what_it_divides_is_not() -> None:
    net = Foreign()
    x = net.input("image", [1, 3, 8, 8])
    norm = net.node("ReduceSum", net.conv(x, 3, 4, size=1), net.constant([1]))
    assert _kept(net, net.node("Div", net.conv(x, 3, 4, size=1), norm)) == ["Conv", "ReduceSum"]


def test_what_a_function_bounds_is_quantized() -> None:
    net = Foreign()
    x = net.conv(net.input("image", [1, 3, 8, 8]), 3, 4)
    bounded = net.node("Clip", x, net.constant(1e-3))
    assert _kept(net, net.node("Log", bounded)) == []
