"""fit for microcontrollers: arenas from what is written down, and the search; no TensorFlow."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tflite import float_net, int8_net

import edgecnn
from edgecnn.cli.app import run
from edgecnn.errors import InputError
from edgecnn.inspection import arena, flatbuffer
from edgecnn.latency import micro_memory
from edgecnn.latency.cost_builder import CostBuilder, FeatureMap
from edgecnn.latency.files import costs_of_file
from edgecnn.latency.precision import for_recipe
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.latency.cost import NetCost

NANO = "arduino-nano-33-ble-sense"
# Of int8 files, by TensorFlow Lite Micro's interpreter: artifacts/benchmarks/arena.json.
MEASURED = {
    "vgg": 141600, "resnet": 185856, "densenet": 1071376, "inception": 58976,
    "xception-mini": 220768,
}  # fmt: skip


@pytest.mark.parametrize("name", MEASURED)
def test_arenas_of_the_zoo_are_near_what_was_measured(name: str) -> None:
    cost = costs_of_zoo(name, recipe="int8")
    found = micro_memory.estimate(cost).arena_bytes
    assert found == pytest.approx(MEASURED[name], rel=0.02)
    assert found > cost.peak_activation_bytes


def test_scales_that_calibration_may_part_are_the_upper_end() -> None:
    """Of densenet at 8 pixels, where 88,336 bytes were measured."""
    report = edgecnn.fit_micro("densenet", arena_bytes=1 << 20, input_sizes=(8,))
    net = next(net for net in report.candidates if net.model == "densenet")
    assert net.arena_bytes == net.arena_low_bytes == pytest.approx(88_336, rel=0.02)
    assert net.arena_high_bytes > 1.3 * net.arena_bytes


@pytest.mark.parametrize("net", [int8_net, float_net])
def test_a_file_costs_the_arena_that_its_own_graph_says(net: Any, tmp_path: Path) -> None:  # noqa: ANN401 - either builder
    path = tmp_path / "net.tflite"
    path.write_bytes(net().to_bytes())
    whole = arena.estimate(flatbuffer.parse(path.read_bytes(), "net"), "net")
    found = micro_memory.estimate(costs_of_file(path))
    assert found.planned_bytes == whole.planned_bytes
    assert found.arena_bytes == pytest.approx(whole.arena_bytes, rel=0.05)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_every_operator_reads_what_was_written_before(name: str, recipe: str) -> None:
    cost = costs_of_zoo(name, recipe=recipe)
    _holds_the_flow(cost)
    size = MODELS[name].input_size
    assert cost.input_elements == size * size * 3


def _holds_the_flow(cost: NetCost) -> None:
    assert len(cost.sources) == len(cost.operators)
    read = {-1, len(cost.operators) - 1}
    for place, (operator, sources) in enumerate(zip(cost.operators, cost.sources, strict=True)):
        assert all(-1 <= source < place for source in sources)
        sizes = [cost.operators[s].output_elements if s >= 0 else cost.input_elements
                 for s in sources]  # fmt: skip
        assert sum(sizes) == operator.input_elements
        read.update(sources)
    assert read == set(range(-1, len(cost.operators)))


def test_operators_that_become_several_are_read_where_they_end() -> None:
    net = CostBuilder()
    x = net.activation(net.conv(FeatureMap(8, 8, 3), 4), "HARD_SWISH")
    net.add(net.conv(x, 4), x)
    cost = for_recipe(net.cost("swish"), "int8")
    assert [operator.name for operator in cost.operators] == [
        "CONV_2D", "ADD", "MUL", "MUL", "CONV_2D", "ADD",
    ]  # fmt: skip
    assert cost.sources == ((-1,), (0,), (1,), (2, 0), (3,), (4, 3))
    _holds_the_flow(cost)


def test_a_skip_is_held_while_its_branch_is_computed() -> None:
    net = CostBuilder()
    skip = net.conv(FeatureMap(8, 8, 4), 4)
    net.add(net.conv(net.conv(skip, 8), 4), skip)
    cost = for_recipe(net.cost("skip"), "int8")
    assert cost.peak_activation_bytes == 3 * 256
    assert micro_memory.estimate(cost).planned_bytes == 4 * 256


def test_a_network_whose_flow_nobody_wrote_down_has_no_estimate() -> None:
    cost = replace(costs_of_zoo("vgg", recipe="int8"), sources=())
    with pytest.raises(InputError, match="arena of vgg is not known"):
        micro_memory.estimate(cost)


@settings(max_examples=10)
@given(st.integers(10_000, 2_000_000), st.integers(30_000, 8_000_000))
def test_what_any_search_holds(arena_bytes: int, flash_bytes: int) -> None:
    report = edgecnn.fit_micro("xception-mini", arena_bytes=arena_bytes, flash_bytes=flash_bytes)
    able = [
        net for net in report.candidates
        if net.arena_bytes <= arena_bytes and net.flash_bytes <= flash_bytes
    ]  # fmt: skip
    for net in report.candidates:
        assert net.arena_low_bytes <= net.arena_bytes <= net.arena_high_bytes
    sure = [net for net in able if net.verdict == "meets"]
    assert {net.verdict for net in able} <= {"meets", "likely"}
    assert all(1.1 * net.arena_high_bytes <= arena_bytes for net in sure)
    if not able:
        assert report.taken is None
    else:
        assert report.taken is not None
        assert report.taken.macs == max(net.macs for net in sure or able)
    macs = [net.macs for net in report.front]
    assert macs == sorted(set(macs))


def test_a_board_says_its_budgets_and_time_only_where_rows_are() -> None:
    nano = edgecnn.fit_micro("xception-mini", board=NANO, latency_ms=1000.0)
    assert (nano.budgets.arena_bytes, nano.budgets.flash_bytes) == (256 << 10, 1 << 20)
    assert nano.taken is not None
    assert nano.taken.high_ms is not None
    assert nano.taken.high_ms <= 1000.0
    pico = edgecnn.fit_micro("xception-mini", board="Raspberry Pi Pico 2", arena_bytes=100_000)
    assert (pico.budgets.arena_bytes, pico.budgets.flash_bytes) == (100_000, 4 << 20)
    assert {net.latency_ms for net in pico.candidates} == {None}
    assert any("Latency is not predicted" in note for note in pico.notes)


def test_a_network_with_an_operator_that_is_missing_never_fits(tmp_path: Path) -> None:
    net = int8_net()
    (result,) = net.graph.outputs
    tiled = net.tensor("int8", (1, 8, 8, 2), quantization=(0.1, -128))
    net.operator("TILE", [result], [tiled])
    net.border(list(net.graph.inputs), [tiled])
    path = tmp_path / "net.tflite"
    path.write_bytes(net.to_bytes())
    report = edgecnn.fit_micro(path, arena_bytes=1 << 20)
    assert report.taken is None
    assert "has no TILE" in report.reason


def test_a_file_that_is_integer_already_is_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(int8_net().to_bytes())
    report = edgecnn.fit_micro(path, arena_bytes=1 << 20, flash_bytes=1 << 20)
    assert report.taken is not None
    assert report.taken.verdict == "meets"
    assert report.taken.arena_low_bytes == report.taken.arena_high_bytes


def test_a_float_file_lies_between_integers_and_float(float_file: Path) -> None:
    report = edgecnn.fit_micro(float_file, arena_bytes=1 << 20, flash_bytes=1 << 20)
    (net,) = report.candidates
    float_arena = arena.estimate(flatbuffer.parse(float_file.read_bytes(), "net"), "net")
    assert net.arena_low_bytes <= net.arena_bytes < float_arena.arena_bytes < net.arena_high_bytes
    assert net.verdict == "meets"  # even in float
    assert any("scikit-image photographs, scaled to 0..1" in note for note in report.notes)
    assert any("back to float" in note for note in report.notes)
    between = (net.arena_bytes + net.arena_high_bytes) // 2
    (tight,) = edgecnn.fit_micro(float_file, arena_bytes=between).candidates
    assert tight.verdict == "likely"


def test_a_layer_that_calibration_leaves_in_float_is_reckoned_in_float(
    float_file: Path, tmp_path: Path
) -> None:
    """Numbers that vary by little beside their offset: 8 bits would hide what tells them apart."""
    shape = flatbuffer.parse(float_file.read_bytes(), "net").graphs[0].tensors[0].shape
    steady = np.full((24, *shape[1:]), 100.0, np.float32)
    steady += np.random.default_rng(0).normal(0, 1e-3, (24, 1, 1, 1)).astype(np.float32)
    np.savez(tmp_path / "steady.npz", steady)
    (net,) = edgecnn.fit_micro(
        float_file, arena_bytes=1 << 20, calibration=str(tmp_path / "steady.npz")
    ).candidates
    assert net.float_ops
    assert net.arena_bytes > net.arena_low_bytes
    assert any("too coarse for its spread" in reason for reason in net.float_reasons)


@pytest.fixture
def float_file(tmp_path: Path) -> Path:
    path = tmp_path / "float.tflite"
    path.write_bytes(float_net().to_bytes())
    return path


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "Nothing to keep within"),
        ({"board": "arduino-uno"}, "no board named"),
        ({"board": "teensy-4.1", "latency_ms": 5.0}, "not predicted"),
        ({"arena_bytes": 1, "latency_ms": 5.0}, "for a board only"),
        ({"arena_bytes": 1, "recipes": ("dynamic",)}, "recipe 'dynamic'"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        edgecnn.fit_micro("xception-mini", **options)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["fit", "xception-mini", "--arena", "256kB", "--flash", "1MB"]
    assert run(args) == 0
    shown = capsys.readouterr().out
    report = edgecnn.fit_micro("xception-mini", arena_bytes=256_000, flash_bytes=1_000_000)
    taken = report.taken
    assert taken is not None
    size, width = taken.input_size, taken.width
    assert f"edgecnn export xception-mini --int8 --input-size {size} --width {width:g}" in shown
    assert run([*args, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["device"] is None
    assert record["taken"]["arena_bytes"] == taken.arena_bytes
    assert len(record["candidates"]) == len(report.candidates)
    assert run(["fit", "vgg", "--device", NANO]) == 1
    assert "smallest file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        (["--arena", "256"], "256kB"),
        (["--arena", "1MB", "--threads", "2"], "one core"),
        (["--arena", "1MB", "--memory", "2MB"], "--arena"),
        (["--flash", "1MB", "--device", "raspberry-pi-4b"], "teensy-4.1"),
        (["--latency", "1s"], "--arena 256kB --flash 1MB"),
        (["--device", "raspberry-pi-4b"], "--latency 40ms"),
        (["--device", "raspberry-pi-4b", "--latency", "1s", "--input-range", "0,1"], "--arena"),
    ],
)
def test_wrong_usage(more: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "vgg", *more]) == 2
    assert hint in capsys.readouterr().err
