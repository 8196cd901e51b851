"""onnxruntime's own static quantization of a float .onnx, as its guide has it.

The file is prepared (shapes inferred, graph optimized) by `quant_pre_process`, without symbolic
shapes, which fail on PaddleOCR's files and are not needed where all sizes are said. It is quantized
by `quantize_static` with its defaults: QDQ, int8, one scale for a whole weights tensor, min/max
ranges. --advised takes what its docstring advises for an x86 CPU without VNNI and for accuracy:
unsigned activations, a scale for each channel, weights of 7 bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from baseline_tflite_converter import first_array

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def fix_shapes(model: Path, shape: tuple[int, ...], out: Path) -> None:
    """Write the model with its one input's shape said, and its outputs' shapes inferred from that.

    Weights that are listed as inputs too, as old files have them, are so no longer: onnxruntime
    warns that it cannot optimize them. Its own `make_input_shape_fixed` takes no two sizes of one
    name, as PaddleOCR's height and width are.
    """
    import onnx

    loaded = onnx.load(model)
    graph = loaded.graph
    weights = {tensor.name for tensor in graph.initializer}
    (data,) = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.append(data)
    for size, length in zip(graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        size.dim_value = length
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    onnx.save(onnx.shape_inference.infer_shapes(loaded), out)


def quantize(model: Path, images: NDArray[np.float32], out: Path, *, advised: bool) -> None:
    """Quantize a float .onnx with one input.

    Args:
        model: the float file.
        images: (samples, ...) in the input's own layout.
        out: the file to write.
        advised: not the defaults but what is advised for this kind of CPU.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc] # onnxruntime is untyped
        def __init__(self, name: str) -> None:
            self._feeds = iter({name: image[None]} for image in images)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._feeds, None)

    options: dict[str, Any] = (
        {
            "per_channel": True,
            "reduce_range": True,
            "activation_type": quantization.QuantType.QUInt8,
        }
        if advised
        else {}
    )
    with TemporaryDirectory() as folder:
        fixed, prepared = Path(folder) / "fixed.onnx", Path(folder) / "prepared.onnx"
        fix_shapes(model, (1, *images.shape[1:]), fixed)
        quant_pre_process(str(fixed), str(prepared), skip_symbolic_shape=True)
        reader = Reader(onnx.load(fixed).graph.input[0].name)
        quantization.quantize_static(str(prepared), str(out), reader, **options)


def main() -> None:
    """Quantize one float .onnx file to int8."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--float", type=Path, required=True, help="float .onnx")
    parser.add_argument("--calibration", type=Path, required=True, help=".npz, in its layout")
    parser.add_argument("--samples", type=int, default=100, help="calibration images to use")
    parser.add_argument("--advised", action="store_true", help="as advised, not the defaults")
    parser.add_argument("--out", type=Path, required=True, help="the .onnx file to write")
    options = parser.parse_args()
    images = first_array(options.calibration, options.samples)
    quantize(options.float, images, options.out, advised=options.advised)


if __name__ == "__main__":
    main()
