"""Whatever a damaged file makes Python raise, told as a sentence about that file."""

from __future__ import annotations

import contextlib
import errno
import functools
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.files import RefusedFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_P = ParamSpec("_P")
_T = TypeVar("_T")
_LONGEST = 300
# What the machine refuses, whatever is in the file.
_ENVIRONMENT = {errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EPIPE, errno.EROFS}
_HINT = (
    "It is damaged, or holds what edgecnn does not know. If other programs take it, run the command"
    " again with --traceback, and report what it prints."
)


class DamagedFileError(InputError):
    """A foreign file holds what nobody foresaw; the exception it led to is the cause."""


@contextlib.contextmanager
def foreign_errors(what: str) -> Generator[None, None, None]:
    """Let no exception out but those that edgecnn raises on purpose, and the system's.

    Args:
        what: what is being done with a foreign file, such as "reading model.tflite".

    Raises:
        EdgeCnnError: as it is.
        OSError: what the system refuses (a full disk, a file that may not be read), as it is.
        DamagedFileError: in place of any other exception.
    """
    try:
        yield
    except EdgeCnnError:
        raise
    except RefusedFileError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error
    except OSError as error:
        if error.errno in _ENVIRONMENT:
            raise
        raise _damaged(what, error) from error
    except MemoryError as error:
        raise DamagedFileError(
            f"{what} failed: there is not enough memory for what it asks.",
            hint="It may be hostile: a file of its size explains no more.",
        ) from error
    except Exception as error:
        raise _damaged(what, error) from error


def _damaged(what: str, error: Exception) -> DamagedFileError:
    lines = str(error).strip().splitlines() or [""]
    cause = f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
    short = cause if len(cause) <= _LONGEST else f"{cause[:_LONGEST]}..."
    return DamagedFileError(f"{what} failed ({short}).", hint=_HINT)


def guarded(
    doing: str, is_foreign: Callable[[Any], bool] = lambda _: True
) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """A verb whose first argument names something foreign, within `foreign_errors`.

    Args:
        doing: the verb as it begins a sentence, such as "Verifying".
        is_foreign: whether the first argument names a file; False leaves exceptions as they are,
            since what goes wrong with edgecnn's own networks is edgecnn's own fault.
    """

    def wrap(verb: Callable[_P, _T]) -> Callable[_P, _T]:
        @functools.wraps(verb)
        def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            source = args[0] if args else next(iter(kwargs.values()), None)
            if not is_foreign(source):
                return verb(*args, **kwargs)
            with foreign_errors(f"{doing} {_named(source)}"):
                return verb(*args, **kwargs)

        return wrapped

    return wrap


def _named(source: object) -> str:
    if isinstance(source, list | tuple):
        return ", ".join(map(str, source))
    return str(source)
