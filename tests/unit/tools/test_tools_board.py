"""The fidelity board: what is measured, what is concluded from rows, what is shown to whom."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from baseline_onnxruntime import fix_shapes
from compare.board_files import (
    ADVISED,
    CONVERTER,
    OURS,
    OURS_ONNX,
    QUANTIZER,
    RUNTIME,
    STRICT,
    STRICT_ONNX,
    reads,
)
from compare.board_images import Kind, pictures
from compare.board_measuring import Measured, in_order, ratio
from compare.board_networks import BOARD, BoardNetwork, named
from compare.board_table import Row, cells, gain_db, markdown, targets
from compare_fidelity import Board, row_from_json
from efficientnet_lite import VARIANTS, scaled
from experiments.twin_recipes import request_for
from fetch_models import PACKAGES
from measure.measuring import ROOT
from squeezenet import read_weights

from edgecnn.parity import Answers
from edgecnn.zoo import MODELS
from edgecnn.zoo.twins import SEPARABLE, twin_name

if TYPE_CHECKING:
    from pathlib import Path


def row(samples: int = 100, network: str = "net", **decibels: float) -> Row:
    names = {"ours": OURS, "onnx": OURS_ONNX, "tfl": CONVERTER, "quantizer": QUANTIZER,
             "runtime": RUNTIME, "advised": ADVISED, "strict": STRICT,
             "strict_onnx": STRICT_ONNX}  # fmt: skip
    tools = {names[key]: Measured(snr_db=value) for key, value in decibels.items()}
    return Row(network, "task", samples, 9, "a", "b", "2026-11-28", "c", "a machine", tools)


def test_a_gain_is_over_the_better_tool_of_the_same_format() -> None:
    one = row(ours=20, tfl=15, quantizer=18, onnx=25, runtime=5, advised=21)
    assert gain_db(one, OURS) == 2
    assert gain_db(one, OURS_ONNX) == 4


def test_a_tool_that_failed_is_no_baseline_and_a_failed_export_loses() -> None:
    one = row(ours=20, tfl=15, quantizer=30)
    broken = Measured(error="no kernel")
    assert gain_db(replace(one, tools=one.tools | {QUANTIZER: broken}), OURS) == 5
    assert gain_db(replace(one, tools=one.tools | {OURS: broken}), OURS) == -math.inf
    assert gain_db(one, OURS_ONNX) is None


def test_one_worse_network_misses_though_the_mean_is_met() -> None:
    rows = [row(ours=30, tfl=15), row(network="b", ours=9, tfl=10), row(8, ours=20, tfl=20)]
    verdicts = [(target.measured, target.met) for target in targets(rows)]
    few, many = [(0, False), (0, True)], [(7, True), (-1, False)]
    assert verdicts == [*few, *few, *many, *many]


def test_the_gain_of_integers_alone_is_the_strict_files_where_there_is_one() -> None:
    rows = [row(ours=30, strict=11, tfl=10), row(network="b", ours=13, tfl=10)]
    assert [gain_db(one, OURS) for one in rows] == [20, 3]
    assert [gain_db(one, OURS, integers=True) for one in rows] == [1, 3]
    refused = replace(rows[0], tools=rows[0].tools | {STRICT: Measured(error="no kernel")})
    assert gain_db(refused, OURS, integers=True) is None


def test_identical_files_are_as_good_as_can_be() -> None:
    assert ratio(Measured(snr_db=None)) == math.inf
    same = Measured(snr_db=None)
    one = replace(row(), tools={OURS: same, CONVERTER: same})
    assert gain_db(one, OURS) == 0


def test_a_file_that_is_partly_float_is_marked() -> None:
    half = Measured(snr_db=20.04, top1_agreement=0.5, integer_share=0.5)
    one = replace(row(tfl=10), tools={OURS: half, CONVERTER: Measured(error="x")})
    assert cells(one) == ("net, 100", "fails", "-", "20.0 50.0% (50% int)", *("-",) * 5)
    (line,) = markdown([one]).splitlines()[2:]
    assert line == "| net (task) | fails | - | 20.0; 50.0% (50% int) | - | - | - |"


def test_the_readmes_table_has_the_counts_in_a_cell() -> None:
    table = markdown([row(8, ours=1), row(100, ours=3), row(8, network="b", tfl=2)])
    assert table.splitlines()[2].split(" | ")[3] == "1.0 / 3.0"
    assert table.splitlines()[3].split(" | ")[1] == "2.0 / -"
    (line,) = markdown([row(ours=9, strict=4)]).splitlines()[2:]
    assert line.split(" | ")[3] == "9.0; integers alone 4.0"


def test_a_run_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    measured = Measured(1.5, outputs=({"name": "y", "snr_db": 1.5},))
    first = replace(row(8), tools={OURS: measured})
    Board.read(path).add(first)
    board = Board.read(path)
    assert board.rows == {"net 8": first}
    board.add(row(32, ours=2))
    assert list(Board.read(path).rows) == ["net 8", "net 32"]
    assert json.loads(path.read_text())["machine"]["cores"] >= 1
    assert row_from_json(json.loads(json.dumps(asdict(first)))) == first


def test_outputs_in_another_order_are_put_right() -> None:
    rng = np.random.default_rng(0)
    boxes, scores, points = rng.random((5, 4)), rng.random((5, 2)), rng.random((5, 4))
    reference = Answers((boxes, scores, points), (None, scores, None), 5)
    swapped = Answers((points + 0.01, boxes - 0.01, scores), (None, None, scores), 5)
    found = in_order(reference, swapped)
    assert [a.shape for a in found.outputs] == [(5, 4), (5, 2), (5, 4)]
    assert np.abs(found.outputs[0] - boxes).max() < 0.02
    assert found.logits[1] is scores


def test_outputs_of_other_shapes_stay_as_they_are() -> None:
    reference = Answers((np.ones((5, 4)),), (None,), 5)
    other = Answers((np.ones((5, 3)),), (None,), 5)
    assert in_order(reference, other) is other


@pytest.mark.parametrize("kind", ["photographs", "faces", "lines", "pages"])
def test_no_picture_serves_twice_and_few_are_the_first_of_many(kind: Kind) -> None:
    size = (24, 48)
    calibration, evaluation = (
        pictures(kind, part, 6, size) for part in ("calibration", "evaluation")
    )
    assert calibration.shape == (6, 24, 48, 3)
    assert calibration.dtype == np.uint8
    assert not any((a == b).all() for a in calibration for b in evaluation)
    np.testing.assert_array_equal(pictures(kind, "calibration", 3, size), calibration[:3])


def test_every_second_picture_has_a_face_of_its_own() -> None:
    plain, faces = (pictures(kind, "evaluation", 4, (48, 48)) for kind in ("photographs", "faces"))
    differ = [bool((a != b).any()) for a, b in zip(plain, faces, strict=True)]
    assert differ == [True, False, True, False]


@pytest.mark.parametrize(
    "network", [n for n in BOARD if n.pictures != "clothes"], ids=lambda n: n.name
)
def test_a_network_is_fed_its_shape(network: BoardNetwork) -> None:
    images = network.images("calibration", 2)
    assert images.shape == (2, *network.shape[1:])
    assert images.dtype == np.float32


def test_every_network_has_a_source_and_a_name_of_its_own() -> None:
    files = {name for package in PACKAGES for name in package.files}
    for network in BOARD:
        twin = (ROOT / "artifacts/trained" / network.file / "weights.npz").is_file()
        assert network.file in files or twin or network.file.startswith("trained:")
    assert len({network.name for network in BOARD}) == len(BOARD) >= 10
    assert [n.name for n in named(["mtcnn-r", "vgg"])] == ["mtcnn-rnet", "vgg"]


def test_the_converter_reads_keras_files_of_a_fixed_size(tmp_path: Path) -> None:
    assert reads(tmp_path / "x.keras", open_size=False)
    assert not reads(tmp_path / "x.keras", open_size=True)
    assert not reads(tmp_path / "x.onnx", open_size=False)


def test_larger_efficientnets_keep_stem_and_head() -> None:
    repeats = {name: [s.repeats for s in scaled(v)] for name, v in VARIANTS.items()}
    assert repeats["efficientnet-lite0"] == [1, 2, 2, 3, 3, 4, 1]
    assert repeats["efficientnet-lite1"] == [1, 3, 3, 4, 4, 5, 1]
    assert [s.filters for s in scaled(VARIANTS["efficientnet-lite2"])] == [
        16, 24, 48, 88, 120, 208, 352,
    ]  # fmt: skip


def test_a_pickle_of_anything_but_arrays_is_refused(tmp_path: Path) -> None:
    import pickle

    good, bad = tmp_path / "good.pkl", tmp_path / "bad.pkl"
    good.write_bytes(pickle.dumps({"conv": [np.ones(3, np.float32)]}))
    bad.write_bytes(pickle.dumps(print))
    assert read_weights(good)["conv"][0].tolist() == [1, 1, 1]
    with pytest.raises(pickle.UnpicklingError, match="no place"):
        read_weights(bad)


def test_an_open_onnx_gets_its_sizes_though_two_have_one_name(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info
    weights = onnx.numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "w")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"])],
        "open",
        [value("w", 1, (2, 3, 1, 1)), value("x", 1, (-1, 3, "?", "?"))],
        [value("y", 1, (10, 2, 8, 8))],
        [weights],
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "open.onnx")
    fix_shapes(tmp_path / "open.onnx", (1, 3, 4, 6), tmp_path / "fixed.onnx")
    fixed = onnx.load(tmp_path / "fixed.onnx").graph
    (data,), (output,) = fixed.input, fixed.output
    sizes = [[d.dim_value for d in end.type.tensor_type.shape.dim] for end in (data, output)]
    assert sizes == [[1, 3, 4, 6], [1, 2, 4, 6]]


@pytest.mark.parametrize("folder", sorted((ROOT / "artifacts" / "trained").iterdir()))
def test_the_weights_that_are_kept_name_a_network_of_the_zoo(folder: Path) -> None:
    request = request_for(folder)
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert request.model in MODELS
    assert twin_name(request.model, request.convolution or SEPARABLE) == record["model"]
