"""What a convolution's kernel sees: patches, their mean and their covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_nets import NO_TENSOR, RandomNet, run

from edgecnn.calibration.layer_inputs import Geometry, LayerAccumulator, LayerInputs
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import affine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def geometry_of(data: bytes) -> tuple[Geometry, Graph]:
    graph = Graph.read(data)
    return Geometry.of(graph.operators[-1]), graph


sizes = st.integers(1, 7)


@settings(max_examples=80)
@given(
    seed=st.integers(0, 2**16), height=sizes, width=sizes, channels=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)), stride=st.integers(1, 3),
    dilation=st.integers(1, 2), padding=st.sampled_from(["SAME", "VALID"]),
    depthwise=st.booleans(),
)  # fmt: skip
def test_patches_times_weights_are_the_convolution(  # noqa: PLR0913 - a convolution has that many
    *,
    seed: int,
    height: int,
    width: int,
    channels: int,
    kernel: tuple[int, int],
    stride: int,
    dilation: int,
    padding: str,
    depthwise: bool,
) -> None:
    stride = 1 if dilation > 1 else stride
    reach = [(n - 1) * dilation + 1 for n in kernel]
    assume(padding == "SAME" or (reach[0] <= height and reach[1] <= width))
    net = RandomNet(seed, (1, height, width, channels))
    if depthwise:
        output = net.depthwise(
            net.image, 2, kernel=kernel, stride=stride, dilation=dilation, padding=padding
        )
    else:
        output = net.conv(
            net.image, 4, kernel=kernel, stride=stride, dilation=dilation, padding=padding
        )
    data = net.finish(output)
    geometry, graph = geometry_of(data)
    weights = affine.weights(graph.operators[0])
    bias = affine.bias(graph.operators[0])
    assert weights is not None
    assert bias is not None
    feed = net.feeds(1)[0]
    seen = geometry.patches(feed[0], np.arange(geometry.positions))
    assert seen.shape == (geometry.positions, kernel[0] * kernel[1], channels)
    if depthwise:
        taps = weights.reshape(-1, channels, 2)
        made = np.einsum("ptc,tcm->pcm", seen, taps).reshape(geometry.positions, -1)
    else:
        made = np.einsum("ptc,otc->po", seen, weights.reshape(4, -1, channels))
    wanted = run(data, [feed])[0][0].reshape(geometry.positions, -1)
    np.testing.assert_allclose(made + bias, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "units", "rows"), [((1, 12), 12, 1), ((1, 2, 3, 4), 24, 1), ((1, 2, 3, 4), 4, 6)]
)
def test_a_dense_layer_has_a_position_for_every_row(
    shape: tuple[int, ...], units: int, rows: int
) -> None:
    net = RandomNet(0, shape)
    if units == int(np.prod(shape)):
        output = net.dense(net.image, 5)
    else:  # keeping the axes: a Dense layer on a map
        output = net.conv(net.image, 5, kernel=(1, 1))
        net.tiny.graph.operators.clear()
        weights = net.fixed(net.normal(5, units))
        net.tiny.operator("FULLY_CONNECTED", [net.image, weights, NO_TENSOR], [output])
    geometry, _ = geometry_of(net.finish(output))
    assert geometry.positions == rows
    gathered = accumulated(geometry, units, [np.arange(np.prod(shape)).reshape(shape)])
    assert gathered.mean.shape == (units,)
    np.testing.assert_allclose(gathered.mean, np.arange(rows * units).reshape(rows, units).mean(0))


def accumulated(
    geometry: Geometry,
    channels: int,
    images: Sequence[NDArray[Any]],
    *,
    depthwise: bool = False,
    seed: tuple[int, ...] = (0,),
) -> LayerInputs:
    made = LayerAccumulator(geometry, channels, depthwise=depthwise, images=len(images), seed=seed)
    for image in images:
        made.add(image.astype(np.float32))
    return made.result()


def small(
    seed: int, *, depthwise: bool, mean: float = 0.0, spread: float = 1.0, count: int = 30
) -> tuple[Geometry, list[Floats], Floats]:
    """A 3x3 convolution of 5x4x3, images for it, and every patch: (patches, taps, channels)."""
    net = RandomNet(seed, (1, 5, 4, 3))
    output = net.depthwise(net.image) if depthwise else net.conv(net.image, 2, padding="VALID")
    geometry, _ = geometry_of(net.finish(output))
    images = [
        (feed * np.float32(spread) + np.float32(mean)).astype(np.float32)
        for feed in net.feeds(count)
    ]
    positions = np.arange(geometry.positions)
    seen = np.concatenate([geometry.patches(image[0], positions) for image in images])
    return geometry, images, seen


@pytest.mark.parametrize("mean", [0.0, 3.0, 1000.0])
def test_mean_and_covariance_of_every_position_are_numpys(mean: float) -> None:
    geometry, images, seen = small(0, depthwise=False, mean=mean)
    found = accumulated(geometry, 3, images)
    flat = seen.reshape(len(seen), -1).astype(np.float64)
    np.testing.assert_allclose(found.mean, flat.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.power, np.square(flat).mean(axis=0), rtol=1e-5)
    assert found.covariance is not None
    np.testing.assert_allclose(
        found.covariance, np.cov(flat, rowvar=False, bias=True), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_a_depthwise_convolution_has_a_covariance_for_each_channel(mean: float) -> None:
    geometry, images, seen = small(0, depthwise=True, mean=mean, count=8)
    found = accumulated(geometry, 3, images, depthwise=True)
    assert found.mean.shape == found.power.shape == (3, 9)
    assert found.covariance is not None
    for channel in range(3):
        taps = seen[:, :, channel].astype(np.float64)
        np.testing.assert_allclose(found.mean[channel], taps.mean(axis=0), rtol=1e-4, atol=1e-6)
        size = float(np.var(taps, axis=0).max())
        np.testing.assert_allclose(
            found.covariance[channel], np.cov(taps, rowvar=False, bias=True), atol=1e-4 * size
        )


@given(seed=st.integers(0, 2**16), mean=st.sampled_from([0.0, 10.0, 1e4]), depthwise=st.booleans())
@settings(max_examples=20)
def test_what_varies_little_around_a_large_mean_keeps_a_covariance(
    *, seed: int, mean: float, depthwise: bool
) -> None:
    geometry, images, _ = small(seed, depthwise=depthwise, mean=mean, spread=0.01, count=8)
    found = accumulated(geometry, 3, images, depthwise=depthwise)
    assert found.covariance is not None
    matrices = found.covariance if depthwise else found.covariance[None]
    for matrix in matrices:
        values = np.linalg.eigvalsh(matrix.astype(np.float64))
        assert values[0] > -1e-4 * values[-1]


def test_an_input_that_is_always_zero_has_no_power() -> None:
    geometry, images, _ = small(0, depthwise=False, mean=2.0)
    for image in images:
        image[..., 1] = 0
    power = accumulated(geometry, 3, images).power.reshape(9, 3)
    assert (power[:, 1] == 0).all()
    assert (power[:, ::2] > 0).all()


def test_the_same_seed_draws_the_same_positions_and_another_others() -> None:
    geometry = Geometry((60, 60), (1, 1), (1, 1), (1, 1), (0, 0), (60, 60))
    images = [RandomNet(0, (1, 60, 60, 2)).feeds(1)[0] for _ in range(2)]
    found = [accumulated(geometry, 2, list(images), seed=seed) for seed in ((1, 2), (1, 2), (1, 3))]
    np.testing.assert_array_equal(found[0].mean, found[1].mean)
    assert not np.array_equal(found[0].mean, found[2].mean)


def test_too_many_inputs_have_a_mean_and_no_covariance() -> None:
    geometry = Geometry((1, 1), (1, 1), (1, 1), (1, 1), (0, 0), (1, 1))
    images = list(np.random.default_rng(0).standard_normal((3, 1, 3000)))
    found = accumulated(geometry, 3000, images)
    assert found.covariance is None
    np.testing.assert_allclose(found.mean, np.mean(images, axis=0)[0], atol=1e-6)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
def test_inputs_whose_squares_overflow_have_no_covariance(*, depthwise: bool) -> None:
    geometry, images, _ = small(0, depthwise=depthwise, spread=1e25, count=4)
    assert accumulated(geometry, 3, images, depthwise=depthwise).covariance is None
