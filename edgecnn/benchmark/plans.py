"""How long `bench` measures: the named plans."""

from __future__ import annotations

from edgecnn.errors import InputError
from edgecnn.measurements import BenchPlan

# The first runs fill caches, grow arenas and wake the frequency governor.
_WARMUP_S = 0.5

# runner.py holds the same figures for those who run it by hand; a test compares them.
PLANS: dict[str, BenchPlan] = {
    plan.name: plan
    for plan in (
        BenchPlan("quick", warmup_s=_WARMUP_S, min_runs=64, min_s=1.0),
        # 1024 runs and 60 s are what MLPerf Inference asks of a single-stream run.
        BenchPlan(
            "publish", warmup_s=_WARMUP_S, min_runs=1024, min_s=60.0, repeats=5, agree_within=0.05
        ),
        BenchPlan("sustained", warmup_s=_WARMUP_S, min_runs=64, min_s=1800.0, interval_s=60.0),
    )
}


def plan(name: str) -> BenchPlan:
    """The plan of that name.

    Raises:
        InputError: there is none.
    """
    if name not in PLANS:
        raise InputError(f"There is no plan {name!r}.", hint=f"Use one of: {', '.join(PLANS)}.")
    return PLANS[name]
