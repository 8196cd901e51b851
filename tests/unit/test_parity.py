"""Closeness of outputs: known cases, ties, groups, and what cannot be compared."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx_nets import Net, classifier, images, run
from tiny_tflite import float_net

from edgecnn import parity
from edgecnn.errors import InputError
from edgecnn.exporting.run import judged, poor
from edgecnn.records import EndLayouts, Endpoint, OutputInfo, ParityInfo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

LOGITS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 7)),
    elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
)


def outcome(values: NDArray[Any]) -> parity.Answers:
    return parity.Answers((values,), (None,), len(values))


def compare(wanted: NDArray[Any], got: NDArray[Any], **info: Any) -> ParityInfo:  # noqa: ANN401 - OutputInfo's fields
    """Compare one output; class scores unless said otherwise."""
    end = OutputInfo("scores", "float32", wanted.shape, **{"kind": "logits", **info})
    (found,) = parity.compare(outcome(wanted), outcome(got), (end,))
    return found


def rows(*values: list[float]) -> Array:
    return np.array(values, np.float32)


def test_identical_logits_have_no_error_to_put_in_decibels() -> None:
    logits = rows([1, 2, 3], [3, 2, 1])
    found = compare(logits, logits.copy())
    assert (found.snr_db, found.max_abs_error, found.top1_agreement, found.samples) == (
        None,
        0.0,
        1.0,
        2,
    )
    assert found.cosine == pytest.approx(1.0)


@pytest.mark.parametrize("decibels", [-10, 0, 20, 60])
def test_a_known_signal_to_noise_ratio(decibels: int) -> None:
    random = np.random.default_rng(0)
    signal, noise = random.normal(size=(2, 50, 10))
    signal += 2000  # a constant offset is no signal
    spread = ((signal - signal.mean(axis=0)) ** 2).sum()
    noise *= np.sqrt(spread / (noise**2).sum() / 10 ** (decibels / 10))
    found = parity.snr_db(signal, signal + noise)
    assert found == pytest.approx(decibels, abs=1e-3)


def test_the_largest_error_and_the_angle() -> None:
    found = compare(rows([1, 0], [0, 0]), rows([0, 0], [0, -2]))
    assert found.max_abs_error == 2.0
    assert found.cosine == 0.0
    assert compare(rows([1, 2]), rows([-1, -2])).cosine == pytest.approx(-1.0)


def test_a_silent_reference_gives_no_division_by_zero() -> None:
    zeros = np.zeros((2, 3), np.float32)
    assert compare(zeros, zeros).cosine == 1.0
    assert compare(zeros, zeros).snr_db is None
    assert parity.snr_db(zeros, zeros + 1) == -math.inf
    with pytest.raises(InputError, match="all zero"):
        compare(zeros, zeros + 1)


@pytest.mark.parametrize(
    ("found", "credit"),
    [
        ([9.0, 1.0, 1.0, 1.0], 1.0),
        ([1.0, 9.0, 1.0, 1.0], 0.0),
        ([9.0, 9.0, 1.0, 1.0], 1 / 2),
        ([9.0, 9.0, 9.0, 1.0], 1 / 3),
        ([9.0, 9.0, 9.0, 9.0], 1 / 4),
        ([1.0, 9.0, 9.0, 1.0], 0.0),
    ],
)
def test_a_tie_counts_as_drawing_lots_would(found: list[float], credit: float) -> None:
    reference = rows([4, 3, 2, 1])
    assert parity.top1_agreement(reference, rows(found)) == pytest.approx(credit)


def test_agreement_is_a_share_of_samples() -> None:
    reference = rows([1, 0], [1, 0], [1, 0], [0, 1])
    assert parity.top1_agreement(reference, rows([1, 0], [0, 1], [2, 2], [0, 3])) == 2.5 / 4


def test_other_shapes_are_refused_and_named() -> None:
    with pytest.raises(InputError, match=r"scores.*\(2, 4\).*\(2, 3\)"):
        compare(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="not finite"):
        compare(rows([1, 2]), rows([1, bad]))
    with pytest.raises(InputError, match=r"float model's own output .scores. is not finite"):
        compare(rows([1, bad]), rows([1, 2]))


@given(LOGITS)
def test_every_logits_agree_with_themselves(logits: Array) -> None:
    found = compare(logits, logits)
    assert found.snr_db is None
    assert found.max_abs_error == 0
    assert found.cosine == pytest.approx(1.0)
    assert found.top1_agreement is None or 0 < found.top1_agreement <= 1


@given(LOGITS, st.integers(0, 2**32 - 1))
def test_measures_stay_in_their_ranges(logits: Array, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=logits.shape).astype(np.float32)
    assume(logits.any())
    found = compare(logits, logits + noise)
    assert found.snr_db is None or not math.isnan(found.snr_db)
    assert -1.000001 <= found.cosine <= 1.000001
    assert found.top1_agreement is None or 0 <= found.top1_agreement <= 1
    assert found.max_abs_error >= 0


def test_a_single_sample_is_judged_about_the_mean_of_its_values() -> None:
    assert parity.snr_db(rows([1, 3]), rows([1, 2])) == pytest.approx(10 * math.log10(2))


def test_a_constant_answer_is_its_own_signal() -> None:
    assert parity.snr_db(rows([5], [5]), rows([5], [5.05])) == pytest.approx(43.01, abs=0.01)


def test_boxes_beside_scores_are_judged_apart() -> None:
    random = np.random.default_rng(0)
    wanted = random.normal(size=(9, 6, 50))
    wanted[:, :4] *= 300  # boxes in pixels
    got = wanted.copy()
    got[:, 5] = 0  # a score is lost
    found = compare(wanted, got, kind="values")
    assert found.snr_db is not None
    assert found.snr_db > 40
    assert found.worst_group == "axis 1, group 5"
    assert found.worst_group_db == pytest.approx(0, abs=1)


def test_an_image_is_judged_by_its_channels() -> None:
    random = np.random.default_rng(0)
    wanted = random.normal(size=(4, 8, 8, 3))
    got = wanted + random.normal(size=wanted.shape) * [0.01, 0.01, 0.5]
    found = compare(wanted, got, kind="values", layout="NHWC")
    assert found.worst_group == "axis 3, group 2"


def test_values_have_no_best_class() -> None:
    wanted = np.random.default_rng(0).normal(size=(5, 4))
    assert compare(wanted, wanted, kind="values").top1_agreement is None
    assert compare(wanted[:, :1], wanted[:, :1]).top1_agreement is None  # one logit


def test_maps_of_classes_agree_by_the_pixel() -> None:
    wanted = np.zeros((2, 4, 4), np.int64)
    got = wanted.copy()
    got[0, 0, 0] = 3
    found = _map(wanted, got)
    assert found.pixel_agreement == pytest.approx(31 / 32)
    scores = np.random.default_rng(0).normal(size=(2, 5, 4, 4))
    flipped = scores.copy()
    flipped[0, :, 0, 0] *= -1
    assert compare(scores, flipped, layout="NCHW").pixel_agreement == pytest.approx(31 / 32)


def _map(wanted: NDArray[Any], got: NDArray[Any]) -> ParityInfo:
    end = OutputInfo("map", "int64", wanted.shape)
    (found,) = parity.compare(outcome(wanted), outcome(got), (end,))
    return found


def test_the_worst_output_speaks_for_a_file() -> None:
    wanted = rows([1, 2], [2, 1])
    good, bad = compare(wanted, wanted), compare(wanted, wanted + rows([0, 1], [0, 0]))
    assert parity.worst((good, bad)) is bad


IMAGE, SCORES = Endpoint("input", "float32", (1, 8, 8, 3), "NHWC"), Endpoint("o", "float32", (1, 5))


def test_a_tflite_files_answers_come_from_bytes_and_from_a_path(tmp_path: Path) -> None:
    data = float_net().to_bytes()
    (tmp_path / "model.tflite").write_bytes(data)
    feeds = [[feed] for feed in images(3)]
    of_bytes, of_path = (
        parity.answers(model, feeds, inputs=(IMAGE,), outputs=(SCORES,))
        for model in (data, tmp_path / "model.tflite")
    )
    assert of_bytes.outputs[0].shape == (3, 5)
    np.testing.assert_array_equal(of_bytes.outputs[0], of_path.outputs[0])


def test_an_onnx_files_logits_are_what_enters_its_softmax(tmp_path: Path) -> None:
    model = classifier()
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    feeds = [[feed] for feed in images(3)]
    found = parity.answers(tmp_path / "model.onnx", feeds, inputs=(IMAGE,), outputs=(SCORES,))
    logits = found.logits[0]
    assert logits is not None
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(
        powers / powers.sum(axis=1, keepdims=True), found.outputs[0], atol=1e-6
    )
    np.testing.assert_allclose(found.outputs[0], run(model, images(3)), atol=1e-6)


def test_logits_are_not_compared_with_probabilities() -> None:
    scores, chances = rows([4, 2], [1, 3]), rows([0.9, 0.1], [0.1, 0.9])
    reference = parity.Answers((chances,), (scores,), 2)
    end = OutputInfo("scores", "float32", (1, 2), kind="probabilities")
    (found,) = parity.compare(reference, outcome(chances), (end,))
    assert (found.snr_db, found.measured_on) == (None, "values")
    (found,) = parity.compare(reference, reference, (end,))
    assert (found.snr_db, found.measured_on) == (None, "logits")


def test_logits_of_a_map_of_classes_lie_as_the_network_has_them(tmp_path: Path) -> None:
    net = Net()
    maps = net.conv(net.node("Transpose", "input", perm=[0, 3, 1, 2]), 3, 2, size=1)
    path = tmp_path / "model.onnx"
    path.write_bytes(net.model(net.node("Softmax", maps, axis=1), (1, 2, 8, 8)).SerializeToString())
    last = Endpoint("o", "float32", (1, 8, 8, 2), "NHWC")
    found = parity.answers(
        path, [[feed] for feed in images(2)], inputs=(IMAGE,), outputs=(last,),
        file_layouts=EndLayouts(("NHWC",), ("NCHW",)),
    )  # fmt: skip
    logits = found.logits[0]
    assert logits is not None
    powers = np.exp(logits)
    np.testing.assert_allclose(
        powers / powers.sum(axis=3, keepdims=True), found.outputs[0], atol=1e-6
    )


def test_a_file_of_other_ends_is_refused() -> None:
    with pytest.raises(InputError, match="1 inputs and 1 outputs, the network 1 and 2"):
        parity.answers(float_net().to_bytes(), [], inputs=(IMAGE,), outputs=(SCORES, SCORES))


def test_a_files_other_layout_is_met_and_undone() -> None:
    first = Endpoint("input", "float32", (1, 3, 8, 8), "NCHW")
    (feed,) = images(1)
    layouts = EndLayouts(("NHWC",), ("",))
    moved = parity.answers(
        float_net().to_bytes(), [[feed.transpose(0, 3, 1, 2)]], inputs=(first,), outputs=(SCORES,),
        file_layouts=layouts,
    )  # fmt: skip
    plain = parity.answers(float_net().to_bytes(), [[feed]], inputs=(IMAGE,), outputs=(SCORES,))
    np.testing.assert_array_equal(moved.outputs[0], plain.outputs[0])


def test_pictures_of_8_bits_are_measured_by_distance_and_places_by_how_many_differ() -> None:
    picture = np.random.default_rng(0).integers(1, 255, (4, 8, 8)).astype(np.uint8)
    off_by_one = picture + np.uint8(1)
    assert (parity.snr_db(picture, off_by_one) or 0) > 35
    assert parity.snr_db(picture, picture) is None
    places = picture.astype(np.int64)
    other = places.copy()
    other[0, 0, :4] += 100
    assert parity.snr_db(places, other) == pytest.approx(10 * math.log10(256 / 4))


def test_what_one_sample_lost_is_uncertain_and_what_all_lost_alike_is_not() -> None:
    wanted = np.random.default_rng(0).normal(size=(9, 40)).astype(np.float32)
    even, lone = wanted + 0.05, wanted + 0.001
    lone[3] += 0.15
    steady, shaky = compare(wanted, even), compare(wanted, lone)
    assert steady.spread_db is not None
    assert shaky.spread_db is not None
    assert steady.spread_db < 0.1
    assert shaky.spread_db > 10
    assert poor(steady) == ""
    assert "standard error" in poor(shaky)
    assert compare(wanted, wanted).spread_db is None
    assert compare(wanted[:1], even[:1]).spread_db is None


def test_a_softmax_that_makes_much_of_an_error_in_its_logits_is_told_of() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(12, 3)) * 2 + np.array([0.0, 0.0, -6.0])  # the third seldom comes
    noisy = logits + rng.normal(size=logits.shape) * 0.1
    end = OutputInfo("scores", "float32", (1, 3), kind="probabilities")
    pair = [
        parity.Answers((np.exp(x) / np.exp(x).sum(1, keepdims=True),), (x,), 12)
        for x in (logits, noisy)
    ]
    (info,) = judged(pair[0], pair[1], (end,))
    assert info.measured_on == "logits"
    assert info.worst_group_db == pytest.approx(23.9, abs=0.1)
    assert info.values_db is not None
    assert info.values_db < 18
    assert "behind its softmax" in poor(replace(info, top1_agreement=1.0))
    assert compare(logits, noisy).values_db is None
