"""One hostile input under one verb, in this process, and what is wrong with how it ended."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import re
import shutil
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.cli import app, failure
from fuzzing import mutate
from fuzzing.verbs import COMMANDS, READERS, WEIGHTS, Request
from fuzzing.warm import Forked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzzing.corpus import Source

SLOW_S, HANGS_S = 20.0, 90.0
LARGE_BYTES = 1_000_000_000
SMALL_FILE_BYTES = 1_000_000
_GROWTH_BYTES = 500_000_000  # what this process may take in one trial, and give back
_BUG = 70
_DAMAGED = "DamagedFileError"
_CAUSE = "\nThe above exception was the direct cause"
_FRAME = re.compile(r'File "[^"]*/edgecnn/([\w/]+\.py)", line (\d+)')
_KIND = re.compile(r"^([\w.]+(?:Error|Exception|Fail|Argument|Warning))\b", re.MULTILINE)


@dataclass(frozen=True)
class Trial:
    """How one ended.

    Attributes:
        number: which, of its run.
        seed: of its run; with the number it makes the same input again.
        verb: what was done.
        file: the mutated file's name.
        file_bytes: its size.
        code: the exit code.
        seconds: it took.
        worked_s: processor seconds of this process and its children.
        child_bytes: resident memory of the largest child.
        own_bytes: by how much this process grew meanwhile.
        log: the traceback, where there is one or nobody foresaw it, else the end of the answer.
        unforeseen: where in edgecnn an exception came from that nobody foresaw and the gate told as
            a sentence: perhaps a bug of ours, which exit code 2 does not show.
    """

    number: int
    seed: int
    verb: str
    file: str
    file_bytes: int
    code: int
    seconds: float
    worked_s: float
    child_bytes: int
    own_bytes: int
    log: str = ""
    unforeseen: str = ""

    @property
    def wrong(self) -> str:
        """What is wrong with it; "" for nothing."""
        small = self.file_bytes < SMALL_FILE_BYTES
        # On a busy machine it is not blamed for what others took.
        hangs = self.worked_s > SLOW_S or self.seconds > HANGS_S
        problems = {
            f"a traceback (exit {self.code})": self.code == _BUG,
            f"{self.seconds:.0f} s": self.seconds > SLOW_S and hangs,
            f"a child of {self.child_bytes / 1e6:.0f} MB": small and self.child_bytes > LARGE_BYTES,
            f"this process grew by {self.own_bytes / 1e6:.0f} MB": small
            and self.own_bytes > _GROWTH_BYTES,
        }
        return ", ".join(words for words, is_so in problems.items() if is_so)


def run_one(sources: Sequence[Source], work: Path, *, number: int, seed: int) -> Trial:
    """One trial of a run, the same whenever it is asked for; sources take turns.

    Mutates one, and does one thing with it.
    """
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - no secret is made
    source = sources[number % len(sources)]
    shutil.rmtree(work, ignore_errors=True)
    (verb,) = chance.choices(source.verbs, [WEIGHTS.get(verb, 1) for verb in source.verbs])
    target = _written(source, work, chance)
    folder = work / source.path.name if source.path.is_dir() else target.parent
    Forked.peak, Forked.worked_s = 0, 0.0
    before, start, own = _reset_peak(), time.monotonic(), time.process_time()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _done(verb, Request(target, folder, work / "out"))
    where = unforeseen(err.getvalue())
    return Trial(
        number=number,
        seed=seed,
        verb=verb,
        file=target.name,
        file_bytes=target.stat().st_size,
        code=code,
        seconds=time.monotonic() - start,
        worked_s=Forked.worked_s + time.process_time() - own,
        child_bytes=Forked.peak,
        own_bytes=_status("VmHWM") - before,
        log=err.getvalue() if code == _BUG or where else out.getvalue()[-300:],
        unforeseen=where,
    )


def unforeseen(tracebacks: str) -> str:
    """Where and what the cause of a DamagedFileError was; "" where there is none."""
    if _DAMAGED not in tracebacks:
        return ""
    cause = tracebacks.partition(_CAUSE)[0]
    places = _FRAME.findall(cause)
    kinds = _KIND.findall(cause)
    return f"{kinds[-1] if kinds else '?'} at {':'.join(places[-1]) if places else '?'}"


def _done(verb: str, request: Request) -> int:
    """The exit code of one command."""
    if verb in COMMANDS:
        return app.run([*COMMANDS[verb](request), "--json", "--traceback"])
    try:
        READERS[verb](request)
    except Exception as error:  # noqa: BLE001 - told as the command line tells it
        traceback.print_exception(error)
        return failure.describe(error).exit_code
    return 0


def _written(source: Source, work: Path, chance: random.Random) -> Path:
    """The source copied into `work`, one of its files mutated; returns that file's path."""
    if source.path.is_file():
        shutil.copytree(source.path.parent, work)
        target = work / source.path.name
    else:
        shutil.copytree(source.path.parent, work)
        folder = work / source.path.name
        target = chance.choice(sorted(file for file in folder.rglob("*") if file.is_file()))
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


def resident_bytes() -> int:
    """Memory of this process."""
    return _status("VmRSS")


def _status(field: str) -> int:
    """A size in /proc/self/status, bytes; 0 where there is none."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0
