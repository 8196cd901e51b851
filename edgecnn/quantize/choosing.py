"""How a file is quantized, decided on images that its ranges have not seen.

A few parts of the calibration images are left out of the statistics, a file is made of the others,
and those left out are run through it; where there are few images, each part in its turn. Settings
are changed one at a time, and a change stays where the worst group of numbers of what is judged
gains by it, by more than chance would have it (paired over the images). What equalizing or a method
promises decides nothing. The weights come from all images: of them little depends on any one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import parity
from edgecnn.calibration.statistics import views_joined
from edgecnn.quantize import assembly, measured
from edgecnn.quantize.assembly import RangeSource, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import Statistics
    from edgecnn.formats.tflite_graph import Graph
    from edgecnn.progress import Progress
    from edgecnn.quantize.assembly import Prepared, Weighed, Weighing

    Feed = Sequence[NDArray[Any]]

# As many images tell settings apart by less than a dB, in a second or so of a large network's time.
_ENOUGH, MOST_IMAGES = 16, 24
# Each of about six files runs on all of them: at most so many multiplications each.
_FEWEST, _MACS = 8, 40_000_000_000
_FOLDS = 4
_LARGE_SHARE = 5
# What fewer images than this did not reach, others will, and the loudest of them count most; those
# that are left out hardly tell. So ranges are stretched, unless they win by more than others are
# expected to lose: a hundredth of the signal's power is what was cut off of unseen images where 8
# were calibrated on. (Trained Xception: 25 dB, 32 stretched; on the 8 themselves no gain.)
FEW = 16
_CUT_OFF = 0.01
# A change has to gain so much, and so many standard errors of its gain over the images: few images
# that lost most make up both, and two would ask for more of them than there are.
_LEAST_GAIN_DB = 0.3
_STANDARD_ERRORS = 1.0
# ... or nearly all images have to gain. (Twin of xception-mini, equalized: 7 dB by 15 of 16 images;
# the one that is cut off makes the gain's error larger, and the gain no less sure.)
_NEARLY_ALL = 0.8
# Stretched ranges cost a decibel or two where nothing was cut off; where a tensor's tail is long,
# one image in twenty loses ten. That one makes the gain's error large, and the gain no smaller.
_LEAST_GAIN_OF_STRETCHING_DB = 2.0
# Eight pictures of text, of which most are upright, show a third of what the logits reach.
_ROOM, _WORTH_ROOM_DB = 2.0, 1.0
# Scaling channels stakes more on the images that were seen than any other change.
_LEAST_GAIN_OF_EQUALIZING_DB = 0.5


@dataclass(frozen=True)
class Fold:
    """Images that are left out together.

    Attributes:
        parts: of `Statistics.parts`.
        runs: those of their images that files are measured on.
    """

    parts: tuple[int, ...]
    runs: tuple[int, ...]


@dataclass(frozen=True)
class Choice:
    """What was tried and taken.

    Attributes:
        settings: taken.
        tried: of each that was measured, the SNR in dB of the worst group of what is judged, on
            images that its ranges had not seen.
        images: how many those were.
        spread_db: standard error of what was taken, over the images.
        unseen: the file that was taken, made without each fold's images, and their runs: what the
            number above was measured on.
    """

    settings: Settings
    tried: dict[str, float] = field(default_factory=dict)
    images: int = 0
    spread_db: float = 0.0
    unseen: tuple[tuple[Graph, tuple[int, ...]], ...] = ()

    @property
    def measured(self) -> Settings | None:
        """What was taken, where measuring decided it."""
        return self.settings if self.tried else None

    @property
    def expected_db(self) -> float | None:
        """What unseen images like these should have; None where nothing could be measured."""
        return self.tried.get(self.settings.text)

    @property
    def notes(self) -> tuple[str, ...]:
        """For the manifest."""
        if self.expected_db is None:
            return (f"{self.settings.text}: not measured, for want of images to leave out",)
        tried = "; ".join(f"{text}: {db:.1f} dB" for text, db in self.tried.items())
        note = (
            f"{self.settings.text}: {self.expected_db:.1f} dB (standard error"
            f" {self.spread_db:.1f}) expected on unseen images, in the worst group of the logits or"
            f" outputs; tried on {self.images} calibration images that the ranges had not seen:"
            f" {tried}"
        )
        return (note,)


def images_for(macs: int) -> int:
    """How many images files of a network are measured on: of a large one as few as tell enough."""
    return int(np.clip(_MACS // max(macs, 1), _FEWEST, MOST_IMAGES))


def folds(parts: NDArray[np.int64], most: int = MOST_IMAGES) -> tuple[Fold, ...]:
    """Deal the parts into folds, as many as give images enough; none where no part can be spared.

    Args:
        parts: the part of each run.
        most: images of all folds together.
    """
    enough = min(_ENOUGH, most)
    count = int(parts.max(initial=-1)) + 1
    size = max(1, count // (_LARGE_SHARE if count >= _ENOUGH else _FOLDS))
    dealt: list[Fold] = []
    for start in range(0, count if count > 1 else 0, size):
        runs = np.flatnonzero((parts >= start) & (parts < start + size))[:most]
        dealt.append(Fold(tuple(range(start, min(start + size, count))), tuple(runs.tolist())))
        if sum(len(fold.runs) for fold in dealt) >= enough:
            break
    return tuple(dealt)


class Trial:
    """Measures files on images that their ranges have not seen."""

    def __init__(
        self,
        known: Statistics,
        feeds: Iterable[Feed],
        judged: Sequence[str],
        *,
        threads: int,
        samples: int | None = None,
        most: int = MOST_IMAGES,
    ) -> None:
        own = known.parts[:samples]
        self.parts = int(own.max(initial=-1)) + 1
        self.views = tuple(range(self.parts, int(known.parts.max(initial=-1)) + 1))
        self.folds = folds(own, most)
        self._judged, self._threads = judged, threads
        runs = {run for fold in self.folds for run in fold.runs}
        self._feeds = {run: feed for run, feed in enumerate(feeds) if run in runs}
        if not self._feeds:
            self.folds = ()
        self._expected = {name: self._rows(known, name) for name in judged}

    @property
    def images(self) -> int:
        """How many are measured on."""
        return len(self._feeds)

    def without(self, known: Statistics, fold: Fold, settings: Settings) -> Statistics:
        """What is known without a fold and the views of its images, or without any views."""
        if not self.views:
            return known.without(fold.parts)
        if not settings.views:
            return known.without(fold.parts + self.views)
        of_views = tuple(part + self.parts for part in fold.parts)
        return views_joined(known.without(fold.parts + of_views))

    def whole(self, known: Statistics, settings: Settings) -> Statistics:
        """All that is known, or all but what views tell."""
        if not self.views:
            return known
        return views_joined(known) if settings.views else known.without(self.views)

    def noise(self, files: Sequence[tuple[Graph, tuple[int, ...]]]) -> NDArray[np.float64]:
        """Of the worst group of what is judged: each image's error over the signal of all."""
        answers = [
            measured.answers(
                graph, [self._feeds[run] for run in runs], self._judged, threads=self._threads
            )
            for graph, runs in files
        ]
        shares = [
            parity.worst_noise(self._expected[name], np.concatenate([f[name] for f in answers]))
            for name in self._judged
        ]
        worst = max(shares, key=lambda share: float(share.sum()))
        by_image: NDArray[np.float64] = worst.reshape(self.images, -1).sum(axis=1)
        return by_image

    def _rows(self, known: Statistics, name: str) -> NDArray[np.float32]:
        answers, runs = known.answers[name], len(known.parts)
        rows = len(answers) // runs
        picked = [run for fold in self.folds for run in fold.runs]
        by_run = answers.astype(np.float32).reshape(runs, rows, *answers.shape[1:])
        return by_run[picked].reshape(len(picked) * rows, *answers.shape[1:])


def ratio_db(noise: NDArray[np.float64]) -> float:
    """SNR from the images' shares of noise; infinite where there is none."""
    total = float(noise.sum())
    return float("inf") if total <= 0 else float(-10 * np.log10(total))


def pays(noise: NDArray[np.float64], other: NDArray[np.float64], least_db: float) -> bool:
    """Whether the first has less noise than the other, beyond what the images' choice explains."""
    gain_db = ratio_db(noise) - ratio_db(other)
    if gain_db < least_db:
        return False
    is_sure = gain_db >= _STANDARD_ERRORS * parity.spread_db(noise, other)
    return is_sure or float((noise < other).mean()) >= _NEARLY_ALL


def stretching_pays(wide: NDArray[np.float64], narrow: NDArray[np.float64]) -> bool:
    """Whether stretched ranges surely gain, or gain so much that no more images are asked for."""
    gain_db = ratio_db(wide) - ratio_db(narrow)
    return gain_db >= _LEAST_GAIN_OF_STRETCHING_DB or pays(wide, narrow, _LEAST_GAIN_DB)


class Search:
    """Settings changed one at a time; keeps what it weighed, for the file itself."""

    def __init__(
        self,
        prepared: Prepared,
        trial: Trial,
        judged: Sequence[str],
        *,
        judge: bool,
        pool: Executor,
        progress: Progress,
    ) -> None:
        self._plain, self._trial, self._judged = prepared, trial, judged
        self._judge, self._pool, self._progress = judge, pool, progress
        self._noise: dict[Settings, NDArray[np.float64]] = {}
        self._prepared: dict[tuple[bool, bool], Prepared] = {}
        self._weighing: dict[tuple[bool, bool, bool], Weighing] = {}
        self._weighed: dict[tuple[bool, bool, bool], Weighed] = {}
        self._sources: dict[tuple[bool, bool], list[RangeSource]] = {}

    def prepared(self, settings: Settings) -> Prepared:
        """The float graph that settings ask for."""
        if not settings.equalized:
            return self._plain
        key = settings.equalized, settings.views
        if key not in self._prepared:
            known, folds = self._plain.known, self._trial.folds
            whole = self._trial.whole(known, settings)
            part = self._trial.without(known, folds[0], settings) if folds else whole
            self._prepared[key] = assembly.equalized(self._plain, part, self._judged)
        return self._prepared[key]

    def weighed(self, settings: Settings) -> Weighed:
        """Its weights."""
        key = self._begin(settings)
        if key not in self._weighed:
            self._weighed[key] = self._weighing[key].result(self._progress)
        return self._weighed[key]

    def _begin(self, settings: Settings) -> tuple[bool, bool, bool]:
        """Have its weights made, beside what is done until they are wanted; what they go by."""
        views = settings.views or not settings.equalized  # weights do not depend on it otherwise
        key = (settings.equalized, views, settings.adaptive)
        if key not in self._weighing:
            self._weighing[key] = assembly.weigh(
                self.prepared(settings), 8, self._pool,
                adaptive=settings.adaptive, judge=self._judge,
            )  # fmt: skip
        return key

    def run(self, methods: Sequence[str]) -> Choice:
        """Choose; the first of the methods is the one that others have to beat."""
        few = self._trial.parts < FEW
        best = Settings(method=methods[0], wide=few)
        self._begin(best)  # wanted whatever comes of the rest
        if not self._trial.folds:
            return Choice(best)
        alone = replace(best, views=False)
        if self._trial.views and self._cuts_off_little(alone, best):
            best = alone  # such as noise, of which no part is like a picture
        scaled = replace(best, equalized=True)
        if self._is_worth_weighing(scaled) and self._beats(
            scaled, best, _LEAST_GAIN_OF_EQUALIZING_DB
        ):
            best = scaled
        other = replace(best, wide=not few)
        if few:
            better = self._cuts_off_little(other, best)
        else:
            better = stretching_pays(self._measured(other), self._measured(best))
        best = other if better else best
        for method in methods[1:]:
            other = replace(best, method=method)
            best = other if self._beats(other, best) else best
        best = self._with_tails(best)
        best = self._with_room_at_the_ends(best) if few else best
        nearest = replace(best, adaptive=False)
        if not few and self._beats(nearest, best):  # little to win, and few images mislead
            best = nearest
        tried = {settings.text: ratio_db(noise) for settings, noise in self._noise.items()}
        return Choice(
            best, tried, self._trial.images, parity.spread_db(self._noise[best]),
            tuple(self._files(best)),
        )  # fmt: skip

    def _with_room_at_the_ends(self, best: Settings) -> Settings:
        """Twice the range for the answers, where those of images left out were cut off.

        Where they were not, coarser steps of the answers may be all the noise that there is.
        """
        roomy = replace(best, ends=_ROOM)
        gain_db = ratio_db(self._measured(roomy)) - ratio_db(self._measured(best))
        return roomy if gain_db >= _WORTH_ROOM_DB else best

    def _with_tails(self, best: Settings) -> Settings:
        """Room for the tails of averages, unless that costs anything on images left out.

        These hardly show the tails: a network with 28 dB on sixteen lost ten of them to one image
        in twenty-four. But where room for them costs, it costs on every image.
        """
        tailed = replace(best, tails=True)
        if not self._has_tails(best, tailed):
            return best
        return best if self._cuts_off_little(best, tailed, burden=0.0) else tailed

    def _has_tails(self, *both: Settings) -> bool:
        """Whether there are averages that others may pass."""
        source, weighed = self._left(both[0])[0], self.weighed(both[0])
        plain, tailed = (
            assembly.activation_ranges(weighed, settings, source, self._judged) for settings in both
        )
        return plain != tailed

    def _cuts_off_little(self, narrow: Settings, wide: Settings, burden: float = _CUT_OFF) -> bool:
        """Whether finer steps win, with what few images cannot show counted against them."""
        noise = self._measured(narrow)
        burdened = noise + burden / len(noise)
        return ratio_db(burdened) - ratio_db(self._measured(wide)) >= _LEAST_GAIN_DB

    def _is_worth_weighing(self, scaled: Settings) -> bool:
        """Whether equalizing gains where weights are rounded to nearest, which costs little time.

        Adaptive rounding makes up for some of what equalizing would, never for its harm.
        """
        if self.prepared(scaled).gain_db <= 0:
            return False
        rough = replace(scaled, adaptive=False)
        return self._beats(rough, replace(rough, equalized=False))

    def _beats(self, settings: Settings, other: Settings, least_db: float = _LEAST_GAIN_DB) -> bool:
        return pays(self._measured(settings), self._measured(other), least_db)

    def _measured(self, settings: Settings) -> NDArray[np.float64]:
        if settings not in self._noise:
            self._noise[settings] = self._trial.noise(list(self._files(settings)))
        return self._noise[settings]

    def _files(self, settings: Settings) -> Iterator[tuple[Graph, tuple[int, ...]]]:
        """For each fold the file made without it, and the runs to measure it on."""
        weighed = self.weighed(settings)
        for fold, source in zip(self._trial.folds, self._left(settings), strict=True):
            yield assembly.assemble(weighed, settings, source, self._judged), fold.runs

    def _left(self, settings: Settings) -> list[RangeSource]:
        """For each fold what ranges come from without it."""
        key = settings.equalized, settings.views
        if key not in self._sources:
            known, folds = self.weighed(settings).known, self._trial.folds
            left = [RangeSource.of(self._trial.without(known, fold, settings)) for fold in folds]
            self._sources[key] = left
        return self._sources[key]
