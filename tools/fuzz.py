"""Hostile files under every verb that reads one: no traceback, no hang, no gigabytes.

    python tools/fuzz.py --count 10000 --log FILE   # hours; again, it goes on
    python tools/fuzz.py --seed 3 --only 1234       # one input again, and what it said

A trial mutates one file of a corpus (a .tflite, .onnx, .keras, .npz, labels, a picture, results,
or a file of a SavedModel or of an artifact, whose manifest then says the new hash) and runs one
verb on it in this process, as the command line would. What is reported: exit code 70, more than
20 s, a child of more than a gigabyte for a file of less than a megabyte, and growth of this
process. The corpus is a folder: files, and artifact folders (one of them `model`, beside its
`float.tflite`, `data.npz` and `labels.txt`), `records` of experiments, `results.jsonl`, a device's
profile, `pictures`, and a SavedModel `saved`. Where there is no folder, a network of the zoo is
exported for one.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fuzzing import corpus, trials, warm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzzing.trials import Trial

_SHOWN_BYTES = 6000
_TOLD_EVERY = 250


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="leave out what takes TensorFlow")
    parser.add_argument("--verbs", nargs="+", help="of tools/fuzzing/verbs.py; all by default")
    parser.add_argument("--only", type=int, help="the number of one trial, to see it again")
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir(), "edgecnn-fuzz"))
    parser.add_argument("--keep", type=Path, help="a folder for the inputs of what is wrong")
    parser.add_argument("--log", type=Path, help="a line for each; those in it are not run again")
    options = parser.parse_args(arguments)
    if not options.corpus.exists():
        # In a process of its own: a child's memory begins with this one's, TensorFlow and all.
        maker = multiprocessing.get_context("spawn").Process(
            target=corpus.make, args=[options.corpus]
        )
        maker.start()
        maker.join()
        if maker.exitcode != 0:
            parser.error(f"{options.corpus} could not be made")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGECNN_CACHE"] = str(Path(folder) / "cache")
        watcher = _Watcher(Path(folder) / "work", options.keep, options.log)
        with warm.children():
            _run(options, watcher)
    print(watcher.summary())
    return 1 if watcher.wrong else 0


def _run(options: argparse.Namespace, watcher: _Watcher) -> None:
    sources = corpus.sources_in(options.corpus, with_slow=not options.quick)
    if options.verbs is not None:
        sources = corpus.limited(sources, options.verbs)
    numbers = range(options.count) if options.only is None else [options.only]
    end = time.monotonic() + 60 * options.minutes
    for number in numbers:
        if time.monotonic() > end:
            break
        if (options.seed, number) in watcher.known:
            continue
        watcher.take(trials.run_one(sources, watcher.work, number=number, seed=options.seed))
        if options.only is not None:
            print(watcher.last)


class _Watcher:
    """Tells of each trial with something wrong, and counts them all."""

    def __init__(self, work: Path, keep: Path | None, log: Path | None) -> None:
        self.work, self._keep, self._log = work, keep, log
        self.wrong = 0
        self.known: set[tuple[int, int]] = set()
        self.last: Trial | None = None
        self._codes: Counter[tuple[str, int]] = Counter()
        self._slowest, self._largest, self._grown = 0.0, 0, 0
        self._resident: list[int] = []
        self._unforeseen: Counter[str] = Counter()
        for line in log.read_text("ascii").splitlines() if log and log.exists() else ():
            self._count(trials.Trial(**json.loads(line)))

    def take(self, trial: Trial) -> None:
        """Count one, and say what is wrong with it."""
        self.last = trial
        self._count(trial)
        if self._log is not None:
            with self._log.open("a", encoding="ascii") as lines:
                lines.write(f"{json.dumps(asdict(trial))}\n")
        self._note_progress(sum(self._codes.values()))
        if trial.wrong:
            print(f"{trial.number}: {trial.verb} {trial.file}: {trial.wrong}", flush=True)
            print(trial.log[-_SHOWN_BYTES:], flush=True)
            if self._keep is not None:
                kept = self._keep / f"{trial.seed}-{trial.number}"
                shutil.copytree(self.work, kept, dirs_exist_ok=True)

    def _count(self, trial: Trial) -> None:
        self.known.add((trial.seed, trial.number))
        self._codes[trial.verb, trial.code] += 1
        self._slowest = max(self._slowest, trial.seconds)
        self._largest = max(self._largest, trial.child_bytes)
        self._grown = max(self._grown, trial.own_bytes)
        self._unforeseen.update([trial.unforeseen] if trial.unforeseen else [])
        self.wrong += bool(trial.wrong)

    def _note_progress(self, count: int) -> None:
        if count % _TOLD_EVERY == 0:
            self._resident.append(trials.resident_bytes())
            said = f"{count} inputs, {self.wrong} wrong, {self._resident[-1] / 1e6:.0f} MB here"
            print(said, file=sys.stderr, flush=True)

    def summary(self) -> str:
        """All of it in some lines."""
        verbs = sorted({verb for verb, _ in self._codes})
        lines = [
            f"{verb}: "
            + ", ".join(f"exit {c} x{n}" for (v, c), n in sorted(self._codes.items()) if v == verb)
            for verb in verbs
        ]
        lines += [f"not foreseen: {what} x{n}" for what, n in self._unforeseen.most_common()]
        total = sum(self._codes.values())
        lines.append(
            f"{total} inputs, {self.wrong} with something wrong; the slowest took"
            f" {self._slowest:.1f} s, the largest child {self._largest / 1e6:.0f} MB, and this"
            f" process grew by at most {self._grown / 1e6:.0f} MB in one."
        )
        if self._resident:
            first, last = self._resident[0] / 1e6, self._resident[-1] / 1e6
            lines.append(
                f"This process held {first:.0f} MB after {_TOLD_EVERY}, and {last:.0f} MB at last."
            )
        return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
