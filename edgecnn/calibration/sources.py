"""Where calibration images come from: a folder, an .npz, Fashion-MNIST, or photographs at hand."""

from __future__ import annotations

import difflib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.calibration import arrays, fashion_mnist, folder, photographs
from edgecnn.calibration.images import SUFFIXES
from edgecnn.calibration.imageset import Split, check_request, from_arrays, from_pixels
from edgecnn.errors import InputError, MissingPartError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DEFAULT_SAMPLES = 100
DEFAULT_HELD_OUT = 16

_FEW = 10
_DEFAULT_WARNING = (
    "Calibrated on crops of the photographs that scikit-image ships; images like those the "
    "network will see give better answers: --calibration FOLDER."
)


@dataclass(frozen=True)
class _Request:
    size: tuple[int, int]
    channels: int
    samples: int
    held_out: int
    seed: int


def load(
    source: str | None,
    *,
    size: tuple[int, int],
    channels: int,
    samples: int = DEFAULT_SAMPLES,
    held_out: int = DEFAULT_HELD_OUT,
    seed: int = 0,
) -> Split:
    """Load images to calibrate on, and others, which calibration does not see, for parity.

    Args:
        source: a folder of images (subfolders are classes), an .npz whose first array
            (N, height, width, channels) is fed as it is, "fashion-mnist" (calibration from its
            train split, parity from its test split), or None for the photographs that
            scikit-image ships. `./fashion-mnist` is a folder of that name.
        size: height and width of the network's input, pixels.
        channels: channels of the network's input; 1 gets luminance; other than 1 and 3 only
            from an .npz.
        samples: calibration images wanted; fewer come with a warning.
        held_out: images wanted for parity, likewise.
        seed: the same seed, source and sizes give the same images.

    Raises:
        InputError: the source is missing, of an unknown kind, damaged, or holds nothing usable.
        MissingPartError: Pillow, or scikit-image for its photographs, is not installed.
    """
    request = _Request(size, channels, samples, held_out, seed)
    if source is not None and source.lower().endswith(".npz") and not Path(source).is_dir():
        return _from_npz(_existing(source), request)
    check_request(size=size, channels=channels, samples=samples, held_out=held_out)
    if channels not in {1, 3}:
        raise InputError(
            f"images have 3 channels, or 1 as luminance; the network's input has {channels}",
            hint="give --calibration FILE.npz with an array (N, height, width, channels) float32",
        )
    if importlib.util.find_spec("PIL") is None:
        raise MissingPartError(
            "images are read with Pillow, which is not installed",
            hint="pip install 'edgecnn[export]'",
        )
    if source is None:
        return _from_photographs(request)
    if source == fashion_mnist.SOURCE:
        return _from_fashion_mnist(request)
    return _from_folder(_existing(source), request)


def _existing(source: str) -> Path:
    """The path of a folder or .npz that is there.

    Raises:
        InputError: it is not, or is something else.
    """
    path = Path(source).expanduser()
    if not source or not path.exists():
        close = difflib.get_close_matches(source.lower().replace("_", "-"), [fashion_mnist.SOURCE])
        kinds = "give a folder of images, an .npz file, or fashion-mnist"
        raise InputError(
            f"--calibration: there is no '{source}'",
            hint=f"did you mean {close[0]}?" if close else kinds,
        )
    is_npz = path.suffix.lower() == ".npz" and path.is_file()
    if not is_npz and not path.is_dir():
        is_image = path.suffix.lower() in SUFFIXES
        raise InputError(
            f"--calibration: {path.name} is neither a folder of images nor an .npz file",
            hint="give the folder that the image is in"
            if is_image
            else "write arrays with numpy.savez(FILE, x)",
        )
    return path


def _from_photographs(request: _Request) -> Split:
    calibration = _crops(photographs.CALIBRATION, request.samples, request)
    return Split(
        from_pixels(photographs.SOURCE, calibration, (_DEFAULT_WARNING,)),
        from_pixels(photographs.SOURCE, _crops(photographs.HELD_OUT, request.held_out, request)),
    )


def _crops(names: tuple[str, ...], count: int, request: _Request) -> npt.NDArray[np.uint8]:
    return photographs.crops(
        names, count, size=request.size, channels=request.channels, seed=request.seed
    )


def _from_fashion_mnist(request: _Request) -> Split:
    source = fashion_mnist.SOURCE
    parts: tuple[tuple[fashion_mnist.Part, int], ...]
    parts = (("train", request.samples), ("test", request.held_out))
    sets = []
    for split, count in parts:
        pixels = fashion_mnist.draw(
            split, count, size=request.size, channels=request.channels, seed=request.seed
        )
        few = f"{source}: {count} images asked for, its {split} split holds {len(pixels)}."
        sets.append(from_pixels(source, pixels, () if len(pixels) == count else (few,)))
    return Split(*sets)


def _from_folder(path: Path, request: _Request) -> Split:
    pixels, warnings = folder.load(
        path,
        size=request.size,
        channels=request.channels,
        wanted=request.samples + request.held_out,
        seed=request.seed,
    )
    source = folder.printable(path.resolve().name or "/")
    if len(pixels) == 1:
        only = (
            f"{source} holds one usable image: it is calibrated on, and parity is measured on "
            f"{photographs.SOURCE} instead. Give more images."
        )
        apart = _crops(photographs.HELD_OUT, request.held_out, request)
        return Split(
            from_pixels(source, pixels, (*warnings, only)), from_pixels(photographs.SOURCE, apart)
        )
    samples, held_out = arrays.share(len(pixels), request.samples, request.held_out)
    if len(pixels) < request.samples + request.held_out:
        warnings += (_fewer(source, len(pixels), samples, request),)
    return Split(
        from_pixels(source, pixels[:samples], warnings),
        from_pixels(source, pixels[samples : samples + held_out]),
    )


def _from_npz(path: Path, request: _Request) -> Split:
    check_request(
        size=request.size,
        channels=request.channels,
        samples=request.samples,
        held_out=request.held_out,
        item_bytes=4,
    )
    rows = arrays.load(
        path,
        shape=(*request.size, request.channels),
        samples=request.samples,
        held_out=request.held_out,
        seed=request.seed,
    )
    name = folder.printable(path.name)
    return Split(
        from_arrays(name, rows.calibration, rows.warnings), from_arrays(name, rows.held_out)
    )


def _fewer(source: str, found: int, samples: int, request: _Request) -> str:
    rough = " Ranges measured on so few are rough." if samples < _FEW else ""
    return (
        f"{source} holds {found} usable images: {samples} are calibrated on (asked for: "
        f"{request.samples}), {found - samples} are kept for parity.{rough}"
    )
