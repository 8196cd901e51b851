"""kill -9, Ctrl-C and SIGTERM at random moments of five verbs, and what is left then.

    python tools/kill_at_random.py --count 1500           # 100 of each signal under each verb
    python tools/kill_at_random.py --only export --signals INT --count 50

Each kill: a command starts in a process group of its own, and at a moment of its run, drawn by
the seed, the signal comes: to the whole group where it is Ctrl-C, as a terminal sends it. Then it
is held that everything ends within a minute, with the right exit code and no traceback, that no
process of it is left, and that what stands at the command's target is whole. After every few kills
the command runs undisturbed, and nothing of the killed ones may lie anywhere after that.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from killing import cases, kills

if TYPE_CHECKING:
    from collections.abc import Sequence

    from killing.cases import Case

_CLEAN_EVERY = 3  # kills of a verb between two undisturbed runs


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=90)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=sorted(cases.VERBS), action="append")
    parser.add_argument("--signals", choices=kills.SIGNALS, nargs="+", default=kills.SIGNALS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kill-at-random-") as folder:
        run = _Run(options.seed)
        sources = cases.write_sources(Path(folder) / "sources")
        for verb in options.only or sorted(cases.VERBS):
            run.prepare(cases.VERBS[verb](sources, Path(folder) / verb))
        end = time.monotonic() + 60 * options.minutes
        for number in range(options.count):
            if time.monotonic() > end:
                break
            run.kill(number, options.signals)
        run.finish()
    print(run.summary())
    return 1 if run.wrong else 0


class _Run:
    """Kills the cases in turn, and counts."""

    def __init__(self, seed: int) -> None:
        self.wrong = 0
        self._seed = seed
        self._cases: list[Case] = []
        self._seconds: dict[tuple[str, str], float] = {}
        self._since_clean: Counter[str] = Counter()
        self._ends: Counter[tuple[str, str, str]] = Counter()
        self._clean, self._slowest = 0, 0.0

    def prepare(self, case: Case) -> None:
        """Run each variant, to know how long it takes; what that leaves at home may be there."""
        kills.undisturbed(case)  # fills caches that no variant empties
        for variant in case.variants:
            case.variant = variant
            case.before(random.Random(0))  # noqa: S311 - no secret is made
            began = time.monotonic()
            problems = kills.undisturbed(case)
            self._seconds[case.name, variant] = time.monotonic() - began
            case.know_home()
            self._tell(f"{case.name} {variant}, prepared", [*problems, *case.leftovers()])
        self._cases.append(case)

    def kill(self, number: int, signals: Sequence[str]) -> None:
        """One kill: verbs take turns, and signals within each verb."""
        case = self._cases[number % len(self._cases)]
        name = signals[number // len(self._cases) % len(signals)]
        chance = random.Random(f"{self._seed}/{number}")  # noqa: S311 - no secret is made
        (case.variant,) = chance.choices([*case.variants], [*case.variants.values()])
        case.before(chance)
        at_s = chance.uniform(0, self._seconds[case.name, case.variant])
        killed = kills.kill(case, name, at_s)
        self._slowest = max(self._slowest, killed.ended_s)
        self._ends[case.name, name, str(killed.code)] += 1
        what = f"{number}: {case.name} {case.variant}, {killed}"
        self._tell(what, [*killed.problems, *case.half_written()], killed.log)
        self._since_clean[case.name] += 1
        if self._since_clean[case.name] >= _CLEAN_EVERY:
            self._run_undisturbed(case)

    def finish(self) -> None:
        """What was killed last is cleared up too."""
        for case in self._cases:
            if self._since_clean[case.name]:
                self._run_undisturbed(case)

    def _run_undisturbed(self, case: Case) -> None:
        problems = [*kills.undisturbed(case), *case.half_written(), *case.leftovers()]
        self._tell(f"{case.name} {case.variant}, undisturbed", problems)
        self._since_clean[case.name] = 0
        self._clean += 1

    def _tell(self, what: str, problems: list[str], log: str = "") -> None:
        if problems:
            self.wrong += 1
            print(f"{what}: {'; '.join(problems)}\n{log}", flush=True)

    def summary(self) -> str:
        """All of it in some lines."""
        lines = [
            f"{verb} {name}: exit {code} x{count}"
            for (verb, name, code), count in sorted(self._ends.items())
        ]
        lines.append(
            f"{sum(self._ends.values())} kills and {self._clean} undisturbed runs,"
            f" {self.wrong} with something wrong; the slowest to end took {self._slowest:.1f} s."
        )
        return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
