"""Native code and foreign graphs in a child process, with limits in proportion to the file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import files, isolation
from edgecnn.errors import InputError
from edgecnn.gate.limits import limits_for
from edgecnn.gate.sentences import foreign_errors

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
    with foreign_errors(what):
        return isolation.run(
            function,
            *args,
            what=what,
            progress=progress,
            environment=environment,
            limits=limits_for(work, size),
            **kwargs,
        )


# An entry of TensorProto.external_data: key (field 1) "location", value (field 2) a name of less
# than 128 bytes.
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")


def size_of(path: Path | str) -> int:
    """Bytes of a file (an .onnx with the weights it keeps beside it), or of a folder's files.

    Raises:
        InputError: it cannot be read, or is (or holds) what is no regular file.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return sum(files.require(entry) for entry in path.rglob("*") if not entry.is_dir())
        return files.require(path) + (_beside(path) if path.suffix == ".onnx" else 0)
    except OSError as error:
        raise InputError(
            f"{error.filename or path} cannot be read: {error.strerror}.", hint="Check the path."
        ) from error


def _beside(path: Path) -> int:
    """Bytes of the files that an .onnx names for its weights."""
    data = files.read_bytes(path)
    names = {data[match.end() : match.end() + match[1][0]] for match in _LOCATION.finditer(data)}
    places = (path.parent / name.decode(errors="replace").replace("\0", "") for name in names)
    return sum(place.stat().st_size for place in places if place.is_file())
