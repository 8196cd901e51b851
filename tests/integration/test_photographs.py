"""The photographs that scikit-image really ships, cut for real."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edgecnn.calibration import photographs
from edgecnn.calibration.sources import Sampling, load
from edgecnn.errors import InputError, MissingPartError
from edgecnn.records import Endpoint

CODE = """
import sys
from edgecnn.calibration.sources import Sampling, load
from edgecnn.records import Endpoint
image = Endpoint("image", "float32", (1, 24, 20, 3), "NHWC")
print(load(Sampling(samples=7, held_out=3), (image,)).calibration.sha256)
assert not {"skimage", "scipy", "tensorflow"} & set(sys.modules), "a heavy import"
"""


def image(height: int, width: int) -> tuple[Endpoint]:
    return (Endpoint("image", "float32", (1, height, width, 3), "NHWC"),)


def test_the_default_is_photographs_and_says_that_the_users_own_are_better() -> None:
    split = load(Sampling(samples=12, held_out=5), image(64, 48))
    assert split.calibration.source == split.held_out.source == "scikit-image photographs"
    assert [values.shape for values in split.calibration.arrays] == [(12, 64, 48, 3)]
    assert [values.shape for values in split.held_out.arrays] == [(5, 64, 48, 3)]
    assert split.calibration.arrays[0].dtype == np.uint8
    assert "--calibration FOLDER" in split.warnings[0]


def test_parity_sees_other_photographs_than_calibration() -> None:
    assert not set(photographs.CALIBRATION) & set(photographs.HELD_OUT)


def test_the_same_seed_gives_the_same_crops_in_another_process() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    here = load(Sampling(samples=7, held_out=3), image(24, 20))
    assert run.stdout.strip() == here.calibration.sha256
    other = load(Sampling(samples=7, held_out=3, seed=1), image(24, 20))
    assert other.calibration.sha256 != here.calibration.sha256


def test_the_crops_are_real_pictures_and_all_different() -> None:
    pixels = photographs.crops(photographs.CALIBRATION, 50, size=(96, 96), channels=3, seed=0)
    assert len({crop.tobytes() for crop in pixels}) == 50
    assert min(crop.std() for crop in pixels) > 5
    # Hues: somewhere each channel is the strongest by far, and most are not grey.
    strongest = pixels.mean(axis=(1, 2)).argmax(axis=1)
    assert {0, 2} <= set(strongest.tolist())
    assert pixels.min() < 5
    assert pixels.max() > 250


@pytest.mark.parametrize("size", [(32, 32), (1200, 900)])
def test_any_input_size_and_a_grey_network(size: tuple[int, int]) -> None:
    pixels = photographs.crops(photographs.HELD_OUT, 3, size=size, channels=1, seed=0)
    assert pixels.shape == (3, *size, 1)
    assert np.ptp(pixels) > 100


def test_six_channels_are_refused() -> None:
    with pytest.raises(InputError, match="input has 6"):
        photographs.crops(photographs.HELD_OUT, 1, size=(8, 8), channels=6, seed=0)


def test_a_photograph_that_is_not_shipped_is_named() -> None:
    with pytest.raises(MissingPartError, match=r"nobody\.png") as caught:
        photographs.crops(("nobody.png",), 1, size=(8, 8), channels=3, seed=0)
    assert "pip install" in caught.value.hint


def test_without_scikit_image_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingPartError, match="not installed") as caught:
        photographs.crops(photographs.HELD_OUT, 1, size=(8, 8), channels=3, seed=0)
    assert "pip install 'edgecnn[export]'" in caught.value.hint
