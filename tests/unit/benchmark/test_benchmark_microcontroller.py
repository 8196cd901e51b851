"""`check --arena --flash`: budgets of a microcontroller, held without running anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tiny_tflite import TinyModel, int8_net

import edgecnn
from edgecnn.cli.app import run
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.tflite"
    path.write_bytes(int8_net().to_bytes())
    return path


@pytest.mark.parametrize(
    ("share", "outcome"), [(1.0, "holds"), (0.95, "undecided"), (0.8, "broken")]
)
def test_an_arena_near_its_budget_is_undecided(file: Path, share: float, outcome: str) -> None:
    estimated = edgecnn.check(file, arena_bytes=10**9).checks[0].found
    assert estimated is not None
    check = edgecnn.check(file, arena_bytes=round(share * estimated)).checks[0]
    assert (check.budget, check.outcome, check.unit) == ("arena", outcome, "B")


def test_flash_is_the_files_size(file: Path) -> None:
    size = file.stat().st_size
    outcomes = [
        edgecnn.check(file, flash_bytes=limit).checks[0].outcome for limit in (size, size - 1)
    ]
    assert outcomes == ["holds", "broken"]


def test_an_operator_that_tflm_lacks_breaks_the_arena(tmp_path: Path) -> None:
    net = TinyModel()
    ends = [net.tensor("int8", (1, 4), quantization=(0.1, 0)) for _ in range(2)]
    net.operator("MyOwnOp", ends[:1], ends[1:], custom=True)
    net.border(ends[:1], ends[1:])
    path = tmp_path / "own.tflite"
    path.write_bytes(net.to_bytes())
    check = edgecnn.check(path, arena_bytes=10**6).checks[0]
    assert (check.outcome, check.reason) == ("broken", "TensorFlow Lite Micro has no MyOwnOp")


@pytest.mark.parametrize(("limit", "outcome"), [(10**6, "undecided"), (100, "broken")])
def test_an_estimate_that_nobody_held_against_a_measured_one_promises_nothing(
    tmp_path: Path, limit: int, outcome: str
) -> None:
    net = TinyModel()
    ends = [net.tensor("int8", (1, 4, 4), quantization=(0.1, 0)) for _ in range(3)]
    net.operator("BATCH_MATMUL", ends[:2], ends[2:])
    net.border(ends[:2], ends[2:])
    path = tmp_path / "product.tflite"
    path.write_bytes(net.to_bytes())
    check = edgecnn.check(path, arena_bytes=limit).checks[0]
    assert check.outcome == outcome


def test_an_onnx_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"whatever")
    with pytest.raises(InputError, match=r"is no \.tflite file"):
        edgecnn.check(path, arena_bytes=1000, formats=("onnx",))


def test_the_command_line_takes_both(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(file), "--arena", "256kB", "--flash", "1MB"]) == 0
    assert "arena <= 256 kB" in capsys.readouterr().out
    assert run(["check", str(file), "--arena", "1kB"]) == 1
