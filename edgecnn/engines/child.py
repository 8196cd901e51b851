"""The worker's side: call a task's function, and say what it took."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn import isolation

if TYPE_CHECKING:
    from edgecnn.engines.tasks import Task
    from edgecnn.isolation import Leash

_MIB = 1 << 20
# What libraries take their number of threads from. Untold they take all cores, and on Ray one: sums
# are then added in another order, and with other last digits another int8 file may be chosen.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
            "TF_NUM_INTEROP_THREADS")  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What a function returned, and the resident memory of its processes at their peak."""

    value: Any
    peak_bytes: int


def answer(
    task: Task,
    environment: dict[str, str] | None = None,
    leash: Leash | None = None,
) -> Answer:
    """Do a task, in a child where it asks for one, which computes on the task's cores alone.

    Raises:
        CrashedError: the child died.
        Exception: whatever the function raised.
    """
    if not task.isolated:
        return Answer(_function(task.function)(task.argument), 0)
    answered: Answer = isolation.run(
        "edgecnn.engines.child:call",
        task.function,
        task.argument,
        what=task.what,
        environment={**dict.fromkeys(_THREADS, str(task.cores)), **(environment or {})},
        leash=leash,
    )
    return answered


def call(function: str, argument: Any) -> Answer:  # noqa: ANN401 - whatever it takes
    """In the child: call the function, and measure."""
    value = _function(function)(argument)
    return Answer(value, _peak_bytes())


def _function(name: str) -> Any:  # noqa: ANN401 - any function
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _peak_bytes() -> int:
    """Resident memory of this process and of its largest child together."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return round((own + children) * unit / _MIB) * _MIB
