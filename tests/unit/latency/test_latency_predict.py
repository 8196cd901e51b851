"""predict: what is asked of it, what it says, and what it refuses; no TensorFlow."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_artifact import write_artifact
from tiny_tflite import TinyModel, float_net, int8_net

import edgecnn
from edgecnn.cli.app import run
from edgecnn.errors import InputError
from edgecnn.latency import profiles
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from pathlib import Path

PI = "raspberry-pi-4b"
NAMED = (
    "raspberry-pi-zero-2w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5", "pixel-2",
    "pixel-3", "pixel-4", "rk3588", "odroid-n2-plus",
)  # fmt: skip


def one(model: Path | str, **options: Any) -> edgecnn.PredictedRun:  # noqa: ANN401 - PredictOptions
    (found,) = edgecnn.predict(model, device=PI, **options).predictions
    return found


@pytest.mark.parametrize("name", MODELS)
def test_every_network_of_the_zoo_on_every_device(name: str) -> None:
    found = edgecnn.predict(name, device="all", threads=4, recipes=("float32", "dynamic", "int8"))
    assert {each.device for each in found.predictions} == set(profiles.names()) > set(NAMED)
    for each in found.predictions:
        assert 0 < each.low_ms < each.latency_ms < each.high_ms
        assert each.basis in {"interpolated", "extrapolated", "no rows"}
        assert each.provenance == "predicted"
        assert each.macs == pytest.approx(MODELS[name].macs, rel=0.001)
        assert sum(kind.share for kind in each.kinds) == pytest.approx(1)
        assert sum(kind.time_ms for kind in each.kinds) == pytest.approx(each.latency_ms)
        assert (each.energy_mj is None) == (profiles.find(each.device).idle_w is None)


@given(st.integers(32, 320), st.sampled_from([0.25, 0.5, 1.0, 1.5]), st.integers(1, 4))
@settings(max_examples=25)
def test_more_work_takes_longer_and_more_threads_less(
    input_size: int, width: float, threads: int
) -> None:
    small = one("xception", input_size=input_size, width=width, threads=threads)
    larger = one("xception", input_size=input_size + 32, width=width, threads=threads)
    wider = one("xception", input_size=input_size, width=2 * width, threads=threads)
    assert small.latency_ms < larger.latency_ms
    assert small.latency_ms < wider.latency_ms
    assert small.memory_bytes < larger.memory_bytes
    alone = one("xception", input_size=input_size, width=width, threads=1)
    assert small.latency_ms <= alone.latency_ms


def test_xception_is_faster_in_int8_and_on_a_faster_device() -> None:
    assert one("xception", recipes=("int8",)).latency_ms < one("xception").latency_ms
    report = edgecnn.predict("xception", device=["raspberry-pi-zero-2w", PI, "raspberry-pi-5"])
    times = [each.latency_ms for each in report.predictions]
    assert times == sorted(times, reverse=True)


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(int8_net().to_bytes())
    found = one(path)
    assert (found.model, found.recipe) == (str(path), "int8")
    assert found.size_bytes == path.stat().st_size
    with pytest.raises(InputError, match="only a float32 file can be asked about float32"):
        one(path, recipes=("float32",))
    with pytest.raises(InputError, match="--width cannot change"):
        one(path, width=0.5)


def test_a_float_file_also_answers_for_int8(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(float_net().to_bytes())
    report = edgecnn.predict(path, device=PI, recipes=("float32", "int8"))
    assert [each.recipe for each in report.predictions] == ["float32", "int8"]
    float32, int8 = report.predictions
    assert int8.size_bytes < float32.size_bytes


def test_an_artifact_folder_and_a_folder_of_those(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "float32")
    for path in (folder, tmp_path, folder / "manifest.json"):
        found = one(path)
        assert found.recipe == "float32"
        assert found.model == str(folder / "model.tflite")


def test_threads_above_the_cores_are_refused_and_left_out_of_all() -> None:
    with pytest.raises(InputError, match="--threads 5: raspberry-pi-4b has 4 cores"):
        one("vgg", threads=5)
    report = edgecnn.predict("vgg", device="all", threads=8)
    assert PI not in {each.device for each in report.predictions}
    assert any(PI in note for note in report.notes)


@pytest.mark.parametrize(
    ("model", "options", "match", "hint"),
    [
        ("vgg", {"device": "raspberypi-4b"}, "no device named", "raspberry-pi-4b"),
        ("vgg", {"device": ()}, "No device is named", "edgecnn devices"),
        ("vgg", {"device": "absent.toml"}, "cannot be read", "path"),
        ("vgg", {"device": PI, "recipes": ("int9",)}, "no recipe", "int8"),
        ("vgg", {"device": PI, "recipes": ("int16x8",)}, "cannot be predicted", "bench"),
        ("vgg", {"device": PI, "width": 0.5}, "no width", "xception"),
        ("exception", {"device": PI}, "no model named", "xception"),
        ("absent.tflite", {"device": PI}, "cannot be read", "path"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(
    model: str, options: dict[str, Any], match: str, hint: str
) -> None:
    with pytest.raises(InputError, match=match) as caught:
        edgecnn.predict(model, **options)
    assert hint in caught.value.hint


def test_an_operator_without_a_cost_is_named_and_widens_the_interval(tmp_path: Path) -> None:
    net = TinyModel()
    *layers, last, made = (net.tensor("float32", (1, 64)) for _ in range(6))
    matrix = net.tensor("float32", (64, 64), constant=True)
    for source, result in itertools.pairwise([*layers, last]):
        net.operator("FULLY_CONNECTED", [source, matrix], [result])
    net.operator("MyOwn", [last], [made], custom=True)
    net.border([layers[0]], [made])
    path = tmp_path / "net.tflite"
    path.write_bytes(net.to_bytes())
    found, usual = one(path), one("vgg")
    assert found.unknown == {"MyOwn": 1}
    assert any("MyOwn" in warning for warning in found.warnings)
    assert found.high_ms / found.latency_ms > usual.high_ms / usual.latency_ms


def test_explain_says_what_would_be_if_one_thing_were_otherwise() -> None:
    found = one("xception", threads=1, explain=True)
    changed = {each.what: each.latency_ms for each in found.changes}
    assert set(changed) == {"--threads 4", "--int8", "--input-size 224", "--width 0.75"}
    assert max(changed.values()) < found.latency_ms
    assert changed["--int8"] == one("xception", recipes=("int8",)).latency_ms
    assert changed["--threads 4"] == one("xception", threads=4).latency_ms
    assert (
        one("vgg", threads=4, recipes=("int8",), explain=True)
        .changes[0]
        .what.startswith("--input-size")
    )


def test_the_json_keeps_its_contract(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["predict", "xception", "--device", PI, "--device", "raspberry-pi-5", "--threads", "1,4"]
    assert run([*args, "--int8", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["schema"] == 1
    asked = [(each["device"], each["threads"], each["recipe"]) for each in shown["predictions"]]
    assert asked == [
        (PI, 1, "int8"), (PI, 4, "int8"), ("raspberry-pi-5", 1, "int8"),
        ("raspberry-pi-5", 4, "int8"),
    ]  # fmt: skip
    contract = {"device", "threads", "recipe", "latency_ms", "low_ms", "high_ms", "energy_mj",
                "basis", "provenance"}  # fmt: skip
    assert contract <= shown["predictions"][0].keys()
    assert shown["predictions"][0]["provenance"] == "predicted"


def test_the_table_says_that_nothing_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "xception", "--device", PI, "--explain"]) == 0
    shown = capsys.readouterr().out
    for words in ("Predicted, not measured", "80%", "estimate", PI, "1x1 convolutions",
                  "What would change it", "--int8"):  # fmt: skip
        assert words in shown


def test_a_warning_of_all_devices_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "vgg", "--device", "all", "--dynamic", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("No dynamic latency") == 1


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "vgg"]) == 2
    assert "--device" in capsys.readouterr().err
    assert run(["predict", "vgg", "--device", PI, "--threads", "0"]) == 2
    assert "--threads 1,2,4" in capsys.readouterr().err
    assert run(["predict", "vgg", "--device", "raspberry-pi-4"]) == 2
    assert "Did you mean raspberry-pi-4b" in capsys.readouterr().err
