"""The written-down networks against the counts their papers and collections state."""

from __future__ import annotations

import published_nets
import pytest
from predictor import latency_rows
from published_nets import nasbench

from edgecnn.latency.cost_builder import CostBuilder, FeatureMap

_ALL_3X3 = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
# Millions of multiply-accumulates, and of parameters, as the papers and model collections state.
_PUBLISHED = [
    ("mobilenet_v1_1.0", 224, 569.0, 4.24),  # arXiv:1704.04861, tables 4 and 8
    ("mobilenet_v1_0.75", 224, 325.0, 2.6),
    ("mobilenet_v1_0.5", 160, 76.0, 1.3),
    ("mobilenet_v1_0.25", 224, 41.0, 0.5),
    ("mobilenet_v2_1.0", 224, 300.0, 3.47),  # arXiv:1801.04381, table 4
    ("mobilenet_v2_1.4", 224, 582.0, 6.06),  # tensorflow/models, slim/nets/mobilenet
    ("mobilenet_v2_0.35", 224, 59.0, 1.66),
    ("mobilenet_v3_large_1.0", 224, 217.0, 5.4),
    ("mobilenet_v3_small_1.0", 224, 56.5, 2.5),
    ("mobilenet_v3_large_minimalistic_1.0", 224, 209.0, 3.9),
    ("mobilenet_v3_small_minimalistic_1.0", 224, 51.9, 2.0),
    ("efficientnet_lite0", 224, 407.0, 4.7),  # tensorflow/tpu, efficientnet/lite
    ("efficientnet_lite4", 300, 2640.0, 13.0),
    ("resnet50_v1.5(mlperf)", 224, 4100.0, 25.6),
    ("resnet10 (imgclsmob)", 224, 894.0, 5.42),  # osmr/imgclsmob's table
    ("seresnet18 (imgclsmob)", 224, 1820.9, 11.78),
    ("regnetx004 (imgclsmob)", 224, 403.0, 5.16),
    ("regnetx016 (imgclsmob)", 224, 1624.0, 9.19),
    ("densenet121 (imgclsmob)", 224, 2872.1, 7.98),
    ("densenet169 (imgclsmob)", 224, 3403.9, 14.15),
    ("vovnet27s (imgclsmob)", 224, 2187.3, 3.53),
    ("hrnet_w18_small_v1 (imgclsmob)", 224, 1614.9, 13.19),
    ("ghostnet (imgclsmob)", 224, 148.8, 5.18),
    ("mnasnet_a1 (imgclsmob)", 224, 326.1, 3.89),
    ("efficientnet_edge_medium_b (imgclsmob)", 240, 3695.1, 6.90),
]


@pytest.mark.parametrize(("model", "size", "macs", "parameters"), _PUBLISHED)
def test_macs_and_parameters_are_the_published_ones(
    model: str, size: int, macs: float, parameters: float
) -> None:
    cost = published_nets.find(model, size)
    assert cost.macs / 1e6 == pytest.approx(macs, rel=0.06)
    assert cost.weight_elements / 1e6 == pytest.approx(parameters, rel=0.07)


def test_vgg16_from_its_paper() -> None:
    net = CostBuilder()
    x = FeatureMap(224, 224, 3)
    for channels, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            x = net.conv(x, channels)
        x = net.pool(x, 2, stride=2)
    for outputs in (4096, 4096, 1000):
        x = net.dense(x, outputs)
    cost = net.cost("vgg16")
    assert cost.macs == 15_470_264_320  # arXiv:1409.1556: 15.5 G
    assert cost.weight_elements == 138_357_544


def test_the_largest_nasbench_network_has_its_published_macs() -> None:
    cost = published_nets.find(_ALL_3X3, 32)
    assert cost.macs / 1e6 == pytest.approx(220.11969)  # arXiv:2001.00326's own count
    assert cost.counts()["elementwise"] == 3 * 5 * 3 + 2 + 2


def test_nasbench_nodes_nobody_reads_are_left_out() -> None:
    arch = "|avg_pool_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|"
    assert nasbench.simplify(nasbench.parse(arch)) == ((), (), (("skip_connect", 0),))


def test_nasbench_nodes_are_kept_once_the_middle_one_reads_zeros() -> None:
    arch = "|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|none~1|skip_connect~2|"
    kept = nasbench.simplify(nasbench.parse(arch))
    assert kept == ((("nor_conv_3x3", 0),), (("avg_pool_3x3", 0),), (("skip_connect", 2),))


def test_every_row_names_a_network_that_is_written_down() -> None:
    rows = latency_rows.published()
    assert len(rows) > 2000
    assert all(published_nets.known(row.model) for row in rows)
    assert {row.precision for row in rows} == {"float32", "int8"}


def test_clusters_are_read() -> None:
    big, little = latency_rows.parse_clusters("cortex-a76@2.4x4+cortex-a55@1.8x2")
    assert (big.core, big.clock_ghz, big.count) == ("cortex-a76", 2.4, 4)
    assert (little.core, little.clock_ghz, little.count) == ("cortex-a55", 1.8, 2)


def test_nasbench_rows_under_a_millisecond_are_dropped() -> None:
    rows = latency_rows.nasbench()
    assert min(row.latency_ms for row in rows) >= 1.0
    assert {row.device for row in rows} == {"raspberry-pi-4b", "pixel-3"}
