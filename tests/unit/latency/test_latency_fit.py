"""fit: the search, its front, its verdicts and the one it takes; no TensorFlow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgecnn
from edgecnn.cli.app import run
from edgecnn.errors import InputError

PI = "raspberry-pi-4b"


def fit(model: str = "xception", **options: Any) -> edgecnn.FitReport:  # noqa: ANN401 - FitOptions
    return edgecnn.fit(model, **{"device": PI, "latency_ms": 100.0, **options})


@pytest.mark.parametrize("device", ["raspberry-pi-zero-2w", "raspberry-pi-4b", "raspberry-pi-5"])
def test_xception_within_a_tenth_of_a_second(device: str) -> None:
    report = fit(device=device)
    assert len(report.candidates) >= 200
    assert report.threads == 4
    assert report.taken is not None
    assert report.taken.latency_ms <= 100
    assert report.taken in report.candidates
    assert report.reason
    assert any("Quality is not known" in note for note in report.notes)


@settings(max_examples=15)
@given(st.floats(1.0, 2000.0), st.sampled_from([None, 5_000_000, 20_000_000]))
def test_what_any_search_holds(latency_ms: float, size_bytes: int | None) -> None:
    report = fit(latency_ms=latency_ms, size_bytes=size_bytes)
    for each in report.candidates:
        assert each.fits == (size_bytes is None or each.size_bytes <= size_bytes)
        assert _verdict(each, latency_ms) == each.verdict
    _holds_the_front(report)
    able = [each for each in report.candidates if each.fits and each.latency_ms <= latency_ms]
    sure = [each for each in able if each.verdict == "meets"]
    if not able:
        assert report.taken is None
    else:
        assert report.taken is not None
        assert report.taken.macs == max(each.macs for each in sure or able)


def _verdict(each: edgecnn.Candidate, latency_ms: float) -> str:
    if each.high_ms <= latency_ms:
        return "meets"
    if each.latency_ms <= latency_ms:
        return "likely"
    return "unlikely" if each.low_ms <= latency_ms else "misses"


def _holds_the_front(report: edgecnn.FitReport) -> None:
    front = report.front
    assert [each.latency_ms for each in front] == sorted(each.latency_ms for each in front)
    assert [each.macs for each in front] == sorted({each.macs for each in front})
    for each in report.candidates:
        dominated = any(
            other.latency_ms <= each.latency_ms and other.macs >= each.macs for other in front
        )
        assert each.on_front or not each.fits or dominated


def test_the_networks_own_shape_is_among_the_candidates() -> None:
    report = fit(recipes=("int8",))
    (own,) = (c for c in report.candidates if (c.input_size, c.width) == (299, 1.0))
    predicted = edgecnn.predict("xception", device=PI, threads=4, recipes=("int8",)).predictions[0]
    assert (own.latency_ms, own.low_ms, own.high_ms) == (
        predicted.latency_ms, predicted.low_ms, predicted.high_ms,
    )  # fmt: skip
    assert (own.size_bytes, own.memory_bytes) == (predicted.size_bytes, predicted.memory_bytes)


def test_a_network_without_a_width_varies_in_size_and_its_siblings_are_looked_at() -> None:
    report = fit("vgg", latency_ms=5.0)
    models = {each.model for each in report.candidates}
    assert models == {"vgg", "resnet", "densenet", "inception", "xception-mini"}
    assert {each.width for each in report.candidates} == {None}
    assert report.taken is not None
    assert report.taken.model == "vgg"  # the one that was named, as long as it fits
    assert any("different networks" in note for note in report.notes)


def test_another_network_is_taken_where_the_named_one_cannot_fit() -> None:
    report = fit("resnet", latency_ms=50.0, size_bytes=2_000_000)
    assert report.taken is not None
    assert report.taken.model != "resnet"


def test_memory_is_a_budget_too() -> None:
    free, tight = fit(), fit(memory_bytes=70_000_000)
    assert free.taken is not None
    assert tight.taken is not None
    assert tight.taken.memory_bytes <= 70_000_000 < max(c.memory_bytes for c in free.candidates)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"latency_ms": 0.0}, "cannot be met"),
        ({"latency_ms": float("nan")}, "cannot be met"),
        ({"recipes": ()}, "No recipe"),
        ({"recipes": ("int16x8",)}, "cannot be predicted"),
        ({"threads": 8}, "has 4 cores"),
        ({"device": "pixel-9"}, "no device"),
        ({"input_sizes": (8,)}, "too small"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        fit(**options)


def test_sizes_too_small_for_a_sibling_leave_it_out() -> None:
    report = fit("vgg", input_sizes=(16, 17), recipes=("int8",))
    sizes = {(each.model, each.input_size) for each in report.candidates}
    assert {("vgg", 16), ("vgg", 17), ("inception", 17)} <= sizes
    assert ("inception", 16) not in sizes


def test_sizes_can_be_named() -> None:
    report = fit(input_sizes=(64, 72), recipes=("int8",))
    assert {each.input_size for each in report.candidates} == {64, 72}


def test_the_command_prints_the_front_and_what_to_do_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = ["fit", "xception", "--device", PI, "--latency", "100ms"]
    assert run(args) == 0
    shown = capsys.readouterr().out
    report = fit()
    assert report.taken is not None
    taken = report.taken
    assert f"edgecnn export xception --{taken.recipe} --input-size {taken.input_size}" in shown
    assert "Quality is not known before training" in " ".join(shown.split())
    assert run([*args, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == 1
    assert record["taken"]["macs"] == taken.macs
    assert len(record["front"]) == len(report.front)
    assert len(record["candidates"]) == len(report.candidates)


def test_exit_code_1_where_none_fits(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["fit", "xception", "--device", PI, "--latency", "1us"]
    assert run(args) == 1
    assert "The fastest is predicted at" in capsys.readouterr().err
    assert run([*args, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["taken"] is None


def test_export_makes_the_one_that_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}

    def export(model: str, **options: Any) -> edgecnn.ExportResult:  # noqa: ANN401 - ExportOptions
        asked.update(model=model, **options)
        return edgecnn.ExportResult((), (), {})

    monkeypatch.setitem(vars(edgecnn), "export", export)
    args = ["fit", "xception", "--device", PI, "--latency", "100ms", "--export", "--json"]
    assert run(args) == 0
    taken = json.loads(capsys.readouterr().out)["taken"]
    assert asked["model"] == "xception"
    assert asked["recipes"] == (taken["recipe"],)
    assert (asked["input_size"], asked["width"]) == (taken["input_size"], taken["width"])


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        (["--latency", "100"], "--latency 100ms"),
        (["--latency", "5MB"], "ms"),
        (["--latency", "1s", "--input-sizes", "x"], "--input-sizes 96,160,224"),
        (["--latency", "1s", "--out", "here"], "Add --export."),
    ],
)
def test_wrong_usage(more: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "xception", "--device", PI, *more]) == 2
    assert hint in capsys.readouterr().err
