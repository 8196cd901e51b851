"""A report in the browser, as the fixtures hand it to the tests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass
class Opened:
    """A page in the browser, and what it did that it must not do."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


Open: TypeAlias = Callable[..., AbstractContextManager[Opened]]
