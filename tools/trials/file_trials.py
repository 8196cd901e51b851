"""The files that others made and `try_models.py` tries, and what their makers feed them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trials.model_samples import Scaling, Subject, pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 48
_COLOURS = 3


@dataclass(frozen=True)
class Trial:
    """A file, and what its makers feed it.

    Attributes:
        name: what to call it.
        file: the model file.
        shape: of its one input.
        input: the input's name.
        scale: what pixels of 0 and 255 become.
        subject: what the samples show.
        open: whether the shape has to be said.
        small: a shape that an emulated device has the time for; `shape` where it is fixed.
    """

    name: str
    file: str
    shape: tuple[int, ...]
    input: str
    scale: tuple[float, float]
    subject: Subject
    open: bool = False
    small: tuple[int, ...] | None = None

    def samples(self, shape: tuple[int, ...], count: int) -> dict[str, NDArray[Any]]:
        """An array for the input, in the model's layout."""
        first = shape[1] == _COLOURS
        size = (shape[2], shape[3]) if first else (shape[1], shape[2])
        values = Scaling(*self.scale, channels_first=first)(pixels(self.subject, count, size))
        grey = shape[-1] == 1
        return {self.input: values.mean(axis=-1, keepdims=True) if grey else values}


TRIALS = (
    Trial("CenterFace", "centerface.onnx", (1, 3, 320, 320), "input.1", (0, 255), "photographs",
          open=True, small=(1, 3, 64, 64)),
    Trial("PP-OCR classifier", "ch_ppocr_mobile_v2.0_cls_infer.onnx", (1, 3, 48, 192), "x", (-1, 1),
          "text", open=True),
    Trial("PP-OCR detector", "ch_PP-OCRv4_det_infer.onnx", (1, 3, 320, 320), "x", (-1, 1), "text",
          open=True, small=(1, 3, 64, 64)),
    Trial("PP-OCR recognizer", "ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 320), "x", (-1, 1), "text",
          open=True, small=(1, 3, 48, 64)),
    Trial("BlazeFace short range", "face_detection_short_range.tflite", (1, 128, 128, 3), "input",
          (-1, 1), "faces"),
    Trial("YOLOv8n (NudeNet)", "320n.onnx", (1, 3, 320, 320), "images", (0, 1), "photographs",
          open=True, small=(1, 3, 64, 64)),
    Trial("MTCNN P-Net", "pnet.keras", (1, 96, 96, 3), "pixels", (-1, 1), "faces", open=True,
          small=(1, 48, 48, 3)),
    Trial("MTCNN R-Net", "rnet.keras", (1, 24, 24, 3), "pixels", (-1, 1), "faces"),
    Trial("MTCNN O-Net", "onet.keras", (1, 48, 48, 3), "pixels", (-1, 1), "faces"),
    Trial("FER mini-Xception", "emotion_model.hdf5", (1, 64, 64, 1), "input_1", (-1, 1), "faces"),
    Trial("Open-NSFW ResNet", "open-nsfw.onnx", (1, 224, 224, 3), "input:0", (-120, 135),
          "photographs", open=True),
    Trial("Selfie segmentation", "selfie_segmentation.tflite", (1, 256, 256, 3), "input_1", (0, 1),
          "faces"),
    Trial("Hand landmarks, lite", "hand_landmark_lite.tflite", (1, 224, 224, 3), "input_1", (0, 1),
          "photographs"),
    Trial("Pose landmarks, lite", "pose_landmark_lite.tflite", (1, 256, 256, 3), "input_1", (0, 1),
          "photographs"),
)  # fmt: skip
