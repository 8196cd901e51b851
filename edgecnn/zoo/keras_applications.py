"""`keras:NAME`: the networks of keras.applications, with what each expects to be fed.

The table stands here in full, so that a name, a size or a preprocessing is known without Keras;
an integration test holds it against Keras itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.records import Preprocessing
from edgecnn.zoo.suggest import suggest

if TYPE_CHECKING:
    import keras

PREFIX = "keras:"
IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class Application:
    """One network of keras.applications.

    Attributes:
        name: the function's name in keras.applications.
        module: the module of keras.applications that holds its `preprocess_input`.
        input_size: default height and width of the square input, pixels.
        min_input_size: the smallest input Keras accepts.
        preprocessing: what its `preprocess_input` does to pixels.
    """

    name: str
    module: str
    input_size: int
    min_input_size: int
    preprocessing: Preprocessing


# keras.src.applications.imagenet_utils.preprocess_input's three modes, and none of them.
_TF = Preprocessing.from_range(-1.0, 1.0)
_TORCH = Preprocessing(
    mean=(0.485 * 255, 0.456 * 255, 0.406 * 255), std=(0.229 * 255, 0.224 * 255, 0.225 * 255)
)
_CAFFE = Preprocessing(mean=(103.939, 116.779, 123.68), std=(1.0,), channel_order="BGR")
_BUILT_IN = Preprocessing(mean=(0.0,), std=(1.0,))

_FAMILIES: tuple[tuple[str, Preprocessing, int, dict[str, int]], ...] = (
    # module, preprocessing, smallest input, default input of each network
    (
        "convnext",
        _BUILT_IN,
        32,
        {
            "ConvNeXtTiny": 224,
            "ConvNeXtSmall": 224,
            "ConvNeXtBase": 224,
            "ConvNeXtLarge": 224,
            "ConvNeXtXLarge": 224,
        },
    ),
    ("densenet", _TORCH, 32, {"DenseNet121": 224, "DenseNet169": 224, "DenseNet201": 224}),
    (
        "efficientnet",
        _BUILT_IN,
        32,
        {
            "EfficientNetB0": 224,
            "EfficientNetB1": 240,
            "EfficientNetB2": 260,
            "EfficientNetB3": 300,
            "EfficientNetB4": 380,
            "EfficientNetB5": 456,
            "EfficientNetB6": 528,
            "EfficientNetB7": 600,
        },
    ),
    (
        "efficientnet_v2",
        _BUILT_IN,
        32,
        {
            "EfficientNetV2B0": 224,
            "EfficientNetV2B1": 240,
            "EfficientNetV2B2": 260,
            "EfficientNetV2B3": 300,
            "EfficientNetV2S": 384,
            "EfficientNetV2M": 480,
            "EfficientNetV2L": 480,
        },
    ),
    ("inception_resnet_v2", _TF, 75, {"InceptionResNetV2": 299}),
    ("inception_v3", _TF, 75, {"InceptionV3": 299}),
    ("mobilenet", _TF, 32, {"MobileNet": 224}),
    ("mobilenet_v2", _TF, 32, {"MobileNetV2": 224}),
    ("mobilenet_v3", _BUILT_IN, 32, {"MobileNetV3Large": 224, "MobileNetV3Small": 224}),
    ("nasnet", _TF, 32, {"NASNetMobile": 224, "NASNetLarge": 331}),
    ("resnet", _CAFFE, 32, {"ResNet50": 224, "ResNet101": 224, "ResNet152": 224}),
    ("resnet_v2", _TF, 32, {"ResNet50V2": 224, "ResNet101V2": 224, "ResNet152V2": 224}),
    ("vgg16", _CAFFE, 32, {"VGG16": 224}),
    ("vgg19", _CAFFE, 32, {"VGG19": 224}),
    ("xception", _TF, 71, {"Xception": 299}),
)

APPLICATIONS: dict[str, Application] = {
    name: Application(name, module, input_size, smallest, preprocessing)
    for module, preprocessing, smallest, networks in _FAMILIES
    for name, input_size in networks.items()
}
_BY_FOLDED_NAME = {name.lower(): application for name, application in APPLICATIONS.items()}


def find(model: str) -> Application:
    """Return the network that `keras:NAME` names, whatever its case.

    Raises:
        InputError: keras.applications has none of that name; the hint names the nearest.
    """
    name = model[len(PREFIX) :]
    application = _BY_FOLDED_NAME.get(name.lower())
    if application is None:
        names = [PREFIX + known for known in APPLICATIONS]
        raise InputError(
            f"keras.applications has no network named {name!r}.", hint=suggest(model, names)
        )
    return application


def build(
    application: Application, *, input_size: int, classes: int, imagenet: bool
) -> keras.Model:
    """Build a network of keras.applications with its softmax.

    Args:
        application: an entry of the table.
        input_size: height and width of the input, pixels.
        classes: size of the softmax.
        imagenet: whether to load the weights Keras publishes, which it downloads once.

    Raises:
        InputError: the download failed.
    """
    import keras

    function = getattr(keras.applications, application.name)
    try:
        return function(
            weights="imagenet" if imagenet else None,
            input_shape=(input_size, input_size, 3),
            classes=classes,
        )
    except Exception as error:
        # get_file raises a bare Exception; without a download any error is Keras's or our own bug.
        if not imagenet:
            raise
        raise InputError(
            f"{PREFIX}{application.name} --weights imagenet: Keras could not fetch or load the"
            f" weights: {error}",
            hint="Check the network, or put the file into Keras's cache (~/.keras/models), or use"
            f" `{PREFIX}{application.name} --weights none` (latency only) or `--weights FILE`.",
        ) from error
