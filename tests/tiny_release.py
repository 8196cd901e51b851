"""A release folder of a few kilobytes that really runs, with the suite's own libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tiny_artifact import write_artifact

from edgecnn.deploying import TaskOptions, archive, artifact, proof, release, tasking
from edgecnn.deploying.libraries import Libraries
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgecnn.deploying.release import Release

FAILS_ON_ITS_FIRST_FRAME = {
    "edgecnn/deploying/device/streaming/answering.py": b"import os, time\n\n"
    b"def answered(*_):\n    time.sleep(1)\n    os.abort()\n"
}
"""Files of such a release; its page has a second to answer before."""

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def own_libraries(files: Mapping[str, bytes] | None = None) -> Libraries:
    """Nothing to bring: this Python has it all."""
    return Libraries(files or {}, proof.own_runtime(), PYTHON)


def make_release(folder: Path, labels: Path | None = None, **files: bytes) -> Release:
    """A release of the tiny artifact, which is written to `folder` unless it is there."""
    if not folder.exists():
        write_artifact(folder, ("tflite",))
    return release_of(folder, TaskOptions(labels=labels), files)


def release_of(
    folder: Path, options: TaskOptions, files: Mapping[str, bytes] | None = None
) -> Release:
    """A release of any artifact folder, for what its options say."""
    deployable = artifact.read(folder, Silent())
    return release.make(deployable, own_libraries(files), tasking.resolve(deployable, options))


def changed(made: Release, name: str, files: Mapping[str, bytes]) -> Release:
    """The release under another name, with other files."""
    about = made.files["release.json"]
    assert isinstance(about, bytes)
    told = json.loads(about)
    told["files"].update({each: release.sha256(content) for each, content in files.items()})
    return replace(
        made, name=name, files={**made.files, **files, "release.json": json.dumps(told).encode()}
    )


def write_out(made: Release, folder: Path) -> Path:
    """The release's files in a folder, as a device has them; returns the folder."""
    for name, content in made.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read_bytes() if isinstance(content, Path) else content)
        if name in made.executable:
            path.chmod(0o755)
    return folder


def pack(made: Release, path: Path) -> Path:
    """The release as an archive; returns its path."""
    archive.write(made, path)
    return path


def environment() -> dict[str, str]:
    """Where `python3` is the Python that runs the suite."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(
    *command: str | Path, code: int = 0, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program as the device would, and hold its exit code."""
    done = subprocess.run(
        [str(part) for part in command],
        env=environment(),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done
