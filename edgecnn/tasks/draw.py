"""Draws answers onto pictures, with Pillow."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.tasks.classify import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from edgecnn.tasks.boxes import Detections
    from edgecnn.tasks.classify import Candidate

_GOLDEN = 0.618033988749895  # neighbouring classes get hues far apart
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_OPACITY = 0.5
_TEXT_PART, _LINE_PART = 40, 200  # of the picture's longer side
_SMALLEST_TEXT = 10


def colour(index: int) -> tuple[int, int, int]:
    """A bright colour for a class, the same every time."""
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN % 1.0, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def boxes(picture: Image.Image, detections: Detections, labels: Sequence[str] = ()) -> Image.Image:
    """A copy with a box and a label for each detection, which is in the picture's pixels."""
    from PIL import ImageDraw

    drawn = picture.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    width = max(1, max(drawn.size) // _LINE_PART)
    for i in reversed(range(len(detections))):  # the best on top
        left, top, right, bottom = (float(value) for value in detections.boxes[i])
        index = int(detections.classes[i])
        pen.rectangle([left, top, right, bottom], outline=colour(index), width=width)
        for x, y in detections.landmarks[i] if detections.landmarks.shape[1] else ():
            pen.ellipse([x - width, y - width, x + width, y + width], fill=colour(index))
        text = f"{label(labels, index)} {100 * float(detections.scores[i]):.0f}%"
        _caption(pen, drawn.size, (left, top), text, colour(index))
    return drawn


def mask(picture: Image.Image, classes: NDArray[Any]) -> Image.Image:
    """A copy with every class but 0 laid over it in its colour; (height, width) of the picture."""
    from PIL import Image

    pixels = np.asarray(picture.convert("RGB"), np.float32).copy()
    for index in np.unique(classes[classes > 0]):
        here = classes == index
        tint = np.array(colour(int(index)), np.float32)
        pixels[here] = pixels[here] * (1 - _OPACITY) + tint * _OPACITY
    return Image.fromarray(np.rint(pixels).astype(np.uint8))


def top(picture: Image.Image, best: Sequence[Candidate]) -> Image.Image:
    """A copy with the names of the classes in its corner, the best first."""
    from PIL import ImageDraw

    drawn = picture.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    below = 0.0
    for candidate in best:
        number = (
            f"{100 * candidate.score:.1f}%" if candidate.probability else f"{candidate.score:.4g}"
        )
        text = f"{candidate.label} {number}"
        below = _caption(pen, drawn.size, (0.0, below), text, colour(candidate.index), hanging=True)
    return drawn


def _caption(
    pen: Any,  # noqa: ANN401 - an ImageDraw
    size: tuple[int, int],
    place: tuple[float, float],
    text: str,
    paint: tuple[int, int, int],
    *,
    hanging: bool = False,
) -> float:
    """Text on its colour above a point, inside of the picture; returns where it ends below."""
    font = _font(max(_SMALLEST_TEXT, max(size) // _TEXT_PART))
    text = _drawable(text, font)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left, bottom - top + 2
    x = max(0.0, min(place[0], size[0] - width))
    y = place[1] if hanging else max(0.0, place[1] - height)
    pen.rectangle([x, y, x + width, y + height], fill=paint)
    dark = sum(paint) < sum(_WHITE) / 2
    pen.text((x - left, y - top + 1), text, fill=_WHITE if dark else _BLACK, font=font)
    return float(y + height)


@functools.lru_cache(maxsize=8)
def _font(pixels: int) -> Any:  # noqa: ANN401 - one of Pillow's fonts
    """Pillow's own; before 10.1, or without FreeType, it comes in one size."""
    from PIL import ImageFont

    try:
        return ImageFont.load_default(pixels)
    except (TypeError, ImportError) as error:
        # Without FreeType Pillow raises one and the same error again and again: it would hold all
        # that was ever on the stack then, the pictures too.
        error.with_traceback(None)
        return ImageFont.load_default()


def _drawable(text: str, font: Any) -> str:  # noqa: ANN401 - likewise
    """Pillow's bitmap font has Latin-1 alone."""
    from PIL import ImageFont

    if isinstance(font, ImageFont.FreeTypeFont):
        return text
    return text.encode("latin-1", "replace").decode("latin-1")
