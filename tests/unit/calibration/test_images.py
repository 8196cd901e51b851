"""Every kind of image file a user's folder may hold, each made for real."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from edgecnn.calibration import images
from edgecnn.calibration.images import Decoded, UnreadableImageError, decode
from edgecnn.tasks.placing import FITS, place

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (16, 16)


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    """A colourful picture of smooth noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR)


def saved(folder: Path, image: Image.Image, name: str, **options: Any) -> Path:  # noqa: ANN401 - what each format takes
    image.save(folder / name, **options)
    return folder / name


def decoded(path: Path, channels: int = 3) -> Decoded:
    result = decode(path, SIZE, channels)
    assert result.pixels.shape == (*SIZE, channels)
    assert result.pixels.dtype == np.uint8
    return result


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".gif", ".tif"])
def test_every_format_shows_the_same_picture(tmp_path: Path, suffix: str) -> None:
    expected = decoded(saved(tmp_path, picture(), "reference.png")).pixels.astype(int)
    result = decoded(saved(tmp_path, picture(), "picture" + suffix))
    assert result.remarks == ()
    assert np.abs(result.pixels - expected).mean() < 8  # GIF has 256 colours, JPEG loses some


def test_the_shorter_side_is_fitted_and_the_centre_cropped(tmp_path: Path) -> None:
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, :32, 0], wide[:, 32:64, 1], wide[:, 64:, 2] = 255, 255, 255
    result = decoded(saved(tmp_path, Image.fromarray(wide), "wide.png"))
    assert (result.pixels[:, 1:-1, 1] == 255).all()
    assert result.pixels[:, 1:-1, (0, 2)].max() == 0


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_spot_lies_where_its_placement_says(
    tmp_path: Path, fit: str, suffix: str, orientation: int
) -> None:
    """Upright it is a picture of 600 x 400 with a white spot at (330, 150)."""
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[140:160, 320:340] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(pixels)
    if orientation == 6:
        image = image.transpose(Image.Transpose.ROTATE_90)
    path = saved(tmp_path, image, f"spot.{suffix}", exif=exif)
    result = decode(path, (60, 50), 3, fit)
    assert result.picture == (400, 600)
    placement = place(result.picture, (60, 50), fit)
    bright = np.argwhere(result.pixels[..., 0] > 180)[:, ::-1].mean(axis=0) + 0.5
    spot = [330 * placement.scale_x + placement.left, 150 * placement.scale_y + placement.top]
    np.testing.assert_allclose(bright, spot, atol=1)


def test_the_borders_of_a_letterbox_are_grey_and_transparency_is_still_told(
    tmp_path: Path,
) -> None:
    path = saved(tmp_path, Image.new("RGBA", (80, 40), (255, 0, 0, 0)), "clear.png")
    result = decode(path, (32, 32), 3, "letterbox")
    assert (result.pixels[:8] == 114).all()
    assert (result.pixels[8:24] == 255).all()
    assert (result.pixels[24:] == 114).all()
    assert "transparent in part, laid on white" in result.remarks


def test_a_picture_as_it_is(tmp_path: Path) -> None:
    assert images.whole(saved(tmp_path, picture(640, 480), "large.jpg")).size == (640, 480)
    with pytest.raises(UnreadableImageError, match="empty"):
        images.whole(saved_nothing(tmp_path / "empty.png"))


def saved_nothing(path: Path) -> Path:
    path.touch()
    return path


def test_an_input_that_is_not_square_gets_its_height_and_width(tmp_path: Path) -> None:
    path = saved(tmp_path, picture(), "picture.png")
    assert decode(path, (10, 20), 3).pixels.shape == (10, 20, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    corner = Image.new("RGB", (64, 64), "black")
    corner.paste("white", (0, 0, 32, 32))
    path = saved(tmp_path, corner, "turned.jpg", exif=exif, quality=95)
    pixels = decoded(path).pixels
    # Where the EXIF standard shows row 0, column 0 of the stored picture.
    top = orientation in {1, 2, 5, 6}
    left = orientation in {1, 4, 5, 8}
    brightest = pixels[0 if top else -1, 0 if left else -1]
    assert brightest.min() > 200
    assert pixels[-1 if top else 0, -1 if left else 0].max() < 50


def test_grey_is_repeated_and_said(tmp_path: Path) -> None:
    result = decoded(saved(tmp_path, picture().convert("L"), "grey.png"))
    assert (result.pixels == result.pixels[..., :1]).all()
    assert result.remarks == ("grey, repeated to three channels",)


def test_a_grey_network_gets_luminance(tmp_path: Path) -> None:
    red = saved(tmp_path, Image.new("RGB", (20, 20), (255, 0, 0)), "red.png")
    assert set(decoded(red, channels=1).pixels.ravel().tolist()) == {76}  # 0.299 of 255


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 16, 32))
    name = "alpha.tif" if mode == "PA" else "alpha.png"
    result = decoded(saved(tmp_path, image if mode == "PA" else image.convert(mode), name))
    assert "transparent in part, laid on white" in result.remarks
    assert result.pixels[:, 0].max() == 0
    assert result.pixels[:, -1].min() == 255


def test_a_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (32, 32), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(1, (0, 0, 16, 32))
    result = decoded(saved(tmp_path, image, "palette.gif", transparency=0))
    assert "transparent in part, laid on white" in result.remarks
    assert result.pixels[0, 0].tolist() == [0, 255, 0]
    assert result.pixels[0, -1].tolist() == [255, 255, 255]


def test_an_opaque_alpha_channel_is_not_worth_a_word(tmp_path: Path) -> None:
    assert decoded(saved(tmp_path, picture().convert("RGBA"), "opaque.png")).remarks == ()


def test_one_bit_images_become_black_and_white(tmp_path: Path) -> None:
    image = Image.new("1", (32, 32), 0)
    image.paste(1, (0, 0, 16, 32))
    pixels = decoded(saved(tmp_path, image, "bits.png")).pixels
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, -1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_keep_the_high_byte(tmp_path: Path, suffix: str) -> None:
    ramp = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    result = decoded(saved(tmp_path, Image.fromarray(ramp), "deep" + suffix))
    assert "of 16 bits a pixel, reduced to 8" in result.remarks
    assert 0 <= result.pixels.min() < 12
    assert 243 < result.pixels.max() <= 255
    rows = result.pixels[..., 0].mean(axis=1)
    assert (np.diff(rows) > 10).all()  # the ramp still rises from top to bottom


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    cyan = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    cyan.paste((0, 0, 255, 0), (0, 0, 16, 32))
    result = decoded(saved(tmp_path, cyan, "print.tif"))
    assert "CMYK, converted to RGB without a colour profile" in result.remarks
    assert result.pixels[0, -1].tolist() == [0, 255, 255]
    assert result.pixels[0, 0].tolist() == [255, 255, 0]


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    image = Image.fromarray(np.ones((20, 20), np.float32))
    with pytest.raises(UnreadableImageError, match="no agreed range"):
        decode(saved(tmp_path, image, "float.tif"), SIZE, 3)


def test_the_first_of_several_frames_is_used_and_said(tmp_path: Path) -> None:
    path = saved(
        tmp_path, picture(seed=1), "film.gif", save_all=True, append_images=[picture(seed=2)]
    )
    expected = decoded(saved(tmp_path, picture(seed=1), "first.gif")).pixels
    result = decoded(path)
    assert result.remarks == ("of several frames, of which the first is used",)
    assert np.array_equal(result.pixels, expected)


def test_a_phones_picture_with_a_preview_behind_it_is_one_picture(tmp_path: Path) -> None:
    phone = picture(), picture(seed=1)
    path = saved(tmp_path, phone[0], "phone.mpo", save_all=True, append_images=phone[1:])
    expected = decoded(saved(tmp_path, picture(), "plain.jpg")).pixels
    result = decoded(path.rename(tmp_path / "phone.jpg"))
    assert result.remarks == ()
    assert np.array_equal(result.pixels, expected)


def test_a_single_colour_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("RGB", (30, 30), (9, 8, 7)), "flat.png")
    assert decoded(path).remarks == ("of a single colour",)


def test_a_small_image_is_enlarged_and_said(tmp_path: Path) -> None:
    path = saved(tmp_path, picture(12, 9), "small.png")
    assert decoded(path).remarks == ("smaller than the network's input, enlarged",)


def test_an_icon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="too small to be a picture: 7x40"):
        decode(saved(tmp_path, picture(7, 40), "icon.png"), SIZE, 3)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(UnreadableImageError, match="empty file"):
        decode(tmp_path / "empty.jpg", SIZE, 3)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n")
    with pytest.raises(UnreadableImageError, match="not an image, or damaged"):
        decode(tmp_path / "words.png", SIZE, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".gif", ".tif"])
def test_a_file_cut_short_is_refused(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path, picture(200, 200), "cut" + suffix)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UnreadableImageError, match="damaged"):
        decode(path, SIZE, 3)


def test_a_directory_of_an_images_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UnreadableImageError, match=r"damaged: .*directory"):
        decode(tmp_path / "folder.png", SIZE, 3)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [(10_000, 6_000, "too large: 10000x6000"), (60_000, 60_000, "decompression bomb")],
)
def test_a_decompression_bomb_is_refused_by_its_header(
    tmp_path: Path, width: int, height: int, words: str
) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(width, height))
    with pytest.raises(UnreadableImageError, match=words):
        decode(tmp_path / "bomb.png", SIZE, 3)


def test_a_large_jpeg_is_decoded_at_a_fraction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, picture(1600, 1200), "large.jpg")
    expected = decoded(path).pixels
    # An eighth of 1600x1200: it would be refused if it were decoded in full.
    monkeypatch.setattr(images, "MAX_DECODED_PIXELS", 200 * 150)
    assert np.array_equal(decoded(path).pixels, expected)


def test_a_progressive_jpeg_is_judged_by_its_full_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, picture(1600, 1200), "progressive.jpg", progressive=True)
    monkeypatch.setattr(images, "MAX_DECODED_PIXELS", 200 * 150)
    with pytest.raises(UnreadableImageError, match="too large: 1600x1200"):
        decode(path, SIZE, 3)
