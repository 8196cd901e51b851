"""Native code and foreign graphs in a child process, with limits in proportion to the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import files, isolation
from edgecnn.errors import InputError
from edgecnn.gate.limits import limits_for
from edgecnn.gate.sentences import told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.gate.limits import Work
    from edgecnn.progress import Progress


def run(
    function: str,
    *args: Any,  # noqa: ANN401 - whatever the named function takes
    source: Path | str | bytes,
    work: Work,
    what: str,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
    **kwargs: Any,  # noqa: ANN401 - likewise
) -> Any:  # noqa: ANN401 - whatever the named function returns
    """Call `function(*args)` in a child that a foreign file's size bounds.

    Args:
        function: "module:function", as `isolation.run` takes it.
        *args: positional arguments.
        source: the file or folder, which is looked at first; or its bytes.
        work: what is done with it, for the limits.
        what: what is being done, for the error's sentence, such as "reading model.tflite".
        progress: receives what the child reports.
        environment: variables set for the child only.
        **kwargs: keyword arguments.

    Raises:
        InputError: no regular file, or whatever else the function raised at it.
        CrashedError: native code crashed on it; LimitError where it met a limit.
    """
    size = len(source) if isinstance(source, bytes) else size_of(source)
    with told(what):
        return isolation.run(
            function,
            *args,
            what=what,
            progress=progress,
            environment=environment,
            limits=limits_for(work, size),
            **kwargs,
        )


def size_of(path: Path | str) -> int:
    """Bytes of a file, or of all files in a folder.

    Raises:
        InputError: it cannot be read, or is (or holds) what is no regular file.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return sum(files.require(each) for each in path.rglob("*") if not each.is_dir())
        return files.require(path)
    except OSError as error:
        raise InputError(
            f"{error.filename or path} cannot be read: {error.strerror}.", hint="Check the path."
        ) from error
