"""Pictures with answers drawn on them: the pixels that must change, and those that must not."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edgecnn.tasks import draw
from edgecnn.tasks.boxes import detections
from edgecnn.tasks.classify import Candidate

GREY = 90


def picture(mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (120, 80), (GREY,) * 3).convert(mode)


def changed(drawn: Image.Image) -> np.ndarray:
    assert drawn.mode == "RGB"
    pixels: np.ndarray = (np.asarray(drawn) != GREY).any(axis=2)
    return pixels


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_box_is_drawn_on_its_edges(mode: str) -> None:
    points = np.array([[[60.0, 60.0]]])
    found = detections(np.array([[20, 40, 100, 70]]), np.array([0.9]), np.array([1]), points)
    pixels = changed(draw.boxes(picture(mode), found, ("a", "\u732b \u0434\u043e\u043c")))
    assert pixels[40, 20:100].all()
    assert pixels[40:70, 20].all()
    assert pixels[60, 60]  # the landmark
    assert not pixels[50:55, 30:55].any()
    assert pixels[:40].any()  # the label above it
    np.testing.assert_array_equal(np.asarray(picture()), GREY)


def test_a_mask_tints_all_but_the_background_and_what_was_not_seen() -> None:
    mask = np.zeros((80, 120), np.int32)
    mask[10:20], mask[30:40], mask[50:60] = 1, 2, -1
    pixels = changed(draw.mask(picture(), mask))
    assert pixels[10:20].all()
    assert pixels[30:40].all()
    assert pixels.sum() == 2 * 10 * 120


def test_classes_stand_in_the_corner() -> None:
    best = [Candidate(3, "cat", 0.75, probability=True), Candidate(1, "x", 12.5, probability=False)]
    pixels = changed(draw.top(picture(), best))
    assert pixels[:10, :20].any()
    assert not pixels[60:, 100:].any()


def test_boxes_at_the_edges_and_empty_ones_are_drawn_inside() -> None:
    edges = np.array([[0, 0, 120, 80], [119, 79, 119, 79], [0, 0, 0, 0]])
    found = detections(edges, np.array([0.9, 0.8, 0.7]))
    assert draw.boxes(picture(), found).size == (120, 80)


def test_neighbouring_classes_have_colours_far_apart() -> None:
    colours = np.array([draw.colour(index) for index in range(10)])
    assert np.abs(np.diff(colours, axis=0)).sum(axis=1).min() > 100


_WITHOUT_FREETYPE = """\
import gc, sys
sys.modules["PIL._imagingft"] = None  # it cannot be imported, as in a release
from PIL import Image, features
from edgecnn.tasks import draw
from edgecnn.tasks.classify import Candidate
assert not features.check("freetype2")
for side in [64] * 10 + [640] * 10:
    drawn = draw.top(Image.new("RGB", (side, side)), [Candidate(0, "ant", 0.5, True)])
assert len(drawn.getcolors(1 << 20)) > 1
gc.collect()
print(sum(isinstance(each, Image.Image) for each in gc.get_objects()))
"""


def test_no_picture_is_held_where_pillow_has_no_freetype() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_FREETYPE], capture_output=True, text=True, check=False
    )
    held = int(done.stdout or -1)
    assert 0 < held <= 2, done.stderr  # the last, and the font's own
