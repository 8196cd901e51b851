"""What the user asks to be built, and what can be known and refused of it without TensorFlow."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgecnn.building import files
from edgecnn.errors import InputError
from edgecnn.zoo import MODELS, find, keras_applications
from edgecnn.zoo.twins import SEPARABLE, check_convolution, twin_name
from edgecnn.zoo.width import check_width

if TYPE_CHECKING:
    from edgecnn.records import Preprocessing

Kind = Literal["zoo", "keras", "keras-file", "savedmodel", "tflite", "onnx"]

_RANDOM_WORDS = frozenset({"random", "none"})
_MIN_CLASSES = 2
_MAX_CLASSES = 1_000_000
_MAX_INPUT_SIZE = 8192
_MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    Attributes:
        model: a zoo name, `keras:NAME`, or a path to .keras, .h5, a SavedModel folder (FOLDER or
            FOLDER:SIGNATURE), a float .tflite or .onnx.
        classes: size of the softmax; None for the model's own.
        input_size: height and width of the input, pixels, one number for a square; None for the
            model's own.
        width: width multiplier, where the model has one; None for 1.0.
        convolution: "normal" for the twin of a network with depthwise convolutions, where the
            model has one; None for the network as it is.
        weights: "random" (or "none"), "imagenet", or a path to .weights.h5, .h5, .keras or .npz;
            None for the default: random for the zoo and keras:NAME, its own for a user's file.
        seed: of random weights, 0 to 2**32 - 1.
        input_shapes: whole shapes of inputs that a user's file leaves open, by the input's name
            ("" where it has only one).
    """

    model: str
    classes: int | None = None
    input_size: int | tuple[int, int] | None = None
    width: float | None = None
    weights: str | None = None
    seed: int = 0
    convolution: str | None = None
    input_shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def size(self) -> tuple[int, int] | None:
        """The height and width asked for, pixels."""
        if isinstance(self.input_size, int):
            return self.input_size, self.input_size
        return self.input_size


@dataclass(frozen=True)
class ModelIdentity:
    """What a request turns out to mean.

    Attributes:
        kind: where the model comes from.
        name: to show and to name folders by: the zoo's name, `keras:NAME`, or the file's stem.
        input_size: height and width, pixels; None when only the user's file knows.
        classes: size of the output; likewise.
        preprocessing: what the model is fed; None for a user's own model.
        weights: "random", "imagenet", or the name of the file that holds them.
        cache_key: sha256 (hex) of all that decides the built model: the user's file or the zoo's
            entry and code, the options, the weights' content, the seed of random weights.
    """

    kind: Kind
    name: str
    input_size: int | None
    classes: int | None
    preprocessing: Preprocessing | None
    weights: str
    cache_key: str

    @property
    def has_random_weights(self) -> bool:
        """Whether the answers mean nothing: fit for latency only."""
        return self.weights == "random"


def identify(request: BuildRequest) -> ModelIdentity:
    """Say what a request means, and refuse what cannot be built. Needs no TensorFlow.

    Raises:
        InputError: an unknown name, a missing, unreadable or unsafe file, or an option that the
            model cannot have.
    """
    _check_options(request)
    kind = _kind(request.model)
    if kind == "zoo":
        return _identify_zoo(request)
    if kind == "keras":
        return _identify_application(request)
    return _identify_file(request, kind)


def _check_options(request: BuildRequest) -> None:
    _check_range("--classes", request.classes, _MIN_CLASSES, _MAX_CLASSES)
    for size in request.size or ():
        _check_range("--input-size", size, 1, _MAX_INPUT_SIZE)
    for name, shape in request.input_shapes:
        if not shape or min(shape) < 1:
            shown = "x".join(map(str, shape))
            raise InputError(f"--input-shape {name}={shown}: every size must be 1 or more.")
    _check_range("--seed", request.seed, 0, _MAX_SEED)
    if request.width is not None:
        check_width(request.width)


def _check_range(option: str, value: int | None, lowest: int, highest: int) -> None:
    if value is not None and not lowest <= value <= highest:
        raise InputError(f"{option} {value}: it must lie between {lowest} and {highest}.")


def _kind(model: str) -> Kind:
    if model.lower().startswith(keras_applications.PREFIX):
        return "keras"
    if model.lower() in MODELS:
        return "zoo"
    model, _ = files.split_signature(model)
    if os.sep in model or files.model_kind(model) or files.exists(model):
        return files.require_model(model)
    spec = find(model)  # raises, naming the nearest
    raise AssertionError(spec)


def is_name(model: str) -> bool:
    """Whether it is one of the zoo's or of Keras's own networks by name, and no file."""
    return model.lower() in MODELS or model.lower().startswith(keras_applications.PREFIX)


def _identify_zoo(request: BuildRequest) -> ModelIdentity:
    spec = find(request.model)
    if request.width is not None and not spec.has_width:
        with_width = ", ".join(name for name, model in MODELS.items() if model.has_width)
        raise InputError(
            f"{spec.name} has no width multiplier.", hint=f"--width is for: {with_width}."
        )
    convolution = request.convolution or SEPARABLE
    check_convolution(convolution, spec.name, has_twin=spec.has_convolution)
    if _is_imagenet(request):
        raise InputError(
            f"{spec.name}: no ImageNet weights are published for the zoo's networks.",
            hint="Use --weights FILE, or keras:xception --weights imagenet.",
        )
    square = _square(request, spec.name)
    _check_input_size(spec.name, square, spec.min_input_size, spec.input_size)
    weights, weights_key = _weights(request)
    options = {
        "input_size": square or spec.input_size,
        "classes": request.classes or spec.classes,
    }
    width = 1.0 if request.width is None else request.width
    code = files.module_sha256(spec.builder.partition(":")[0])
    return ModelIdentity(
        kind="zoo",
        name=twin_name(spec.name, convolution),
        **options,
        preprocessing=spec.preprocessing,
        weights=weights,
        cache_key=files.digest(asdict(spec), code, options, float(width), convolution, weights_key),
    )


def _identify_application(request: BuildRequest) -> ModelIdentity:
    application = keras_applications.find(request.model)
    name = keras_applications.PREFIX + application.name
    if request.width is not None:
        raise InputError(
            f"{name} has no width multiplier.", hint="--width is for: xception, xception-mini."
        )
    if request.convolution is not None:
        check_convolution(request.convolution, name, has_twin=False)
    square = _square(request, name)
    _check_input_size(name, square, application.min_input_size, application.input_size)
    if _is_imagenet(request):
        _check_imagenet(request, application)
    weights, weights_key = _weights(request)
    options = {
        "input_size": square or application.input_size,
        "classes": request.classes or keras_applications.IMAGENET_CLASSES,
    }
    return ModelIdentity(
        kind="keras",
        name=name,
        **options,
        preprocessing=application.preprocessing,
        weights=weights,
        cache_key=files.digest(name, options, weights_key),
    )


def _check_imagenet(request: BuildRequest, application: keras_applications.Application) -> None:
    fixed = {
        "--classes": (request.classes, keras_applications.IMAGENET_CLASSES),
        "--input-size": (_square(request, application.name), application.input_size),
    }
    for option, (value, published) in fixed.items():
        if value not in {None, published}:
            raise InputError(
                f"{option} {value}: Keras publishes {application.name}'s ImageNet weights for"
                f" {published} only.",
                hint=f"Drop {option}, or use --weights none or --weights FILE.",
            )


def _square(request: BuildRequest, name: str) -> int | None:
    """The side of the square input that is asked for; the networks by name have no other."""
    if request.input_shapes:
        raise InputError(
            f"--input-shape: it is for a model of your own; {name} has one square image as input.",
            hint="Use --input-size PIXELS.",
        )
    height, width = request.size or (None, None)
    if height != width:
        raise InputError(
            f"--input-size {height},{width}: {name} is built for square images.",
            hint="Give one number.",
        )
    return height


def _check_input_size(name: str, size: int | None, smallest: int | None, default: int) -> None:
    if size is None or size == default:
        return
    if smallest is None:
        raise InputError(f"{name}: its input is {default} pixels and cannot change.")
    if size < smallest:
        raise InputError(
            f"--input-size {size} is too small for {name}: nothing would be left after its"
            " poolings.",
            hint=f"Its smallest input is {smallest}, its default {default}.",
        )


def _identify_file(request: BuildRequest, kind: Kind) -> ModelIdentity:
    folder, signature = files.split_signature(request.model)
    path = Path(folder)
    _require_text(path)
    for option, value in (
        ("--classes", request.classes),
        ("--width", request.width),
        ("--convolution", request.convolution),
        ("--weights", request.weights),
    ):
        if value is not None:
            raise InputError(
                f"{option} {value}: {path.name} is a whole model, with its own weights and shape.",
                hint=f"Drop {option}; it is for the zoo and for keras:NAME.",
            )
    for option, value in (
        ("--input-size", request.input_size is not None),
        ("--input-shape", bool(request.input_shapes)),
    ):
        if kind == "tflite" and value:
            raise InputError(f"{option}: the input of {path.name} is fixed.", hint="Drop it.")
    return ModelIdentity(
        kind=kind,
        name=_model_name(path, kind),
        input_size=_known_square(request),
        classes=None,
        preprocessing=None,
        weights=path.resolve().name,
        cache_key=files.digest(
            kind, files.tree_sha256(path), request.size, sorted(request.input_shapes), signature
        ),
    )


def _model_name(path: Path, kind: Kind) -> str:
    """What a user's model is called: folders are named by it, here and on devices."""
    name = path.resolve().name if kind == "savedmodel" else path.stem
    if not name or name.startswith("."):
        raise InputError(
            f"{path}: {name!r} is no name for a model: its folder would be hidden, or another one.",
            hint="Give the file another name, such as model" + path.suffix,
        )
    return name


def _require_text(path: Path) -> None:
    """Every file that is written holds the model's name."""
    try:
        path.resolve().name.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path}: its name is no text in UTF-8, which a manifest's must be.",
            hint="Rename it, or make a link to it with another name.",
        ) from error


def _known_square(request: BuildRequest) -> int | None:
    height, width = request.size or (None, None)
    return height if height == width else None


def _is_imagenet(request: BuildRequest) -> bool:
    return request.weights is not None and request.weights.lower() == "imagenet"


def is_random(request: BuildRequest) -> bool:
    """Whether a zoo or keras:NAME request asks for random weights."""
    return request.weights is None or request.weights.lower() in _RANDOM_WORDS


def _weights(request: BuildRequest) -> tuple[str, object]:
    """The weights' name for the manifest, and what identifies them."""
    if is_random(request):
        return "random", request.seed
    assert request.weights is not None  # noqa: S101 - for the type checker: None is random
    if _is_imagenet(request):
        return "imagenet", "imagenet"
    path = files.require_weights(request.weights)
    return path.name, files.tree_sha256(path)
