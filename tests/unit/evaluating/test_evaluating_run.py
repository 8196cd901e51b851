"""`evaluate` on real files a few kilobytes large, against what the runtimes answer directly."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx_nets import Net, classifier
from PIL import Image
from tiny_artifact import write_artifact
from tiny_tflite import float_net
from without_packages import run_without

import edgecnn
from edgecnn import manifest as manifests
from edgecnn import parity
from edgecnn.datasets.labelled import open_labelled
from edgecnn.errors import InputError
from edgecnn.evaluating import pool
from edgecnn.evaluating.scores import hit
from edgecnn.progress import Silent
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("warm_children")
CLASSES = ("ant", "bee", "cat", "dog", "eel")
RAW = Preprocessing(mean=(0.0,), std=(1.0,))


def fill(folder: Path, count: int = 6, classes: tuple[str, ...] = CLASSES) -> Path:
    """Noise, as train/CLASS and test/CLASS."""
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in classes:
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("images"))


def change(folder: Path, **fields: Any) -> None:  # noqa: ANN401 - of Manifest
    manifests.write(replace(manifests.load(folder / manifests.NAME), **fields), folder)


def expected(path: Path, data: Path, best: int = 1) -> list[float]:
    """Hits of each test image, one after the other in this process."""
    images = open_labelled(str(data), "test")
    ((pixels, labels),) = images.batches(
        size=(8, 8), channels=3, preprocessing=RAW, batch_size=10_000
    )
    session, _ = parity.open_tapped(path, 1)
    # Behind the outputs come the logits of those that end in a softmax.
    logits = [session.run([image[None]])[-1].reshape(-1) for image in pixels]
    return [hit(row, int(label), best) for row, label in zip(logits, labels, strict=True)]


def test_an_artifact_file_by_file(tmp_path: Path, data: Path) -> None:
    artifact = write_artifact(tmp_path / "float32")
    report = edgecnn.evaluate(artifact, data=str(data))
    assert [each.file for each in report.evaluations] == ["model.tflite", "model.onnx"]
    for each in report.evaluations:
        hits = expected(artifact / each.file, data)
        assert each.top1 == pytest.approx(np.mean(hits))
        assert each.low < each.top1 < each.high
        assert (each.images, each.unusable, each.split) == (30, 0, "test")
        assert each.top5 is None
        by_class = {one.name: one.accuracy for one in each.classes}
        wanted = np.mean(np.reshape(hits, (5, 6)), axis=1)
        assert by_class == pytest.approx(dict(zip(CLASSES, wanted, strict=True)))
    assert report.differences == ()
    assert report.warnings == ("The weights are random: the accuracy means nothing.",)


@pytest.mark.parametrize("target", ["manifest.json", "model.onnx"])
def test_a_file_of_an_artifact_is_fed_as_its_manifest_says(
    tmp_path: Path, data: Path, target: str
) -> None:
    artifact = write_artifact(tmp_path / "float32")
    report = edgecnn.evaluate(artifact / target, data=str(data))
    assert len(report.evaluations) == (2 if target == "manifest.json" else 1)
    last = report.evaluations[-1]
    assert last.top1 == pytest.approx(np.mean(expected(artifact / "model.onnx", data)))


def test_recipes_are_held_against_float32_of_their_format(tmp_path: Path, data: Path) -> None:
    write_artifact(tmp_path / "float32")
    change(write_artifact(tmp_path / "dynamic"), recipe="dynamic")
    report = edgecnn.evaluate(tmp_path, data=str(data))
    assert [each.file for each in report.evaluations] == [
        "float32/model.tflite",
        "float32/model.onnx",
        "dynamic/model.tflite",
        "dynamic/model.onnx",
    ]
    assert [(each.file, each.against) for each in report.differences] == [
        ("dynamic/model.tflite", "float32/model.tflite"),
        ("dynamic/model.onnx", "float32/model.onnx"),
    ]
    assert all((each.difference, each.images) == (0, 30) for each in report.differences)


def test_other_networks_are_no_recipes_of_this_one(tmp_path: Path, data: Path) -> None:
    write_artifact(tmp_path / "float32", ("tflite",))
    other = write_artifact(tmp_path / "other", ("tflite",))
    model = manifests.load(other / manifests.NAME).model
    change(other, recipe="dynamic", model=replace(model, name="another network"))
    report = edgecnn.evaluate(tmp_path, data=str(data))
    assert len(report.evaluations) == 2
    assert report.differences == ()


def test_more_processes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "FEWEST_IMAGES", 1)
    images = fill(tmp_path / "images", 3)
    (images / "test" / "bee" / "1.png").write_bytes(b"damaged")
    artifact = write_artifact(tmp_path / "float32", ("tflite",))
    found = [
        edgecnn.evaluate(artifact, data=str(images), threads=threads).evaluations[0]
        for threads in (1, 3)
    ]
    assert [each.processes for each in found] == [1, 3]
    assert found[0].top1 == pytest.approx(found[1].top1)
    assert found[0].classes == found[1].classes
    assert [(each.images, each.unusable) for each in found] == [(14, 1)] * 2


def test_damaged_images_are_warned_of_and_not_counted(tmp_path: Path) -> None:
    images = fill(tmp_path / "images", 2)
    (images / "test" / "ant" / "0.png").write_bytes(b"")
    artifact = write_artifact(tmp_path / "float32", ("tflite",))
    report = edgecnn.evaluate(artifact, data=str(images))
    assert "1 of 10 images could not be used: ant/0.png (empty file)." in report.warnings
    assert report.evaluations[0].classes[0].images == 1
    for file in (images / "test").rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match="not one image can be used"):
        edgecnn.evaluate(artifact, data=str(images))


def test_top_five_and_pytorchs_order_of_axes(tmp_path: Path) -> None:
    names = tuple("abcdef")
    images = fill(tmp_path / "images", 3, names)
    nets = {}
    for name, is_first in (("last.onnx", False), ("first.onnx", True)):
        net = Net(shape=(1, 3, 8, 8)) if is_first else Net()
        image = "input" if is_first else net.node("Transpose", "input", perm=[0, 3, 1, 2])
        flat = net.node("Flatten", net.conv(image, 3, 4), axis=1)
        logits = net.node("Gemm", flat, net.normal(4 * 36, 6), net.normal(6))
        nets[name] = net.model(logits, (1, 6))
        (tmp_path / name).write_bytes(nets[name].SerializeToString())
    last, first = (
        edgecnn.evaluate(tmp_path / name, data=str(images), preprocessing=RAW).evaluations[0]
        for name in nets
    )
    assert last.top5 == pytest.approx(np.mean(expected(tmp_path / "last.onnx", images, 5)))
    assert (last.top1, last.top5) == pytest.approx((first.top1, first.top5))
    assert last.recipe == "float32"


def test_a_limit_and_the_other_split(tmp_path: Path, data: Path) -> None:
    artifact = write_artifact(tmp_path / "float32", ("tflite",))
    report = edgecnn.evaluate(artifact, data=str(data), split="train", limit=7)
    assert (report.evaluations[0].images, report.evaluations[0].split) == (7, "train")
    assert report.notes == ("7 of the 30 images of the train split, drawn by seed 0.",)


def test_how_pixels_are_scaled_must_be_known(tmp_path: Path, data: Path) -> None:
    lonely = tmp_path / "lonely.tflite"
    lonely.write_bytes(float_net().to_bytes())
    with pytest.raises(InputError, match="how its input is scaled is not known") as caught:
        edgecnn.evaluate(lonely, data=str(data))
    assert "--input-range" in caught.value.hint
    report = edgecnn.evaluate(lonely, data=str(data), preprocessing=RAW)
    assert report.warnings == ()
    artifact = write_artifact(tmp_path / "float32", ("tflite",))
    other = edgecnn.evaluate(artifact, data=str(data), preprocessing=Preprocessing())
    assert "not the one that the network was exported or trained with" in other.warnings[1]


@pytest.mark.parametrize(
    ("classes", "hint"), [(("a", "b"), "a folder for every class"), (tuple("abcdef"), "the data")]
)
def test_other_numbers_of_classes(tmp_path: Path, classes: tuple[str, ...], hint: str) -> None:
    images = fill(tmp_path / "images", 1, classes)
    artifact = write_artifact(tmp_path / "float32", ("tflite",))
    with pytest.raises(InputError, match=f"5 classes apart, images has {len(classes)}") as caught:
        edgecnn.evaluate(artifact, data=str(images))
    assert hint in caught.value.hint


def test_what_cannot_be_evaluated_is_named(tmp_path: Path, data: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "bad.tflite").write_bytes(b"\x18\0\0\0TFL3" + b"\xff" * 100)
    (tmp_path / "empty").mkdir()
    for name, said in (
        ("missing", "does not exist"),
        ("notes.txt", "is no model that can be evaluated"),
        ("bad.tflite", "bad.tflite"),
        ("empty", r"no manifest\.json .* and no model\.keras"),
    ):
        with pytest.raises(InputError, match=said):
            edgecnn.evaluate(tmp_path / name, data=str(data), preprocessing=RAW)


def test_a_changed_file_is_not_evaluated(tmp_path: Path, data: Path) -> None:
    artifact = write_artifact(tmp_path / "float32")
    path = artifact / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(InputError, match=r"model\.onnx was changed"):
        edgecnn.evaluate(artifact, data=str(data))


def test_answers_that_are_no_numbers(tmp_path: Path, data: Path) -> None:
    net = Net()
    flat = net.node("Flatten", net.node("Log", net.node("Neg", "input")), axis=1)
    logits = net.node("Gemm", flat, net.normal(192, 5), net.normal(5))
    (tmp_path / "nan.onnx").write_bytes(net.model(logits, (1, 5)).SerializeToString())
    with pytest.raises(InputError, match="an answer is not finite"):
        edgecnn.evaluate(tmp_path / "nan.onnx", data=str(data), preprocessing=RAW)


def test_a_network_with_a_softmax_is_ranked_by_its_logits(tmp_path: Path, data: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(classifier().SerializeToString())
    report = edgecnn.evaluate(tmp_path / "net.onnx", data=str(data), preprocessing=RAW)
    hits = expected(tmp_path / "net.onnx", data)
    assert report.evaluations[0].top1 == pytest.approx(np.mean(hits))


class Impatient(Silent):
    """A watcher who has enough after the first images."""

    def advance(self, steps: int = 1) -> None:
        """Press Ctrl-C."""
        raise KeyboardInterrupt(steps)


def test_an_interrupt_ends_all_processes(tmp_path: Path, data: Path) -> None:
    artifact = write_artifact(tmp_path / "float32", ("tflite",))
    with pytest.raises(KeyboardInterrupt):
        edgecnn.evaluate(artifact, data=str(data), progress=Impatient())


def test_a_keras_model_without_tensorflow(tmp_path: Path, data: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("config.json", '{"class_name": "Functional", "config": {}}')
    (tmp_path / "links").mkdir()
    args = ["-m", "edgecnn", "evaluate", str(tmp_path / "net.keras"), "--data", str(data)]
    done = run_without(["tensorflow"], tmp_path / "links", [*args, "--input-range", "0,1"])
    assert done.returncode == 4, done.stderr
    assert "tensorflow" in done.stderr
