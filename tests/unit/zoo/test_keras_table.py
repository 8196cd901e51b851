"""The table of keras.applications, as far as it can be held without Keras."""

from __future__ import annotations

import pytest

from edgecnn.errors import InputError
from edgecnn.zoo.keras_applications import APPLICATIONS, find


@pytest.mark.parametrize("typed", ["keras:mobilenetv2", "keras:MobileNetV2", "KERAS:MOBILENETV2"])
def test_the_case_of_a_name_does_not_matter(typed: str) -> None:
    assert find(typed) is APPLICATIONS["MobileNetV2"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("keras:mobilnetv2", "keras:MobileNetV2"),
        ("keras:resnet", "keras:ResNet50"),
        ("keras:efficientnet-b0", "keras:EfficientNetB0"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(InputError, match=r"keras\.applications has no network") as caught:
        find(typed)
    assert meant in caught.value.hint


def test_no_name_at_all_is_answered_with_all_names() -> None:
    with pytest.raises(InputError) as caught:
        find("keras:")
    assert "keras:VGG16" in caught.value.hint


def test_networks_that_scale_their_own_input_are_fed_pixels() -> None:
    for name in ("EfficientNetB0", "EfficientNetV2S", "MobileNetV3Small", "ConvNeXtTiny"):
        record = APPLICATIONS[name].preprocessing
        assert (record.mean, record.std, record.channel_order) == ((0.0,), (1.0,), "RGB")
