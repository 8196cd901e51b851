"""What a network does to pixels first, read from its graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx_nets import Net
from tiny_tflite import TinyModel, conv_options

from edgecnn.convert import input_scaling
from edgecnn.convert.input_scaling import Step
from edgecnn.formats.tflite_graph import Graph

# (operator, constant, whether the constant comes first)
Chain = list[tuple[str, Any, bool]]

DIVIDES = "divides its input by 255"
CENTRES = "takes 127.5 from its input and divides it by 127.5"
CHAINS: list[tuple[Chain, str]] = [
    ([("MUL", 1 / 255, False)], DIVIDES),
    ([("MUL", 1 / 255, True)], DIVIDES),
    ([("DIV", 255.0, False)], DIVIDES),
    ([("SUB", 127.5, False), ("DIV", 127.5, False)], CENTRES),
    ([("MUL", 1 / 127.5, False), ("ADD", -1.0, False)], CENTRES),
    ([("SUB", [123.0, 117.0, 105.0], False)], "takes 115 from its input"),
    ([], ""),
    ([("MUL", 2.0, False), ("SUB", 1.0, False)], ""),  # of 0..1 onto -1..1: no pixels
    ([("MUL", 0.0, False)], ""),
    ([("DIV", 255.0, True)], ""),  # 255 / x scales nothing
]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((), ""),
        ((Step(),), ""),
        ((Step(scale=1 / 255),), DIVIDES),
        ((Step(scale=1 / 127.5), Step(shift=-1.0)), CENTRES),
        ((Step(shift=-127.5), Step(scale=1 / 127.5)), CENTRES),
        ((Step(shift=-103.9),), "takes 103.9 from its input"),
        ((Step(scale=-1.0, shift=255.0),), "takes 255 from its input and divides it by -1"),
        ((Step(scale=float("inf")),), ""),
        ((Step(scale=0.0, shift=5.0),), ""),
        ((Step(scale=0.5, shift=0.25),), ""),
    ],
)
def test_a_chain_is_one_scale_and_one_shift(steps: tuple[Step, ...], said: str) -> None:
    assert input_scaling.describe(steps) == said


def tflite(chain: Chain) -> Graph:
    net = TinyModel()
    last = image = net.tensor("float32", (1, 8, 8, 3), name="image")
    options = {"MUL": schema.MulOptionsT, "DIV": schema.DivOptionsT, "SUB": schema.SubOptionsT,
               "ADD": schema.AddOptionsT}  # fmt: skip
    for name, value, first in chain:
        constant = net.tensor("float32", np.shape(value), values=np.array(value, np.float32))
        made = net.tensor("float32", (1, 8, 8, 3))
        net.operator(name, [constant, last] if first else [last, constant], [made], options[name]())
        last = made
    kernel = net.tensor("float32", (4, 3, 3, 3), constant=True)
    result = net.tensor("float32", (1, 8, 8, 4))
    net.operator("CONV_2D", [last, kernel, net.tensor("float32", (4,), constant=True)], [result],
                 conv_options())  # fmt: skip
    net.border([image], [result])
    return Graph.read(net.to_bytes())


@pytest.mark.parametrize(("chain", "said"), CHAINS)
def test_of_a_tflite(chain: Chain, said: str) -> None:
    assert input_scaling.of_tflite(tflite(chain)) == said


@pytest.mark.parametrize(("chain", "said"), CHAINS)
def test_of_an_onnx(chain: Chain, said: str) -> None:
    net = Net((1, 3, 8, 8))
    last = "input"
    for name, value, first in chain:
        values = np.array(value, np.float32)
        constant = net.constant(values.reshape(-1, 1, 1) if values.ndim else values)
        kind = name.capitalize()
        last = net.node(kind, constant, last) if first else net.node(kind, last, constant)
    assert input_scaling.of_onnx(net.model(net.conv(last, 3, 4), (1, 4, 6, 6))) == said


def test_what_two_operators_read_is_not_scaled_first() -> None:
    graph = tflite([("MUL", 1 / 255, False)])
    graph.operators[-1].inputs[0] = graph.inputs[0]
    assert input_scaling.of_tflite(graph) == ""


def test_of_several_inputs_nothing_is_said() -> None:
    graph = tflite([("MUL", 1 / 255, False)])
    graph.inputs = [graph.inputs[0], graph.inputs[0]]
    assert input_scaling.of_tflite(graph) == ""
