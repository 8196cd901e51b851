"""ImageNet top-1 of published weights, as their publishers state it."""

from __future__ import annotations

# "Keras Applications", table "Available models" (keras.io/api/applications), single 224 or 299
# crop. VGG16 and MobileNetV2 stand at 71.3 % there, both.
_KERAS = {
    "keras:Xception": 0.790,
    "keras:InceptionV3": 0.779,
    "keras:ResNet50": 0.749,
    "keras:VGG16": 0.713,
    "keras:MobileNetV2": 0.713,
    "keras:EfficientNetB0": 0.771,
}
# Keras's table leaves MobileNetV3 out: Howard et al., "Searching for MobileNetV3",
# arXiv:1905.02244, table 3, width 1.0 at 224 pixels.
_PAPERS = {"keras:MobileNetV3Small": 0.675, "keras:MobileNetV3Large": 0.752}

PUBLISHED_TOP1 = {**_KERAS, **_PAPERS}
