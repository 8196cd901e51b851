"""What the report's figures gather from records, and what stands where there are none."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
import sample_experiments

from edgecnn.evidence.files import Evidence, Measurement
from edgecnn.evidence.records import GradientRun, Gradients
from edgecnn.evidence.words import Source
from edgecnn.reporting.page import charts, markdown, words
from edgecnn.reporting.page.charts import (
    accuracy_latency,
    device_rows,
    gradients,
    latency,
    pairs,
    separable,
    twins,
)
from edgecnn.reporting.page.figure import Figure, Gap, number, visible
from edgecnn.reporting.page.material import Material
from edgecnn.reporting.page.sections import SECTIONS, Chart

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[4]
CHARTS = [chart for section in SECTIONS for chart in section.charts]
EVERYTHING = Material(
    Evidence(
        kernels=sample_experiments.kernels(),
        parameters=sample_experiments.parameters(),
        gradients=sample_experiments.gradients(),
        twins=sample_experiments.twins(),
        devices=sample_experiments.devices(),
        layers=sample_experiments.layers(),
    )
)
# The rest gathers results.jsonl, manifests and benchmarks, which have tests of their own.
FROM_RECORDS = [chart for chart in CHARTS if isinstance(chart.gather(EVERYTHING), Figure)]


class Gathers(Protocol):
    """A chart of the table, or its module."""

    def gather(self, material: Material, /) -> Figure | Gap:
        """Gather."""


def figure(chart: Gathers, material: Material = EVERYTHING) -> Figure:
    gathered = chart.gather(material)
    assert isinstance(gathered, Figure)
    return gathered


@pytest.mark.parametrize("module", [words, markdown])
def test_examples_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("chart", CHARTS)
def test_without_data_a_figure_says_what_would_make_it(chart: Chart) -> None:
    gap = chart.gather(Material())
    assert isinstance(gap, Gap)
    assert gap.title
    assert gap.wants.endswith(".")
    for command in gap.commands:
        program, _, script = command.partition(" ")
        assert program == "edgecnn" or (program == "python" and (ROOT / script).is_file())


def name_of(chart: Chart) -> str:
    return chart.gather.__module__.rpartition(".")[2]


def is_chart(module: ModuleType) -> bool:
    """What gathers more than material is shared by charts, and none itself."""
    gather = getattr(module, "gather", None)
    return gather is not None and len(inspect.signature(gather).parameters) == 1


def test_every_chart_that_can_be_drawn_is_in_the_contents_once() -> None:
    names = [module.name for module in pkgutil.iter_modules(charts.__path__)]
    modules = {name: importlib.import_module(f"{charts.__name__}.{name}") for name in names}
    drawn = [name for name, module in modules.items() if is_chart(module)]
    assert sorted(map(name_of, CHARTS)) == sorted(drawn)


def test_records_of_experiments_fill_all_but_what_users_measure_themselves() -> None:
    gaps = {name_of(chart) for chart in CHARTS if chart not in FROM_RECORDS}
    assert gaps == {"sustained", "own", "exported", "predictor", "comparisons", "swept"}


@pytest.mark.parametrize("chart", FROM_RECORDS)
def test_every_row_has_every_column_and_its_provenance(chart: Chart) -> None:
    gathered = figure(chart)
    keys = {each.key for each in gathered.columns} | {each.key for each in gathered.filters}
    assert "provenance" in keys
    assert [row for row in gathered.rows if not keys <= row.keys()] == []
    told = {word for each in gathered.sources for word in each.provenance}
    assert {str(row["provenance"]) for row in gathered.rows} <= told
    assert all(each.date and each.machine and each.versions for each in gathered.sources)
    assert any(visible(gathered, row) for row in gathered.rows)


def test_the_front_has_the_networks_that_none_beats_on_both() -> None:
    gathered = figure(accuracy_latency)
    shown = [row for row in gathered.rows if visible(gathered, row)]
    for row in shown:
        better = [
            each
            for each in shown
            if number(each, "accuracy") >= number(row, "accuracy")
            and number(each, "latency_ms") < number(row, "latency_ms")
        ]
        assert row["front"] == (better == [])


def test_a_network_that_is_beaten_is_said_to_be() -> None:
    devices = sample_experiments.devices()
    slow = tuple(
        dataclasses.replace(each, latency_ms=9e3) if each.label == "EfficientNetB0" else each
        for each in devices.latencies
    )
    slower = Material(Evidence(devices=dataclasses.replace(devices, latencies=slow)))
    assert (
        "no network is both faster and more accurate than Xception"
        in figure(accuracy_latency).title
    )
    rows = figure(accuracy_latency, slower).rows
    assert {row["front"] for row in rows if row["label"] == "EfficientNetB0"} == {False}


def test_latencies_are_the_records() -> None:
    rows = figure(latency).rows
    records = sample_experiments.devices().latencies
    assert [(row["device"], row["latency_ms"], row["low_ms"]) for row in rows] == [
        (each.device, each.latency_ms, each.low_ms) for each in records
    ]


def test_a_measurement_stands_in_the_place_of_its_prediction() -> None:
    devices = sample_experiments.devices()
    first = devices.latencies[0]
    measured = dataclasses.replace(first, latency_ms=12.5, provenance="measured", interval=None)
    elsewhere = dataclasses.replace(measured, device="galaxy-s10")
    source = Source("results.jsonl", "#1", "2026-11-28", "a device")
    evidence = Evidence(
        devices=devices,
        measurements=(Measurement(measured, source), Measurement(elsewhere, source)),
    )
    rows = figure(latency, Material(evidence)).rows
    assert len(rows) == len(devices.latencies) + 1
    told = [(row["device"], row["latency_ms"]) for row in rows if row["provenance"] == "measured"]
    assert told == [(first.device, 12.5), ("galaxy-s10", 12.5)]


def test_the_budgets_are_counted_over_devices() -> None:
    assert figure(latency).title == (
        "Xception runs at 10 frames a second on 2 and 1 frame a second on 3 of 3 devices"
        " (predicted)"
    )


def test_the_subject_is_xception_where_it_is_there() -> None:
    assert device_rows.subject(({"label": "MobileNetV2"}, {"label": "xception"})) == "xception"
    assert device_rows.subject(({"label": "MobileNetV2"},)) == "MobileNetV2"


def test_separable_layers_show_both_ratios() -> None:
    gathered = figure(separable)
    pair = sample_experiments.kernels().pairs[0]
    assert gathered.rows[0]["macs_ratio"] == pair.cheap.macs / pair.costly.macs
    assert gathered.rows[0]["latency_ratio"] == pair.latency_ratio
    macs, time = pairs.medians(row for row in gathered.rows if visible(gathered, row))
    assert f"{macs:.3g} of the MACs and take {time:.3g} of the time" in gathered.title


def test_twins_tell_mean_and_spread_over_seeds() -> None:
    gathered = figure(twins)
    assert gathered.summary is not None
    assert gathered.summary.rows[0][:5] == (
        "xception-mini",
        "separable",
        "3",
        "90.5 %",
        "0.40 points",
    )
    assert "gain 0.70 points at equal widths and lose 0.70 points at equal par" in gathered.title


def test_gradients_are_medians_over_seeds() -> None:
    runs = tuple(
        GradientRun("plain", 2, "he_normal", seed, (norm, 4.0))
        for seed, norm in enumerate((1, 2, 9))
    )
    record = Gradients(sample_experiments.header("gradients"), runs)
    gathered = figure(gradients, Material(Evidence(gradients=record)))
    assert [(row["layer"], row["norm"], row["low"], row["high"]) for row in gathered.rows] == [
        (1, 2, 1, 9),
        (2, 4.0, 4.0, 4.0),
    ]
    assert "is 2 in plain nets" in gathered.title


def test_a_gradient_that_vanished_wholly_is_no_error() -> None:
    runs = (GradientRun("plain", 2, "he_normal", 0, (0.0, 0.0)),)
    record = Gradients(sample_experiments.header("gradients"), runs)
    assert figure(gradients, Material(Evidence(gradients=record))).rows[0]["norm"] == 0
