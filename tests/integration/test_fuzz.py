"""A few hundred hostile inputs under the verbs; `tools/fuzz.py` runs as many as are wanted."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fuzzing import mutate, trials, warm
from fuzzing.trials import Trial
from tiny_artifact import write_artifact

if TYPE_CHECKING:
    from pathlib import Path

_COUNT, _SEED = 300, 7


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """An artifact of some kilobytes, its files beside it, samples and labels."""
    folder = tmp_path / "corpus"
    model = write_artifact(folder / "model")
    for form in ("tflite", "onnx"):
        shutil.copyfile(model / f"model.{form}", folder / f"float.{form}")
    values = np.random.default_rng(0).uniform(0, 1, (6, 8, 8, 3)).astype(np.float32)
    np.savez(folder / "data.npz", image=values, labels=np.arange(6) % 5)
    (folder / "labels.txt").write_text("ant\nbee\ncat\ndog\nelk\n", "utf-8")
    return folder


def test_hostile_inputs_end_in_sentences(corpus: Path, tmp_path: Path) -> None:
    seeds = trials.seeds_in(corpus, with_slow=False)
    with warm.children():
        done = [
            trials.run_one(seeds, tmp_path / "work", number=number, seed=_SEED)
            for number in range(_COUNT)
        ]
    wrong = [f"{t.number}: {t.verb} {t.file}: {t.wrong}\n{t.said}" for t in done if t.wrong]
    assert wrong == []
    assert {trial.code for trial in done} >= {0, 1, 2}


def test_the_same_numbers_make_the_same_input(corpus: Path) -> None:
    for name in ("float.tflite", "float.onnx", "model/manifest.json", "data.npz", "labels.txt"):
        data = (corpus / name).read_bytes()
        suffix = name[name.index(".") :]
        made = [mutate.mutated(data, suffix, random.Random("3/4")) for _ in range(2)]  # noqa: S311 - no secret is made
        assert made[0] == made[1] != data


def test_a_hang_a_traceback_and_gigabytes_are_seen() -> None:
    bad = Trial(0, "verify", "a.tflite", 1000, 70, 21.0, 21.0, 2_000_000_000, 600_000_000)
    assert bad.wrong == (
        "a traceback (exit 70), 21 s, a child of 2000 MB, this process grew by 600 MB"
    )
    assert Trial(0, "verify", "a.tflite", 1000, 2, 21.0, 1.0, 900_000_000, 0).wrong == ""
