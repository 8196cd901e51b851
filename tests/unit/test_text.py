"""Numbers and foreign strings as people read them."""

from __future__ import annotations

import doctest
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_results import PARITY

from edgecnn import text


def test_the_examples_in_the_documentation() -> None:
    tried = doctest.testmod(text)
    assert tried.attempted > 0
    assert tried.failed == 0


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (9_995, "10.0 k"), (99_950, "100 k"),
     (999_499, "999 k"), (999_500, "1.00 M"), (10**20, "100000 P")],
)  # fmt: skip
def test_counts_are_rounded_into_the_next_unit(number: int, shown: str) -> None:
    assert text.count_text(number) == shown


@given(st.integers(0, 10**17))
def test_a_count_is_off_by_less_than_one_part_in_a_hundred(number: int) -> None:
    value, _, unit = text.count_text(number).partition(" ")
    scale = 1000 ** ("", "k", "M", "G", "T", "P").index(unit)
    assert math.isclose(float(value) * scale, number, rel_tol=0.0051)
    assert len(value) <= 4


@given(st.floats(0, 1, exclude_max=True))
def test_less_than_all_is_never_shown_as_all(share: float) -> None:
    assert text.percent_text(share) not in {"100%", "100.0%"}


def test_parity_that_is_absent_exact_or_infinitely_bad() -> None:
    assert text.snr_text(None) == "-"
    assert text.agreement_text(None) == "-"
    assert text.snr_text(replace(PARITY, snr_db=None)) == "exact"
    assert text.snr_text(replace(PARITY, snr_db=-math.inf)) == "-inf"
    assert text.snr_text(PARITY) == "24.3"


@given(st.text())
def test_foreign_text_is_one_short_printable_line(foreign: str) -> None:
    shown = text.printable(foreign)
    assert shown.isprintable()
    assert len(shown) <= 60


@given(st.text())
def test_sentences_keep_their_lines_and_lose_control_characters(sentence: str) -> None:
    shown = text.printable_lines(sentence)
    assert shown.count("\n") == sentence.count("\n")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
