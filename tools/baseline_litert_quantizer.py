"""The other tool people use: litert-quantizer (once ai-edge-quantizer) with its own defaults.

Its full-integer recipe `static_wi8_ai8`, and its own calibration, on a float .tflite.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from baseline_tflite_converter import first_array

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def quantize(float_file: Path, images: NDArray[np.float32]) -> bytes:
    """Return the int8 file that litert-quantizer makes of a float .tflite with one signature."""
    from ai_edge_litert.interpreter import Interpreter
    from litert_quantizer import quantizer, recipe

    signatures = Interpreter(model_path=str(float_file)).get_signature_list()
    ((key, signature),) = signatures.items()
    (name,) = signature["inputs"]
    tool = quantizer.Quantizer(str(float_file), recipe.static_wi8_ai8())
    statistics = tool.calibrate({key: [{name: image[None]} for image in images]})
    return bytes(tool.quantize(statistics).quantized_model)


def main() -> None:
    """Quantize one float .tflite file to int8."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--float", type=Path, required=True, help="float .tflite")
    parser.add_argument("--calibration", type=Path, required=True, help=".npz, float32 NHWC")
    parser.add_argument("--samples", type=int, default=100, help="calibration images to use")
    parser.add_argument("--out", type=Path, required=True, help="the .tflite file to write")
    options = parser.parse_args()
    images = first_array(options.calibration, options.samples)
    options.out.write_bytes(quantize(options.float, images))


if __name__ == "__main__":
    main()
