"""Work on several devices at once: by what happens in which order, never by how long it takes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest

from edgecnn.devices import side_by_side
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from edgecnn.devices.device import Device
    from edgecnn.progress import Progress

_PATIENCE_S = 60.0


class _Named:
    """All that `side_by_side` knows of a device."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def named(*targets: str) -> list[Device]:
    return [cast("Device", _Named(target)) for target in targets]


class _Watcher(Silent):
    """Keeps what arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.steps = 0

    def tell(self, message: str) -> None:
        self.told.append(message)

    def advance(self, steps: int = 1) -> None:
        self.steps += steps


def test_all_are_at_work_at_the_same_time() -> None:
    """Each waits until all have come: one after the other, none would end."""
    meeting = threading.Barrier(5, timeout=_PATIENCE_S)
    watcher = _Watcher()

    def meet(device: Device, progress: Progress) -> None:
        meeting.wait()
        progress.tell(device.target)

    targets = [f"ssh://host-{number}" for number in range(5)]
    side_by_side.run(named(*targets), meet, watcher)
    assert sorted(watcher.told) == targets
    assert watcher.steps == 5


def test_a_slow_one_holds_nobody_up() -> None:
    others = threading.Semaphore(0)
    watcher = _Watcher()

    def work(device: Device, progress: Progress) -> None:
        if device.target == "ssh://slow":
            for _ in range(3):
                assert others.acquire(timeout=_PATIENCE_S)
        progress.tell(device.target)
        others.release()

    side_by_side.run(named("ssh://slow", "ssh://a", "ssh://b", "ssh://c"), work, watcher)
    assert watcher.told[-1] == "ssh://slow"


def test_two_names_of_one_host_take_turns() -> None:
    at_work = threading.Lock()
    order: list[str] = []

    def work(device: Device, _progress: Progress) -> None:
        if "pi.local" in device.target:
            assert at_work.acquire(blocking=False)
            order.append(device.target)
            at_work.release()

    one, other = "ssh://pi@pi.local", "ssh://PI.local:22".replace("PI", "pi")
    side_by_side.run(named(one, "ssh://else", other), work, Silent())
    assert order == [one, other]


def test_one_alone_is_worked_on_here_with_all_its_stages() -> None:
    stages: list[str] = []

    class _Stages(Silent):
        def stage(self, name: str, total: int | None = None) -> None:
            del total
            stages.append(name)

    def work(_device: Device, progress: Progress) -> None:
        assert threading.current_thread() is threading.main_thread()
        progress.stage("measuring")

    side_by_side.run(named("ssh://a"), work, _Stages())
    assert stages == ["measuring"]
    side_by_side.run([], work, _Stages())


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_ends_one_stops_the_others_at_their_next_word_or_by_their_connection(
    error: type[BaseException],
) -> None:
    devices = named("ssh://breaks", "ssh://talks", "ssh://waits", "ssh://waits:23")
    begun = threading.Barrier(4, timeout=_PATIENCE_S)
    ended: list[str] = []

    def work(device: Device, progress: Progress) -> None:
        begun.wait()
        if device.target == "ssh://breaks":
            raise error
        try:
            while device.target == "ssh://talks":
                progress.advance()
            assert cast("_Named", device).closed.wait(_PATIENCE_S)
        finally:
            ended.append(device.target)

    with pytest.raises(error):
        side_by_side.run(devices, work, Silent())
    assert sorted(ended) == ["ssh://talks", "ssh://waits", "ssh://waits:23"]
