"""Budgets as text: what is read, and what is refused by name."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.benchmark import units
from edgecnn.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"), [("40ms", 40), ("0.5s", 500), ("250us", 0.25), (" 1.5 ms ", 1.5)]
)
def test_times(text: str, expected: float) -> None:
    assert units.milliseconds("--p90", text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("6MB", 6_000_000), ("6MiB", 6_291_456), ("512B", 512), ("1.5kB", 1500), ("2GiB", 2 << 30)],
)
def test_sizes(text: str, expected: int) -> None:
    assert units.size_bytes("--size", text) == expected


def test_decibels() -> None:
    assert units.decibels("--snr", "20.5dB") == 20.5


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("40", "--p90 40 has no unit", "--p90 40ms"),
        ("40mS", "'mS' is no unit", "Did you mean ms?"),
        ("40MB", "'MB' is no unit", "us, ms, s"),
        ("0ms", "above zero", "40ms"),
        ("-3ms", "not '-3ms'", "us, ms, s"),
        ("1e3ms", "'e3ms' is no unit", "us, ms, s"),
        ("nanms", "not 'nanms'", "us, ms, s"),
        ("", "not ''", "us, ms, s"),
        ("9" * 400 + "s", "above zero", "40ms"),
    ],
)
def test_what_is_no_time_is_refused_by_its_option(text: str, said: str, hint: str) -> None:
    with pytest.raises(InputError, match="--p90") as caught:
        units.milliseconds("--p90", text)
    assert said in caught.value.message
    assert hint in caught.value.hint


@given(st.text())
def test_any_text_is_a_size_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        assert units.size_bytes("--size", text) >= 0
