"""Tasks on a Ray cluster, https://docs.ray.io: it places them, and tells which of its nodes died.

Only keys and small records pass through the driver; artifacts lie in the storage. As many tasks are
handed over as the cluster can hold twice, so that the driver's memory does not grow with a sweep.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

from edgecnn.engines import child
from edgecnn.engines.tasks import RETRIES, Need, Outcome, Schedule, Task
from edgecnn.errors import DeviceError, EdgeCnnError, InputError, MissingPartError
from edgecnn.isolation import CrashedError, LimitError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from types import TracebackType

    from typing_extensions import Self

LOCAL = "local"
_CONNECT_S = 10.0
_LOOK_S = 30.0  # so long nothing ends before nodes are looked at: those that died end a task's wait
_QUEUED = 2  # tasks handed over for each that can run: a node never waits for the driver


class RayEngine:
    """A cluster, connected to while the block lasts.

    Args:
        address: "local" starts Ray on this machine alone; "auto" is the cluster that this machine
            belongs to; else HOST:PORT or ray://HOST:PORT.
        environment: variables for the tasks' child processes.
        resources: that one node must offer, all of them.
    """

    def __init__(
        self,
        address: str,
        environment: dict[str, str] | None = None,
        resources: tuple[str, ...] = (),
    ) -> None:
        self._address = address
        self._environment = environment
        self._resources = resources
        self._need = Need()
        self._ours = False
        self._most_bytes = 0.0
        self._cpus = 1
        self._offers: list[frozenset[str]] = []
        self._remote: Any = None

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            MissingPartError: Ray is not installed.
            InputError: there is no such cluster, or no node of it offers the resources.
        """
        ray = _ray()
        if not ray.is_initialized():
            _connect(ray, self._address)
            self._ours = True
        self._look(ray)
        if not self._is_offered(self._resources):
            self.__exit__(None, None, None)
            raise InputError(_nobody_offers(self._resources), hint=_OFFERING)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        """Leave the cluster, unless somebody else had entered it."""
        if self._ours:
            _ray().shutdown()

    def _look(self, ray: Any) -> None:  # noqa: ANN401 - Ray has no types of its own here
        """See what the cluster has: nodes come and go."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self._cpus = max(1, int(sum(node.get("CPU", 0) for node in nodes)))
        self._most_bytes = max((node.get("memory", 0.0) for node in nodes), default=0.0)
        self._offers = [frozenset(name for name, count in node.items() if count) for node in nodes]

    def _is_offered(self, resources: tuple[str, ...]) -> bool:
        """Whether a node has them all, for whichever task."""
        return not resources or any(offer.issuperset(resources) for offer in self._offers)

    @property
    def workers(self) -> int:
        """Cores of the cluster."""
        return self._cpus

    def run(self, tasks: Iterable[Task]) -> Generator[Outcome, None, None]:
        """See `Engine.run`."""
        ray = _ray()
        schedule = Schedule(tasks)
        running: dict[Any, tuple[Task, int]] = {}
        try:
            while True:
                while len(running) < _QUEUED * self._cpus and (task := schedule.next()) is not None:
                    running[self._submit(ray, task)] = task, 1
                if not running:
                    return
                ready, _ = ray.wait(list(running), num_returns=1, timeout=_LOOK_S)
                ref = ready[0] if ready else self._stranded(ray, running)
                if ref is None:
                    continue
                task, attempts = running.pop(ref)
                outcome = _outcome(ray, ref, task, attempts) if ready else _lost(task, attempts)
                if outcome is None:
                    self._look(ray)
                    running[self._submit(ray, task)] = task, attempts + 1
                    continue
                self._need.learn(outcome.peak_bytes)
                schedule.ended(task, well=outcome.error is None)
                yield outcome
        finally:
            for ref in running:
                ray.cancel(ref, force=True)

    def _stranded(self, ray: Any, running: dict[Any, tuple[Task, int]]) -> Any:  # noqa: ANN401 - as above
        """One that waits for what no node offers any more, cancelled; None where there is none."""
        self._look(ray)
        for ref, (task, _) in running.items():
            if not self._is_offered(task.resources):
                ray.cancel(ref, force=True)
                return ref
        return None

    def _submit(self, ray: Any, task: Task) -> Any:  # noqa: ANN401 - as above
        """Hand a task over, with the cores and the memory it takes; no node is overrun.

        Ray's own second tries are left out: those after a lack of memory have no end, and nobody is
        told how many there were.
        """
        options: dict[str, Any] = {"num_cpus": min(task.cores, self._cpus), "max_retries": 0}
        if task.resources:
            options["resources"] = dict.fromkeys(task.resources, 1)
        if task.isolated and self._most_bytes:
            options["memory"] = int(min(self._need.bytes, self._most_bytes))
        if self._remote is None:  # once: each is sent to every worker, and kept
            self._remote = ray.remote(child.answer)
        return self._remote.options(**options).remote(task, self._environment)


_OFFERING = "`ray start --resources='{\"device:NAME\": 1}'` offers one, on the node that has it."


def _nobody_offers(resources: tuple[str, ...]) -> str:
    return f"No node of the Ray cluster offers {' and '.join(resources)}."


def _lost(task: Task, attempts: int) -> Outcome:
    """The node with its device has left the cluster."""
    error = DeviceError(f"{task.what}: {_nobody_offers(task.resources)}", hint=_OFFERING)
    return Outcome(task, None, error, attempts)


def _ray() -> Any:  # noqa: ANN401 - the module
    # Unless this is set before it is imported, Ray sends home what it is used for.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise MissingPartError(
            "Ray is not installed.", hint="pip install 'edgecnn[ray]', on every node."
        ) from error
    return ray


def _connect(ray: Any, address: str) -> None:  # noqa: ANN401 - the module
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == LOCAL:
        try:
            ray.init(address=LOCAL, include_dashboard=False, **quiet)
        except Exception as error:  # Ray raises no other class where its processes are late
            raise EdgeCnnError(
                f"Ray did not start on this machine: {error}",
                hint="Where it is busy, try again; or leave --ray out.",
            ) from error
        return
    try:
        _require_listener(address)
        ray.init(address=address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"There is no Ray cluster at {address}: {error}.",
            hint="`ray start --head` begins one; --ray local needs none.",
        ) from error


def _require_listener(address: str) -> None:
    """Hold that somebody listens there: Ray itself would try for ten minutes.

    Raises:
        OSError: nobody does.
        ValueError: it is no address.
    """
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("an address is HOST:PORT, ray://HOST:PORT or auto")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S):
        pass


def _outcome(ray: Any, ref: Any, task: Task, attempts: int) -> Outcome | None:  # noqa: ANN401 - as above
    """What became of a task; None where it is to be tried again, on whichever node has room."""
    try:
        done: child.Answer = ray.get(ref)
    except ray.exceptions.RayTaskError as failure:
        error = failure.cause if isinstance(failure.cause, Exception) else failure
        died = isinstance(error, CrashedError) and not isinstance(error, LimitError)
    except ray.exceptions.RayError as failure:  # the node, its memory, or the worker
        error, died = CrashedError(f"{task.what}: {_sentence(failure)}"), True
    else:
        return Outcome(task, done.value, None, attempts, done.peak_bytes)
    return None if died and attempts <= RETRIES else Outcome(task, None, error, attempts)


def _sentence(failure: Exception) -> str:
    """The first line of what Ray says, which is long."""
    return f"{type(failure).__name__}: {str(failure).strip().splitlines()[0]}"
