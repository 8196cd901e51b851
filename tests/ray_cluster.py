"""A Ray cluster of three nodes on this machine, whose workers find the tests' own modules."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

    class RayCluster(Protocol):
        """What the tests use of `ray.cluster_utils.Cluster`."""

        address: str

        def add_node(self, *, num_cpus: int, **more: Any) -> object:  # noqa: ANN401 - as Ray has them
            """Another node."""

        def remove_node(self, node: object, *, allow_graceful: bool) -> object:
            """One less: without grace its processes are killed with -9."""

        def wait_for_nodes(self) -> None:
            """Until all have joined."""


NODES = 3
DEVICE = "device:raspberry-pi-4b"  # what the last of them offers
FARM = "here/farm.toml"  # in that node's environment
_TESTS = Path(__file__).parent


@contextlib.contextmanager
def three_nodes() -> Generator[RayCluster, None, None]:
    """`ray.cluster_utils.Cluster`: a head and two more, one core each; nobody is connected."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{_TESTS.parent}{os.pathsep}{_TESTS}"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        for _ in range(NODES - 2):
            cluster.add_node(num_cpus=1)
        cluster.add_node(num_cpus=1, resources={DEVICE: 1}, env_vars={"EDGECNN_FARM": FARM})
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
