"""The pairs of kernels: what they cost is what the documents count, and their files are theirs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import experiment_kernels
import pytest
from experiments import experiment_record
from experiments.kernel_pairs import Pair, Way, cost, kernel_weights, pairs
from measure import paired_timing

from edgecnn.evidence import files
from edgecnn.evidence.records import Kernels
from edgecnn.latency import probe_nets
from edgecnn.latency.files import costs_of_file
from edgecnn.latency.probe_nets import Layer
from edgecnn.latency.zoo_nets import costs_of_zoo

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = pairs()
TINY = Pair("kernel-size", 4, 8, 8, Way("3x3", (Layer(8),)), Way("5x5", (Layer(8, 5),)))


def _group(name: str) -> list[Pair]:
    return [pair for pair in PAIRS if pair.group == name]


def _macs(pair: Pair) -> tuple[int, int]:
    return cost(pair.net(pair.cheap)).macs, cost(pair.net(pair.costly)).macs


@pytest.mark.parametrize(
    ("group", "share"), [("kernel-size", 9 / 25), ("two-3x3", 18 / 25), ("factorized", 6 / 9)]
)
def test_the_ways_cost_what_their_windows_say(group: str, share: float) -> None:
    for pair in _group(group):
        cheap, costly = _macs(pair)
        assert cheap == pytest.approx(share * costly)


def test_document_003_counts_219_weights_against_1728() -> None:
    pair = next(pair for pair in _group("separable") if not pair.layers)
    assert kernel_weights(cost(pair.net(pair.cheap))) == 219
    assert kernel_weights(cost(pair.net(pair.costly))) == 1728


def test_a_separable_layer_costs_one_over_filters_plus_one_over_nine() -> None:
    for pair in _group("separable"):
        cheap, costly = _macs(pair)
        assert cheap / costly == pytest.approx(1 / pair.filters + 1 / 9)


def test_every_separable_layer_of_xception_has_its_pair() -> None:
    named = [name for pair in PAIRS for name in pair.layers]
    depthwise = [each for each in costs_of_zoo("xception").operators if each.kind == "depthwise"]
    assert len(named) == len(set(named)) == len(depthwise) == 34
    (middle,) = [pair for pair in PAIRS if "middle1_sep1" in pair.layers]
    assert (middle.size, middle.channels, middle.filters) == (19, 728, 728)
    assert {"middle8_sep3", "exit_sep1"} <= set(middle.layers)


@pytest.mark.parametrize("dtype", experiment_kernels.DTYPES)
def test_what_is_counted_is_what_the_file_holds(dtype: str, tmp_path: Path) -> None:
    small = [pair for pair in PAIRS if pair.size <= 17]
    assert {pair.group for pair in small} >= {"factorized", "bottleneck"}
    for pair in small[:4]:
        for way in (pair.cheap, pair.costly):
            path = tmp_path / "net.tflite"
            path.write_bytes(probe_nets.tflite_bytes(pair.net(way), dtype))
            assert costs_of_file(path).macs == cost(pair.net(way)).macs


def test_a_pair_is_timed_and_its_entry_is_sound(tmp_path: Path) -> None:
    times = experiment_kernels.measured(TINY, "int8", "local", rounds=1)
    found = tuple(experiment_kernels.entries(TINY, "int8", "local", times))
    record = Kernels(experiment_record.header("kernels"), found)
    files.write(record, tmp_path)
    (entry,) = found
    assert entry.low_ratio is not None
    assert entry.high_ratio is not None
    assert entry.low_ratio <= entry.latency_ratio <= entry.high_ratio
    assert (entry.provenance, entry.cheap.weights, entry.costly.weights) == (
        "measured",
        9 * 64,
        25 * 64,
    )


def test_a_shape_that_layers_share_has_an_entry_for_each_of_them() -> None:
    (pair,) = [pair for pair in PAIRS if "middle1_sep1" in pair.layers]
    times = experiment_kernels.predicted(pair, "float32", "raspberry-pi-4b")
    found = list(experiment_kernels.entries(pair, "float32", "raspberry-pi-4b", times))
    assert [entry.layer for entry in found] == list(pair.layers)
    assert found[0].low_ratio is None
    assert 0 < found[0].latency_ratio < 0.5


def test_the_ratio_is_that_of_paired_blocks_and_its_interval_that_of_sittings() -> None:
    slow_start = {"cheap": [10.0, 1.0], "costly": [20.0, 2.0]}
    steady = {"cheap": [1.0, 1.0], "costly": [4.0, 4.0]}
    found = paired_timing.summary([slow_start, steady, steady])
    assert (found.low, found.ratio, found.high) == (0.25, 0.25, 0.5)
    assert (found.cheap_ms, found.costly_ms) == (1.0, 4.0)


def test_a_header_names_no_path_of_the_machine() -> None:
    made = experiment_record.header("kernels", ("--on", "ssh://pi@board"))
    assert made.command == "python tools/experiment_kernels.py --on ssh://pi@board"
    assert sys.prefix not in str(made)
    with pytest.raises(ValueError, match="path of this machine"):
        experiment_record.header("kernels", ("--records", "/somewhere"))
