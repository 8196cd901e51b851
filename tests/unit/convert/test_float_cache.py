"""Float files of a .tflite and an .onnx source: made once, described once, proved by the source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from small_sources import litert_answers, onnx_source, tflite_source

from edgecnn import caching
from edgecnn.building import BuildRequest, identify
from edgecnn.calibration.sources import Sampling
from edgecnn.convert import float_cache, proof
from edgecnn.errors import InputError
from edgecnn.progress import Silent
from edgecnn.records import EndLayouts

if TYPE_CHECKING:
    from pathlib import Path

    from judging import Source

    from edgecnn.convert.float_cache import FloatModel
    from edgecnn.convert.float_stage import Samples

pytestmark = pytest.mark.usefixtures("warm_children")

SIZES = (("image", (1, 3, 12, 16)),)
READS = {"reading the .tflite", "reading the .onnx"}


class Stages(Silent):
    """Keeps the names of the stages."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        """Keep it."""
        del total
        self.names.append(name)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))


def obtain(
    made: Source,
    file_format: str,
    *,
    samples: int = 8,
    stages: Stages | None = None,
    shapes: tuple[Any, ...] = SIZES,
) -> tuple[FloatModel, Samples]:
    request = BuildRequest(str(made.path), input_shapes=shapes if file_format == "onnx" else ())
    return float_cache.obtain(
        request,
        identify(request),
        (file_format,),
        sampling=Sampling(str(made.calibration), samples=samples, held_out=4),
        preprocessing=None,
        progress=stages or Stages(),
    )


def test_a_tflite_is_described_in_its_own_order_and_layout(tmp_path: Path) -> None:
    model, samples = obtain(tflite_source(tmp_path), "tflite")
    assert [(end.name, end.shape, end.layout) for end in model.network.inputs] == [
        ("numbers", (1, 4), ""),
        ("image", (1, 8, 8, 3), "NHWC"),
    ]
    assert [end.name for end in model.network.outputs] == ["zeal", "features", "ages"]
    assert model.network.parameters == 108 + 4 + 4 + 1 + 12 + 3
    assert model.layouts == {"tflite": EndLayouts(("", "NHWC"), ("", "NHWC", ""))}
    assert model.refused == {}
    assert [values.shape for values in samples.split.calibration.arrays] == [(8, 4), (8, 8, 8, 3)]


def test_an_onnx_keeps_its_channels_first_and_gets_the_sizes_asked_for(tmp_path: Path) -> None:
    model, _ = obtain(onnx_source(tmp_path), "onnx")
    assert [(end.shape, end.layout) for end in model.network.inputs] == [
        ((1, 4), ""),
        ((1, 3, 12, 16), "NCHW"),
    ]
    assert [end.shape for end in model.network.outputs] == [(1, 6), (1, 2, 6, 8), (1, 3)]
    feeds = [(np.zeros((1, 4)), np.zeros((1, 3, 12, 16)))]
    (fed,) = model.in_file_layout(feeds, "onnx")
    assert [values.shape for values in fed] == [(1, 4), (1, 3, 12, 16)]


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_the_second_time_nothing_is_read_again(tmp_path: Path, file_format: str) -> None:
    made = tflite_source(tmp_path) if file_format == "tflite" else onnx_source(tmp_path)
    first, second, other = Stages(), Stages(), Stages()
    cold, fed = obtain(made, file_format, stages=first)
    warm, again = obtain(made, file_format, stages=second)
    assert READS & set(first.names)
    assert not READS & set(second.names)
    assert warm == cold
    assert again.split.calibration.sha256 == fed.split.calibration.sha256
    obtain(made, file_format, samples=5, stages=other)
    assert not READS & set(other.names)  # the samples do not decide a trained network's bytes
    if file_format == "onnx":
        larger = onnx_source(tmp_path, 16, 16)
        obtain(larger, "onnx", stages=other, shapes=(("image", (1, 3, 16, 16)),))
    else:
        made.path.write_bytes(made.path.read_bytes() + bytes(16))
        obtain(made, "tflite", stages=other)
    assert READS & set(other.names)


@pytest.mark.parametrize("damage", ["other weights", "cut off", "a file is gone"])
def test_a_damaged_entry_is_told_and_made_again(tmp_path: Path, damage: str) -> None:
    made = tflite_source(tmp_path)
    model, _ = obtain(made, "tflite")
    path = model.path("tflite")
    whole = path.read_bytes()
    if damage == "other weights":
        half = len(whole) // 2
        path.write_bytes(
            whole[:half] + bytes(reversed(whole[half : half + 64])) + whole[half + 64 :]
        )
    elif damage == "cut off":
        path.write_bytes(whole[:-100])
    else:
        (path.parent / "info.json").unlink()
    stages = Stages()
    again, _ = obtain(made, "tflite", stages=stages)
    assert ["It is rebuilt." in warning for warning in stages.warnings] == [True]
    assert READS & set(stages.names)
    assert again.path("tflite").read_bytes() == whole
    quiet = Stages()
    obtain(made, "tflite", stages=quiet)
    assert quiet.warnings == []


def test_the_proof_is_what_the_users_own_file_answers(tmp_path: Path) -> None:
    made = tflite_source(tmp_path)
    model, samples = obtain(made, "tflite")
    feeds, answers = proof.read(model.proof)
    assert len(feeds) == 4
    inputs = {"numbers": np.concatenate([feed[0] for feed in feeds]),
              "image": np.concatenate([feed[1] for feed in feeds])}  # fmt: skip
    wanted = litert_answers(made.path, inputs)
    for got, expected in zip(answers, wanted.values(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    seen = samples.split.calibration.arrays[1][: len(feeds)]
    np.testing.assert_array_equal(inputs["image"], seen)


def test_float16_weights_are_float32_in_the_float_file(tmp_path: Path) -> None:
    from edgecnn.inspection import inspect

    model, _ = obtain(tflite_source(tmp_path), "tflite")
    graph = inspect(model.path("tflite")).graph
    assert set(graph.parameters_by_dtype) == {"float32"}
    assert "DEQUANTIZE" not in graph.ops


def test_what_cannot_be_read_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    made = tflite_source(tmp_path)
    made.path.write_bytes(made.path.read_bytes()[:400])
    with pytest.raises(InputError):
        obtain(made, "tflite")
    assert list(caching.cache_folder().glob("*/*")) == []
