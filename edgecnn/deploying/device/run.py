"""Runs the network that lies in this folder on pictures or arrays.

Nothing but the standard library is imported before it is known what this device has.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.deploying.device import integrity
from edgecnn.deploying.device.trouble import (
    BAD_INPUT,
    MISSING_PART,
    SCHEMA,
    TroubleError,
    needs,
    needs_pillow,
    out_of_memory,
    printable,
    tell,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edgecnn.deploying.device.answers import Question
    from edgecnn.deploying.device.session import Result, Session

MOST_THREADS = 4
_LIBSTDCXX = "sudo apt install libstdc++6"
TASKS = ("classify", "detect", "segment", "none")
FITS = ("cover", "letterbox", "stretch")
# Boxes and masks are wanted of the whole picture; classes, as the network was calibrated.
FIT_OF = {"detect": "letterbox", "segment": "stretch"}
_ARRAYS = (".npz", ".npy")


def main(here: Path, arguments: Sequence[str] | None = None) -> int:
    """Run, or prove; returns the exit code."""
    options = _parse(arguments)
    return guarded(lambda: _main(here, options), as_json=options.json or options.prove)


def guarded(
    program: Callable[[], int],
    *,
    as_json: bool,
    log: Callable[[TroubleError], None] | None = None,
) -> int:
    """Call a program, and tell what goes wrong in it; `log` hears of it too."""
    try:
        return program()
    except (TroubleError, ValueError, RuntimeError, MemoryError) as error:
        trouble = _trouble(error)
        if trouble is None:
            raise
    if log is not None:
        log(trouble)
    return tell(trouble, as_json=as_json)


def _trouble(error: Exception) -> TroubleError | None:
    """What a user is told of an error; None for one that is a fault of ours."""
    if isinstance(error, TroubleError):
        return error
    if isinstance(error, MemoryError):
        return out_of_memory()
    if isinstance(error, ValueError):
        hint = getattr(error, "hint", None)  # a TaskError has one
        return None if hint is None else TroubleError(str(error), hint)
    # network.UnusableError, and what fails while it runs
    hint = _LIBSTDCXX if "libstdc++" in str(error) else "Another recipe may fit this runtime."
    return TroubleError(str(error), hint, MISSING_PART)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run", description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("inputs", nargs="*", metavar="FILE", help="images, .npz or .npy, or 'patterns*'")
    add_task_options(parser)
    add("--draw", type=Path, metavar="DIR", help="write images with the results drawn on them")
    add("--out", type=Path, metavar="FILE.npz", help="save all outputs of all runs")
    add("--json", action="store_true", help="print one JSON object per line")
    return finished(parser, arguments)


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """Add those that say what the outputs mean and how pictures are fed."""
    add = parser.add_argument
    add("--task", choices=TASKS, help="what the outputs mean; none: describe them")
    add("--head", default="", metavar="NAME", help="detect: the box encoding")
    add("--output", default="", metavar="NAME", help="classify, segment: the output to read")
    add("--labels", type=Path, metavar="FILE", help="other labels, one per line")
    add("--above", type=float, metavar="SCORE", help="ignore lower scores")
    add("--top", type=count, metavar="K", help="show at most K classes (5) or boxes (100)")
    add("--fit", choices=FITS, help="how images are fitted to the input")
    add("--beside", type=Path, metavar="FILE", help="arrays for the inputs that are no images")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add the number of threads."""
    cores = min(MOST_THREADS, os.cpu_count() or 1)
    parser.add_argument("--threads", type=count, default=cores, metavar="N", help=f"({cores})")


def finished(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Parse, with the options that both programs have."""
    add_threads(parser)
    parser.add_argument(
        "--prove", action="store_true", help="check the outputs for the reference inputs, as JSON"
    )
    options = parser.parse_args(arguments)
    if not options.inputs and not options.prove:
        parser.error("no file is named")
    return options


def count(text: str) -> int:
    """A number above zero, for argparse."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"takes a number above zero, not '{text}'")
    return int(text)


def _main(here: Path, options: argparse.Namespace) -> int:
    if options.prove:
        return prove(here, options.threads)
    needs("numpy", "python3-numpy")
    from edgecnn.deploying.device import session

    release = session.read_json(here / "release.json")
    task = options.task or release["task"]["name"]
    names = list(named(options.inputs))
    _check(options, task, names)
    manifest = session.read_json(here / "manifest.json")
    loaded = session.Session(here, manifest, options.threads)
    session.warnings(manifest)
    question = question_of(here, release["task"], options, task, loaded)
    fit = options.fit or FIT_OF.get(task, "cover")
    return _run(names, loaded, question, fit, options)


def prove(here: Path, threads: int) -> int:
    """Prove the release; returns the exit code."""
    integrity.check_files(here)
    needs("numpy", "python3-numpy")
    needs_pillow()
    from edgecnn.deploying.device import proving, session

    release = session.read_json(here / "release.json")
    return proving.prove(here, release, session.read_json(here / "manifest.json"), threads)


def _check(options: argparse.Namespace, task: str, names: Sequence[str]) -> None:
    arrays = [name for name in names if Path(name).suffix.lower() in _ARRAYS]
    require_task(task)
    if options.draw is not None and (task == "none" or arrays):
        what = arrays[0] if arrays else "--task none"
        raise TroubleError(f"--draw draws answers on pictures, not on {what}", "Leave it out.")
    if len(arrays) < len(names):
        needs_pillow()


def require_task(task: str) -> None:
    """Hold that it is known what the outputs mean.

    Raises:
        TroubleError: it is not.
    """
    if not task:
        raise TroubleError(
            "what this network's outputs mean is not known",
            "Add --task classify, detect or segment, or none to see what they are.",
        )


def question_of(
    here: Path, stored: dict[str, Any], options: argparse.Namespace, task: str, loaded: Session
) -> Question:
    """What is asked of every run, by the options and what the release has stored."""
    import numpy as np

    from edgecnn.deploying.device.answers import Question

    anchors = here / "anchors.npy"
    return Question(
        task=task,
        labels=_labels(options.labels) if options.labels else labels(here),
        head=options.head or stored["head"],
        anchors=np.load(anchors, allow_pickle=False) if anchors.exists() else None,
        above=options.above,
        most=options.top,
        output=options.output or stored["output"],
        size=loaded.size,
    )


def labels(here: Path) -> tuple[str, ...]:
    """Those of the release; none where it was deployed without."""
    path = here / "labels.txt"
    return tuple(path.read_text("utf-8").rstrip("\n").split("\n")) if path.exists() else ()


def _labels(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text("utf-8-sig").rstrip().split("\n")
    except (OSError, ValueError) as error:
        raise TroubleError(
            f"{path} cannot be read as labels: {error}", "One label a line."
        ) from error
    return tuple(line.strip() for line in lines)


def _run(
    names: Sequence[str],
    loaded: Session,
    question: Question,
    fit: str,
    options: argparse.Namespace,
) -> int:
    from edgecnn.deploying.device.collecting import Collector
    from edgecnn.deploying.device.drawing import Drawer

    feeder = loaded.feeder(fit, options.beside)
    drawer = Drawer(options.draw, question.labels) if options.draw else None
    collector = Collector(options.out) if options.out else None
    failed = False
    for name in names:
        for result in loaded.results(name, feeder, question):
            failed |= result.answer is None
            if drawer is not None and result.answer is not None:
                result.record["drawn"] = drawer.draw(name, result.answer)
            if collector is not None:
                collector.add(result.outputs)
            _print(result, as_json=options.json)
    if collector is not None:
        collector.write()
    return BAD_INPUT if failed else 0


def named(patterns: Sequence[str]) -> Iterator[str]:
    """Files as the user named them; a pattern that the shell left alone is resolved here."""
    for pattern in patterns:
        matches = [] if os.path.lexists(pattern) else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - as a shell does
        yield from matches or [pattern]


def _print(result: Result, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"schema": SCHEMA, **result.record}), flush=True)  # noqa: T201 - a program of its own
    else:
        print_text(result.record)


def print_text(record: dict[str, Any]) -> None:
    """One run's answer, for a person."""
    from edgecnn.deploying.device import answers

    name = printable(record["file"])
    if "error" in record:
        sys.stdout.flush()
        sys.stderr.write(f"error: {name}: {printable(record['error'])}\n")
        return
    notes = "".join(f"; {remark}" for remark in record["remarks"])
    number = f" [{record['run']}]" if "run" in record else ""
    taken = "emulated" if record["emulated"] else f"{record['latency_ms']:.1f} ms"
    lines = [f"{name}{number}  ({taken}{notes})", *map(printable, answers.lines(record))]
    print("\n".join(lines), flush=True)  # noqa: T201 - a program of its own
