"""A Ray cluster of three nodes on this machine, whose workers find the tests' own modules."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

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
    with _cluster({}) as cluster:
        for _ in range(NODES - 2):
            cluster.add_node(num_cpus=1)
        cluster.add_node(num_cpus=1, resources={DEVICE: 1}, env_vars={"EDGECNN_FARM": FARM})
        cluster.wait_for_nodes()
        yield cluster


@contextlib.contextmanager
def one_node(resources: dict[str, float], **environment: str) -> Generator[str, None, None]:
    """A cluster of a head that offers something; its address."""
    with _cluster(environment, resources=resources) as cluster:
        yield cluster.address


@contextlib.contextmanager
def _cluster(environment: dict[str, str], **head: Any) -> Generator[RayCluster, None, None]:  # noqa: ANN401 - as Ray has them
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        ours = {
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": f"{_TESTS.parent}{os.pathsep}{_TESTS}",
        }
        for name, value in (ours | environment).items():
            patch.setenv(name, value)
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 1, "include_dashboard": False, **head},
        )
        try:
            yield cluster
        finally:
            cluster.shutdown()
