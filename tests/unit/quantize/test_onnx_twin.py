"""What an .onnx takes over from the .tflite beside it: its ranges and integers, and no others'."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx_nets import images, run, snr_db
from tiny_artifact import same_net_as_onnx
from tiny_tflite import float_net

from edgecnn.calibration.statistics import collect
from edgecnn.formats import onnx_file
from edgecnn.formats.onnx_graph import from_proto, name_of
from edgecnn.formats.tflite_graph import Graph
from edgecnn.quantize import integer, onnx_qdq, onnx_twin

if TYPE_CHECKING:
    from pathlib import Path

    import onnx_ir as ir
    from numpy.typing import NDArray

    from edgecnn.quantize.integer import IntegerModel

CHANNELS = 8
RUNS = 8


@pytest.mark.parametrize("rank", [2, 4])
def test_tensors_are_known_again_by_their_values(rank: int) -> None:
    random = np.random.default_rng(0)
    shape = (1, 6, 5, CHANNELS) if rank == 4 else (1, CHANNELS)
    one, other = (random.normal(size=shape).astype(np.float32) for _ in range(2))
    of_tflite = {
        name: onnx_twin.moments(values.reshape(-1, CHANNELS))
        for name, values in (("one", one), ("other", other))
    }
    channels_first = np.moveaxis(other, -1, 1) if rank == 4 else other
    of_onnx = {
        "t3": onnx_twin.moments(onnx_twin.rows(channels_first)),
        "t4": onnx_twin.moments(onnx_twin.rows(channels_first * 1.01)),
    }
    assert onnx_twin.paired(of_onnx, of_tflite) == {"t3": "other"}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph.read(float_net().to_bytes())


@pytest.fixture(scope="module")
def quantized(graph: Graph) -> IntegerModel:
    feeds = [[feed] for feed in images(RUNS)]
    known = collect(graph, feeds, answers=["logits"], runs=RUNS, threads=1)
    return integer.quantize(graph, known, judged=["logits"], activation_bits=8, trial=feeds)


def twins(graph: Graph, path: Path) -> tuple[ir.Model, dict[str, str]]:
    """The .onnx of the same network, as it is drafted from `path`, and its tensors' twins."""
    onnx_file.save(from_proto(same_net_as_onnx()), path)
    model = onnx_twin.prepared(path)
    (feed,) = images(1)
    return model, onnx_twin.names(model, graph, ([feed], [feed]))


def constants(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_both_files_hold_the_same_integers(
    graph: Graph, quantized: IntegerModel, tmp_path: Path
) -> None:
    """Scales and zero points of activations, weights; and no sample is run that is not needed."""
    path = tmp_path / "float.onnx"
    model, names = twins(graph, path)
    onnx_file.save(model, path)
    beside = onnx_twin.Beside(quantized.decided, names)
    draft = onnx_qdq.draft(path, images(1, seed=9), beside=beside, runs=1)
    draft.write(tmp_path / "int8.onnx")
    written = onnx.load(tmp_path / "int8.onnx")
    known = constants(written)
    quantizers = [n for n in written.graph.node if n.op_type == "QuantizeLinear"]
    image = quantized.graph["image"].quantization
    assert image is not None
    wanted = float(image.scale[0]), int(image.zero_point[0]) + 128  # uint8
    written_as = [tuple(float(known[name]) for name in node.input[1:]) for node in quantizers]
    assert any(pair == pytest.approx(wanted, rel=1e-6) for pair in written_as)
    (kernel,) = (array for array in known.values() if array.shape == (4, 3, 3, 3))
    ours = next(o for o in quantized.graph.operators if o.name == "CONV_2D").inputs[1]
    assert ours is not None
    pixels_last = np.moveaxis(kernel.astype(np.int16), 1, -1) - (
        128 if kernel.dtype == np.uint8 else 0
    )
    np.testing.assert_array_equal(pixels_last, ours.data)
    unseen = images(16, seed=4)
    assert snr_db(run(same_net_as_onnx(), unseen), run(written, unseen)) > 30


def test_other_weights_are_nobodys_twin(
    graph: Graph, quantized: IntegerModel, tmp_path: Path
) -> None:
    model, names = twins(graph, tmp_path / "float.onnx")
    decided = quantized.decided
    assert len(onnx_twin.shared(model.graph, onnx_twin.Beside(decided, names)).layers) == 2
    other = decided.weighed.model.copy()
    for operator in other.operators:
        weights = operator.inputs[1] if operator.name == "CONV_2D" else None
        if weights is not None and weights.data is not None:
            weights.data = weights.data * np.float32(1.1)
    changed = replace(decided, weighed=replace(decided.weighed, model=other))
    shared = onnx_twin.shared(model.graph, onnx_twin.Beside(changed, names))
    (layer,) = shared.layers
    assert layer in {name_of(node.outputs[0]) for node in model.graph if node.op_type == "Gemm"}


def test_names_stay_when_a_prepared_file_is_drafted(graph: Graph, tmp_path: Path) -> None:
    """Names are all that ranges are known by: they must not be dealt anew."""
    path = tmp_path / "float.onnx"
    model, _ = twins(graph, path)
    names = [name_of(value) for node in model.graph for value in node.outputs]
    onnx_file.save(model, path)
    again = onnx_file.canonicalize(onnx_file.load(path))
    assert [name_of(value) for node in again.graph for value in node.outputs] == names
