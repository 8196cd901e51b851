"""One hostile input under one verb, in this process, and what is wrong with how it ended."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.cli import app, failure
from edgecnn.deploying import artifact, tasking
from edgecnn.progress import Silent
from fuzzing import mutate
from fuzzing.warm import Forked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SLOW_S, HANGS_S = 20.0, 90.0
LARGE_BYTES = 1_000_000_000
SMALL_FILE_BYTES = 1_000_000
_GROWTH_BYTES = 500_000_000  # what this process may take in one trial, and give back
_BUG = 70


@dataclass(frozen=True)
class Seed:
    """What is mutated.

    Attributes:
        path: a file, or an artifact folder.
        verbs: what is done with it.
    """

    path: Path
    verbs: tuple[str, ...]


@dataclass(frozen=True)
class Trial:
    """How one ended.

    Attributes:
        number: which, of its run; with the run's seed it makes the same input again.
        verb: what was done.
        file: the mutated file's name.
        file_bytes: its size.
        code: the exit code.
        seconds: it took.
        worked_s: processor seconds of this process and its children.
        child_bytes: resident memory of the largest child.
        own_bytes: by how much this process grew meanwhile.
        said: the traceback, where there is one, else the end of the answer.
    """

    number: int
    verb: str
    file: str
    file_bytes: int
    code: int
    seconds: float
    worked_s: float
    child_bytes: int
    own_bytes: int
    said: str = ""

    @property
    def wrong(self) -> str:
        """What is wrong with it; "" for nothing."""
        small = self.file_bytes < SMALL_FILE_BYTES
        # On a busy machine it is not blamed for what others took.
        hangs = self.worked_s > SLOW_S or self.seconds > HANGS_S
        found = {
            f"a traceback (exit {self.code})": self.code == _BUG,
            f"{self.seconds:.0f} s": self.seconds > SLOW_S and hangs,
            f"a child of {self.child_bytes / 1e6:.0f} MB": small and self.child_bytes > LARGE_BYTES,
            f"this process grew by {self.own_bytes / 1e6:.0f} MB": small
            and self.own_bytes > _GROWTH_BYTES,
        }
        return ", ".join(words for words, is_so in found.items() if is_so)


def _export(path: Path, out: Path) -> list[str]:
    form = "tflite" if path.suffix == ".tflite" else "onnx"
    data = ["--calibration-samples", "4", "--input-range", "-1,1"]
    return ["export", str(path), "--int8", "--format", form, "--out", str(out), *data]


# What is called with the mutated file, or the folder around it; and a folder for what is written.
VERBS: dict[str, Callable[[Path, Path], list[str]]] = {
    "inspect": lambda path, _: ["inspect", str(path)],
    "predict": lambda path, _: ["predict", str(path), "--device", "raspberry-pi-4b"],
    "export": _export,
    "bench": lambda path, _: ["bench", str(path), "--no-results"],
    "verify": lambda path, _: ["verify", str(path.parent)],
    "check": lambda path, _: ["check", str(path.parent), "--size", "1MB"],
    "diagnose": lambda path, _: [
        *("diagnose", str(path.parent), "--against", str(path.parent.parent / "float.tflite"))
    ],
    "evaluate": lambda path, _: [
        *("evaluate", str(path.parent), "--data", str(path.parent.parent / "data.npz"))
    ],
    "data": lambda path, _: ["evaluate", str(path.parent / "model"), "--data", str(path)],
    "calibrate": lambda path, out: [
        *("export", str(path.parent / "float.tflite"), "--int8", "--format", "tflite"),
        *("--calibration", str(path), "--out", str(out)),
    ],
    "verdict": lambda path, _: ["verdict", "--records", str(path.parent)],
    "profile": lambda path, _: [
        *("predict", str(path.parent / "float.tflite"), "--device", str(path))
    ],
}  # fmt: skip
_TEXTS = {".txt": "labels", ".toml": "profile"}
RECORDS = "records"
# What `deploy` reads before it needs a device.
_DEPLOY: dict[str, Callable[[Path], object]] = {
    "deploy": lambda path: artifact.read(path.parent, Silent()),
    "labels": tasking.read_labels,
}
OF_FILES = ("inspect", "predict", "export")
SLOW = ("bench",)  # it measures
OF_FOLDERS = ("verify", "verify", "check", "diagnose", "evaluate", "deploy")


def run(number: int, seed: Seed, work: Path, chance: random.Random) -> Trial:
    """Mutate a seed, and do one thing with it."""
    shutil.rmtree(work, ignore_errors=True)
    verb = chance.choice(seed.verbs)
    target = _written(seed, work, chance)
    Forked.peak, Forked.worked_s = 0, 0.0
    before, start, own = _reset_peak(), time.monotonic(), time.process_time()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _done(verb, target, work / "out")
    return Trial(
        number=number,
        verb=verb,
        file=target.name,
        file_bytes=target.stat().st_size,
        code=code,
        seconds=time.monotonic() - start,
        worked_s=Forked.worked_s + time.process_time() - own,
        child_bytes=Forked.peak,
        own_bytes=_status("VmHWM") - before,
        said=err.getvalue() if code == _BUG else out.getvalue()[-300:],
    )


def _done(verb: str, target: Path, out: Path) -> int:
    """The exit code of one command."""
    if verb not in _DEPLOY:
        return app.run([*VERBS[verb](target, out), "--json", "--traceback"])
    try:
        _DEPLOY[verb](target)
    except Exception as error:  # noqa: BLE001 - told as the command line tells it
        traceback.print_exception(error)
        return failure.describe(error).exit_code
    return 0


def _written(seed: Seed, work: Path, chance: random.Random) -> Path:
    """The seed copied into `work`, one of its files mutated; returns that file's path."""
    if seed.path.is_file():
        shutil.copytree(seed.path.parent, work)
        target = work / seed.path.name
    else:
        shutil.copytree(seed.path.parent, work)
        folder = work / seed.path.name
        target = chance.choice(sorted(each for each in folder.iterdir() if each.is_file()))
    target.write_bytes(mutate.mutated(target.read_bytes(), target.suffix, chance))
    manifest = target.parent / "manifest.json"
    if target != manifest and manifest.exists():
        _sign(manifest, target)
    return target


def _sign(manifest: Path, target: Path) -> None:
    """Whoever changes a file may change what its manifest says of it."""
    content = json.loads(manifest.read_text("utf-8"))
    for info in content["files"]:
        if info["path"] == target.name:
            info["sha256"] = hashlib.sha256(target.read_bytes()).hexdigest()
            info["bytes"] = target.stat().st_size
    manifest.write_text(json.dumps(content), "utf-8")


def _reset_peak() -> int:
    """Let VmHWM begin anew; returns what this process has now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(field: str) -> int:
    """A size in /proc/self/status, bytes; 0 where there is none."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def seeds_in(folder: Path, *, with_slow: bool = True) -> tuple[Seed, ...]:
    """What can be mutated in a folder: its model files and arrays, and the artifacts in it.

    Args:
        folder: see `fuzz`.
        with_slow: Keras files too, each of which costs TensorFlow's seconds, and `bench`.
    """
    of_files = (*OF_FILES, *(SLOW if with_slow else ()))
    quick, slow = [], []
    for path in sorted(folder.iterdir()):
        if (path / "manifest.json").is_file():
            quick += [Seed(path, OF_FOLDERS)] * 3
            quick += [Seed(each, of_files) for each in sorted(path.glob("model.*"))]
        elif path.suffix in {".tflite", ".onnx"}:
            quick.append(Seed(path, of_files))
        elif path.suffix == ".npz":
            quick.append(Seed(path, ("data", "calibrate")))
        elif path.suffix in _TEXTS:
            quick.append(Seed(path, (_TEXTS[path.suffix],)))
        elif path.name == RECORDS:
            quick += [Seed(each, ("verdict",)) for each in sorted(path.glob("*.json"))]
        elif path.suffix == ".keras" and with_slow:
            slow.append(Seed(path, ("export",)))
    return (*quick, *quick, *slow)


def run_one(seeds: Sequence[Seed], work: Path, *, number: int, seed: int) -> Trial:
    """One trial of a run, the same whenever it is asked for; seeds take turns."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - no secret is made
    return run(number, seeds[number % len(seeds)], work, chance)
