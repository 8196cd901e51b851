"""What people write today: post-training int8 quantization with TensorFlow's own converter.

Follows TensorFlow's guide "Post-training integer quantization" to the letter, so that a comparison
with it is one with a careful user, not with a straw man. It stands alone on purpose, as a user's
script would: beyond TensorFlow it needs edgecnn only to build a network of the zoo by name.

A source that is no Keras model the converter cannot read. Its quantizer, which works on the float
.tflite that it has made, takes any: --model FILE.tflite runs the two steps of TFLiteConverter's
`_quantize` (calibration, MLIR quantizer) on that, for int8 ends likewise.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray


def load_model(name: str) -> Any:  # noqa: ANN401 - a keras.Model; Keras is untyped
    """Build a network of the zoo with random weights (seed 0), or load a .keras file."""
    import keras

    if name.endswith(".keras"):
        return keras.models.load_model(name)
    from compare.zoo_networks import build_network

    keras.utils.set_random_seed(0)
    return build_network(name)


def first_array(path: Path, samples: int) -> NDArray[np.float32]:
    """Return the first images of an .npz file's first array: (samples, height, width, channels)."""
    import numpy as np

    with np.load(path) as archive:
        images: NDArray[np.float32] = archive[archive.files[0]][:samples]
    return images


def convert(model: Any, images: NDArray[np.float32] | None) -> bytes:  # noqa: ANN401 - keras.Model
    """Return the float .tflite file, or with images the full-integer one calibrated on them."""
    import tensorflow as tf  # noqa: TID251 - the tool that edgecnn is compared with

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if images is not None:

        def representative_dataset() -> Iterator[list[NDArray[np.float32]]]:
            for image in images:
                yield [image[None]]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative_dataset
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    data: bytes = converter.convert()
    return data


def quantize(data: bytes, images: NDArray[np.float32]) -> bytes:
    """Return what the converter's quantizer makes of a float .tflite calibrated on the images."""
    import tensorflow as tf  # noqa: TID251 - the tool that edgecnn is compared with
    from tensorflow.lite.python import convert as steps  # noqa: TID251 - likewise
    from tensorflow.lite.python.optimize import calibrator  # noqa: TID251 - likewise

    calibrating = calibrator.Calibrator(calibrator.add_intermediate_tensors(data))
    calibrated = calibrating.calibrate(lambda: ([image[None]] for image in images))
    quantized: bytes = steps.mlir_quantize(
        calibrated, input_data_type=tf.int8, output_data_type=tf.int8
    )
    return quantized


def main() -> None:
    """Convert one network: int8 with --calibration, float32 without."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", required=True, help="zoo name, .keras or float .tflite")
    parser.add_argument("--calibration", type=Path, help=".npz, first array float32 NHWC")
    parser.add_argument("--samples", type=int, default=100, help="calibration images to use")
    parser.add_argument("--out", type=Path, required=True, help="the .tflite file to write")
    parser.add_argument("--save", type=Path, help="also keep the network as a .keras file")
    options = parser.parse_args()
    images = first_array(options.calibration, options.samples) if options.calibration else None
    if options.model.endswith(".tflite"):
        if images is None:
            parser.error("a float .tflite takes --calibration")
        options.out.write_bytes(quantize(Path(options.model).read_bytes(), images))
        return
    model = load_model(options.model)
    if options.save:
        model.save(options.save)
    options.out.write_bytes(convert(model, images))


if __name__ == "__main__":
    main()
