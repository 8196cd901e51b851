"""Which parts of a small network stay float: the search, on stand-in networks of known loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.exporting import rescue, rescue_onnx
from edgecnn.records import ParityInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def _of_losses(losses: dict[str, float]) -> Callable[[Collection[str]], float]:
    """A network whose noise is the sum of what its activations add; those in float add none."""

    def snr_db(kept: Collection[str]) -> float:
        noise = sum(loss for name, loss in losses.items() if name not in kept)
        return float(-10 * np.log10(noise + 1e-6))

    return snr_db


@given(st.lists(st.floats(1e-5, 1.0), min_size=1, max_size=12))
def test_the_fewest_activations_are_those_that_add_most(powers: list[float]) -> None:
    losses = {f"t{k}": power for k, power in enumerate(powers)}
    snr_db = _of_losses(losses)
    kept = rescue_onnx.fewest([frozenset({name}) for name in losses], snr_db)
    assert snr_db(kept) >= rescue.WANTED_DB
    ordered = sorted(losses, key=lambda name: losses[name], reverse=True)
    least = next(k for k in range(13) if snr_db(ordered[:k]) >= rescue.WANTED_DB)
    assert len(kept) == least


def test_a_group_that_does_nothing_beside_the_others_is_given_back() -> None:
    def snr_db(kept: Collection[str]) -> float:  # "a" and "b" mend the same
        return 30.0 if {"a", "c"} <= set(kept) else 20.0 if {"a", "b"} & set(kept) else 10.0

    assert rescue_onnx.fewest([frozenset({name}) for name in "abc"], snr_db) == {"a", "c"}


def test_fewest_last_counts_from_the_end() -> None:
    assert rescue.fewest_last(9, lambda count: 10.0 * count) == 3
    assert rescue.fewest_last(2, lambda count: 10.0 * count) is None


@given(st.integers(1, 300), st.integers(0, 9))
def test_a_quarter_of_many_samples_is_left_out_and_none_of_few(samples: int, seed: int) -> None:
    runs = rescue.left_out(samples, seed)
    assert len(set(runs)) == len(runs)
    assert set(runs) <= set(range(samples))
    assert not runs or 8 <= len(runs) <= 0.4 * samples
    assert bool(runs) == (samples > 22)  # dealt out to 20 parts: 8 of 23 lie in a quarter of them


def test_logits_are_asked_for_what_the_softmax_behind_them_loses() -> None:
    def of(measured_on: Literal["logits", "values"], snr_db: float, group_db: float) -> ParityInfo:
        return ParityInfo(
            snr_db, 1.0, 0.1, None, 12, measured_on=measured_on, worst_group_db=group_db
        )

    logits, values = of("logits", 27.0, 26.0), of("values", 24.0, 17.0)
    assert rescue.wanted_of_logits_db([logits, values]) == rescue.LEAST_DB + 9.0
    assert rescue.wanted_of_logits_db([values]) == rescue.WANTED_DB
    assert rescue.wanted_of_logits_db([logits, of("values", 24.0, -7.0)]) == rescue.WANTED_DB
    same = ParityInfo(None, 1.0, 0.0, None, 12, measured_on="logits")
    assert rescue.wanted_of_logits_db([same, values]) == rescue.WANTED_DB
