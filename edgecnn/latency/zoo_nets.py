"""What the operators of the zoo's networks cost, written down without TensorFlow.

Each function follows `zoo/<family>.py` layer by layer, as the exported .tflite holds it: folded
normalizations are gone, what cannot be folded stays. An integration test compares every operator
with the files that `edgecnn export` writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.latency.cost_builder import CostBuilder, FeatureMap
from edgecnn.latency.precision import for_recipe
from edgecnn.zoo import MODELS, find
from edgecnn.zoo.twins import NORMAL, SEPARABLE, check_convolution, twin_name
from edgecnn.zoo.width import check_width, scale_channels

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgecnn.latency.cost import NetCost
    from edgecnn.records import ModelSpec

_VGG_FILTERS = (64, 128, 256)
_RESNET_BLOCKS = ((32, False), (32, False), (32, True), (64, False), (64, True), (256, False))
_DENSE_FILTERS = (8, 16, 32, 64, 128)
_DENSE_LAYERS = 5
_INCEPTION_3A = (64, 96, 128, 16, 32, 32)
_INCEPTION_3B = (128, 128, 192, 32, 96, 96)
_INCEPTION_4A = (192, 96, 208, 16, 48, 64)
_ENTRY_FILTERS = (128, 256, 728)
_MIDDLE_BLOCKS = 8


class _Net(CostBuilder):
    """A network that knows which recipe it is for.

    Args:
        recipe: the dynamic one starts from a file whose normalizations were not folded.
        width: multiplies channels, where the network scales them.
        convolution: "normal": its twin.
        parted: whether joins of the same tensors have scales of their own.
    """

    def __init__(self, recipe: str, width: float, convolution: str, *, parted: bool) -> None:
        super().__init__()
        self.width, self.is_twin = width, convolution == NORMAL
        self.parted = parted
        self.folds = recipe != "dynamic"
        self.requantizes = recipe in {"int8", "int16x8"}

    def scaled(self, channels: int) -> int:
        """The document's channels at this width."""
        return scale_channels(channels, self.width)

    def per_channel(self, x: FeatureMap) -> FeatureMap:
        """A depthwise convolution, or in the twin a normal one of as many channels."""
        return self.conv(x, x.channels) if self.is_twin else self.depthwise(x)

    def separable(self, x: FeatureMap, filters: int) -> FeatureMap:
        """Depthwise and pointwise, or in the twin one 3x3 convolution."""
        return self.conv(x, filters) if self.is_twin else self.conv(self.depthwise(x), filters, 1)

    def normalize(self, x: FeatureMap, *remaining: str) -> FeatureMap:
        """A normalization behind a ReLU: what of it the next layer cannot take up."""
        return self.affine(x, remaining if self.folds else ("MUL", "ADD"))

    def requantize(self, x: FeatureMap) -> FeatureMap:
        """In integers: to the scale of what a tensor is joined to."""
        return self.non_multiplying("quantize", "QUANTIZE", x, x) if self.requantizes else x

    def classify(self, x: FeatureMap, classes: int, hidden: int = 0) -> None:
        """Dense layers and the softmax, on a flattened plane; one pixel is flat as it is."""
        x = self.flatten(x) if x.pixels > 1 else x
        if hidden:
            x = self.dense(x, hidden)
        self.softmax(self.dense(x, classes))


def costs_of_zoo(
    name: str,
    *,
    input_size: int | None = None,
    width: float | None = None,
    classes: int | None = None,
    convolution: str | None = None,
    recipe: str = "float32",
    parted: bool = False,
) -> NetCost:
    """The cost of a network of the zoo, in milliseconds and without TensorFlow.

    Args:
        name: of the zoo's table.
        input_size: height and width of the input, pixels; None for the network's own.
        width: width multiplier, for the Xceptions; None for 1.0.
        classes: size of the softmax; None for the network's own.
        convolution: "normal" for the Xceptions' twins; None for the network as it is.
        recipe: one of `edgecnn.recipes.RECIPES`.
        parted: in integers, whether joins of the same tensors each have a scale of their own: what
            calibration says only where their ranges are far apart (`quantize.shared_joins`).

    Raises:
        InputError: no such network or recipe, or it cannot have that size, width or
            convolution.
    """
    spec = find(name)
    size = spec.input_size if input_size is None else input_size
    _check(spec, size, width)
    kind = convolution or SEPARABLE
    check_convolution(kind, spec.name, has_twin=spec.has_convolution)
    net = _Net(recipe, 1.0 if width is None else width, kind, parted=parted)
    _BUILDERS[spec.name](net, size, spec.classes if classes is None else classes)
    return for_recipe(net.cost(twin_name(spec.name, kind)), recipe)


def _check(spec: ModelSpec, size: int, width: float | None) -> None:
    if width is not None:
        check_width(width)
        if not spec.has_width:
            with_width = ", ".join(model.name for model in MODELS.values() if model.has_width)
            raise InputError(
                f"{spec.name} has no width multiplier.", hint=f"--width is for: {with_width}."
            )
    smallest = spec.min_input_size or spec.input_size
    if size < smallest:
        raise InputError(
            f"--input-size {size} is too small for {spec.name}: nothing would be left after its"
            " poolings.",
            hint=f"Its smallest input is {smallest}, its default {spec.input_size}.",
        )


def _image(size: int) -> FeatureMap:
    return FeatureMap(size, size, 3)


def _vgg(net: _Net, size: int, classes: int) -> None:
    x = _image(size)
    for filters in _VGG_FILTERS:
        x = net.conv(net.conv(x, filters), filters)
        x = net.pool(x, 2, stride=2)
    net.classify(x, classes)


def _resnet(net: _Net, size: int, classes: int) -> None:
    x = net.conv(_image(size), 16)
    for filters, pooling in _RESNET_BLOCKS:
        branch = net.conv(net.conv(x, filters), filters)
        skip = net.conv(x, filters)
        x = net.add(branch, skip)
        if pooling:
            x = net.pool(x, 2, stride=2)
        x = net.affine(x)
    net.classify(x, classes, hidden=4096)


def _densenet(net: _Net, size: int, classes: int) -> None:
    x = net.conv(_image(size), 4)
    for number, filters in enumerate(_DENSE_FILTERS):
        if number:
            x = net.normalize(x, "ADD")  # the next convolution pads: its scale folds alone
        outputs = [net.conv(x, filters), net.conv(x, filters)]
        for layer in range(2, _DENSE_LAYERS):
            # All but the last one's last input are shared with others.
            shared = len(outputs) - int(layer == _DENSE_LAYERS - 1) if net.parted else 0
            joined = [*map(net.requantize, outputs[:shared]), *outputs[shared:]]
            outputs.append(net.conv(net.concat(joined), filters))
        x = outputs[-1]
    x = net.normalize(net.pool(x, 2, stride=2))
    x = net.normalize(net.conv(x, 96, 1), "MUL", "ADD")  # a pooling follows: nothing folds
    x = net.normalize(net.pool(x, 2, stride=2))
    net.classify(x, classes)


def _inception(net: _Net, size: int, classes: int) -> None:
    x = _halve(net, net.conv(_image(size), 64, 7, stride=2))
    x = _halve(net, net.conv(net.conv(x, 64, 1), 192))
    x = _inception_module(net, x, _INCEPTION_3A)
    x = _halve(net, _inception_module(net, x, _INCEPTION_3B))
    x = _inception_module(net, x, _INCEPTION_4A)
    # The exporter writes average pooling as a depthwise convolution.
    x = net.depthwise(x, 2, stride=3, padding="valid")
    net.classify(net.conv(x, 128, 1), classes, hidden=1024)


def _inception_module(net: _Net, x: FeatureMap, filters: tuple[int, ...]) -> FeatureMap:
    conv1, reduce3, conv3, reduce5, conv5, projection = filters
    return net.concat(
        [
            net.conv(x, conv1, 1),
            net.conv(net.conv(x, reduce3, 1), conv3),
            net.conv(net.conv(x, reduce5, 1), conv5, 5),
            net.conv(net.pool(x, 3, padding="same"), projection, 1),
        ]
    )


def _halve(net: _Net, x: FeatureMap) -> FeatureMap:
    return net.pool(x, 3, stride=2, padding="same")


def _xception_mini(net: _Net, size: int, classes: int) -> None:
    x = net.normalize(net.conv(_image(size), net.scaled(32), stride=2), "ADD")
    skip = net.conv(x, net.scaled(64))
    x = net.normalize(skip, "ADD")
    branch = net.per_channel(net.per_channel(x))
    # The skip's convolution does not pad: it takes up the whole normalization.
    x = _join(net, branch, skip if net.folds else x, net.scaled(64), normalizations=2)
    branch = net.conv(net.activation(x, "RELU"), net.scaled(256))
    branch = net.per_channel(net.per_channel(branch))
    # The second block's branch reads what its skip does, before the ReLU.
    x = net.activation(_join(net, branch, x, net.scaled(256), normalizations=3), "RELU")
    x = net.normalize(net.conv(x, net.scaled(256)), "ADD")
    x = net.normalize(net.conv(x, net.scaled(128)))
    net.classify(x, classes)


def _join(
    net: _Net, branch: FeatureMap, skip: FeatureMap, filters: int, normalizations: int
) -> FeatureMap:
    branch = net.pool(branch, 2)
    for _ in range(normalizations):
        skip = net.normalize(skip)
    skip = net.conv(skip, filters, 2, padding="valid")
    branch = net.requantize(branch)  # its scale is its pooling's, which cannot change
    return net.concat([branch, skip])


def _xception(net: _Net, size: int, classes: int) -> None:
    scaled, separable = net.scaled, net.separable
    x = net.conv(_image(size), scaled(32), stride=2)
    x = skip = net.conv(x, scaled(64))
    for channels in _ENTRY_FILTERS:
        branch = separable(separable(x, scaled(channels)), scaled(channels))
        branch = net.pool(branch, 3, stride=2, padding="same")
        skip = net.conv(skip, scaled(channels), 1, stride=2)
        x = net.add(skip, branch)  # its ReLU is fused: the skip does not continue from here
    for _ in range(_MIDDLE_BLOCKS):
        branch = net.activation(x, "RELU")  # of a sum that is also the skip: not fused
        for _ in range(3):
            branch = separable(branch, x.channels)
        x = net.add(x, branch)
    branch = separable(net.activation(x, "RELU"), scaled(728))
    branch = separable(branch, scaled(1024))
    branch = net.pool(branch, 3, stride=2, padding="same")
    x = net.add(net.conv(x, scaled(1024), 1, stride=2), branch)
    x = separable(separable(x, scaled(1536)), scaled(2048))
    net.classify(net.mean(x), classes)


_BUILDERS: dict[str, Callable[[_Net, int, int], None]] = {
    "vgg": _vgg,
    "resnet": _resnet,
    "densenet": _densenet,
    "inception": _inception,
    "xception-mini": _xception_mini,
    "xception": _xception,
}
