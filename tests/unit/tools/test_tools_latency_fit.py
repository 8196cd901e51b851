"""The fit: its derivatives, its law against the predictor's, and what it makes of made-up rows."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import published_nets
import pytest
from predictor import (
    latency_conformal,
    latency_fit,
    latency_model,
    latency_report,
    latency_rows,
    latency_sources,
    latency_validation,
)
from predictor.latency_model import Design, Layout, Names, Times
from predictor.latency_probes import Probed
from predictor.latency_validation import LeftOut

from edgecnn.latency import calibration, profiles
from edgecnn.latency.fitted import Interval
from edgecnn.latency.predictor import predict_latency

ROWS = [row for row in latency_rows.published() if row.device != "jetson-agx-xavier"]
SOME = ROWS[::40]
NAMES = Names.of(SOME)


def parameters(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.3, size=Layout(NAMES).size)


def test_the_derivatives_are_those_of_finite_differences() -> None:
    design, x = Design(SOME, NAMES), parameters()
    jacobian = Times(x, design).jacobian().toarray()
    step = 1e-5
    threads = range(x.size - len(latency_model.THREADS_PRIOR), x.size)
    for index in [*range(0, x.size, 7), *threads]:
        away = np.zeros_like(x)
        away[index] = step
        ahead, behind = Times(x + away, design), Times(x - away, design)
        slopes = (ahead.log_ms - behind.log_ms) / (2 * step)
        assert jacobian[:, index] == pytest.approx(slopes, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("device", ["raspberry-pi-4b", "pixel-4", "galaxy-s10", "raspberry-pi-3b"])
def test_the_shipped_predictor_is_close_to_the_rows_it_was_fitted_on(device: str) -> None:
    errors = []
    for row in latency_rows.published():
        profile = profiles.find(device)
        fast = profile.fastest(row.threads)
        same = [(c.core, c.clock_ghz, c.count) for c in fast]
        wanted = [(c.core, c.clock_ghz, c.count) for c in row.clusters]
        if (row.device, row.runtime) != (device, "xnnpack") or same != wanted:
            continue
        cost = published_nets.find(row.model, row.input_size).at(row.precision)
        found = predict_latency(cost, profile, row.precision, row.threads)
        errors.append(abs(math.log(found.latency_ms / row.latency_ms)))
    assert len(errors) >= 22
    # Two sources measured the Pi 4B, and differ.
    assert float(np.median(errors)) < (0.2 if device == "raspberry-pi-4b" else 0.12)


def test_the_fit_and_the_predictor_have_one_law() -> None:
    from fit_profiles import build

    validation = latency_validation.Validation(SOME, [], lambda _: None)
    x = parameters()
    validation.names = NAMES
    bases = ("interpolated", "extrapolated", "no rows")
    fitted = build(x, validation, dict.fromkeys(bases, Interval(0.9, 1.2)))
    rows = [row for row in SOME if row.runtime == "xnnpack"]
    times = Times(x, Design(rows, NAMES), sources=False)
    assert len(rows) > 20
    shifts = latency_fit.shifts(x, SOME, NAMES)
    for row, log_ms in zip(rows, times.log_ms, strict=True):
        own = profiles.find(row.device)
        clusters = tuple(
            profiles.Cluster(c.core, c.count, c.clock_ghz, _l2_kib(own, c.core, c.clock_ghz))
            for c in row.clusters
        )
        cost = published_nets.find(row.model, row.input_size).at(row.precision)
        profile = dataclasses.replace(own, clusters=clusters)
        found = predict_latency(cost, profile, row.precision, row.threads, speeds=fitted)
        shift = shifts.get((row.device, row.precision, "xnnpack"), 0.0)
        assert math.log(found.latency_ms) == pytest.approx(log_ms + shift, abs=1e-9)


def _l2_kib(profile: profiles.DeviceProfile, core: str, clock_ghz: float) -> int:
    for cluster in profile.clusters:
        if (cluster.core, cluster.clock_ghz) == (core, clock_ghz):
            return cluster.l2_kib
    return profile.clusters[0].l2_kib


def test_a_fit_explains_rows_that_follow_the_law() -> None:
    rows = [row for row in SOME if row.precision == "float32" and row.device.startswith("galaxy")]
    names = Names.of(rows)
    truth = np.random.default_rng(2).normal(size=Layout(names).size)
    times = np.exp(Times(truth, Design(rows, names)).log_ms)
    made = [dataclasses.replace(r, latency_ms=float(t)) for r, t in zip(rows, times, strict=True)]
    found = latency_fit.fit(made, names)
    errors = Design(made, names).log_ms - Times(found, Design(made, names)).log_ms
    assert np.abs(errors).max() < 0.1
    assert found @ found < truth @ truth


def test_rows_measured_twice_count_once() -> None:
    row = SOME[0]
    assert latency_fit.weights([row, row, SOME[1]]).tolist() == [0.5, 0.5, 1.0]


def test_a_core_that_was_left_out_takes_after_its_sibling() -> None:
    kept = [row for row in SOME if row.clusters[0].core != "cortex-a73"]
    x = latency_validation.adopted(parameters(), NAMES, kept)
    layout = Layout(NAMES)
    core = layout.block(x, "core", 2, len(NAMES.cores))
    siblings = [NAMES.cores.index(name) for name in ("cortex-a73", "cortex-a72")]
    assert core[0, siblings[0]] == core[0, siblings[1]]


def test_quantiles_follow_the_weights() -> None:
    values, weights = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0])
    assert latency_conformal.weighted_quantile(values, weights, 0.5) == pytest.approx(7 / 3)


def test_a_publisher_is_one_source_whatever_it_published() -> None:
    rows = latency_rows.published()
    mlperf = {row.source for row in rows if latency_sources.publisher(row).startswith("mlcommons")}
    assert len(mlperf) > 30
    assert len({latency_sources.publisher(row) for row in rows}) == 7
    assert latency_sources.publisher(latency_rows.nasbench()[0]) == "HW-NAS-Bench"


def test_rows_of_another_build_are_no_rows() -> None:
    rows = latency_rows.published()
    one = next(r for r in rows if (r.device, r.runtime) == ("raspberry-pi-4b", "ruy"))
    asked = dataclasses.replace(one, runtime="xnnpack")
    known = latency_sources.Known([one])
    assert known.basis(one) == "interpolated"
    assert known.basis(asked) == "no rows"
    assert not known.has_build(asked)


@pytest.mark.parametrize("kind", ["depthwise", "convolution"])
def test_a_kind_of_network_that_is_left_out_is_extrapolated(kind: str) -> None:
    rows = [r for r in latency_rows.published() if (r.device, r.runtime) == ("pixel-4", "xnnpack")]
    nets = {(r.model, r.input_size): published_nets.find(r.model, r.input_size) for r in rows}
    mostly = {
        net for net, cost in nets.items()
        if sum(o.macs for o in cost.operators if o.kind == kind) > 0.05 * cost.macs
    }  # fmt: skip
    out = [row for row in rows if (row.model, row.input_size) in mostly]
    known = latency_sources.Known(row for row in rows if (row.model, row.input_size) not in mostly)
    bases = [known.basis(row) for row in out]
    assert len(out) > 20
    assert bases.count("extrapolated") >= 0.9 * len(out)


def left_out(source: int, log_errors: list[float]) -> list[LeftOut]:
    row = dataclasses.replace(SOME[0], source=source)
    return [
        LeftOut(dataclasses.replace(row, latency_ms=1.0 + i), "source", "any", error)
        for i, error in enumerate(log_errors)
    ]


def test_each_source_counts_the_same_in_an_interval() -> None:
    many, few = left_out(4, [0.0] * 90 + [0.5] * 10), left_out(1, [1.0])
    assert latency_conformal.weights([*many, *few]).sum() == pytest.approx(2.0)
    assert latency_conformal.interval([*many, *few]).high == pytest.approx(math.e)


def test_a_source_is_held_to_the_interval_of_the_others() -> None:
    near, far = left_out(4, [-0.1, 0.0, 0.1]), left_out(1, [1.0, 1.1])
    assert latency_conformal.held([*near, *far]).tolist() == [False] * 5
    wide = left_out(1, [-1.0, 1.0])
    assert latency_conformal.held([*near, *wide]).tolist() == [True, True, True, False, False]


def test_ten_probes_find_what_a_device_does_otherwise() -> None:
    random = np.random.default_rng(0)
    unit_ms = random.uniform(0.5, 5.0, (10, 18))
    truth = 1.7 * np.exp(random.normal(scale=0.2, size=18))
    measured = (unit_ms * truth).sum(axis=1)
    factors = np.array(calibration.unit_factors(unit_ms.tolist(), measured.tolist()))
    fresh = random.uniform(0.5, 5.0, (50, 18))
    errors = np.log((fresh * factors).sum(axis=1) / (fresh * truth).sum(axis=1))
    assert float(np.abs(errors).mean()) < 0.05


def test_the_report_counts_what_was_left_out() -> None:
    random = np.random.default_rng(0)
    rows = [row for row in SOME if row.device not in latency_conformal.APART]
    errors = [
        LeftOut(row, "source", "any", float(random.normal(scale=0.1)), "no rows") for row in rows
    ]
    other = [dataclasses.replace(each, same_build=False) for each in errors[:3]]
    bench = [LeftOut(row, "half", "half", 0.0) for row in latency_rows.nasbench()[:40]]
    probed = [Probed(each, dataclasses.replace(each, log_error=0.0)) for each in errors]
    report = latency_report.make([*other, *errors[3:]], errors, probed, bench)
    assert sum(line.rows for line in report.imagenet) == len(rows) - 3
    assert sum(line.rows for line in report.other_builds) == 3
    assert [line.median_error for line in report.nasbench] == [0.0, 0.0]
    assert report.nasbench[0].spearman == pytest.approx(1.0)
    assert report.calibration_after == 0.0 < report.calibration_before
    assert {line.basis for line in report.headline} == {"no rows"}
    assert 0.6 < report.coverage <= 1.0
    worst = [abs(math.log(each.measured_ms / each.predicted_ms)) for each in report.worst]
    assert worst == sorted(worst, reverse=True)
