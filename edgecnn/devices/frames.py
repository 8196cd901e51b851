"""What a guard may answer, as records: every field of the right type and within what can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edgecnn.strict import UnfitError

MOST_CHUNK = 1 << 20  # bytes of a program's output in one frame: the guard sends a quarter of it
_MOST_BYTES = 1 << 50
_LONGEST_PATH = 4096
_LONGEST_TEXT = 1 << 16
_MOST_CODE = 255
_LONGEST_OP = 60
_SHA256_DIGITS = 64


def _hold(what: str, *, is_so: bool) -> None:
    if not is_so:
        raise ValueError(f"{what} cannot be")


def _hold_size(name: str, size: int, most: int = _MOST_BYTES) -> None:
    _hold(f"{name} {size}", is_so=0 <= size <= most)


def _hold_folder(folder: str) -> None:
    fine = folder.startswith("/") and "\0" not in folder and len(folder) <= _LONGEST_PATH
    _hold(f"folder {folder[:60]!r}", is_so=fine)


def check_op(op: str, kind: type) -> None:
    """Hold that a frame of this op is of this kind.

    Raises:
        UnfitError: it is not.
    """
    if op not in kind.OPS:  # type: ignore[attr-defined] # all that stand here have it
        raise UnfitError(f"it has the op {op[:_LONGEST_OP]!r}")


@dataclass(frozen=True)
class Hello:
    """The first frame: where the folder is, and the Python that the guard runs in."""

    OPS: ClassVar = ("hello",)
    folder: str
    python: str

    def __post_init__(self) -> None:
        """Refuse what is no path."""
        _hold_folder(self.folder)
        _hold(f"python {self.python[:60]!r}", is_so=len(self.python) <= _LONGEST_PATH)


@dataclass(frozen=True)
class Space:
    """Bytes that can be written."""

    OPS: ClassVar = ("ok",)
    free: int

    def __post_init__(self) -> None:
        """Refuse what is no size."""
        _hold_size("free", self.free)


@dataclass(frozen=True)
class Sum:
    """The SHA-256 of a file as it was read over there."""

    OPS: ClassVar = ("ok",)
    sha256: str

    def __post_init__(self) -> None:
        """Refuse what is no sum."""
        digits = set(self.sha256) <= set("0123456789abcdef")
        _hold(f"sha256 {self.sha256[:80]!r}", is_so=digits and len(self.sha256) == _SHA256_DIGITS)


@dataclass(frozen=True)
class Data:
    """A file's bytes follow; whoever asked knows how many it may be."""

    OPS: ClassVar = ("data",)
    size: int

    def __post_init__(self) -> None:
        """Refuse what is no size."""
        _hold_size("size", self.size)


@dataclass(frozen=True)
class Kept:
    """The folder of a kept runtime, "" for none; and bytes that can be written."""

    OPS: ClassVar = ("ok",)
    folder: str
    free: int

    def __post_init__(self) -> None:
        """Refuse what is no path or no size."""
        _hold_size("free", self.free)
        if self.folder:
            _hold_folder(self.folder)


@dataclass(frozen=True)
class Unpacked:
    """Where an archive has been unpacked."""

    OPS: ClassVar = ("ok",)
    folder: str

    def __post_init__(self) -> None:
        """Refuse what is no path."""
        _hold_folder(self.folder)


@dataclass(frozen=True)
class Printed:
    """So many bytes that a program printed follow."""

    OPS: ClassVar = ("out", "err")
    op: Literal["out", "err"]
    size: int

    def __post_init__(self) -> None:
        """Refuse what no guard sends in one frame."""
        _hold_size("size", self.size, MOST_CHUNK)


@dataclass(frozen=True)
class Exit:
    """A program has ended.

    Attributes:
        code: as a shell reports it.
        late: its time was up, and it was stopped.
    """

    OPS: ClassVar = ("exit",)
    code: int
    late: bool

    def __post_init__(self) -> None:
        """Refuse what no program ends with."""
        _hold(f"exit code {self.code}", is_so=0 <= self.code <= _MOST_CODE)


@dataclass(frozen=True)
class Refusal:
    """What was asked for cannot be: the kind of reason, its words, and a full disk's free bytes."""

    OPS: ClassVar = ("error",)
    kind: str
    text: str
    free: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no reason."""
        _hold_size("free", self.free)
        _hold("so long a text", is_so=max(len(self.kind), len(self.text)) <= _LONGEST_TEXT)
