"""Benching files of any ends: several inputs and outputs, odd dtypes and ranks, open sizes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from open_nets import detector, many_ends, many_ends_tflite, onnx_model, open_tflite
from tiny_tflite import float_net

import edgecnn
from edgecnn import manifest as manifests
from edgecnn.benchmark import outputs, parsing
from edgecnn.benchmark.files import collect
from edgecnn.benchmark.session import Job, request
from edgecnn.errors import InputError
from edgecnn.inspection import inspect
from edgecnn.inspection.shapes import InputSizes
from edgecnn.measurements import BenchPlan
from edgecnn.records import (
    Endpoint,
    FileInfo,
    Manifest,
    ModelInfo,
    OutputInfo,
    ParityInfo,
    Preprocessing,
)
from edgecnn.runtime import runner

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")

QUICK = BenchPlan("quick", 0.0, 1, 0.0, 1, None)


def job(path: Path, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a job
    return {"path": str(path), "inputs": None, "seed": 0, "threads": 1, **more}


def saved(folder: Path, model: Any) -> Path:  # noqa: ANN401 - either kind of model
    if isinstance(model, onnx.ModelProto):
        path = folder / "net.onnx"
        onnx.save(model, path)
    else:
        path = folder / "net.tflite"
        path.write_bytes(model.to_bytes())
    return path


def test_every_dtype_and_rank_of_onnx(tmp_path: Path) -> None:
    path = saved(tmp_path, many_ends())
    out = tmp_path / "out.npz"
    net, facts = runner.load(job(path, outputs=str(out)))
    fed = runner.seeded(net.inputs, 0)
    with np.load(out) as arrays:
        made = [arrays[f"y{place}"] for place in range(len(arrays.files))]
    assert [each.dtype.name for each in made] == [
        "float32", "float16", "int64", "uint8", "float32", "float32", "bool", "float64",
    ]  # fmt: skip
    fed[6] = ~fed[6]
    for source, copy in zip(fed, made, strict=True):
        np.testing.assert_array_equal(np.atleast_1d(source), copy)
    assert made[5].shape == (1,)
    digest = hashlib.sha256(b"".join(each.tobytes() for each in made))
    assert facts["output_sha256"] == digest.hexdigest()


def test_every_dtype_and_rank_of_tflite(tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    net, _ = runner.load(job(saved(tmp_path, many_ends_tflite()), outputs=str(out)))
    fed = runner.seeded(net.inputs, 0)
    with np.load(out) as arrays:
        for place, source in enumerate(fed):
            np.testing.assert_array_equal(arrays[f"y{place}"], source)


@pytest.mark.parametrize("model", [detector(), open_tflite()], ids=["onnx", "tflite"])
def test_open_sizes_are_asked_for_and_taken(tmp_path: Path, model: Any) -> None:  # noqa: ANN401 - either
    path = saved(tmp_path, model)
    with pytest.raises(runner.OpenError, match=r"leaves sizes open: 1x"):
        runner.load(job(path))
    (file,) = collect([path], shapes=InputSizes(size=(16, 24)))
    assert file.shapes is not None
    net, facts = runner.load(job(path, shapes=file.shapes))
    assert net.inputs[0].shape == file.shapes[0]
    assert facts["outputs_shape"] in ([1, 6, 8 * 12], [1, 16, 24, 4])
    assert outputs.compute_here(file).sha256 == facts["output_sha256"]


def test_bench_asks_before_it_measures(tmp_path: Path) -> None:
    path = saved(tmp_path, detector())
    with pytest.raises(InputError, match="leaves sizes open") as caught:
        edgecnn.bench(path, results=None)
    assert "--input-shape" in caught.value.hint
    for options, said in (
        ({"input_shapes": {"nobody": (1, 3, 8, 8)}}, "no input 'nobody'"),
        ({"input_shapes": {"": (1, 3, 8)}}, "4 axes"),
        ({"input_size": 16, "operators": True}, "--operators takes files as they are"),
    ):
        with pytest.raises(InputError, match=said):
            edgecnn.bench(path, results=None, **options)
    fixed = saved(tmp_path, float_net())
    with pytest.raises(InputError, match="--input-size cannot change"):
        edgecnn.bench(fixed, results=None, input_size=16)


def test_a_fixed_file_is_compared_with_an_open_one(tmp_path: Path) -> None:
    fixed, opened = saved(tmp_path, float_net()), saved(tmp_path, detector())
    report = edgecnn.compare(opened, fixed, results=None, input_shapes={"images": (1, 3, 16, 24)})
    assert report.failures == ()
    assert [each.outputs_match for each in report.results] == [True, True]
    by_name = {
        file.path: file.shapes for file in collect([fixed, opened], shapes=InputSizes(size=16))
    }
    assert by_name == {fixed: None, opened: ((1, 3, 16, 16),)}


def test_a_size_that_the_file_fixes_is_not_a_runtimes_to_change(tmp_path: Path) -> None:
    path = saved(tmp_path, detector(16, "width", 1))
    with pytest.raises(InputError, match="only what is open"):
        collect([path], shapes=InputSizes({"": (1, 3, 24, 24)}))


def test_what_a_device_is_told_of_an_open_file(tmp_path: Path) -> None:
    (file,) = collect([saved(tmp_path, detector())], shapes=InputSizes({"": (1, 3, 16, 24)}))
    told = json.loads(json.dumps(request(Job((file,), (1,), QUICK, keep=False))))
    assert told["files"][0]["shapes"] == [[1, 3, 16, 24]]
    (pair,) = runner.pairs_of({**told, "pin": False}, tmp_path)
    assert pair.job["shapes"] == [[1, 3, 16, 24]]
    assert pair.job["inputs"] is None


def test_outputs_whose_size_depends_on_what_is_fed(tmp_path: Path) -> None:
    model = onnx_model(
        [helper.make_node("NonZero", ["x"], ["y"])],
        {"x": (TensorProto.FLOAT, [1, 4])},
        {"y": (TensorProto.INT64, [2, "n"])},
    )
    fed = np.array([[0, 1, 0, 1], [1, 1, 1, 0]], np.float32)
    np.save(tmp_path / "x.npy", fed)
    out = tmp_path / "out.npz"
    inputs = [str(tmp_path / "x.npy")]
    _, facts = runner.load(job(saved(tmp_path, model), inputs=inputs, outputs=str(out)))
    with np.load(out) as arrays:
        assert arrays["y0"].tolist() == [0, 0, 1, 3, 0, 0, 0, 0, 1, 2]
    assert facts["output_dtype"] == "int64"


def test_an_output_that_is_declared_of_another_rank(tmp_path: Path) -> None:
    model = onnx_model(
        [helper.make_node("Reshape", ["x", "to"], ["y"])],
        {"x": (TensorProto.FLOAT, [1, 4]), "to": (TensorProto.INT64, [3])},
        {"y": (TensorProto.FLOAT, ["a", "b"])},
    )
    model.graph.input.remove(model.graph.input[1])
    to = np.array([2, 1, 2], np.int64)
    model.graph.node.insert(0, helper.make_node("Mul", ["half", "two"], ["to"]))
    for name, value in (("half", to), ("two", np.array([1], np.int64))):
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    net, facts = runner.load(job(saved(tmp_path, model)))
    assert facts["outputs_shape"] == [2, 1, 2]
    samples = runner.sample(net.invoke, 0, 3, 0.0)
    assert len(samples) == 3
    assert net.outputs()[0].shape == (2, 1, 2)


@pytest.mark.parametrize(
    ("values", "dtype", "taken"),
    [
        (np.array([3, 7], np.int64), "int32", [3, 7]),
        (np.array([0, 255], np.uint8), "int8", [-128, 127]),
        (np.array([-128, 127], np.int8), "uint8", [0, 255]),
        (np.array([0, 255], np.uint8), "float32", [0.0, 255.0]),
        (np.array([0, 1], np.int64), "bool", [False, True]),
    ],
)
def test_integers_are_fed_as_they_are(values: Any, dtype: str, taken: list[Any]) -> None:  # noqa: ANN401 - an array
    found = runner.as_dtype(values, runner.Input("x", dtype, values.shape))
    assert (found.dtype.name, found.tolist()) == (dtype, taken)


def test_integers_that_do_not_fit_are_told() -> None:
    with pytest.raises(runner.RunError, match="do not fit"):
        runner.as_dtype(np.array([300]), runner.Input("x", "uint8", (1,)))


# --- Artifact folders ---------------------------------------------------------


def write_artifact(folder: Path) -> Path:
    """An image of the source's NCHW (pixels), two numbers and ids, as a file has them in NHWC."""
    ends = {
        "image": (TensorProto.FLOAT, [1, 4, 6, 3]),
        "numbers": (TensorProto.FLOAT, [2, 2]),
        "ids": (TensorProto.INT64, [1, 5]),
    }
    nodes = [helper.make_node("Identity", [name], [f"of {name}"]) for name in ends]
    folder.mkdir()
    path = folder / "model.onnx"
    onnx.save(onnx_model(nodes, ends, {f"of {n}": end for n, end in ends.items()}), path)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (3, 4, 6, 3), dtype=np.uint8)
    numbers = random.normal(size=(6, 2)).astype(np.float32)
    ids = random.integers(0, 100, (3, 5))
    answers: dict[str, Any] = {"y0": pixels.astype(np.float32), "y1": numbers, "y2": ids}
    np.savez(folder / "reference.npz", x0=pixels, x1=numbers, x2=ids, **answers)
    inputs = (
        Endpoint("image", "float32", (1, 3, 4, 6), "NCHW"),
        Endpoint("numbers", "float32", (2, 2)),
        Endpoint("ids", "int64", (1, 5)),
    )
    manifests.write(_manifest(path, inputs), folder)
    return folder


def _manifest(path: Path, inputs: tuple[Endpoint, ...]) -> Manifest:
    found = inspect(path)
    layouts = ("NHWC", "", "")
    info = FileInfo(
        path=path.name,
        format="onnx",
        sha256=found.sha256,
        bytes=found.size_bytes,
        inputs=tuple(
            dataclasses.replace(tensor, layout=layout)
            for tensor, layout in zip(found.inputs, layouts, strict=True)
        ),
        outputs=found.outputs,
        graph=found.graph,
        parity=ParityInfo(None, 1.0, 0.0, None, 3),
    )
    return Manifest(
        edgecnn="0.1.0",
        model=ModelInfo("ends", 1, 1, 1, (1, 3, 4, 6), 1, "random"),
        recipe="float32",
        seed=0,
        preprocessing=Preprocessing(mean=(0.0,), std=(255.0,)),
        calibration=None,
        versions={"edgecnn": "0.1.0"},
        files=(info,),
        inputs=inputs,
        outputs=tuple(OutputInfo(e.name, e.dtype, e.shape, e.layout) for e in inputs),
    )


def test_reference_inputs_come_in_the_files_layout(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "ends")
    (file,) = collect([folder], ("onnx",))
    assert file.inputs is not None
    image, numbers, ids = file.inputs
    with np.load(folder / "reference.npz") as reference:
        np.testing.assert_allclose(image, reference["x0"] / np.float32(255), rtol=1e-6)
        np.testing.assert_array_equal(numbers, reference["x1"])
        np.testing.assert_array_equal(ids, reference["x2"])
    computed = outputs.compute_here(file)
    assert computed.values is not None
    for fed, made in zip(file.inputs, computed.values, strict=True):
        np.testing.assert_array_equal(fed, made)  # three runs; a batch of two in the second input
    told = request(Job((file,), (1,), QUICK, keep=False))
    assert told["files"][0]["inputs"] == ["0.0.npy", "0.1.npy", "0.2.npy"]


def test_an_artifact_is_benched_on_all_its_inputs(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "ends")
    report = edgecnn.bench(folder, formats=("onnx",), results=None)
    assert report.failures == ()
    (result,) = report.results
    assert (result.inputs, result.outputs_match) == ("reference", True)
    with pytest.raises(InputError, match="--input-size cannot change"):
        edgecnn.bench(folder, formats=("onnx",), results=None, input_size=16)


def test_a_device_without_this_sentence_gets_the_hint() -> None:
    assert "--input-shape" in parsing._hint("Input 'x' leaves sizes open: 1x?.")  # noqa: SLF001 - a table
