"""What a bench has gathered, from a thread a device, in any order; reported in the order asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgecnn.benchmark import arrival, statistics
from edgecnn.benchmark.report import BenchReport, Comparison
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.evidence import results as kept_results
from edgecnn.measurements import DeviceFailure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edgecnn.benchmark.files import BenchFile
    from edgecnn.measurements import BenchResult
    from edgecnn.progress import Progress


@dataclass
class Gathered:
    """What has arrived so far, from one thread a device; it is on the disk before anybody is told.

    Attributes:
        path: of the results' file; None keeps none.
        progress: is told of each result where there are several devices.
        targets: the devices, in the order the report has them.
    """

    path: Path | None
    progress: Progress
    targets: Sequence[str] = ()
    results: list[BenchResult] = field(default_factory=list)
    failures: list[DeviceFailure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, results: Sequence[BenchResult], failures: Sequence[DeviceFailure]) -> None:
        """Keep what one device gave."""
        with self._lock:
            self.results += results
            self._keep(results)
            for result in results:
                self._tell(arrival.result_text(result))
            for failure in failures:
                self._fail(failure)

    def _keep(self, results: Sequence[BenchResult]) -> None:
        if self.path is None:
            return
        try:
            kept_results.append(self.path, results)
        except InputError as error:  # the disk has filled up meanwhile: the report still has them
            self.warn(error.message)

    def fail(self, target: str, error: EdgeCnnError, file: str = "") -> None:
        """Keep why a device, or a file there, failed."""
        with self._lock:
            self._fail(DeviceFailure(target, error.message, error.hint, file))

    def _fail(self, failure: DeviceFailure) -> None:
        self.failures.append(failure)
        where = "" if failure.message.startswith(failure.target) else f"{failure.target}: "
        self._tell(f"{where}{failure.message}")

    def _tell(self, sentence: str) -> None:
        """Of one device alone the table follows at once."""
        if len(self.targets) > 1:
            self.progress.tell(sentence)

    def warn(self, sentence: str) -> None:
        """Keep a sentence for the report, and tell it at once."""
        self.warnings.append(sentence)
        self.progress.warn(sentence)

    def report(self, files: Sequence[BenchFile]) -> BenchReport:
        """All of it, device by device as asked, with each further file compared with the first."""
        place = {target: number for number, target in enumerate(self.targets)}
        results = sorted(self.results, key=lambda result: place.get(result.target, 0))
        failures = sorted(self.failures, key=lambda failure: place.get(failure.target, 0))
        comparisons: list[Comparison] = []
        for comparison in compared(results, [file.name for file in files]):
            if isinstance(comparison, InputError):
                self.warn(f"{comparison.message} {comparison.hint}")
            else:
                comparisons.append(comparison)
        return BenchReport(
            results=tuple(results),
            failures=tuple(failures),
            warnings=tuple(self.warnings),
            comparisons=tuple(comparisons),
            targets=tuple(self.targets),
        )


def compared(
    results: Sequence[BenchResult], names: Sequence[str]
) -> Iterator[Comparison | InputError]:
    """Each further file against the first, wherever both were measured side by side.

    Yields:
        The comparison, or why the samples allow none.
    """
    by_place = {(result.target, result.threads, result.file): result for result in results}
    for target, threads in dict.fromkeys((result.target, result.threads) for result in results):
        first = by_place.get((target, threads, names[0]))
        for name in names[1:]:
            second = by_place.get((target, threads, name))
            if first is None or second is None:
                continue
            try:
                yield compare_results(first, second)
            except InputError as error:
                yield error


def compare_results(first: BenchResult, second: BenchResult) -> Comparison:
    """How much longer the second file takes, with what the samples can tell.

    Raises:
        InputError: there are too few of them.
    """
    ratio = statistics.ratio_of_results(first, second)
    return Comparison(
        target=first.target,
        threads=first.threads,
        a=first.file,
        b=second.file,
        ratio=ratio.value,
        low=ratio.low,
        high=ratio.high,
        differ=ratio.differ,
        emulated=first.emulated,
    )
