"""The table of keras.applications is what Keras itself has, does and accepts."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest

from edgecnn.calibration.preprocessing import preprocess
from edgecnn.zoo.keras_applications import APPLICATIONS, Application

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.tensorflow

_ONE_OF_EACH_FAMILY = {each.module: each for each in reversed(APPLICATIONS.values())}


def _build(application: Application, input_size: int | None) -> keras.Model:
    shape = None if input_size is None else (input_size, input_size, 3)
    with keras.StatelessScope():  # no weights are made
        return getattr(keras.applications, application.name)(weights=None, input_shape=shape)


def test_the_table_has_every_network_of_keras() -> None:
    networks = {
        name
        for name in dir(keras.applications)
        if callable(getattr(keras.applications, name)) and name[0].isupper()
    }
    assert networks == set(APPLICATIONS)


@pytest.mark.parametrize("family", _ONE_OF_EACH_FAMILY.values(), ids=_ONE_OF_EACH_FAMILY.keys())
def test_preprocessing_is_what_keras_does_to_pixels(family: Application) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 9, 9, 3), np.uint8)
    theirs = getattr(keras.applications, family.module).preprocess_input(pixels.astype(np.float32))
    np.testing.assert_allclose(preprocess(pixels, family.preprocessing), theirs, atol=1e-4)


@pytest.mark.parametrize("family", _ONE_OF_EACH_FAMILY.values(), ids=_ONE_OF_EACH_FAMILY.keys())
def test_the_smallest_input_is_keras_own(family: Application) -> None:
    smallest = family.min_input_size
    assert _build(family, smallest).input_shape == (None, smallest, smallest, 3)
    with pytest.raises(ValueError, match=str(smallest)):
        _build(family, smallest - 1)


@pytest.mark.parametrize("application", APPLICATIONS.values(), ids=APPLICATIONS.keys())
def test_the_default_input_is_keras_own(application: Application) -> None:
    """Request for its published weights at another size, Keras names the size it has them for."""
    if application.module == "mobilenet_v3":
        # Its size is variable unless one is request for; 224 is the size its documentation names.
        assert _build(application, None).input_shape == (None, None, None, 3)
        assert application.input_size == 224
        return
    published = f"({application.input_size}, {application.input_size}, 3)"
    with pytest.raises(ValueError, match=re.escape(published)):
        getattr(keras.applications, application.name)(weights="imagenet", input_shape=(100, 100, 3))


def test_a_download_that_fails_says_what_to_do(tmp_path: Path) -> None:
    code = (
        "from edgecnn.building import BuildRequest, build\n"
        "from edgecnn.errors import InputError\n"
        "try:\n"
        "    build(BuildRequest('keras:mobilenetv2', weights='imagenet'))\n"
        "except InputError as error:\n"
        "    print(error, error.hint)\n"
    )
    nowhere = "http://127.0.0.1:9"  # the discard port: refused at once
    environment = {"KERAS_HOME": str(tmp_path), "https_proxy": nowhere, "http_proxy": nowhere}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "", **environment},
    )
    assert "keras:MobileNetV2 --weights imagenet: Keras could not fetch" in done.stdout, done.stderr
    assert "keras:MobileNetV2 --weights none" in done.stdout
