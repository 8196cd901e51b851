"""Each tool's quantized file of a network, every one made in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measure.measuring import child_environment, edgecnn_command

from compare.board_measuring import ToolFile, integer_share, is_whole, known_layouts
from edgecnn import layouts, manifest
from edgecnn.formats.tflite_graph import Graph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from compare.board_networks import BoardNetwork
    from edgecnn.records import EndLayouts, Manifest

    Maker = Callable[["Float", NDArray[np.float32], Path], list[ToolFile]]

CONVERTER, QUANTIZER = "TFLiteConverter", "litert-quantizer"
OURS, OURS_ONNX = "edgecnn .tflite", "edgecnn .onnx"
RUNTIME, ADVISED = "onnxruntime", "onnxruntime, advised"
# Where edgecnn left layers in float: its file that is integers throughout.
STRICT, STRICT_ONNX = "edgecnn --strict .tflite", "edgecnn --strict .onnx"
TOOLS = (CONVERTER, QUANTIZER, OURS, STRICT, RUNTIME, ADVISED, OURS_ONNX, STRICT_ONNX)


class ToolError(Exception):
    """A tool ended with an error; its message is what it last said."""


def run(command: Sequence[str]) -> None:
    """Run a tool.

    Raises:
        ToolError: it failed.
    """
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = (done.stderr.strip() or f"exit {done.returncode}").splitlines()
        raise ToolError("\n".join(lines[-3:])[-600:])


def _script(name: str) -> list[str]:
    return [sys.executable, str(Path(__file__).parents[1] / name)]


@dataclass(frozen=True)
class Float:
    """A network's float files.

    Attributes:
        network: of the board.
        source: its file.
        artifact: folder of edgecnn's float32 files.
        known: its manifest.
        converter: what the TFLite tools are given: TFLiteConverter's own float file where it reads
            the source, else edgecnn's.
    """

    network: BoardNetwork
    source: Path
    artifact: Path
    known: Manifest
    converter: Path

    @property
    def keras(self) -> bool:
        """Whether TFLiteConverter reads the source itself."""
        return reads(self.source, open_size=self.network.open)

    @property
    def layouts(self) -> EndLayouts | None:
        """Of what the TFLite tools are given."""
        return None if self.keras else known_layouts(self.known, "tflite")

    @property
    def onnx(self) -> tuple[Path, EndLayouts | None] | None:
        """The float .onnx and its layouts: the source, else edgecnn's; None where there is none."""
        if self.source.suffix == ".onnx":
            return self.source, None
        path = self.artifact / "model.onnx"
        return (path, known_layouts(self.known, "onnx")) if path.is_file() else None


def reads(source: Path, *, open_size: bool) -> bool:
    """Whether TFLiteConverter takes the source: a Keras file whose input size is said."""
    return source.suffix == ".keras" and not open_size


def float_files(network: BoardNetwork, source: Path, folder: Path) -> Float:
    """Export as float32, and let TFLiteConverter convert what it can read."""
    run(
        edgecnn_command(
            "export", str(source), "--float32", *_format(source), *_shape(network),
            *("--calibration", str(save(folder / "few.npz", network.images("calibration", 8)))),
            *("--calibration-samples", "8", "--out", str(folder)),
        )
    )  # fmt: skip
    artifact = folder / "float32"
    converter = folder / "float.tflite"
    converter.write_bytes(_for_converter((artifact / "model.tflite").read_bytes()))
    if reads(source, open_size=network.open):
        script = _script("baseline_tflite_converter.py")
        run([*script, "--model", str(source), "--out", str(converter)])
    known = manifest.load(artifact / manifest.NAME)
    return Float(network, source, artifact, known, converter)


def _for_converter(data: bytes) -> bytes:
    """The file without the codes of operators that it has no longer.

    TFLiteConverter's calibrator refuses one whose version it does not know (DEQUANTIZE of float16).
    """
    graph = Graph.read(data)
    if graph.model is not None:
        graph.model.operatorCodes = []
    return graph.write()


def _format(source: Path) -> tuple[str, ...]:
    return ("--format", "tflite" if source.suffix == ".tflite" else "both")


def _shape(network: BoardNetwork) -> tuple[str, ...]:
    return ("--input-shape", "x".join(map(str, network.shape))) if network.open else ()


def save(path: Path, images: NDArray[np.float32]) -> Path:
    """Write pictures as the .npz that all tools take."""
    np.savez(path, images=images)
    return path


def make_files(
    floats: Float, images: NDArray[np.float32], folder: Path
) -> tuple[list[ToolFile], dict[str, str]]:
    """Let every tool make its file.

    Args:
        floats: the float files.
        images: to calibrate on, in the network's own layout; all of them are used.
        folder: where the files go.

    Returns:
        What was made, and for tools that failed the error.
    """
    result: list[ToolFile] = []
    errors: dict[str, str] = {}
    for maker, tools in _MAKERS:
        files, error = _tried(maker, floats, images, folder)
        result += files
        errors |= dict.fromkeys(tools, error) if error else {}
    return result, errors


def _tried(
    maker: Maker, floats: Float, images: NDArray[np.float32], folder: Path
) -> tuple[list[ToolFile], str]:
    try:
        return maker(floats, images, folder), ""
    except ToolError as error:
        return [], str(error)


def _laid_out(
    images: NDArray[np.float32], floats: Float, ends: EndLayouts | None
) -> NDArray[np.float32]:
    if ends is None:
        return images
    layout = ends.inputs[0]
    moved: NDArray[np.float32] = layouts.convert(images, floats.known.inputs[0].layout, layout)
    return moved


def _calibration(
    floats: Float, images: NDArray[np.float32], path: Path, ends: EndLayouts | None
) -> tuple[str, ...]:
    saved = save(path, _laid_out(images, floats, ends))
    return ("--calibration", str(saved), "--samples", str(len(images)))


def _converted(floats: Float, images: NDArray[np.float32], folder: Path) -> list[ToolFile]:
    model = floats.source if floats.keras else floats.converter
    calibration = _calibration(floats, images, folder / "nhwc.npz", floats.layouts)
    out = folder / "converter.tflite"
    script = _script("baseline_tflite_converter.py")
    run([*script, "--model", str(model), *calibration, "--out", str(out)])
    return [ToolFile(CONVERTER, out, floats.layouts)]


def _quantized(floats: Float, images: NDArray[np.float32], folder: Path) -> list[ToolFile]:
    calibration = _calibration(floats, images, folder / "nhwc.npz", floats.layouts)
    out = folder / "quantizer.tflite"
    script = _script("baseline_litert_quantizer.py")
    run([*script, "--float", str(floats.converter), *calibration, "--out", str(out)])
    return [ToolFile(QUANTIZER, out, floats.layouts)]


def _exported(floats: Float, images: NDArray[np.float32], folder: Path) -> list[ToolFile]:
    return _export(floats, images, folder / "default", {"tflite": OURS, "onnx": OURS_ONNX}, ())


def _strict(file_format: str, tool: str) -> Maker:
    """The maker of a file of integers throughout; it makes none where the default is one."""

    def make(floats: Float, images: NDArray[np.float32], folder: Path) -> list[ToolFile]:
        default = folder / "default" / "int8" / f"model.{file_format}"
        if not default.is_file() or is_whole(integer_share(default)):
            return []
        options = ("--strict", "--format", file_format)
        return _export(
            floats, images, folder / f"strict-{file_format}", {file_format: tool}, options
        )

    return make


def _export(
    floats: Float,
    images: NDArray[np.float32],
    folder: Path,
    tools: Mapping[str, str],
    options: tuple[str, ...],
) -> list[ToolFile]:
    """Export as int8; of a format that is said twice the last counts."""
    folder.mkdir()
    saved = save(folder / "own.npz", images)
    run(
        edgecnn_command(
            *("export", str(floats.source), "--int8", *_format(floats.source), *options),
            *(*_shape(floats.network), "--calibration", str(saved)),
            *("--calibration-samples", str(len(images)), "--out", str(folder)),
        )
    )
    known = manifest.load(folder / "int8" / manifest.NAME)
    return [ToolFile(tools[f.format], folder / "int8" / f.path, f.layouts) for f in known.files]


def _static(floats: Float, images: NDArray[np.float32], folder: Path) -> list[ToolFile]:
    return _by_runtime(floats, images, folder / "runtime.onnx", RUNTIME, ())


def _advised(floats: Float, images: NDArray[np.float32], folder: Path) -> list[ToolFile]:
    return _by_runtime(floats, images, folder / "advised.onnx", ADVISED, ("--advised",))


def _by_runtime(
    floats: Float, images: NDArray[np.float32], out: Path, tool: str, options: tuple[str, ...]
) -> list[ToolFile]:
    if floats.onnx is None:
        return []
    model, ends = floats.onnx
    calibration = _calibration(floats, images, out.with_suffix(".npz"), ends)
    script = _script("baseline_onnxruntime.py")
    run([*script, "--float", str(model), *calibration, *options, "--out", str(out)])
    return [ToolFile(tool, out, ends)]


_MAKERS: tuple[tuple[Maker, tuple[str, ...]], ...] = (
    (_converted, (CONVERTER,)),
    (_quantized, (QUANTIZER,)),
    (_exported, (OURS, OURS_ONNX)),
    (_strict("tflite", STRICT), (STRICT,)),
    (_strict("onnx", STRICT_ONNX), (STRICT_ONNX,)),
    (_static, (RUNTIME,)),
    (_advised, (ADVISED,)),
)
