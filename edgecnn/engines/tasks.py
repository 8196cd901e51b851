"""What engines are given and give back, and the order in which tasks may start."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

RETRIES = 3
# What a task is taken to need before one was measured: TensorFlow with a network of the zoo.
ASSUMED_BYTES = 3 << 29
# A network's next points may need more than its first: room beside what was measured.
HEADROOM = 1.2
_MOST_WAITING = 1000


@dataclass(frozen=True)
class Task:
    """A function to be called in another process.

    Attributes:
        key: what it is known by.
        what: what is being done, for the error's sentence.
        function: "module:function", of one argument.
        argument: is pickled.
        group: of tasks whose first makes what the others use; "" for none.
        isolated: in a child of its own, whose death harms nobody; else in the worker itself.
        cores: that it computes on.
        resources: that the node must offer, one of each; engines without nodes have none.
    """

    key: str
    what: str
    function: str
    argument: Any
    group: str = ""
    isolated: bool = True
    cores: int = 1
    resources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        task: which.
        value: what the function returned; None where it did not.
        error: why it did not.
        attempts: how often it was begun.
        peak_bytes: resident memory of its largest process; 0 where not known.
    """

    task: Task
    value: Any = None
    error: Exception | None = None
    attempts: int = 1
    peak_bytes: int = 0


class Engine(Protocol):
    """Something that runs tasks."""

    @property
    def workers(self) -> int:
        """How many tasks it may run at a time."""

    def run(self, tasks: Iterable[Task]) -> Generator[Outcome, None, None]:
        """Run each task once and yield what became of it, in the order they end.

        Tasks are taken from the iterable as they can be started. A task that dies is begun again,
        three times at most. When the generator is closed, or the user interrupts, what runs is
        ended.
        """


class Schedule:
    """Which task may start: the first of a group alone, the others when it has ended well.

    A group's first makes what the others find (float files, trained weights); two at a time would
    make it twice. Where the first does not end well, the second takes its place.

    Args:
        tasks: taken one by one, never many more than can be started.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks = iter(tasks)
        self._ready: deque[Task] = deque()
        self._waiting: defaultdict[str, deque[Task]] = defaultdict(deque)
        self._held = 0
        self._first: dict[str, str] = {}
        self._open: set[str] = set()

    def next(self) -> Task | None:
        """A task that may start now; None where all others wait, or there is none."""
        if self._ready:
            return self._ready.popleft()
        while self._held < _MOST_WAITING:
            task = next(self._tasks, None)
            if task is None or not task.group or task.group in self._open:
                return task
            if task.group not in self._first:
                self._first[task.group] = task.key
                return task
            self._waiting[task.group].append(task)
            self._held += 1
        return None

    def ended(self, task: Task, *, well: bool) -> None:
        """A task that was started has ended."""
        if self._first.get(task.group) != task.key:
            return
        del self._first[task.group]
        waiting = self._waiting.pop(task.group, deque())
        if well:
            self._open.add(task.group)
            self._ready += waiting
            self._held -= len(waiting)
        elif waiting:
            promoted = waiting.popleft()
            self._held -= 1
            self._first[task.group] = promoted.key
            self._ready.append(promoted)
            self._waiting[task.group] = waiting


class Need:
    """How much memory a task is to be given: what was measured, and some room."""

    def __init__(self) -> None:
        self._peak_bytes = 0

    def learn(self, peak_bytes: int) -> None:
        """A task took so much."""
        self._peak_bytes = max(self._peak_bytes, peak_bytes)

    @property
    def bytes(self) -> int:
        """For one task."""
        return round(self._peak_bytes * HEADROOM) if self._peak_bytes else ASSUMED_BYTES
