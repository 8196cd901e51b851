"""Sizes of networks: counts, the shape after the entry flow, and published accuracy."""

from __future__ import annotations

import sample_experiments as sample
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.claims import fewest, parameters
from edgecnn.evidence.files import Evidence
from edgecnn.evidence.records import Counted, Parameters


def net(model: str, count: int, classes: int = 1000, **more: float | None) -> Counted:
    top1 = more.get("top1")
    return Counted(model, classes, 299, count, count, int(more.get("macs") or 1_000), top1)


def evidence(*nets: Counted, shape: tuple[int, int, int] = (19, 19, 728)) -> Evidence:
    return Evidence(parameters=Parameters(sample.header("parameters"), nets, shape))


REAL = evidence(
    net("xception", 22_855_952, macs=8.4e9),
    net("keras:Xception", 22_855_952, macs=8.4e9, top1=0.790),
    net("keras:InceptionV3", 23_817_352, macs=5.7e9, top1=0.779),
)


def test_the_real_networks() -> None:
    assert parameters.judge_parameters(REAL).outcome == "holds"
    assert parameters.judge_entry_flow(REAL).outcome == "holds"
    assert parameters.judge_outperforms(REAL).outcome == "holds"
    computes = parameters.judge_fewer_computations(REAL)
    assert computes.outcome == "fails"
    assert "1.47 times as much" in computes.summary
    published = parameters.judge_outperforms(REAL)
    assert {each.provenance for each in published.numbers} == {"published"}
    assert "+1.1 percentage points" in published.summary


def test_other_counts_come_to_other_outcomes() -> None:
    off = evidence(net("xception", 15_000_000), net("keras:InceptionV3", 23_600_000))
    found = parameters.judge_parameters(off)
    assert found.outcome == "holds with conditions"
    assert found.conditions == ("Xception has 15.00 million, not 22.8",)
    assert parameters.judge_entry_flow(evidence(shape=(19, 19, 729))).outcome == "fails"


@given(ours=st.integers(1, 10**8), theirs=st.integers(1, 10**8))
def test_more_parameters_never_hold(ours: int, theirs: int) -> None:
    found = parameters.judge_parameters(
        evidence(net("xception", ours), net("keras:InceptionV3", theirs))
    )
    assert (found.outcome == "fails") == (ours >= theirs)


@given(ours=st.integers(1, 10**11), theirs=st.integers(1, 10**11))
def test_multiplications_decide(ours: int, theirs: int) -> None:
    found = parameters.judge_fewer_computations(
        evidence(net("xception", 1, macs=ours), net("keras:InceptionV3", 1, macs=theirs))
    )
    assert found.outcome == ("holds" if ours < theirs else "fails")


def test_what_is_missing_is_not_testable() -> None:
    for judge in (parameters.judge_parameters, parameters.judge_entry_flow, fewest.judge_fewest,
                  parameters.judge_outperforms, parameters.judge_fewer_computations):  # fmt: skip
        found = judge(Evidence())
        assert found.outcome == "not testable here"
        assert "tools/experiment_parameters.py" in found.summary
    assert parameters.judge_parameters(evidence(net("vgg", 1))).outcome == "not testable here"
    assert fewest.judge_fewest(evidence(net("vgg", 1))).outcome == "not testable here"
    unpublished = evidence(net("xception", 1), net("keras:InceptionV3", 2))
    assert parameters.judge_outperforms(unpublished).outcome == "not testable here"


def documented(classes: dict[str, int], counts: dict[str, int]) -> list[Counted]:
    return [net(name, counts[name], classes[name]) for name in fewest.DOCUMENTED]


COUNTS = {"vgg": 5, "resnet": 60, "densenet": 20, "inception": 7, "xception-mini": 40}


def test_inception_is_first_only_where_it_is() -> None:
    own = documented(fewest.OWN_CLASSES, COUNTS)
    equal = documented(dict.fromkeys(fewest.DOCUMENTED, 50), COUNTS | {"vgg": 9})
    assert fewest.judge_fewest(evidence(*own)).outcome == "fails"
    assert fewest.judge_fewest(evidence(*equal)).outcome == "holds"
    both = fewest.judge_fewest(evidence(*own, *equal))
    assert both.outcome == "holds with conditions"
    assert both.conditions == ("at 50 classes each; not at the document's own numbers of classes",)
    assert "vgg needs 5, inception 7" in both.summary


def test_full_size_networks_are_a_test_of_their_own() -> None:
    found = fewest.judge_fewest(REAL)
    assert found.outcome == "fails"
    assert "At full size" in found.summary
