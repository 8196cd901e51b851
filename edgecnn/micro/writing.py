"""The folder that `mcu --output` writes: C++, a README and a record of what is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgecnn import digests, store
from edgecnn.micro import code, readme

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from edgecnn.micro.record import MicroReport
    from edgecnn.micro.subject import Subject

RECORD = "mcu.json"
_SCHEMA = 1


def require_replaceable(folder: Path) -> None:
    """Hold that what stands at `folder` is nothing, empty, or was written by `mcu`.

    Raises:
        InputError: it is the user's.
    """
    store.require_own(folder, RECORD, _listed)


def _listed(content: dict[str, Any]) -> list[str]:
    if not isinstance(content["edgecnn_mcu"], int):
        raise TypeError("no record of mcu's")
    return [file["path"] for file in content["files"]]


def write(
    folder: Path, report: MicroReport, subject: Subject, expected: list[list[NDArray[Any]]]
) -> None:
    """Write the folder whole, or not at all.

    Args:
        folder: where it goes.
        report: what was found; it has no problems.
        subject: the file.
        expected: outputs of LiteRT's reference kernels; the first are the self-test.

    Raises:
        InputError: the place cannot be written to, is the user's, or the network is too large.
    """
    arena_bytes = report.arena_bytes
    assert arena_bytes is not None or not report.ok  # noqa: S101 - `mcu` looked
    source = code.Source(
        name=report.name,
        data=subject.data,
        inputs=report.inputs,
        outputs=report.outputs,
        operators=tuple(report.operators),
        arena_bytes=arena_bytes or 0,
        sample_inputs=subject.runs[0],
        sample_outputs=tuple(expected[0]),
    )
    contents = {**code.files(source), "README.md": readme.text(report)}
    with store.new_folder(folder, replaceable=require_replaceable) as part:
        for name, content in contents.items():
            (part / name).write_text(content, encoding="utf-8")
        record = json.dumps(_record(part, report, sorted(contents)), indent=1)
        (part / RECORD).write_text(record + "\n", encoding="utf-8")


def _record(part: Path, report: MicroReport, names: list[str]) -> dict[str, Any]:
    files = [
        {
            "path": name,
            "bytes": (part / name).stat().st_size,
            "sha256": digests.of_file(part / name),
        }
        for name in names
    ]
    return {
        "edgecnn_mcu": _SCHEMA,
        "name": report.name,
        "model_bytes": report.size_bytes,
        "arena_bytes": report.arena_bytes,
        "arena_measured": report.measured is not None,
        "files": files,
    }
