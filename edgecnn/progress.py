"""How long work reports itself: the library calls a Progress, the command line draws it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What long work tells whoever watches. All methods return at once."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A new stage begins; `total` steps when known."""

    def advance(self, steps: int = 1) -> None:
        """So many steps of the current stage are done."""

    def warn(self, message: str) -> None:
        """Something the user should know of, one sentence; work goes on."""

    def tell(self, message: str) -> None:
        """A result that has just arrived, one sentence; the report has it too."""


class Silent:
    """A Progress that nobody watches, and that keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        """Nobody watches."""

    def advance(self, steps: int = 1) -> None:
        """Nobody watches."""

    def warn(self, message: str) -> None:
        """Keep the sentence for the caller."""
        self.warnings.append(message)

    def tell(self, message: str) -> None:
        """Nobody watches."""


class Recorder:
    """Passes progress on to whoever watches, and keeps each warning once for the result."""

    def __init__(self, watcher: Progress) -> None:
        self._watcher = watcher
        self.warnings: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        """Pass it on."""
        self._watcher.stage(name, total)

    def advance(self, steps: int = 1) -> None:
        """Pass it on."""
        self._watcher.advance(steps)

    def warn(self, message: str) -> None:
        """Pass it on once, and keep it."""
        if message not in self.warnings:
            self.warnings.append(message)
            self._watcher.warn(message)

    def tell(self, message: str) -> None:
        """Pass it on."""
        self._watcher.tell(message)
