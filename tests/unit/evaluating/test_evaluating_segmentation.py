"""IoU of masks, against figures that were worked out by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from task_nets import RAW, channel_of_most, save, write_folder

import edgecnn
from edgecnn.datasets.masks import UnreadableMaskError, open_masks, read_mask
from edgecnn.errors import InputError
from edgecnn.evaluating import pool
from edgecnn.evaluating.judging import PackedMaps, count_pixels, pack
from edgecnn.evaluating.segmentation import overlaps
from edgecnn.records import Endpoint, OutputInfo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.usefixtures("warm_children")

SCORES = (OutputInfo("scores", "float32", (1, 8, 8, 3), "NHWC", "values"),)


def in_colours(classes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The picture in which `channel_of_most` sees these classes; red is dim, blue is bright."""
    pixels = np.zeros((*classes.shape, 3), np.uint8)
    for channel, level in enumerate((100, 150, 200)):
        pixels[classes == channel, channel] = level
    return pixels


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """net/float32 and net/int8, which is blind for green; photos/ and masks/."""
    folder = tmp_path_factory.mktemp("segment")
    write_folder(folder / "net" / "float32", channel_of_most(), SCORES)
    write_folder(folder / "net" / "int8", channel_of_most((1, 0, 1)), SCORES, recipe="int8")
    first = np.zeros((8, 8), np.int64)
    first[0] = 1
    save(folder / "photos" / "a.png", in_colours(first))
    save(folder / "photos" / "in" / "b.png", in_colours(np.full((8, 8), 2)))
    save(folder / "photos" / "without.png", in_colours(first))
    # What is green is red in the mask; a row has no class. All of b is right.
    truth = np.zeros((8, 8))
    truth[7] = 255
    save(folder / "masks" / "a.png", truth)
    save(folder / "masks" / "in" / "b.png", np.full((8, 8), 2))
    return folder


def test_as_worked_out_by_hand_and_whatever_the_processes(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "FEWEST_IMAGES", 1)
    one, two = (
        edgecnn.evaluate(
            here / "net" / "float32",
            data=str(here / "photos"),
            masks=here / "masks",
            threads=threads,
        )
        for threads in (1, 2)
    )
    (found,) = one.segmentations
    assert (found.processes, two.segmentations[0].processes) == (1, 2)
    same = {"processes": 0, "seconds": 0.0}
    assert replace(found, **same) == replace(two.segmentations[0], **same)  # type: ignore[arg-type] # of those types
    assert [(each.name, each.pixels) for each in found.classes] == [
        ("class 0", 56), ("class 1", 0), ("class 2", 64),
    ]  # fmt: skip
    assert [each.iou for each in found.classes] == [48 / 56, 0.0, 1.0]
    assert found.miou == pytest.approx((48 / 56 + 0 + 1) / 3)
    assert found.pixel_accuracy == pytest.approx((48 + 64) / 120)
    assert (found.images, found.pixels, found.unseen) == (2, 120, 0.0)
    assert one.notes == ("1 pictures have no mask and do not count: without.png.",)


def test_agreement_with_the_float_masks(here: Path) -> None:
    report = edgecnn.evaluate(here / "net", data=str(here / "photos"), task="segment")
    (found,) = report.agreements
    # Green rows of two pictures become red: 112 of 128 pixels stay red, green has none.
    assert found.miou == pytest.approx((112 / 128 + 0 + 1) / 3)
    assert found.pixels == pytest.approx(1 - 16 / 192)
    assert (found.images, found.against, found.top1) == (3, "float32/model.tflite", None)


def test_what_a_cropped_picture_hides_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(channel_of_most())
    classes = np.zeros((8, 16), np.int64)
    save(tmp_path / "photos" / "a.png", in_colours(classes))
    save(tmp_path / "masks" / "a.png", classes)
    report = edgecnn.evaluate(
        tmp_path / "net.tflite",
        data=str(tmp_path / "photos"),
        masks=tmp_path / "masks",
        fit="cover",
        preprocessing=RAW,
    )
    (found,) = report.segmentations
    assert (found.unseen, found.pixels, found.miou) == (0.5, 64, 1.0)
    assert report.notes[0].startswith("50.0% of the masks' pixels were cropped away")


def test_arrays_in_the_layout_of_a_channels_first_source(tmp_path: Path) -> None:
    source = Endpoint("image", "float32", (1, 3, 8, 8), "NCHW")
    folder = write_folder(tmp_path / "net", channel_of_most(), SCORES, inputs=(source,))
    random = np.random.default_rng(0)
    classes = random.integers(0, 3, (5, 8, 8))
    pixels = np.stack([in_colours(each) for each in classes]).transpose(0, 3, 1, 2)
    # One input takes the one array whatever its name.
    np.savez(tmp_path / "data.npz", x=pixels.astype(np.float32), labels=classes)
    report = edgecnn.evaluate(folder, data=str(tmp_path / "data.npz"), task="segment")
    assert report.segmentations[0].miou == 1.0
    np.savez(tmp_path / "last.npz", image=np.zeros((5, 8, 8, 3), np.float32), labels=classes)
    with pytest.raises(InputError, match=r"takes \(N, 3, 8, 8\)"):
        edgecnn.evaluate(folder, data=str(tmp_path / "last.npz"), task="segment")


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.full((8, 8), 3), "the mask a.png has class 3, and the network tells 3 apart"),
        (np.eye(8) * 255, "Write the class as 1, not as 255"),
        (np.zeros((4, 4)), r"a.png \(its mask is 4x4, and 8x8 is needed\)"),
        (np.full((8, 8), 255), "Not one pixel"),
        (np.zeros((8, 8, 3)), r"a.png \(its mask is of mode RGB"),
    ],
)
def test_masks_that_cannot_be_meant(tmp_path: Path, mask: NDArray[np.float64], said: str) -> None:
    folder = write_folder(tmp_path / "net", channel_of_most(), SCORES)
    save(tmp_path / "photos" / "a.png", np.zeros((8, 8, 3)))
    save(tmp_path / "masks" / "a.png", mask)
    with pytest.raises(InputError) as caught:
        edgecnn.evaluate(folder, data=str(tmp_path / "photos"), masks=tmp_path / "masks")
    text = f"{caught.value.message} {caught.value.hint}"
    assert re.search(said, text), text


def test_masks_by_palette_and_by_bit(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 2], [7, 255]], np.uint8))
    image.putpalette(list(range(256)) * 3)
    image.save(tmp_path / "palette.png")
    assert read_mask(tmp_path / "palette.png").tolist() == [[0, 2], [7, 255]]
    Image.new("1", (2, 1), 1).save(tmp_path / "bit.png")
    assert read_mask(tmp_path / "bit.png").tolist() == [[1, 1]]
    (tmp_path / "bad.png").write_bytes(b"\x89PNG")
    with pytest.raises(UnreadableMaskError, match="damaged"):
        read_mask(tmp_path / "bad.png")


def test_masks_that_are_not_there(here: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="None of the 3 pictures"):
        open_masks(here / "photos", tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        open_masks(here / "photos", tmp_path / "missing")


def test_counts_of_pixels_add_up_whatever_their_order() -> None:
    random = np.random.default_rng(0)
    truth, answer = random.integers(0, 4, (2, 6, 9, 9))
    parts = [count_pixels(*pair, ignored=3) for pair in zip(truth, answer, strict=True)]
    found, turned = overlaps(parts, 4), overlaps([None, *parts[::-1]], 4)
    valid = truth != 3
    for number in range(4):
        here, there = (truth == number) & valid, (answer == number) & valid
        assert (
            found.iou[number] == turned.iou[number] == (here & there).sum() / (here | there).sum()
        )
    assert found.ignored == (truth == 3).sum()
    assert found.accuracy == (truth == answer)[valid].mean()


def test_packed_maps_come_back() -> None:
    maps = [np.arange(6, dtype=np.int32).reshape(2, 3), np.zeros((1, 1), np.int32)]
    packed = PackedMaps(tuple(map(pack, maps))).take(np.array([1, 0]))
    assert [packed.read(place).tolist() for place in (0, 1)] == [[[0]], [[0, 1, 2], [3, 4, 5]]]
