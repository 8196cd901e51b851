"""What is told while a sweep runs."""

from __future__ import annotations

from edgecnn.sweeping.meter import Meter
from edgecnn.sweeping.records import Point, PointRecord


class Told:
    """A Progress that writes down what it is told."""

    def __init__(self) -> None:
        self.lines = list[str]()
        self.place = 0

    def stage(self, name: str, total: int | None = None) -> None:
        """Keep the line."""
        self.lines.append(f"{name} / {total}")
        self.place = 0

    def advance(self, steps: int = 1) -> None:
        """Count."""
        self.place += steps

    def warn(self, message: str) -> None:
        """Keep the line."""
        self.lines.append(message)

    def tell(self, message: str) -> None:
        """Keep the line."""
        self.lines.append(message)


def test_the_time_left_follows_from_the_time_taken() -> None:
    seconds = iter(range(0, 1000, 6))
    told = Told()
    meter = Meter(100, 2, told, clock=lambda: float(next(seconds)))
    for number in range(100):
        bad = PointRecord("b", Point("vgg"), "failed", message="It died.")
        meter.ended(bad if number == 0 else PointRecord("a", Point("vgg"), "done"))
        assert told.place == number + 1 or number == 99
    assert told.lines[:3] == [
        "sweeping 100 points / 100",
        "vgg int8 .tflite: It died.",
        "1 ended (1 not done), 2 running, 10 min left / 100",
    ]
    assert told.lines[3] == "10 ended (1 not done), 2 running, 2 min left / 100"
    assert len(told.lines) == 12
