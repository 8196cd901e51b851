"""Classes out of an output: what is put through a softmax or a sigmoid, and what never is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn.tasks import classify
from edgecnn.tasks.outputs import Output, TaskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

VECTORS = arrays.arrays(
    np.float32,
    st.tuples(st.just(1), st.integers(2, 20)),
    elements=st.floats(-1e4, 1e4, width=32),
)


def output(values: list[float], kind: str, *shape: int) -> Output:
    array = np.array(values, np.float32).reshape(shape or (1, len(values)))
    return Output("y", array, kind)


@given(values=VECTORS)
def test_values_stay_what_they_are(values: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(classify.scores(Output("y", values, "values")), values[0])
    best = classify.top(Output("y", values, "values"), most=1)[0]
    assert best.score == values.max()
    assert not best.probability


@given(values=VECTORS)
def test_logits_become_probabilities_in_their_order(values: NDArray[np.float32]) -> None:
    scores = classify.scores(Output("y", values, "logits"))
    assert scores.sum() == pytest.approx(1)
    best = classify.top(Output("y", values, "logits"), most=100)
    assert [each.index for each in best] == list(np.argsort(-values[0], kind="stable"))
    assert all(each.probability for each in best)


@given(value=st.floats(-1000, 1000))
def test_one_logit_is_a_sigmoid_over_two_labels(value: float) -> None:
    first, second = classify.scores(output([value], "logits"))
    expected = 1 / (1 + math.exp(-value)) if value > -700 else 0.0
    assert second == pytest.approx(expected, abs=1e-6)
    assert first + second == pytest.approx(1)


def test_one_probability_speaks_for_the_second_label() -> None:
    best = classify.top(output([0.8], "probabilities"), ("cat", "dog"))
    assert [(each.label, round(each.score, 6)) for each in best] == [("dog", 0.8), ("cat", 0.2)]
    (only, _) = classify.top(output([0.8], "probabilities"), ("dog",))
    assert only.label == "dog"
    assert classify.top(output([0.1], "probabilities"), ("dog",))[0].label == "not dog"


def test_one_value_is_no_class_of_two() -> None:
    assert classify.scores(output([2000.0], "values")).tolist() == [2000.0]
    assert classify.class_count(output([2000.0], "values")) == 1
    assert classify.class_count(output([0.0], "logits")) == 2


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 1, 3), (1, 3, 1, 1)])
def test_scores_in_any_place_of_the_shape(shape: tuple[int, ...]) -> None:
    best = classify.top(output([0.1, 0.7, 0.2], "probabilities", *shape), ("a", "b"), above=0.2)
    assert [each.label for each in best] == ["b", "class 2"]


def test_the_output_that_classifies() -> None:
    scores, features = output([1.0, 2.0], "probabilities"), output([1.0] * 9, "values")
    assert classify.choose([features, scores]) is scores
    assert classify.choose([features]) is features
    for several in ([features, features], [scores, scores]):
        with pytest.raises(TaskError, match="Several outputs") as caught:
            classify.choose(several)
        assert "--output" in caught.value.hint
    with pytest.raises(TaskError, match="is empty"):
        classify.top(output([], "logits"))
