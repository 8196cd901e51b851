"""The zoo: the networks edgecnn builds by name, as one literal table.

Nothing heavy is imported here, so that listing the table and `edgecnn --help` stay quick.
"""

from __future__ import annotations

from edgecnn.errors import InputError
from edgecnn.records import ModelSpec, Preprocessing
from edgecnn.zoo.suggest import suggest

_ZERO_TO_ONE = Preprocessing.from_range(0.0, 1.0)
_MINUS_ONE_TO_ONE = Preprocessing.from_range(-1.0, 1.0)
_DOCUMENT_000 = "000_87032bd1ccc8850e.txt"
_DOCUMENT_003 = "003_17d455b563aa6a7d.txt"

_ALL = (
    ModelSpec(
        name="vgg",
        builder="edgecnn.zoo.vgg:build",
        input_size=32,
        classes=10,
        min_input_size=8,
        has_width=False,
        preprocessing=_ZERO_TO_ONE,
        document=_DOCUMENT_000,
        parameters=1_186_378,
        trainable_parameters=1_186_378,
        macs=152_805_376,
        activations=229_386,
        summary="plain 3x3 convolutions",
    ),
    ModelSpec(
        name="resnet",
        builder="edgecnn.zoo.resnet:build",
        input_size=32,
        classes=100,
        min_input_size=4,
        has_width=False,
        preprocessing=_ZERO_TO_ONE,
        document=_DOCUMENT_000,
        parameters=68_671_236,
        trainable_parameters=68_669_284,
        macs=247_267_328,
        activations=462_948,
        summary="residual blocks with convolved skips; nearly all weights in one dense layer",
    ),
    ModelSpec(
        name="densenet",
        builder="edgecnn.zoo.densenet:build",
        input_size=32,
        classes=14,
        min_input_size=4,
        has_width=False,
        preprocessing=_ZERO_TO_ONE,
        document=_DOCUMENT_000,
        parameters=2_065_686,
        trainable_parameters=2_064_806,
        macs=2_014_642_176,
        activations=1_298_446,
        summary="dense blocks at full resolution: few weights, many multiplications",
    ),
    ModelSpec(
        name="inception",
        builder="edgecnn.zoo.inception:build",
        input_size=32,
        classes=100,
        min_input_size=17,
        has_width=False,
        preprocessing=_ZERO_TO_ONE,
        document=_DOCUMENT_000,
        parameters=1_373_284,
        trainable_parameters=1_373_284,
        macs=20_550_656,
        activations=53_156,
        summary="parallel 1x1, 3x3, 5x5 and pooled branches",
    ),
    ModelSpec(
        name="xception-mini",
        builder="edgecnn.zoo.xception_mini:build",
        input_size=32,
        classes=100,
        min_input_size=5,
        has_width=True,
        preprocessing=_ZERO_TO_ONE,
        document=_DOCUMENT_000,
        parameters=4_456_548,
        trainable_parameters=4_454_564,
        macs=393_525_760,
        activations=370_084,
        summary="depthwise branches beside convolved skips",
        has_convolution=True,
    ),
    ModelSpec(
        name="xception",
        builder="edgecnn.zoo.xception:build",
        input_size=299,
        classes=1000,
        min_input_size=32,
        has_width=True,
        preprocessing=_MINUS_ONE_TO_ONE,
        document=_DOCUMENT_003,
        parameters=22_910_480,
        trainable_parameters=22_855_952,
        macs=8_470_752_656,
        activations=36_646_504,
        summary="depthwise separable convolutions with skips, for ImageNet",
        has_convolution=True,
    ),
)

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _ALL}


def find(name: str) -> ModelSpec:
    """Return the zoo's entry of that name, whatever its case.

    Raises:
        InputError: there is none; the hint names the nearest.
    """
    spec = MODELS.get(name.lower())
    if spec is None:
        raise InputError(f"The zoo has no model named {name!r}.", hint=suggest(name, MODELS))
    return spec
