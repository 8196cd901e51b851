"""Counts what an operator does in units that each take a core a certain time.

The units follow the loops of TFLite's CPU kernels (XNNPACK's and ruy's matrix products, depthwise
and element-wise kernels): multiplications, what is gathered for them and what they write, bytes
that come from memory, and a fixed share for each operator. An operator's time is the sum over its
units, as if nothing overlapped; the fitted times of a unit hold what does overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from edgecnn.latency.cost import OperatorCost, Precision


Resource = Literal["compute", "memory", "overhead"]


class Unit(NamedTuple):
    """One unit of work.

    Attributes:
        name: what is counted.
        resource: what it keeps busy.
        per: "simd": its time shrinks with the multiplications a cycle of the core's SIMD units;
            "lanes": likewise, with those of float, as no dot product helps it; "cycle": it is a
            number of cycles; "bandwidth": it is a byte, at the device's memory bandwidth.
        parallel: "heavy" and "light" work is shared among threads (the light less well), "serial"
            work is not, and "dispatch" grows with every thread.
    """

    name: str
    resource: Resource
    per: Literal["simd", "lanes", "cycle", "bandwidth"]
    parallel: Literal["heavy", "light", "serial", "dispatch"]


UNITS = (
    Unit("convolution_mac", "compute", "simd", "heavy"),
    Unit("convolution_gather", "memory", "cycle", "heavy"),
    Unit("convolution_output", "compute", "cycle", "heavy"),
    Unit("pointwise_mac", "compute", "simd", "heavy"),
    Unit("pointwise_output", "compute", "cycle", "heavy"),
    Unit("depthwise_mac", "compute", "lanes", "heavy"),
    Unit("depthwise_output", "compute", "cycle", "heavy"),
    Unit("weight_byte", "memory", "bandwidth", "heavy"),
    Unit("weight_byte_again", "memory", "cycle", "heavy"),
    Unit("elementwise_byte", "memory", "cycle", "light"),
    Unit("activation_element", "compute", "cycle", "light"),
    Unit("copy_byte", "memory", "bandwidth", "light"),
    Unit("pool_tap", "compute", "cycle", "light"),
    Unit("mean_element", "compute", "cycle", "light"),
    Unit("reference_mac", "compute", "cycle", "serial"),
    Unit("operator", "overhead", "cycle", "dispatch"),
    Unit("light_operator", "overhead", "cycle", "light"),
    Unit("detection_element", "compute", "cycle", "serial"),
)
NAMES = tuple(unit.name for unit in UNITS)
INDEX = {name: index for index, name in enumerate(NAMES)}

# Kernels produce output channels in vectors; a remainder costs as much as a whole one.
_VECTOR = 8
# Rows of the output that one pass over the weights serves.
_TILE_ROWS = 8
_PRODUCTS = {"convolution": "convolution", "transposed": "convolution", "pointwise": "pointwise",
             "dense": "pointwise", "matmul": "pointwise"}  # fmt: skip
_BYTE_KINDS = {"elementwise": "elementwise_byte", "quantize": "elementwise_byte",
               "copy": "copy_byte", "resize": "copy_byte"}  # fmt: skip
_GATE_FUNCTIONS = 5  # sigmoids and hyperbolic tangents for each element an LSTM puts out
# As cheap as an addition; other functions need polynomials or tables.
_CHEAP_ACTIVATIONS = {"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "Relu", "Clip", "MINIMUM",
                      "MAXIMUM", "Min", "Max"}  # fmt: skip


def amounts(operator: OperatorCost, l2_bytes: int) -> list[float]:
    """How much of each unit an operator does, in the order of `UNITS`.

    Args:
        operator: at its precision.
        l2_bytes: level-2 cache of the core; weights beyond it are read again for every tile.
    """
    done = [0.0] * len(UNITS)
    for name, amount in _amounts(operator, l2_bytes).items():
        done[INDEX[name]] = float(amount)
    return done


def _amounts(operator: OperatorCost, l2_bytes: int) -> dict[str, float]:
    if operator.kind == "grouped" or (operator.macs and operator.precision == "int16x8"):
        return {"reference_mac": operator.macs, "operator": 1}
    if operator.kind == "recurrent":
        return _recurrent(operator)
    if operator.kind in _PRODUCTS:
        return _product(operator, l2_bytes)
    if operator.kind == "depthwise":
        rounded = _up(operator.out_channels)
        return {
            "depthwise_mac": operator.pixels * rounded * operator.taps,
            "depthwise_output": operator.output_elements,
            "weight_byte": operator.weight_bytes,
            "operator": 1,
        }
    return _light(operator)


def _product(operator: OperatorCost, l2_bytes: int) -> dict[str, float]:
    done: dict[str, float] = {"weight_byte": operator.weight_bytes, "operator": 1}
    if operator.pixels <= 1:
        return done  # a matrix times a vector takes as long as reading the matrix
    kind = _PRODUCTS[operator.kind]
    depth = operator.taps * operator.in_channels
    done[f"{kind}_mac"] = operator.macs / operator.out_channels * _up(operator.out_channels)
    done[f"{kind}_output"] = operator.output_elements
    if kind == "convolution":
        # A transposed one reads each tap where its stride meets it only.
        met = operator.macs / operator.out_channels
        done["convolution_gather"] = min(operator.pixels * depth, met * operator.groups)
    if operator.weight_bytes > l2_bytes:
        passes = -(-operator.pixels // _TILE_ROWS) - 1
        done["weight_byte_again"] = passes * (operator.weight_bytes - l2_bytes)
    return done


def _recurrent(operator: OperatorCost) -> dict[str, float]:
    """Each step multiplies a vector with all matrices, one thread alone, and waits for the last."""
    steps = max(operator.pixels, 1)
    return {
        "weight_byte": operator.weight_bytes,
        "weight_byte_again": (steps - 1) * operator.weight_bytes,
        "activation_element": _GATE_FUNCTIONS * operator.output_elements,
        "operator": 1,
    }


def _light(operator: OperatorCost) -> dict[str, float]:
    moved = operator.bytes_read + operator.bytes_written
    if operator.kind in _BYTE_KINDS:
        return {_BYTE_KINDS[operator.kind]: moved, "light_operator": 1}
    if operator.name in _CHEAP_ACTIVATIONS:
        return {"elementwise_byte": moved, "light_operator": 1}
    counted: dict[str, dict[str, float]] = {
        "activation": {"activation_element": operator.output_elements, "light_operator": 1},
        "pool": {"pool_tap": operator.output_elements * operator.taps, "light_operator": 1},
        "mean": {"mean_element": operator.input_elements, "light_operator": 1},
        "detection": {"detection_element": operator.output_elements},
        # What is not known is at least dispatched; the prediction's interval says the rest.
        "unknown": {"light_operator": 1},
    }
    return counted.get(operator.kind, {})


def _up(channels: int) -> int:
    return -(-channels // _VECTOR) * _VECTOR


def dynamic_mix(precision: str) -> tuple[Precision, ...]:
    """The fitted precisions a recipe's times lie between; one where it was fitted itself."""
    if precision == "dynamic":
        return ("float32", "int8")
    return ("int8",) if precision in {"int8", "int16x8"} else ("float32",)
