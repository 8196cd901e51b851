"""A mailbox of one slot: what is put in takes the place of what nobody has taken."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Hands the newest item from one thread to another.

    Attributes:
        replaced: items that nobody took.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self.replaced = 0

    def put(self, item: Item) -> None:
        """Leave an item; one that still lies there is lost."""
        with self._changed:
            self.replaced += self._item is not None
            self._item = item
            self._changed.notify_all()

    def put_in_turn(self, item: Item) -> None:
        """Leave an item once the one before it has been taken, or nobody takes any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is None or self._closed)
            self._item = item
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Item | None:
        """The item; None where none came in time, or none will."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Say that nothing more comes; what lies there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether it is closed and empty."""
        with self._changed:
            return self._closed and self._item is None
