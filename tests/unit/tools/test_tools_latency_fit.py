"""The fit: its gradient, its law against the predictor's, and what it makes of made-up rows."""

from __future__ import annotations

import dataclasses
import math

import latency_fit
import latency_model
import latency_rows
import latency_validation
import numpy as np
import published_nets
import pytest
import validate_predictor
from latency_model import Design, Layout, Names, Times
from latency_validation import LeftOut

from edgecnn.latency import profiles
from edgecnn.latency.predictor import predict_latency

ROWS = [row for row in latency_rows.published() if row.device != "jetson-agx-xavier"]
SOME = ROWS[::40]
NAMES = Names.of(SOME)


def parameters(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.3, size=Layout(NAMES).size)


def test_the_gradient_is_that_of_finite_differences() -> None:
    design, x = Design(SOME, NAMES), parameters()
    pull = np.random.default_rng(1).normal(size=len(SOME))
    gradient = Times(x, design).gradient(pull)
    step = 1e-5
    threads = range(x.size - len(latency_model.THREADS_PRIOR), x.size)
    for index in [*range(0, x.size, 7), *threads]:
        away = np.zeros_like(x)
        away[index] = step
        ahead, behind = Times(x + away, design), Times(x - away, design)
        slope = ((ahead.log_ms - behind.log_ms) * pull).sum() / (2 * step)
        assert gradient[index] == pytest.approx(slope, rel=1e-4, abs=1e-6)


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
    assert float(np.median(errors)) < 0.12


def test_the_fit_and_the_predictor_have_one_law() -> None:
    from fit_profiles import build

    validation = latency_validation.Validation(SOME, [], lambda _: None)
    x = parameters()
    validation.names = NAMES
    left_out = [LeftOut(row, row.family, 0.1 * (-1) ** i) for i, row in enumerate(SOME)]
    fitted = build(
        x, validation, dict.fromkeys(("interpolated", "extrapolated", "no rows"), left_out)
    )
    rows = [row for row in SOME if row.runtime == "xnnpack"]
    times = Times(x, Design(rows, NAMES), campaigns=False)
    assert len(rows) > 20
    for row, log_ms in zip(rows, times.log_ms, strict=True):
        own = profiles.find(row.device)
        clusters = tuple(
            profiles.Cluster(c.core, c.count, c.clock_ghz, _l2_kib(own, c.core, c.clock_ghz))
            for c in row.clusters
        )
        cost = published_nets.find(row.model, row.input_size).at(row.precision)
        profile = dataclasses.replace(own, clusters=clusters)
        found = predict_latency(cost, profile, row.precision, row.threads, speeds=fitted)
        assert math.log(found.latency_ms) == pytest.approx(log_ms, abs=1e-9)


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
    assert latency_validation.weighted_quantile(values, weights, 0.5) == pytest.approx(7 / 3)


def test_the_report_counts_what_was_left_out() -> None:
    families = [
        LeftOut(row, row.family, float(np.random.default_rng(i).normal(scale=0.1)))
        for i, row in enumerate(SOME)
    ]
    bench = [LeftOut(row, "half", 0.0) for row in latency_rows.nasbench()[:40]]
    report = validate_predictor.make_report(families, bench)
    assert sum(line.rows for line in report.imagenet) == len(SOME)
    assert [line.median_error for line in report.nasbench] == [0.0, 0.0]
    assert report.nasbench[0].spearman == pytest.approx(1.0)
    assert 0.7 < report.coverage < 0.9
    worst = [abs(math.log(each.measured_ms / each.predicted_ms)) for each in report.worst]
    assert worst == sorted(worst, reverse=True)
