"""The program `run` on the device: any network, any task, and the proof of every output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import any_artifact as nets
import numpy as np
import pytest
from PIL import Image
from tiny_artifact import write_artifact
from tiny_release import release_of, run, write_out

from edgecnn.deploying import TaskOptions
from edgecnn.deploying.device import answers
from edgecnn.deploying.device import run as program
from edgecnn.errors import InputError
from edgecnn.tasks.placing import FITS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("warm_children")

BOXES = [(32, 32, 20, 10, 1, 0.9), (33, 32, 20, 10, 1, 0.8), (10, 40, 8, 8, 0, 0.6),
         (50, 50, 4, 4, 0, 0.1)]  # fmt: skip


def deployed(artifact: Path, options: TaskOptions = TaskOptions()) -> Path:  # noqa: B008 - frozen
    """The release's folder, as a device has it."""
    return write_out(release_of(artifact, options), artifact.parent / "release")


def lines(release: Path, *args: str | Path, code: int = 0) -> list[dict[str, Any]]:
    done = run(release / "run", "--json", *args, code=code)
    return [json.loads(line) for line in done.stdout.splitlines()]


def error(release: Path, *args: str | Path, code: int = 2) -> dict[str, str]:
    (told,) = lines(release, *args, code=code)
    found: dict[str, str] = told["error"]
    return found


def proof(release: Path, code: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(release / "run", "--prove", code=code).stdout)
    return told


def picture(path: Path, brightness: int | NDArray[np.uint8] = 128) -> Path:
    pixels = np.empty((50, 100, 3), np.uint8)
    pixels[:] = brightness
    Image.fromarray(pixels).save(path)
    return path


def saved(path: Path, **arrays: Any) -> Path:  # noqa: ANN401 - arrays
    np.savez(path, **arrays)
    return path


def test_the_choices_are_those_of_the_rooms_that_know_them() -> None:
    assert program.TASKS == answers.TASKS
    assert program.FITS == FITS


@pytest.mark.parametrize(
    "make",
    [nets.one_logit, nets.picture_and_numbers, nets.int8_map_of_an_onnx_source,
     nets.argmax_inside, nets.two_at_once],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_every_output_is_proved(make: Callable[[Path], Path], tmp_path: Path) -> None:
    release = deployed(make(tmp_path / "net"))
    told = proof(release)
    about = json.loads((release / "manifest.json").read_text())
    assert [each["name"] for each in told["outputs"]] == [o["name"] for o in about["outputs"]]
    assert all(each["max_difference"] == 0 for each in told["outputs"])
    assert told["images"] == nets.RUNS


@pytest.mark.parametrize("index", [0, 1])
def test_one_wrong_output_of_several_is_no_proof(index: int, tmp_path: Path) -> None:
    release = deployed(nets.picture_and_numbers(tmp_path / "net"))
    with np.load(release / "reference.npz") as stored:
        arrays = dict(stored)
    arrays[f"y{index}"] = arrays[f"y{index}"] * 1.01
    saved(release / "reference.npz", **arrays)
    about = json.loads((release / "release.json").read_text())
    del about["files"]["reference.npz"]
    (release / "release.json").write_text(json.dumps(about))
    told = proof(release, code=1)
    assert [each["ok"] for each in told["outputs"]] == [index != 0, index != 1]
    assert f" in {('map', 'less')[index]} (relative)" in told["error"]["message"]


def test_rules_by_dtype(tmp_path: Path) -> None:
    made = release_of(nets.int8_map_of_an_onnx_source(tmp_path / "int8"), TaskOptions())
    assert [(rule.rule, rule.limit) for rule in made.rules] == [("absolute", 0)]
    made = release_of(nets.argmax_inside(tmp_path / "argmax"), TaskOptions())
    assert [(rule.rule, rule.limit) for rule in made.rules] == [("share", 0.01)]


def test_one_logit_answers_for_two_labels(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("dark\nbright\n")
    release = deployed(nets.one_logit(tmp_path / "net"), TaskOptions(labels=tmp_path / "labels"))
    white, black = picture(tmp_path / "white.png", 255), picture(tmp_path / "black.png", 0)
    told = lines(release, white, black)
    assert [each["top"][0]["label"] for each in told] == ["bright", "dark"]
    assert told[0]["top"][0]["probability"] == pytest.approx(1 / (1 + np.exp(-4)))
    assert sum(each["probability"] for each in told[0]["top"]) == pytest.approx(1)


def test_values_have_no_probability_and_the_task_is_asked_for(tmp_path: Path) -> None:
    release = deployed(nets.one_logit(tmp_path / "net", "values"))
    photo = picture(tmp_path / "white.png", 255)
    assert "--task" in error(release, photo)["hint"]
    (told,) = lines(release, photo, "--task", "classify")
    assert told["top"] == [{"class": 0, "label": "class 0", "value": pytest.approx(4)}]
    assert "%" not in run(release / "run", "--task", "classify", photo).stdout


def test_boxes_are_of_the_pictures_own_pixels(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("cat\ndog\n")
    release = deployed(
        nets.yolov8(tmp_path / "net", BOXES),
        TaskOptions(task="detect", labels=tmp_path / "labels"),
    )
    photo = picture(tmp_path / "photo.png")  # 100 x 50 in 64 x 64: 64 x 32, 16 rows below the top
    (told,) = lines(release, photo)
    first, second = told["detections"]
    assert (first["label"], second["label"]) == ("dog", "cat")
    scale = 100 / 64
    wanted = [22 * scale, (27 - 16) * scale, 42 * scale, (37 - 16) * scale]
    assert first["box"] == pytest.approx(wanted, abs=0.01)
    (stretched,) = lines(release, photo, "--fit", "stretch", "--top", "1", "--above", "0.7")
    wanted = [22 * scale, 27 * 50 / 64, 42 * scale, 37 * 50 / 64]
    assert stretched["detections"][0]["box"] == pytest.approx(wanted, abs=0.01)
    assert len(stretched["detections"]) == 1
    text = run(release / "run", photo).stdout.splitlines()
    assert text[1].split() == ["90.0%", "dog", "x", "34", "to", "66,", "y", "17", "to", "33"]


def test_a_head_that_the_network_does_not_have_is_told_before_it_is_sent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="look like no head") as caught:
        release_of(nets.one_logit(tmp_path / "net"), TaskOptions(task="detect"))
    assert "yolov8" in caught.value.hint
    (tmp_path / "labels").write_text("only\n")
    options = TaskOptions(task="detect", labels=tmp_path / "labels")
    artifact = nets.yolov8(tmp_path / "yolo", BOXES)
    with pytest.raises(InputError, match="has 1 labels, and the network gives class 1"):
        release_of(artifact, options)


def test_a_mask_of_an_int8_file_in_another_layout(tmp_path: Path) -> None:
    release = deployed(
        nets.int8_map_of_an_onnx_source(tmp_path / "net"), TaskOptions(task="segment")
    )
    noise = np.random.default_rng(0).integers(0, 256, (50, 100, 3), np.uint8)
    photo = picture(tmp_path / "photo.png", noise)
    (told,) = lines(release, photo, "--draw", tmp_path / "drawn", "--out", tmp_path / "out.npz")
    assert (told["mask"]["height"], told["mask"]["width"]) == (50, 100)
    assert sum(each["share"] for each in told["mask"]["classes"]) == pytest.approx(1)
    drawn, beside = (Image.open(path) for path in told["drawn"])
    assert drawn.size == beside.size == (100, 50)
    with np.load(tmp_path / "out.npz") as outputs:
        scores = outputs["result"]
    assert scores.shape == (1, 2, 8, 8)
    mask = np.asarray(beside)
    rows, columns = np.arange(50) * 8 // 50, np.arange(100) * 8 // 100
    np.testing.assert_array_equal(mask, scores[0].argmax(0)[rows][:, columns])


def test_bytes_in_and_integers_out(tmp_path: Path) -> None:
    release = deployed(nets.argmax_inside(tmp_path / "net"), TaskOptions(task="segment"))
    red, blue = picture(tmp_path / "red.png"), tmp_path / "blue.png"
    for path, channel in ((red, 0), (blue, 2)):
        picture(path, np.eye(3, dtype=np.uint8)[channel] * 255)
    told = lines(release, red, blue)
    assert [each["mask"]["classes"] for each in told] == [
        [{"class": 0, "label": "class 0", "share": 1.0}],
        [{"class": 2, "label": "class 2", "share": 1.0}],
    ]


def test_a_picture_is_not_enough_for_two_inputs(tmp_path: Path) -> None:
    release = deployed(nets.picture_and_numbers(tmp_path / "net"))
    photo = picture(tmp_path / "photo.png", 255)
    told = error(release, photo, "--task", "none")
    assert "a picture feeds one of 2 inputs" in told["message"]
    assert "--beside FILE.npz" in told["hint"]
    assert "numbers float32 (N, 5)" in told["hint"]
    beside = saved(tmp_path / "beside.npz", numbers=np.full((1, 5), 3, np.float32))
    (answer,) = lines(release, photo, "--task", "none", "--beside", beside)
    (_, less) = answer["outputs"]
    assert (less["name"], less["shape"], less["mean"]) == ("less", [1, 5], pytest.approx(2))


def test_the_output_that_is_meant_is_kept(tmp_path: Path) -> None:
    artifact = nets.picture_and_numbers(tmp_path / "net")
    with pytest.raises(InputError, match="Several outputs may tell the class") as caught:
        release_of(artifact, TaskOptions(task="classify"))
    assert "--output" in caught.value.hint
    with pytest.raises(InputError, match="no output 'other'"):
        release_of(artifact, TaskOptions(task="classify", output="other"))
    release = deployed(artifact, TaskOptions(task="classify", output="less"))
    arrays = saved(
        tmp_path / "a.npz",
        image=np.zeros((1, 8, 8, 3), np.float32),
        numbers=np.array([[1, 5, 3, 2, 4]], np.float32),
    )
    (told,) = lines(release, arrays, "--top", "1")
    assert told["top"] == [{"class": 1, "label": "class 1", "value": 5.0}]


def test_arrays_by_name_run_by_run(tmp_path: Path) -> None:
    release = deployed(nets.picture_and_numbers(tmp_path / "net"), TaskOptions(task="none"))
    with np.load(tmp_path / "net" / "reference.npz") as stored:
        reference = dict(stored)
    arrays = saved(tmp_path / "a.npz", numbers=reference["x1"], image=reference["x0"])
    told = lines(release, arrays, "--out", tmp_path / "out.npz")
    assert [(each["file"], each["run"]) for each in told] == [(str(arrays), k) for k in range(3)]
    with np.load(tmp_path / "out.npz") as outputs:
        assert list(outputs) == ["map", "less"]
        for name, key in (("map", "y0"), ("less", "y1")):
            np.testing.assert_allclose(outputs[name], reference[key], rtol=1e-5, atol=1e-6)
    assert [line for line in tmp_path.iterdir() if line.name.endswith(".part")] == []


def test_a_batch_of_two_takes_two_rows_a_run(tmp_path: Path) -> None:
    release = deployed(nets.two_at_once(tmp_path / "net"), TaskOptions(task="none"))
    np.save(tmp_path / "rows.npy", np.arange(24, dtype=np.float32).reshape(4, 6))
    told = lines(release, tmp_path / "rows.npy")
    assert [each["outputs"][0]["max"] for each in told] == [22, 46]
    assert {each["schema"] for each in told} == {1}
    photo = picture(tmp_path / "photo.png")
    assert "no input, or more than one, is a picture" in error(release, photo)["message"]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"image": np.zeros((1, 8, 8, 3), np.float32)}, "no array for the input numbers"),
        ({"image": np.zeros((1, 8, 8, 3)), "numbers": np.zeros((1, 6))}, "takes (N, 5)"),
        ({"image": np.zeros((2, 8, 8, 3)), "numbers": np.zeros((1, 5))}, "numbers of runs"),
        ({"image": np.zeros((1, 8, 8, 3), np.uint8), "numbers": np.zeros((1, 5))}, "uint8"),
        ({"image": np.zeros((0, 8, 8, 3)), "numbers": np.zeros((0, 5))}, "takes (N, 8, 8, 3)"),
    ],
)
def test_arrays_that_do_not_fit(
    arrays: dict[str, NDArray[Any]], words: str, tmp_path: Path
) -> None:
    release = deployed(nets.picture_and_numbers(tmp_path / "net"), TaskOptions(task="none"))
    (told,) = lines(release, saved(tmp_path / "a.npz", **arrays), code=2)
    assert words in told["error"]


def test_hostile_arrays_are_told_and_the_others_run(tmp_path: Path) -> None:
    release = deployed(nets.two_at_once(tmp_path / "net"), TaskOptions(task="none"))
    (tmp_path / "text.npz").write_text("no arrays")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "good.npy", np.zeros((2, 6), np.float32))
    names = [tmp_path / name for name in ("text.npz", "cut.npz", "pickled.npy", "good.npy")]
    *bad, good = lines(release, *names, code=2)
    assert all("no arrays of numpy" in each["error"] for each in bad)
    assert good["outputs"][0]["max"] == 0


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_pictures_are_drawn_beside_each_other_and_never_over_the_source(
    suffix: str, tmp_path: Path
) -> None:
    release = deployed(nets.yolov8(tmp_path / "net", BOXES), TaskOptions(task="detect"))
    (tmp_path / "a").mkdir()
    photo, other = picture(tmp_path / f"p.{suffix}"), picture(tmp_path / "a" / f"p.{suffix}")
    before = photo.read_bytes()
    told = lines(release, photo, other, "--draw", tmp_path)
    (one,), (two,) = (each["drawn"] for each in told)
    assert one != two
    assert Image.open(one).format == ("PNG" if suffix == "png" else "JPEG")
    assert (np.abs(np.asarray(Image.open(one)).astype(int) - 128) > 30).any()
    assert photo.read_bytes() == before
    told_again = lines(release, one, "--draw", tmp_path)
    assert told_again[0]["drawn"] != [one]


def test_what_cannot_be_drawn_or_written_is_told(tmp_path: Path) -> None:
    release = deployed(nets.yolov8(tmp_path / "net", BOXES), TaskOptions(task="detect"))
    photo = picture(tmp_path / "p.png")
    arrays = saved(tmp_path / "a.npz", image=np.zeros((1, 64, 64, 3), np.float32))
    assert "not on" in error(release, arrays, "--draw", tmp_path)["message"]
    assert "--draw" in error(release, photo, "--draw", photo)["message"]
    assert "--out" in error(release, photo, "--out", tmp_path / "absent" / "x.npz")["message"]
    assert "no head" in error(release, photo, "--head", "yolo")["message"]
    assert lines(release, arrays)[0]["detections"][0]["box"] == [22, 27, 42, 37]


def test_anchors_go_with_the_release(tmp_path: Path) -> None:
    (tmp_path / "anchors.txt").write_text("0.5, 0.5, 0.1, 0.1\n" * 3)
    options = TaskOptions(task="detect", head="ssd", anchors=tmp_path / "anchors.txt")
    artifact = nets.yolov8(tmp_path / "net", BOXES)
    with pytest.raises(InputError, match=r"boxes .* and scores"):
        release_of(artifact, options)
    (tmp_path / "anchors.txt").write_text("1 2 x\n")
    with pytest.raises(InputError, match="cannot be read as anchors"):
        release_of(artifact, options)


def test_classify_stays_with_its_options_and_its_output(tmp_path: Path) -> None:
    release = deployed(write_artifact(tmp_path / "net", ("tflite",)))
    photo = picture(tmp_path / "photo.png")
    before = json.loads(run(release / "classify", "--json", "--top", "2", photo).stdout)
    (now,) = lines(release, "--top", "2", photo)
    (result,) = before["results"]
    assert before.keys() == {"schema", "model", "recipe", "threads", "warnings", "results"}
    assert result.keys() == {"file", "latency_ms", "emulated", "top", "remarks"}
    assert result["top"] == now["top"]
    assert before["warnings"] == ["the weights are random: good for latency, not for answers"]


def test_the_readme_has_commands_that_work(tmp_path: Path) -> None:
    release = deployed(nets.yolov8(tmp_path / "net", BOXES), TaskOptions(task="detect"))
    page = (release / "README.md").read_text()
    assert "head yolov8" in page
    picture(tmp_path / "photo.jpg")
    (command,) = (line.split() for line in page.splitlines() if line.startswith("    ./run photo"))
    assert run(release / command[0], *command[1:], cwd=tmp_path).stdout.startswith("photo.jpg")
    page = bytes(
        release_of(nets.picture_and_numbers(tmp_path / "two"), TaskOptions()).files["README.md"]
    ).decode()
    assert "--task none --beside others.npz photo.jpg" in page
    assert "| input | numbers | float32 | (1, 5) | NC |" in page


def test_every_sent_module_is_in_the_release(tmp_path: Path) -> None:
    release = deployed(nets.two_at_once(tmp_path / "net"))
    stand_in = (release / "edgecnn" / "__init__.py").read_text()
    assert "import" not in stand_in
    assert (release / "edgecnn" / "deploying" / "__init__.py").read_text() == stand_in
    assert (release / "edgecnn" / "tasks" / "detect.py").exists()
    assert not list(release.rglob("install.py"))
