"""Predictions on every profile: what they hold whatever the fitted speeds are."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.errors import InputError
from edgecnn.latency import fitted, profiles
from edgecnn.latency.cost import NetCost, OperatorCost, of_non_multiplying
from edgecnn.latency.cost_builder import CostBuilder, FeatureMap
from edgecnn.latency.fitted import Sharing, Speed
from edgecnn.latency.nearness import reference_of, resembles
from edgecnn.latency.predictor import Prediction, predict_latency


def small_net(size: int = 64, channels: int = 32) -> NetCost:
    net = CostBuilder()
    x = net.conv(FeatureMap(size, size, 3), channels, stride=2)
    for _ in range(4):
        x = net.conv(net.depthwise(x), channels, 1)
    net.softmax(net.dense(net.flatten(net.mean(x)), 10))
    return net.cost("small")


def predicted(
    cost: NetCost | None = None, device: str = "raspberry-pi-4b", recipe: str = "float32",
    threads: int = 1,
) -> Prediction:  # fmt: skip
    cost = (cost or small_net()).at(recipe)
    return predict_latency(cost, profiles.find(device), recipe, threads)


@pytest.mark.parametrize("device", profiles.names())
@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic", "int8"])
def test_every_device_answers_for_every_recipe(device: str, recipe: str) -> None:
    cores = profiles.find(device).cores
    for threads in {1, cores}:
        found = predicted(device=device, recipe=recipe, threads=threads)
        assert 0.0 < found.low_ms < found.latency_ms < found.high_ms
        assert found.latency_ms == pytest.approx(sum(each.time_ms for each in found.by_kind))


def test_the_time_goes_where_the_operators_are() -> None:
    times = [each.time_ms for each in predicted().by_kind]
    kinds = {each.kind for each in predicted().by_kind}
    assert times == sorted(times, reverse=True)
    assert kinds == set(small_net().counts())


def test_float16_runs_as_float32_does() -> None:
    assert predicted(recipe="float16").latency_ms == predicted().latency_ms


def test_dynamic_lies_between_float_and_integer() -> None:
    times = [predicted(recipe=recipe).latency_ms for recipe in ("int8", "dynamic", "float32")]
    assert times == sorted(times)


def test_dynamic_says_that_nobody_measured_it_and_is_less_sure() -> None:
    found, other = predicted(recipe="dynamic"), predicted()
    assert any("No dynamic latency" in warning for warning in found.warnings)
    assert found.high_ms / found.latency_ms > other.high_ms / other.latency_ms


@given(size=st.integers(16, 256), threads=st.integers(2, 4))
def test_equal_cores_are_never_slower_together(size: int, threads: int) -> None:
    cost = small_net(size=size, channels=64)
    heavy = dataclasses.replace(
        cost, operators=tuple(each for each in cost.operators if each.kind == "pointwise")
    )
    one, more = (predicted(heavy, threads=count) for count in (1, threads))
    overhead = more.by_kind[0].overhead_ms
    assert more.latency_ms - overhead < one.latency_ms


def test_a_faster_core_is_faster() -> None:
    times = [
        predicted(device=device).latency_ms
        for device in ("raspberry-pi-5", "raspberry-pi-4b", "raspberry-pi-zero-2w")
    ]
    assert times == sorted(times)


def test_energy_is_of_the_whole_device() -> None:
    found = predicted(threads=4)
    load_w = profiles.find("raspberry-pi-4b").load_w
    assert load_w is not None
    assert found.energy_mj == pytest.approx(load_w * found.latency_ms)


def test_an_idle_core_still_draws_its_share() -> None:
    profile = profiles.find("raspberry-pi-4b")
    found = predicted(threads=1)
    assert found.energy_mj is not None
    assert profile.idle_w is not None
    assert found.energy_mj > profile.idle_w * found.latency_ms


def test_no_energy_where_nobody_knows_the_power() -> None:
    assert predicted(device="pixel-4").energy_mj is None


@pytest.mark.parametrize("threads", [0, -1, 5])
def test_threads_beyond_the_cores_are_refused(threads: int) -> None:
    with pytest.raises(InputError, match="has 4 cores"):
        predicted(threads=threads)


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(InputError, match="no recipe 'int4'"):
        predict_latency(small_net(), profiles.find("raspberry-pi-5"), "int4", 1)


def test_an_unknown_operator_is_named_and_widens_the_interval() -> None:
    cost = small_net()
    strange = of_non_multiplying("unknown", "FFT", output_shape=(8, 8, 8), input_elements=512)
    found = predicted(
        dataclasses.replace(cost, operators=(*cost.operators, strange), unknown={"FFT": 1})
    )
    assert any("1 FFT" in warning for warning in found.warnings)
    assert found.high_ms / found.latency_ms > predicted().high_ms / predicted().latency_ms
    assert found.low_ms / found.latency_ms < predicted().low_ms / predicted().latency_ms


def test_a_measured_scale_multiplies_its_precision_alone() -> None:
    profile = dataclasses.replace(profiles.find("raspberry-pi-5"), scale={"int8": 2.0})
    for recipe, factor in (("int8", 2.0), ("float32", 1.0)):
        found = predict_latency(small_net().at(recipe), profile, recipe, 1)
        plain = predicted(device="raspberry-pi-5", recipe=recipe)
        assert found.latency_ms == pytest.approx(factor * plain.latency_ms)


def mobilenet_like(width: int) -> NetCost:
    net = CostBuilder()
    x = net.conv(FeatureMap(224, 224, 3), width, stride=2)
    for channels, stride in ((2, 1), (4, 2), (8, 2), (16, 2), (16, 1), (32, 2)):
        x = net.conv(net.depthwise(x, stride=stride), channels * width, 1)
    return net.cost("mobilenet-like")


def test_what_resembles_measured_networks_is_interpolated() -> None:
    assert predicted(mobilenet_like(32)).basis == "interpolated"


def test_what_is_far_larger_is_extrapolated() -> None:
    assert predicted(mobilenet_like(256)).basis == "extrapolated"


def test_a_device_without_rows_says_so() -> None:
    assert predicted(mobilenet_like(32), device="raspberry-pi-5").basis == "no rows"


def test_a_core_nobody_measured_is_named() -> None:
    found = predicted(device="jetson-nano")
    assert any("cortex-a57" in warning for warning in found.warnings)


@pytest.mark.parametrize("device", ["odroid-n2-plus", "rk3588", "pixel-2", "jetson-agx-orin"])
def test_a_device_measured_with_other_builds_has_no_rows(device: str) -> None:
    found = predicted(mobilenet_like(32), device=device)
    assert found.basis == "no rows"
    assert any("without XNNPACK" in warning for warning in found.warnings)


def test_rows_of_one_precision_are_none_of_the_other() -> None:
    found = predicted(mobilenet_like(32), recipe="int8")
    assert found.basis == "no rows"
    assert any("in int8 without" in warning for warning in found.warnings)


def test_an_answer_says_what_it_is_for() -> None:
    for word in ("XNNPACK", "64-bit", "performance governor", "cooled"):
        assert word in predicted().conditions


def test_knowing_less_is_a_wider_interval() -> None:
    ends = fitted.load().intervals
    width = {basis: each.high / each.low for basis, each in ends.items()}
    assert width["interpolated"] < width["extrapolated"] < width["no rows"]
    assert width["calibrated"] < width["no rows"]


def test_measured_units_multiply_their_own_work_alone() -> None:
    plain = profiles.find("raspberry-pi-5")
    cost = small_net().at("int8")
    own = dataclasses.replace(plain, units={"int8": {"depthwise_mac": 3.0}})
    kinds = [
        {each.kind: each.time_ms for each in predict_latency(cost, one, "int8", 1).by_kind}
        for one in (plain, own)
    ]
    changed = {kind for kind, time in kinds[0].items() if kinds[1][kind] != time}
    assert changed == {"depthwise"}
    assert predict_latency(cost, own, "int8", 1).basis == "calibrated"
    assert predict_latency(small_net(), own, "float32", 1).basis == "no rows"


def test_resemblance_needs_the_mix_and_the_size() -> None:
    cost = mobilenet_like(32)
    twin = reference_of(cost)
    assert resembles(cost, [twin])
    assert not resembles(cost, [dataclasses.replace(twin, macs=cost.macs * 3)])
    assert not resembles(cost, [dataclasses.replace(twin, shapes={"convolution 9 5": 1.0})])
    assert not resembles(cost, [])


def test_resemblance_needs_the_planes_and_the_light_operators() -> None:
    cost = mobilenet_like(32)
    twin = reference_of(cost)
    larger = {
        f"{shape.rpartition(' ')[0]} {int(shape.rpartition(' ')[2]) + 2}": share
        for shape, share in twin.shapes.items()
    }
    unlike = fitted.Reference(cost.macs, {"convolution 9 7": 1.0}, twin.kinds)
    assert not resembles(cost, [unlike])
    assert not resembles(cost, [dataclasses.replace(twin, shapes=larger)])
    prelu: OperatorCost = of_non_multiplying(
        "activation", "PRELU", output_shape=(112, 112, 96), input_elements=112 * 112 * 96
    )
    face = dataclasses.replace(cost, operators=(*cost.operators, *[prelu] * 2))
    assert not resembles(face, [twin])
    assert resembles(face, [reference_of(face)])


def test_a_network_without_products_is_nothing_measured() -> None:
    relu: OperatorCost = of_non_multiplying(
        "activation", "RELU", output_shape=(8, 8, 8), input_elements=512
    )
    assert predicted(NetCost("relu", (relu,), {})).basis == "extrapolated"


def test_two_equal_cores_halve_what_is_shared() -> None:
    sharing = Sharing(heavy_serial=0.0, light_serial=1.0, balanced=0.5, dispatch=0.5)
    pair = [Speed(2.0, 2)]
    assert sharing.seconds("heavy", pair) == pytest.approx(1.0)
    assert sharing.seconds("light", pair) == pytest.approx(2.0)
    assert sharing.seconds("serial", pair) == pytest.approx(2.0)
    assert sharing.seconds("dispatch", pair) == pytest.approx(3.0)


def test_work_split_evenly_waits_for_the_slower_core() -> None:
    even = Sharing(heavy_serial=0.0, light_serial=0.0, balanced=0.0, dispatch=0.0)
    by_speed = dataclasses.replace(even, balanced=1.0)
    unequal = [Speed(1.0, 1), Speed(4.0, 1)]
    assert even.seconds("heavy", unequal) == pytest.approx(2.0)
    assert by_speed.seconds("heavy", unequal) == pytest.approx(0.8)


@given(share=st.floats(0.01, 0.99), log_odds=st.floats(-5.0, 5.0))
def test_shifting_a_share_back_gives_it_again(share: float, log_odds: float) -> None:
    shifted = fitted.shifted(share, log_odds)
    assert 0.0 < shifted < 1.0
    assert fitted.shifted(shifted, -log_odds) == pytest.approx(share)


def test_fitted_speeds_are_read_as_they_were_written() -> None:
    text = fitted.written(fitted.load())
    assert fitted.written(fitted.parse(text)) == text
