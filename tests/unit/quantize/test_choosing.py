"""Settings are chosen on images that the ranges have not seen; what is expected of them comes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_nets import RandomNet

from edgecnn import parity
from edgecnn.calibration import views
from edgecnn.calibration.sampleset import from_arrays
from edgecnn.calibration.statistics import collect, deal
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import affine, assembly, choosing, integer, measured
from edgecnn.quantize.weights import workers
from edgecnn.records import Endpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.calibration.statistics import Statistics
    from edgecnn.quantize.integer import IntegerModel

    Floats = NDArray[np.float32]

CLASSES, SIDE = 4, 12
SCORES = "scores"


def gratings(count: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Stripes of four directions in noise, of any phase and contrast: (count, 12, 12, 3)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    angle, phase = labels * np.pi / CLASSES, rng.uniform(0, 2 * np.pi, count)
    contrast = rng.uniform(0.3, 1.0, (count, 3))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    along = np.cos(angle)[:, None, None] * columns + np.sin(angle)[:, None, None] * rows
    waves = np.sin(along * 1.5 + phase[:, None, None])[..., None] * contrast[:, None, None]
    return (waves + rng.normal(0, 0.2, waves.shape)).astype(np.float32), labels


def trained(seed: int = 0, *, uneven: float = 0.0) -> Graph:
    """A small classifier of gratings, its last layer fitted by least squares.

    Args:
        seed: of the layers before it.
        uneven: how far channels' scales lie apart, as powers of e: what equalizing makes up for.
    """
    net = RandomNet(seed, (1, SIDE, SIDE, 3))
    x = net.conv(net.image, 16, kernel=(5, 5), activation="RELU")
    x = net.conv(net.depthwise(x, activation="RELU"), 24, kernel=(1, 1), activation="RELU")
    data = net.finish(net.dense(net.flatten(net.pool(x, "MAX_POOL_2D")), CLASSES))
    graph = Graph.read(data)
    graph.rename_ends(["image"], [SCORES])
    _scale_apart(graph, np.random.default_rng(seed), uneven)
    images, labels = gratings(400, seed + 1)
    last = next(op for op in graph.operators if op.name == "FULLY_CONNECTED")
    name = last.source.name
    seen = measured.answers(graph, feeds(images), [name], threads=1)[name].reshape(400, -1)
    ones = np.concatenate([seen, np.ones((400, 1), np.float32)], axis=1).astype(np.float64)
    wanted = np.eye(CLASSES)[labels] * 4
    ridge = ones.T @ ones + 3.0 * np.eye(ones.shape[1])
    fitted = np.linalg.solve(ridge, ones.T @ wanted).astype(np.float32)
    affine.set_weights(graph, last, np.ascontiguousarray(fitted[:-1].T))
    affine.set_bias(graph, last, fitted[-1].astype(np.float64))
    return graph


def _scale_apart(graph: Graph, rng: np.random.Generator, uneven: float) -> None:
    convolutions = [op for op in graph.operators if op.name in {"CONV_2D", "DEPTHWISE_CONV_2D"}]
    for before, after in pairwise(convolutions):
        scale = np.exp(rng.normal(0, uneven, before.output.channels))
        kernel, bias, other = affine.weights(before), affine.bias(before), affine.weights(after)
        assert kernel is not None
        assert bias is not None
        assert other is not None
        by_output = scale if before.name != "CONV_2D" else scale.reshape(-1, 1, 1, 1)
        affine.set_weights(graph, before, (kernel * by_output).astype(np.float32))
        affine.set_bias(graph, before, bias * scale)
        affine.set_weights(graph, after, affine.scale_inputs(other, after.name, 1 / scale))


def feeds(images: Floats) -> list[tuple[Floats]]:
    return [(image[None],) for image in images]


def quantized(graph: Graph, images: Floats, *, threads: int = 1) -> IntegerModel:
    known = collect(graph, feeds(images), answers=[SCORES], runs=len(images), threads=threads)
    return integer.quantize(
        graph, known, judged=[SCORES], activation_bits=8, trial=feeds(images), threads=threads
    )


def snr_db(graph: Graph, model: Graph, images: Floats) -> float:
    wanted = measured.answers(graph, feeds(images), [SCORES], threads=1)
    found = measured.answers(model, feeds(images), [SCORES], threads=1)
    return measured.lowest_snr_db(wanted, found, by_groups=True)


@pytest.mark.parametrize("count", [16, 60])
def test_what_is_expected_of_unseen_images_comes(count: int) -> None:
    graph = trained()
    made = quantized(graph, gratings(count, 7)[0])
    assert made.choice.expected_db is not None
    unseen_db = snr_db(graph, made.graph, gratings(200, 8)[0])
    assert made.choice.expected_db == pytest.approx(unseen_db, abs=2.0)
    assert made.choice.images >= min(count, 12)
    assert f"{made.choice.expected_db:.1f} dB" in made.notes[0]
    assert f"tried on {made.choice.images} calibration images" in made.notes[0]


def test_what_was_taken_is_the_best_but_for_chance() -> None:
    choice = quantized(trained(), gratings(40, 7)[0]).choice
    assert choice.settings.text in choice.tried
    assert {"mse ranges", "minmax ranges"} <= {text.split(",")[0] for text in choice.tried}
    best_db = max(choice.tried.values())
    assert choice.expected_db is not None
    assert best_db - choice.expected_db < 1.0 + choice.spread_db


def test_channels_far_apart_are_equalized_because_it_is_measured_to_pay() -> None:
    graph = trained(uneven=2.0)
    made = quantized(graph, gratings(40, 7)[0])
    assert made.choice.settings.equalized
    tried = made.choice.tried
    plain_db = max(db for text, db in tried.items() if "equalized" not in text)
    assert made.choice.expected_db is not None
    assert made.choice.expected_db > plain_db + 1
    assert snr_db(graph, made.graph, gratings(100, 8)[0]) > plain_db


def test_without_images_nothing_is_measured_and_nothing_expected() -> None:
    graph, images = trained(), gratings(10, 7)[0]
    known = collect(graph, feeds(images), answers=[SCORES], runs=10, threads=1)
    made = integer.quantize(graph, known, judged=[SCORES], activation_bits=8)
    assert made.choice.expected_db is None
    assert not made.choice.settings.equalized
    assert "not measured" in made.notes[0]
    alone = quantized(graph, images[:1])
    assert alone.choice.expected_db is None


def test_the_files_that_were_measured_never_saw_their_images() -> None:
    graph, images = trained(), gratings(12, 7)[0]
    images[5] *= 10  # ranges that saw it are several times as wide
    made = quantized(graph, images)
    widths = {}
    for model, runs in made.choice.unseen:
        steps = model.inputs[0].quantization
        assert steps is not None
        widths[5 in runs] = float(steps.scale[0])
    assert widths[True] < widths[False] / 3
    assert sorted(run for _, runs in made.choice.unseen for run in runs) == list(range(12))


def test_the_same_choice_and_bytes_whatever_the_threads() -> None:
    graph, images = trained(1), gratings(12, 7)[0]
    one, two = (quantized(graph, images, threads=n) for n in (1, 2))
    assert one.data == two.data
    assert one.notes == two.notes


@given(st.integers(0, 130))
def test_folds_leave_out_each_image_once_and_never_all(runs: int) -> None:
    parts = deal(runs, 0)
    found = choosing.folds(parts)
    assert (not found) == (runs < 2)
    left_out = [run for fold in found for run in fold.runs]
    assert len(left_out) == len(set(left_out))
    assert runs < 2 or len(left_out) >= min(runs, 12)
    for fold in found:
        assert 0 < np.isin(parts, fold.parts).sum() < runs


def test_a_gain_within_chance_does_not_pay() -> None:
    steady = np.full(10, 0.01)
    lucky = np.array([0.0001, *[0.0101] * 9])
    assert choosing.ratio_db(steady) == pytest.approx(10.0)
    assert choosing.pays(steady / 2, steady, 0.3)
    assert not choosing.pays(steady, steady / 2, 0.3)
    assert not choosing.pays(lucky, steady, 0.3)


def test_a_gain_of_nearly_all_images_pays_though_one_makes_up_what_is_left() -> None:
    before = np.array([1.6e-3, *[1e-3] * 15])
    after = np.array([2.4e-3, *[1e-5] * 15])  # one is cut off, the others have a hundredth
    assert choosing.pays(after, before, 0.5)
    assert not choosing.pays(before, after, 0.5)
    half = np.array([2.4e-3, *[1e-5] * 8, *[1.6e-3] * 7])
    assert not choosing.pays(half, before, 0.5)  # seven of sixteen lose


@given(st.integers(0, 2**16))
def test_noise_by_image_adds_up_to_the_ratio_that_parity_reports(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wanted = rng.normal(size=(9, 3, 5)) * np.array([1.0, 100.0, 1.0])[:, None]
    got = wanted + rng.normal(size=wanted.shape) * 0.01
    noise = parity.worst_noise(wanted, got)
    whole, group = parity.snr_db(wanted, got), parity.worst_group(wanted, got)[0]
    assert whole is not None
    assert group is not None
    assert choosing.ratio_db(noise) == pytest.approx(min(whole, group))


def with_views(graph: Graph, images: Floats) -> tuple[Statistics, IntegerModel]:
    """As an export does it."""
    image = Endpoint(name="image", shape=(1, SIDE, SIDE, 3), dtype="float32", layout="NHWC")
    enlarged = views.enlarge(from_arrays("gratings", len(images), (images,)), (image,), 0)
    (values,) = enlarged.samples.arrays
    known = collect(
        graph, feeds(values), answers=[SCORES], runs=len(values), threads=1, origin=enlarged.origin
    )
    made = integer.quantize(
        graph,
        known,
        judged=[SCORES],
        activation_bits=8,
        trial=feeds(images),
        samples=len(images),
    )
    return known, made


@pytest.mark.parametrize("kind", ["eight pictures", "one picture", "another kind"])
def test_a_poor_calibration_set_gives_better_files_than_plain_minmax(kind: str) -> None:
    others, gains_db = gratings(200, 8)[0], []
    for seed in range(3):
        graph, (images, _) = trained(seed), gratings(8, 7 + seed)
        spoiled = {
            "eight pictures": images,
            "one picture": np.repeat(images[:1], 8, axis=0),
            "another kind": images * np.float32(0.3) + np.float32(0.5),
        }[kind]
        known = collect(graph, feeds(spoiled), answers=[SCORES], runs=8, threads=1)
        with workers(1) as pool:
            weighed = assembly.weigh(assembly.prepare(graph, known), 8, pool).result()
        plain = assembly.assemble(
            weighed, assembly.Settings("minmax"), assembly.RangeSource.of(known), [SCORES]
        )
        _, made = with_views(graph, spoiled)
        gains_db.append(snr_db(graph, made.graph, others) - snr_db(graph, plain, others))
    assert min(gains_db) > -1
    assert np.mean(gains_db) > {"eight pictures": 1, "one picture": 10, "another kind": -0.2}[kind]


def test_a_view_is_left_out_with_its_picture() -> None:
    known, made = with_views(trained(), gratings(8, 7)[0])
    assert len(known.parts) == views.ENOUGH
    assert np.array_equal(known.parts[8:16], known.parts[:8] + 8)
    assert {run for _, runs in made.choice.unseen for run in runs} == set(range(8))


def test_views_of_what_is_no_picture_are_left_out() -> None:
    noise = np.random.default_rng(3).uniform(-1, 1, (24, SIDE, SIDE, 3)).astype(np.float32)
    _, made = with_views(trained(), noise)
    assert any("without views" in text for text in made.choice.tried)
    alone = quantized(trained(), noise)
    others = np.random.default_rng(4).uniform(-1, 1, (100, SIDE, SIDE, 3)).astype(np.float32)
    assert snr_db(trained(), made.graph, others) > snr_db(trained(), alone.graph, others) - 1


def test_one_image_is_enough_to_stretch_ranges_for() -> None:
    narrow = np.full(24, 1e-4)
    narrow[3] = 2e-2  # cut off
    wide = np.full(24, 2e-4)
    assert not choosing.pays(wide, narrow, 0.3)
    assert choosing.stretching_pays(wide, narrow)
    narrow = wide.copy()
    narrow[3] *= 2
    assert not choosing.stretching_pays(wide, narrow)


def averaging(seed: int = 0) -> Graph:
    """Averages over maps, which one image in twenty or so passes, and answers made of them."""
    net = RandomNet(seed, (1, SIDE, SIDE, 3))
    x = net.mean(net.conv(net.image, 16, activation="RELU"))
    graph = Graph.read(net.finish(net.dense(net.flatten(x), CLASSES)))
    graph.rename_ends(["image"], [SCORES])
    return graph


def heavy(count: int, seed: int) -> Floats:
    """Noise, now and then some louder."""
    rng = np.random.default_rng(seed)
    loud = rng.lognormal(0, 0.35, (count, 1, 1, 1))
    return (loud * rng.normal(0, 1, (count, SIDE, SIDE, 3))).astype(np.float32)


@pytest.mark.parametrize(("seed", "given"), [(1, False), (2, False), (4, True)])
def test_averages_have_room_for_tails_only_where_that_costs_nothing(
    seed: int, *, given: bool
) -> None:
    graph, images = averaging(), heavy(40, seed)
    made = quantized(graph, images)
    tried = made.choice.tried
    tails = ", averages with their tails"
    (text,) = [text for text in tried if tails in text and "nearest" not in text]
    lost_db = tried[text.replace(tails, "")] - tried[text]
    assert (lost_db < 0.3) == given
    assert made.choice.settings.tails == given


def test_what_becomes_the_answer_by_moving_alone_has_the_answer_s_range() -> None:
    net = RandomNet(0, (1, SIDE, SIDE, 3))
    average = net.mean(net.conv(net.image, CLASSES))
    graph = Graph.read(net.finish(net.reshape(average, (1, CLASSES))))
    graph.rename_ends(["image"], [SCORES])
    known = collect(graph, feeds(heavy(20, 1)), answers=[SCORES], runs=20, threads=1)
    with workers(1) as pool:
        weighed = assembly.weigh(assembly.prepare(graph, known), 8, pool).result()
    source = assembly.RangeSource.of(known)
    chosen = assembly.activation_ranges(weighed, assembly.Settings(), source, [SCORES])
    before = weighed.model.by_output()[SCORES].source.name
    assert chosen[before] == chosen[SCORES]
    assert chosen[before][1] > known.tensors[before].maximum


def test_nothing_is_cut_off_of_the_largest_that_a_softmax_within_reads() -> None:
    net = RandomNet(0, (1, SIDE, SIDE, 3))
    maps = net.flatten(net.conv(net.image, 2, activation="RELU"))
    graph = Graph.read(net.finish(net.dense(net.softmax(maps), CLASSES)))
    graph.rename_ends(["image"], [SCORES])
    known = collect(graph, feeds(heavy(20, 1)), answers=[SCORES], runs=20, threads=1)
    with workers(1) as pool:
        weighed = assembly.weigh(assembly.prepare(graph, known), 8, pool).result()
    source = assembly.RangeSource.of(known)
    chosen = assembly.activation_ranges(weighed, assembly.Settings(), source, [SCORES])
    for name in (net.name(maps), weighed.model.by_output()[net.name(maps)].source.name):
        assert chosen[name][1] > known.tensors[name].maximum * 1.04
