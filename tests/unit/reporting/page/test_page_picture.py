"""Figures as pictures: what stands in an SVG, and names that do not cover each other."""

from __future__ import annotations

import itertools
import re
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edgecnn.reporting.page import picture
from edgecnn.reporting.page.charts import swept
from edgecnn.sweeping.records import Accuracy, Place, Point, PointRecord, Timing

if TYPE_CHECKING:
    from edgecnn.reporting.page.figure import Figure

PI = Place("raspberry-pi-4b", 4)
# Of the two layers of each name the one in the muted colour.
_NAME = re.compile(
    r'<text text-anchor="\w+" transform="translate\(([-\d.]+),([-\d.]+)\)"[^>]*font-size="11px"'
    r' fill="#565d68"[^>]*>([^<]*px [^<]*)</text>'
)


def record(recipe: str, size: int, top1: float, latency_ms: float) -> PointRecord:
    return PointRecord(
        f"{recipe} {size}", Point("xception", input_size=size, recipe=recipe), "done",
        size_bytes=int(latency_ms * 1000), snr_db=30.0,
        accuracy=Accuracy("top1", top1, None, None, 100, "images"),
        timings=(Timing(PI, latency_ms, latency_ms / 2, latency_ms * 2),),
    )  # fmt: skip


# Two pairs of the front are nearly at the same place.
CROWDED = (
    record("dynamic", 96, 0.792, 9.44), record("int8", 96, 0.791, 9.36),
    record("int8", 64, 0.752, 7.35), record("float32", 64, 0.746, 7.05),
    record("dynamic", 64, 0.742, 5.43), record("float32", 96, 0.788, 12.0),
)  # fmt: skip


def figure(*records: PointRecord) -> Figure:
    made = swept.figure({"sizes": records})
    assert made is not None
    return made


def names(svg: str) -> dict[str, tuple[float, float]]:
    """Where each name of a point stands: the middle of its line."""
    return {text: (float(x), float(y)) for x, y, text in _NAME.findall(svg)}


def test_no_name_covers_another() -> None:
    placed = names(picture.svg([picture.Panel(figure(*CROWDED), swept.draw)]))
    assert set(placed) == {
        f"{size}\N{NO-BREAK SPACE}px {recipe}"
        for recipe, size in [("dynamic", 96), ("int8", 96), ("int8", 64), ("float32", 64),
                             ("dynamic", 64)]
    }  # fmt: skip
    for one, other in itertools.combinations(placed.values(), 2):
        apart_x, apart_y = abs(one[0] - other[0]), abs(one[1] - other[1])
        assert apart_y >= 11 or apart_x > 70, (one, other)


def test_what_the_page_has_around_a_chart_stands_in_the_picture() -> None:
    noted = replace(figure(*CROWDED), notes=("A note of its own.",))
    svg = picture.svg([picture.Panel(noted, swept.draw)])
    for words in (
        "sizes: 5 of 6 points are on the front, on raspberry-pi-4b, 4 threads",
        "To the left is faster", "A note of its own.", "predicted and measured; sweeps/sizes",
        ">float32<", ">int8<", ">predicted<", "top-1 accuracy",
    ):  # fmt: skip
        assert words in svg
    assert "var(" not in svg
    assert "#1d63c4" in svg


def test_panels_stand_one_below_the_other_each_with_its_rows() -> None:
    one = replace(figure(*CROWDED), title="The first")
    other = replace(figure(*CROWDED[:1]), title="The second")
    both = [picture.Panel(one, swept.draw), picture.Panel(other, swept.draw)]
    svg = picture.svg(both)
    heights = [float(re.findall(r'height="([\d.]+)"', picture.svg([each]))[0]) for each in both]
    assert float(re.findall(r'height="([\d.]+)"', svg)[0]) > 0.9 * sum(heights)
    assert svg.index("The first") < svg.index("The second")
    assert svg == picture.svg(both)


def test_a_png_has_two_pixels_for_each_of_the_svgs() -> None:
    panels = [picture.Panel(figure(*CROWDED[:1]), swept.draw)]
    width, height = struct.unpack(">II", picture.png(panels)[16:24])
    drawn = re.findall(r'(?:width|height)="([\d.]+)"', picture.svg(panels))[:2]
    assert [width, height] == pytest.approx([2 * float(each) for each in drawn], abs=2)


def test_without_latency_and_accuracy_size_and_snr_are_drawn() -> None:
    bare = [replace(each, accuracy=None, timings=()) for each in CROWDED]
    gathered = figure(*bare)
    assert gathered.title == "sizes: 1 of 6 points are on the front, by size alone"
    svg = picture.svg([picture.Panel(gathered, swept.draw)])
    assert "To the left is smaller, up is closer to float" in svg
    assert "size of the file, MB" in svg
    assert "SNR against float, dB" in svg
