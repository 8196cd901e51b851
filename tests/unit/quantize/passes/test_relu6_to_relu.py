"""An unfused RELU6 quantizes to integer operators alone, and still ends at 6."""

from __future__ import annotations

import numpy as np
from random_nets import RandomNet, logits_of, operators, statistics_of

from edgecnn import parity
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import integer
from edgecnn.runtime.litert import LiteRTSession, partitions
from edgecnn.runtime.session import dequantize_output


def net_with_relu6() -> tuple[RandomNet, bytes]:
    """Its RELU6 cuts off much of what it is fed: the sum is also read by others."""
    net = RandomNet(3)
    x = net.conv(net.image, 6)
    total = net.sum_of(net.mul(x, np.full(6, 8, np.float32)), x)
    y = net.conv(net.relu6(total), 6)
    return net, net.finish(net.dense(net.flatten(net.sum_of(y, total)), 5))


def test_the_whole_net_is_integer_and_one_partition() -> None:
    net, data = net_with_relu6()
    known, logits = statistics_of(data, net.feeds())
    made = integer.quantize(
        Graph.read(data), known, judged=[logits], activation_bits=8, method="minmax"
    ).graph.write()
    assert not {"RELU6", "RELU", "DEQUANTIZE"} & set(operators(made))
    assert partitions(made)[0] == 1
    feeds = net.feeds()
    found = parity.snr_db(logits_of(data, feeds), logits_of(made, feeds))
    assert found is not None
    assert found > 20


def test_what_passes_6_is_cut_off_at_6() -> None:
    """Numbers uncut are added, so that the answer's own range does not cut them all off."""
    net = RandomNet(3, shape=(1, 4, 4, 1))
    fivefold = net.conv(net.image, 1, kernel=(1, 1), weights=np.full((1, 1, 1, 1), 5, np.float32))
    data = net.finish(net.sum_of(net.relu6(net.sum_of(fivefold, net.image)), fivefold))
    known, logits = statistics_of(data, net.feeds(16))
    made = integer.quantize(
        Graph.read(data), known, judged=[logits], activation_bits=8, method="minmax"
    ).graph.write()
    session = LiteRTSession(made)
    ramp = np.linspace(-128, 127, 16).astype(np.int8).reshape(1, 4, 4, 1)
    pixels = dequantize_output(ramp, session.inputs[0])
    (wanted,) = LiteRTSession(data).run([pixels])
    answers = session.outputs[0]
    assert answers.scale is not None
    found = dequantize_output(session.run([ramp])[0], answers)
    np.testing.assert_allclose(found, wanted, atol=2 * answers.scale)
