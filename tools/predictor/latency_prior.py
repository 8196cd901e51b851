"""What is believed of the speeds before any row is seen, and how firmly."""

from __future__ import annotations

import numpy as np

from edgecnn.latency import cores
from edgecnn.latency.work import INDEX, NAMES, UNITS

PRECISIONS = ("float32", "int8")

# Cycles of a unit; of a multiplication times those a cycle can hold, that is, over the efficiency;
# of a byte at the memory's bandwidth, times what one copied byte takes.
_FLOAT32 = {
    "convolution_mac": 1.25,  # 80% of the peak, as matrix products reach
    "convolution_gather": 0.5,
    "convolution_output": 1.0,
    "pointwise_mac": 1.25,
    "pointwise_output": 1.0,
    "depthwise_mac": 2.0,  # two loads for each multiplication
    "depthwise_output": 1.0,
    "weight_byte": 1.0,
    "weight_byte_again": 0.1,
    "elementwise_byte": 0.2,
    "activation_element": 3.0,
    "copy_byte": 1.0,
    "pool_tap": 1.0,
    "mean_element": 1.0,
    "reference_mac": 3.0,  # two loads, an address and a multiplication of single numbers
    "operator": 8000.0,
    "light_operator": 5000.0,
    "detection_element": 5.0,
}
# Results are scaled, rounded and narrowed before they are written.
_INT8 = {**_FLOAT32, "convolution_output": 1.5, "pointwise_output": 1.5, "depthwise_output": 2.0}
_PRIORS = {"float32": _FLOAT32, "int8": _INT8}
# Units that few networks tell apart from others are held closer to the belief.
_FIRM = {"copy_byte", "light_operator", "pool_tap", "activation_element"}
_SPREAD, _FIRM_SPREAD = 0.7, 0.3


def log_units(core: str, precision: str) -> np.ndarray:
    """Log of every unit's believed cost on a core, in the terms of `fitted.json`."""
    rates = cores.find(core)
    macs = {"simd": rates.fp32_macs if precision == "float32" else rates.int8_macs,
            "lanes": rates.fp32_macs}  # fmt: skip
    prior = _PRIORS[precision]
    return np.log([prior[unit.name] / macs.get(unit.per, 1) for unit in UNITS])


def spreads() -> np.ndarray:
    """Standard deviation of the log of each unit's cost, over all cores together."""
    spread = np.full(len(NAMES), _SPREAD)
    spread[[INDEX[name] for name in sorted(_FIRM)]] = _FIRM_SPREAD
    return spread
