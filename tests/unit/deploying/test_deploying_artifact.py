"""How many reference inputs a device runs to prove a network."""

import pytest

from edgecnn.deploying.artifact import proof_runs


@pytest.mark.parametrize(
    ("macs_by_dtype", "runs"),
    [
        ({}, 4),  # nothing counted
        ({"int8": 300_000_000}, 4),
        ({"int8": 2_000_000_000, "float32": 500_000_000}, 4),
        ({"int8": 3_000_000_000}, 3),
        ({"int8": 8_470_752_656}, 2),  # xception
        ({"float32": 10**13}, 2),
    ],
)
def test_a_large_network_runs_fewer(macs_by_dtype: dict[str, int], runs: int) -> None:
    assert proof_runs(macs_by_dtype) == runs
