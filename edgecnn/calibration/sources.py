"""Where samples come from: a folder of images, an .npz, Fashion-MNIST, or photographs at hand."""

from __future__ import annotations

import difflib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import files, layouts
from edgecnn.calibration import arrays, fashion_mnist, folder, photographs
from edgecnn.calibration.images import SUFFIXES
from edgecnn.calibration.sampleset import (
    SampleSet,
    Split,
    check_request,
    from_arrays,
    from_pixels,
    rows_of,
)
from edgecnn.errors import InputError, MissingPartError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from edgecnn.records import Endpoint

DEFAULT_SAMPLES = 100
DEFAULT_HELD_OUT = 16
NOISE = "random numbers"

_FEW = 10
_DEFAULT_WARNING = (
    "Calibrated on photographs bundled with scikit-image; images like those the network will see "
    "give better accuracy: --calibration FOLDER."
)


@dataclass(frozen=True)
class Sampling:
    """Which samples are wanted.

    Attributes:
        source: a folder of images (subfolders are classes), an .npz with an array for each input,
            "fashion-mnist" (calibration from its train split, parity from its test split), or None
            for the photographs that scikit-image ships. `./fashion-mnist` is a folder of that name.
        samples: calibration samples wanted; fewer come with a warning.
        held_out: samples wanted for parity, likewise.
        seed: the same seed, source and shapes give the same samples.
        calibrated: whether activation ranges are measured on them. Without, a network that takes
            no image may be compared on random numbers.
    """

    source: str | None = None
    samples: int = DEFAULT_SAMPLES
    held_out: int = DEFAULT_HELD_OUT
    seed: int = 0
    calibrated: bool = True

    @property
    def holds_arrays(self) -> bool:
        """Whether it is an .npz, whose arrays are fed as they are."""
        source = self.source
        return source is not None and source.lower().endswith(".npz") and not Path(source).is_dir()


@dataclass(frozen=True)
class _Request:
    image: Endpoint
    size: tuple[int, int]
    channels: int
    samples: int
    held_out: int
    seed: int


def load(sampling: Sampling, inputs: Sequence[Endpoint]) -> Split:
    """Load samples to calibrate on, and others, which calibration does not see, for parity.

    Args:
        sampling: which.
        inputs: what the network takes; pictures feed one image input, anything else asks for
            an .npz.

    Raises:
        InputError: the source is missing, of an unknown kind, damaged, holds nothing usable, or
            cannot feed these inputs.
        MissingPartError: Pillow, or scikit-image for its photographs, is not installed.
    """
    check_request(inputs, samples=sampling.samples, held_out=sampling.held_out)
    if sampling.holds_arrays:
        return _from_npz(_existing(str(sampling.source)), inputs, sampling)
    if not _takes_one_image(inputs):
        if sampling.source is None and not sampling.calibrated:
            return _from_noise(inputs, sampling)
        raise _needs_arrays(inputs)
    request = _image_request(inputs[0], sampling)
    if importlib.util.find_spec("PIL") is None:
        raise MissingPartError(
            "images are read with Pillow, which is not installed",
            hint="pip install 'edgecnn[export]'",
        )
    if sampling.source is None:
        return _from_photographs(request)
    if sampling.source == fashion_mnist.SOURCE:
        return _from_fashion_mnist(request)
    return _from_folder(_existing(sampling.source), request)


def _takes_one_image(inputs: Sequence[Endpoint]) -> bool:
    takes_pixels = inputs[0].dtype.startswith("float") or inputs[0].dtype == "uint8"
    return len(inputs) == 1 and takes_pixels and layouts.is_image(inputs[0])


def _needs_arrays(inputs: Sequence[Endpoint]) -> InputError:
    listed = ", ".join(
        f"{e.name} ({', '.join(['N', *map(str, e.shape[1:])])}) {e.dtype}" for e in inputs
    )
    counted = "its input is no picture" if len(inputs) == 1 else f"it has {len(inputs)} inputs"
    return InputError(
        f"images have 3 channels, or 1 as luminance, and feed one input; of this network {counted}:"
        f" {listed}",
        hint="give --calibration FILE.npz with an array for each input, under the input's name",
    )


def _image_request(image: Endpoint, sampling: Sampling) -> _Request:
    size, channels = layouts.image_size(image)
    batch = rows_of(image)
    return _Request(
        image,
        size,
        channels,
        sampling.samples * batch,
        sampling.held_out * batch,
        sampling.seed,
    )


def _from_noise(inputs: Sequence[Endpoint], sampling: Sampling) -> Split:
    """Random numbers around zero, and zeros for integers: enough to tell a converter's mistake."""
    import numpy as np

    generator = np.random.default_rng(sampling.seed)

    def numbers(endpoint: Endpoint, runs: int) -> npt.NDArray[Any]:
        shape = (runs * rows_of(endpoint), *endpoint.shape[1:])
        if endpoint.dtype.startswith("float"):
            return generator.standard_normal(shape).astype(endpoint.dtype)
        return np.zeros(shape, endpoint.dtype)

    warning = f"No samples were given, and the network takes no picture: compared on {NOISE}."
    sets = [
        from_arrays(NOISE, runs, [numbers(endpoint, runs) for endpoint in inputs], (warning,))
        for runs in (sampling.samples, sampling.held_out)
    ]
    return Split(*sets)


def _existing(source: str) -> Path:
    """The path of a folder or .npz that is there.

    Raises:
        InputError: it is not, or is something else.
    """
    path = files.expanded(source)
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
        _pictures(photographs.SOURCE, calibration, request, (_DEFAULT_WARNING,)),
        _pictures(
            photographs.SOURCE, _crops(photographs.HELD_OUT, request.held_out, request), request
        ),
    )


def _pictures(
    source: str, pixels: npt.NDArray[np.uint8], request: _Request, warnings: tuple[str, ...] = ()
) -> SampleSet:
    return from_pixels(source, pixels, warnings, image=request.image)


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
        sets.append(_pictures(source, pixels, request, () if len(pixels) == count else (few,)))
    return Split(*sets)


def _from_folder(path: Path, request: _Request) -> Split:
    pixels, warnings = folder.load(
        path,
        size=request.size,
        channels=request.channels,
        most=request.samples + request.held_out,
        seed=request.seed,
    )
    source = folder.printable(path.resolve().name or "/")
    if len(pixels) == 1:
        only = (
            f"{source} has only one usable image, used for calibration; fidelity is measured on "
            f"{photographs.SOURCE} instead. Give more images."
        )
        apart = _crops(photographs.HELD_OUT, request.held_out, request)
        return Split(
            _pictures(source, pixels, request, (*warnings, only)),
            _pictures(photographs.SOURCE, apart, request),
        )
    samples, held_out = arrays.share(len(pixels), request.samples, request.held_out)
    if len(pixels) < request.samples + request.held_out:
        warnings += (_fewer(source, len(pixels), samples, request),)
    return Split(
        _pictures(source, pixels[:samples], request, warnings),
        _pictures(source, pixels[samples : samples + held_out], request),
    )


def _from_npz(path: Path, inputs: Sequence[Endpoint], sampling: Sampling) -> Split:
    rows = arrays.load(
        path,
        inputs,
        samples=sampling.samples,
        held_out=sampling.held_out,
        seed=sampling.seed,
    )
    name = folder.printable(path.name)
    return Split(
        from_arrays(name, rows.calibration_runs, rows.calibration, rows.warnings),
        from_arrays(name, rows.held_out_runs, rows.held_out),
    )


def _fewer(source: str, usable: int, samples: int, request: _Request) -> str:
    rough = " Ranges from so few are rough." if samples < _FEW else ""
    return (
        f"{source} has {usable} usable images: {samples} for calibration (requested: "
        f"{request.samples}), {usable - samples} held out to measure fidelity.{rough}"
    )
