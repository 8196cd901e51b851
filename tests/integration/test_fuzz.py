"""A few hundred hostile inputs under the verbs; `tools/fuzz.py` runs as many as are wanted."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzzing import mutate
from fuzzing.trials import Trial
from tiny_artifact import write_artifact

_TOOL = Path(__file__).parents[2] / "tools" / "fuzz.py"
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


def test_hostile_inputs_end_in_sentences(corpus: Path) -> None:
    # A process of its own: a child's peak memory begins with what forked it.
    options = ("--quick", "--corpus", str(corpus), "--count", str(_COUNT), "--seed", str(_SEED))
    done = subprocess.run(
        [sys.executable, _TOOL, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{_COUNT} inputs, 0 with something wrong" in done.stdout
    assert all(f"exit {code} x" in done.stdout for code in (0, 1, 2))


def test_the_same_numbers_make_the_same_input(corpus: Path) -> None:
    for name in ("float.tflite", "float.onnx", "model/manifest.json", "data.npz", "labels.txt"):
        data = (corpus / name).read_bytes()
        suffix = name[name.index(".") :]
        made = [mutate.mutated(data, suffix, random.Random("3/4")) for _ in range(2)]  # noqa: S311 - no secret is made
        assert made[0] == made[1] != data


def test_a_hang_a_traceback_and_gigabytes_are_seen() -> None:
    bad = Trial(0, 1, "verify", "a.tflite", 1000, 70, 21.0, 21.0, 2_000_000_000, 600_000_000)
    assert bad.wrong == (
        "a traceback (exit 70), 21 s, a child of 2000 MB, this process grew by 600 MB"
    )
    assert Trial(0, 1, "verify", "a.tflite", 1000, 2, 21.0, 1.0, 900_000_000, 0).wrong == ""
