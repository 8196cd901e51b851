"""Runs .onnx files with onnxruntime on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import isolation
from edgecnn.errors import InputError, MissingPartError
from edgecnn.records import TensorInfo
from edgecnn.runtime.quiet import quiet_stderr
from edgecnn.runtime.session import check_inputs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgecnn.runtime.session import Array

_ERRORS_ONLY = 3
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
}


class OnnxSession:
    """A .onnx file loaded in this process; see `edgecnn.runtime.session.Session`.

    Args:
        model: path of the file, or its bytes.
        threads: threads of one inference (intra-op; operators run one after the other).

    Raises:
        InputError: onnxruntime refuses the file.
        MissingPartError: onnxruntime is not installed.
    """

    def __init__(self, model: Path | str | bytes, threads: int = 1) -> None:
        runtime = _onnxruntime()
        self.runtime = f"onnxruntime {runtime.__version__}"
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # It grows by powers of two, and takes up to twice what the network needs.
        options.enable_cpu_mem_arena = not isolation.memory_is_limited()
        source = model if isinstance(model, bytes) else str(model)
        name = "the model" if isinstance(model, bytes) else str(model)
        # onnxruntime's exceptions have no base class of their own short of Exception.
        try:
            with quiet_stderr():
                self._session = runtime.InferenceSession(
                    source, options, providers=["CPUExecutionProvider"]
                )
        except Exception as error:
            raise InputError(
                f"{self.runtime} refuses {name}: {error}",
                hint="The file is damaged, or needs a newer onnxruntime.",
            ) from error
        self.inputs = tuple(_tensor_info(node) for node in self._session.get_inputs())
        self.outputs = tuple(_tensor_info(node) for node in self._session.get_outputs())

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run one inference; inputs of the dtypes of `self.inputs`, and shapes that match.

        Raises:
            InputError: an input does not fit, or an operator fails while running.
        """
        check_inputs(inputs, self.inputs)
        pairs = zip(self.inputs, inputs, strict=True)
        feed = {info.name: np.asarray(array) for info, array in pairs}  # takes no numpy scalars
        try:
            outputs: list[Array] = self._session.run(None, feed)
        except Exception as error:
            raise InputError(f"onnxruntime failed while running the model: {error}") from error
        return outputs


def _onnxruntime() -> Any:  # noqa: ANN401 - a module without type information
    try:
        with quiet_stderr():
            import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingPartError(
            "onnxruntime is not installed, and it runs .onnx files.",
            hint="pip install 'edgecnn[onnx]'",
        ) from error
    return onnxruntime


def _tensor_info(node: Any) -> TensorInfo:  # noqa: ANN401 - onnxruntime's NodeArg has no types
    """A graph input or output; a size onnxruntime knows only by name is -1."""
    dtype = _DTYPES.get(node.type, node.type.removeprefix("tensor(").removesuffix(")"))
    shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
    return TensorInfo(name=node.name, dtype=dtype, shape=shape)
