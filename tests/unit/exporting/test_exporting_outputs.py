"""What each output is: the user's word by name, then the graph's, then the user's for the rest."""

from __future__ import annotations

import pytest

from edgecnn.errors import InputError
from edgecnn.exporting import outputs
from edgecnn.records import Endpoint, Network, OutputKind

ENDS = (
    Endpoint("boxes", "float32", (1, 4, 9)),
    Endpoint("scores", "float32", (1, 3)),
    Endpoint("map", "int64", (1, 8, 8), "NHW"),
)
NETWORK = Network((Endpoint("x", "float32", (1, 8, 8, 3), "NHWC"),), ENDS, 1, 1)
BOUNDED = (False, True, False)


def kinds(chosen: dict[str, OutputKind]) -> list[str]:
    return [info.kind for info in outputs.describe(NETWORK, BOUNDED, chosen)]


def test_a_softmax_or_sigmoid_makes_probabilities_and_nothing_else_does() -> None:
    assert kinds({}) == ["values", "probabilities", "values"]


def test_the_general_word_is_for_what_the_graph_says_nothing_of() -> None:
    assert kinds({"": "logits"}) == ["logits", "probabilities", "logits"]


def test_a_word_for_one_output_goes_before_the_graph_and_the_general_word() -> None:
    assert kinds({"scores": "values"}) == ["values", "values", "values"]
    assert kinds({"": "logits", "boxes": "values"}) == ["values", "probabilities", "logits"]


def test_all_else_is_the_endpoints_own() -> None:
    for info, end in zip(outputs.describe(NETWORK, BOUNDED, {}), ENDS, strict=True):
        assert (info.name, info.dtype, info.shape, info.layout) == (
            end.name, end.dtype, end.shape, end.layout,
        )  # fmt: skip


def test_a_name_the_network_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(InputError, match="no output 'score'") as caught:
        kinds({"score": "logits"})
    assert "boxes, scores, map" in caught.value.hint
