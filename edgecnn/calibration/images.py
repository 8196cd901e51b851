"""Decodes one image file of a user's into the pixels a network's input has.

The picture is turned as its EXIF orientation says, scaled so that it just covers the input, and
cropped at the centre (bilinear with antialiasing); for boxes and masks it can be fitted into the
input, or stretched to it. Colour profiles are ignored, as the preprocessing of the usual training
sets ignores them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from edgecnn import files
from edgecnn.tasks.placing import letterbox

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})

# Nothing else is tried on a foreign file: Pillow also knows formats that start Ghostscript.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
# Decoded in full, 50 megapixels (the largest phone camera) with alpha take 200 MB.
MAX_DECODED_PIXELS = 50_000_000
# A baseline JPEG is decoded at an eighth of its size; Pillow itself stops at 179 megapixels.
MAX_JPEG_PIXELS = 170_000_000
# Below this, scaling to any usual input invents nearly every pixel: an icon, not a picture.
MIN_SIDE = 8
# Draft decoding leaves at least this many times the pixels needed, so that antialiasing works.
_DRAFT_MARGIN = 2
_ORIENTATION_TAG = 0x0112
_TURNED = 5  # orientations from here on swap height and width
# The border of a letterbox in each mode: opaque, and as grey as YOLO's training has it.
_BORDERS = {"L": (114,), "LA": (114, 255), "RGB": (114,) * 3, "RGBA": (114, 114, 114, 255)}


class UnreadableImageError(Exception):
    """A file that cannot be used, and why, as half a sentence."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """One decoded image.

    Attributes:
        pixels: (height, width, channels) uint8.
        remarks: what was done to it that the user should know, each a phrase such as
            "grey, repeated to three channels".
        picture: height and width of the whole picture, pixels, upright.
    """

    pixels: npt.NDArray[np.uint8]
    remarks: tuple[str, ...]
    picture: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that is decoded, and not yet brought to an input's size.

    Attributes:
        image: upright; a JPEG's may be a fraction of the whole.
        remarks: as `Decoded.remarks`.
        size: height and width of the whole picture, pixels, upright.
    """

    image: Image.Image
    remarks: tuple[str, ...]
    size: tuple[int, int]


def decode(path: Path, size: tuple[int, int], channels: int, fit: str = "cover") -> Decoded:
    """Decode an image file, whatever its format's details, in bounded memory.

    Args:
        path: a JPEG, PNG, WebP, BMP, GIF or TIFF file, told by its content.
        size: height and width of the input, pixels.
        channels: 3 for RGB, 1 for luminance (ITU-R BT.601).
        fit: one of `edgecnn.tasks.placing.FITS`.

    Raises:
        UnreadableImageError: the file is damaged, too large, too small, or of an unknown kind.
    """
    return fitted(read(path, size), size, channels, fit)


def read(source: Path | bytes, size: tuple[int, int] | None) -> Picture:
    """Decode a picture, the first half of `decode`.

    Args:
        source: an image file, or its content.
        size: height and width of the input that it is for; None decodes all its pixels.

    Raises:
        UnreadableImageError: as `decode`.
    """
    image, remarks, picture = _read(source, size)
    return Picture(image, tuple(remarks), picture)


def fitted(picture: Picture, size: tuple[int, int], channels: int, fit: str = "cover") -> Decoded:
    """Bring a picture to an input's size, the second half of `decode`.

    Raises:
        UnreadableImageError: its pixels have no agreed range.
    """
    image, converted = _to_eight_bits(picture.image)
    inner = letterbox(picture.size, size)[:1:-1] if fit == "letterbox" else size
    enlarged = image.height < inner[0] or image.width < inner[1]
    image, flattened = _flatten(_fitted(image, picture.size, size, fit))
    pixels = as_array(image, channels)
    remarks = [*picture.remarks, *converted, *flattened]
    if enlarged:
        remarks.append("smaller than the network's input, enlarged")
    low, high = pixels.min(axis=(0, 1)), pixels.max(axis=(0, 1))
    if (low == high).all():
        remarks.append("of a single colour")
    elif channels > 1 and (pixels == pixels[..., :1]).all():
        remarks.append("grey, repeated to three channels")
    return Decoded(pixels, tuple(remarks), picture.size)


def whole(source: Path | bytes, size: tuple[int, int] | None = None) -> Image.Image:
    """Read a picture as it is, upright, to be drawn on; RGB or grey, what is transparent on white.

    Args:
        source: an image file, or its content.
        size: height and width that are enough; a JPEG may then be decoded at a fraction.

    Raises:
        UnreadableImageError: as `decode`.
    """
    image, _, _ = _read(source, size)
    return _flatten(_to_eight_bits(image)[0])[0]


def as_array(image: Image.Image, channels: int) -> npt.NDArray[np.uint8]:
    """Give an image as (height, width, channels) uint8, RGB or luminance."""
    pixels = np.array(image.convert("L" if channels == 1 else "RGB"), np.uint8)
    return pixels.reshape(image.height, image.width, channels)


def _read(
    source: Path | bytes, size: tuple[int, int] | None
) -> tuple[Image.Image, list[str], tuple[int, int]]:
    """The picture, what is to be said of it, and the size it has; all its pixels without a size."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _opened(source) as stream, Image.open(stream, formats=_FORMATS) as image:
            width, height = image.size
            _prepare(image, size)
            # A phone's MPO is one picture, with its preview or depth map as another frame.
            animated = image.format != "MPO" and getattr(image, "is_animated", False)
            image.load()
            upright = _upright(image)
            turned = image.getexif().get(_ORIENTATION_TAG, 1) >= _TURNED
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError("not an image, or damaged") from None
    except Image.DecompressionBombError as error:
        raise UnreadableImageError("too large: a decompression bomb") from error
    except MemoryError as error:
        raise UnreadableImageError("too large for the memory that is free") from error
    # Decoders raise whatever the damage leads them to: OSError, SyntaxError, struct.error, ...
    except Exception as error:
        raise UnreadableImageError(f"damaged: {error or type(error).__name__}") from error
    remarks = ["of several frames, of which the first is used"] if animated else []
    return upright, remarks, (width, height) if turned else (height, width)


def _opened(source: Path | bytes) -> IO[bytes]:
    if (source.stat().st_size if isinstance(source, Path) else len(source)) == 0:
        raise UnreadableImageError("empty file")
    return files.open_binary(source) if isinstance(source, Path) else io.BytesIO(source)


def _prepare(image: Image.Image, size: tuple[int, int] | None) -> None:
    """Refuse what is too small or too large by its header, and ask a JPEG for fewer pixels."""
    width, height = image.size
    if min(width, height) < min(MIN_SIDE, *(size or (MIN_SIDE,))):
        raise UnreadableImageError(f"too small to be a picture: {width}x{height} pixels")
    pixels = width * height
    if image.format in {"JPEG", "MPO"}:
        # A decoder keeps all coefficients of a progressive JPEG whatever size it is asked for.
        limit = MAX_DECODED_PIXELS if "progressive" in image.info else MAX_JPEG_PIXELS
        if size is not None:
            scale = max(size) / min(width, height) * _DRAFT_MARGIN
            image.draft("RGB", (int(width * scale) + 1, int(height * scale) + 1))
    else:
        limit = MAX_DECODED_PIXELS
    decoded = image.size[0] * image.size[1]
    if pixels > limit or decoded > MAX_DECODED_PIXELS:
        raise UnreadableImageError(f"too large: {width}x{height} pixels")


def _upright(image: Image.Image) -> Image.Image:
    """Turn a picture as its EXIF orientation (tag 274 of the EXIF standard) says."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(image.getexif().get(_ORIENTATION_TAG, 1))
    return image if turn is None else image.transpose(turn)


def _to_eight_bits(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Bring any mode to one that scales well: L, RGB, LA or RGBA."""
    if image.mode.startswith("I;16"):
        return _high_byte(image), ["of 16 bits a pixel, reduced to 8"]
    if image.mode in {"I", "F"}:
        raise UnreadableImageError(f"32-bit pixels (mode {image.mode}) have no agreed range")
    if image.mode == "CMYK":
        return image.convert("RGB"), ["CMYK, converted to RGB without a colour profile"]
    if image.mode in {"LA", "La"}:
        return image.convert("LA"), []
    if image.mode in {"RGBA", "RGBa", "PA"} or "transparency" in image.info:
        return image.convert("RGBA"), []
    if image.mode in {"L", "RGB"}:
        return image, []  # a conversion would be a copy
    return image.convert("L" if image.mode == "1" else "RGB"), []


def _high_byte(image: Image.Image) -> Image.Image:
    from PIL import Image

    # Pillow's own conversion clips at 255.
    return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))


def _fitted(
    image: Image.Image, picture: tuple[int, int], size: tuple[int, int], fit: str
) -> Image.Image:
    from PIL import Image

    if fit == "cover":
        return _cover(image, size)
    if fit == "stretch":
        return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    left, top, width, height = letterbox(picture, size)
    canvas = Image.new(image.mode, (size[1], size[0]), _BORDERS[image.mode])
    canvas.paste(image.resize((width, height), Image.Resampling.BILINEAR), (left, top))
    return canvas


def _cover(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale so that the input is just covered, and crop at the centre."""
    from PIL.Image import Resampling

    height, width = size
    scale = max(width / image.width, height / image.height)
    crop_width, crop_height = width / scale, height / scale
    left, top = (image.width - crop_width) / 2, (image.height - crop_height) / 2
    # Rounding may put an edge a hair outside of the picture, which Pillow refuses.
    box = (
        max(left, 0.0),
        max(top, 0.0),
        min(left + crop_width, float(image.width)),
        min(top + crop_height, float(image.height)),
    )
    return image.resize((width, height), Resampling.BILINEAR, box=box)


def _flatten(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Lay what is transparent on white."""
    from PIL import Image

    if image.mode not in {"RGBA", "LA"}:
        return image, []
    colour = image.convert("RGBA")
    lowest, _ = colour.getchannel("A").getextrema()
    white = Image.new("RGBA", colour.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(white, colour).convert("RGB")
    opaque = 255
    return flat, [] if lowest == opaque else ["transparent in part, laid on white"]
