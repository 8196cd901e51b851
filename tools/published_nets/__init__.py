"""The networks that published latencies were measured on, from their papers' tables.

Each is written operator by operator (`edgecnn.latency.cost_builder`); `find` names them as the rows
of edgecnn/latency/data do. `tests/unit/tools` holds their MACs against published counts.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from published_nets import (
    detection,
    efficientnet,
    mobilenet,
    mobilenet_v3,
    nasbench,
    osmr_dense,
    osmr_light,
    resnet,
)

if TYPE_CHECKING:
    from edgecnn.latency.cost import NetCost
    from published_nets.table import Nets

NETS: Nets = {
    **mobilenet.NETS,
    **mobilenet_v3.NETS,
    **efficientnet.NETS,
    **resnet.NETS,
    **osmr_dense.NETS,
    **osmr_light.NETS,
    **detection.NETS,
}
NASBENCH = "nasbench201"


def known(model: str) -> bool:
    """Whether a row's model can be written down."""
    return model in NETS or model.startswith("|")


def family(model: str) -> str:
    """The family a model belongs to; validation leaves out a family at a time."""
    return NASBENCH if model.startswith("|") else NETS[model][0]


@functools.cache
def find(model: str, input_size: int) -> NetCost:
    """The cost of a published network.

    Args:
        model: as the rows name it; an architecture string for a NAS-Bench-201 net.
        input_size: height and width of its square input, pixels.
    """
    if model.startswith("|"):
        return nasbench.expand(model, input_size)
    return NETS[model][1](input_size)
