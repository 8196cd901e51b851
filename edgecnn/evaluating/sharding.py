"""Shares the samples of one evaluation among an engine's tasks: shards go out, answers come back.

What a judge returns for a sample depends on that sample alone, and the answers are put together in
the samples' order: how many shards there are, and which ends first, has no part in any figure. The
file and the pictures are not sent: every node must see them, the same ones, under the same path.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import digests, gate
from edgecnn.engines.tasks import Task
from edgecnn.errors import MissingPartError
from edgecnn.evaluating.pool import FEWEST_IMAGES, Answers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgecnn.engines.tasks import Engine
    from edgecnn.evaluating.judging import Judge
    from edgecnn.evaluating.worker import Data, Job, Share
    from edgecnn.progress import Progress

_ANSWER = "edgecnn.evaluating.sharding:answer"
_SHARDS_A_WORKER = 4  # so that one slow node has little left when the others are done
_FOLDERS = ("root", "folder")  # of what reads pictures and masks when they are asked for


@dataclass(frozen=True, eq=False)
class Shard:
    """What one task is given.

    Attributes:
        job: the file, by its path from the root.
        sha256: of the file.
        data: the shard's samples.
        judge: of them.
        first: its first sample; the others follow at every `step`.
        step: how many shards there are.
    """

    job: Job
    sha256: str
    data: Data
    judge: Judge
    first: int
    step: int


def run(
    engine: Engine,
    job: Job,
    data: Data,
    judge: Judge,
    shards: int | None,
    progress: Progress,
) -> Answers:
    """Answer every sample; see `pool.run`.

    Args:
        engine: runs the tasks.
        job: the file.
        data: the samples.
        judge: of its answers.
        shards: how many tasks; None for four a worker, of 64 samples at least.
        progress: advanced by the samples of each shard that ends.

    Raises:
        InputError, CrashedError, MissingPartError: of the first shard that fails.
    """
    usual = min(_SHARDS_A_WORKER * engine.workers, data.count // FEWEST_IMAGES)
    step = max(1, min(shards or usual, data.count))
    results: list[Any] = [None] * data.count
    unusable: list[str] = []
    with contextlib.closing(engine.run(_tasks(job, data, judge, step))) as outcomes:
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            share: Share = outcome.value
            part = _places(outcome.task.argument.first, data.count, step)
            for place, result in zip(share.places, share.results, strict=True):
                results[part[place]] = result
            unusable += share.unusable
            progress.advance(len(part))
    return Answers(tuple(results), tuple(sorted(unusable)), min(engine.workers, step))


def _places(first: int, count: int, step: int) -> NDArray[np.int64]:
    return np.arange(first, count, step)


def _tasks(job: Job, data: Data, judge: Judge, step: int) -> Iterator[Task]:
    """The shards, made one by one as they can be started."""
    job = replace(job, path=str(Path(job.path).absolute()))
    sha256 = digests.of_file(Path(job.path))
    for first in range(step):
        places = _places(first, data.count, step)
        shard = Shard(
            job, sha256, _rooted(data.take(places)), _rooted(judge.take(places)), first, step
        )
        what = f"running {job.name}, shard {first + 1} of {step}"
        # The runtime gets a child process within limits all the same: see `answer`.
        yield Task(f"{job.name} {first}/{step}", what, _ANSWER, shard, isolated=False)


def _rooted(value: Any) -> Any:  # noqa: ANN401 - data, judges, and what they read from
    """The same with its folders named from the root: a worker has another working folder."""
    for name in ("images", "truth"):
        inner: Any = getattr(value, name, None)
        for folder in _FOLDERS:
            path = getattr(inner, folder, None)
            if isinstance(path, Path):
                moved: Any = replace(inner, **{folder: path.absolute()})
                return replace(value, **{name: moved})
    return value


def answer(shard: Shard) -> Share:
    """Answer one shard, on whichever node this is.

    Raises:
        MissingPartError: this node does not see the file, or the pictures.
        InputError, CrashedError: as `pool.run`.
    """
    _require_here(shard)
    share: Share = gate.run(
        "edgecnn.evaluating.worker:answer_quietly",
        shard.job,
        shard.data,
        shard.judge,
        source=shard.job.path,
        work=gate.RUN_MANY,
        what=f"running {shard.job.name}",
    )
    return share


def _require_here(shard: Shard) -> None:
    """Hold that this node sees what the driver sees: else its answers would be of other files."""
    import platform

    path = Path(shard.job.path)
    there = path.is_file() and digests.of_file(path) == shard.sha256
    missing = [] if there else [str(path)]
    for holder in (getattr(shard.data, "images", None), getattr(shard.judge, "truth", None)):
        for name in _FOLDERS:
            folder = getattr(holder, name, None)
            if isinstance(folder, Path) and not folder.is_dir():
                missing.append(str(folder))
    if missing:
        raise MissingPartError(
            f"The node {platform.node()} does not see {missing[0]} as this machine does.",
            hint="Put the network and the images where all nodes see them, under one path.",
        )
