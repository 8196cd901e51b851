"""Runs .tflite files with LiteRT's Interpreter and its default XNNPACK delegate."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn import files
from edgecnn.errors import InputError, MissingPartError
from edgecnn.records import TensorInfo
from edgecnn.runtime.quiet import quiet_stderr
from edgecnn.runtime.session import UnsupportedOpsError, check_inputs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    from edgecnn.runtime.session import Array

# The first that is installed runs the file. tflite-runtime is what 32-bit Raspberry Pi OS has.
_RUNTIMES = (("ai_edge_litert", "ai-edge-litert"), ("tflite_runtime", "tflite-runtime"))
# What LiteRT says of operators it cannot run: Flex, custom, newer than the runtime, and those whose
# dtypes its kernel does not take.
_NO_KERNEL = (
    "Select TensorFlow op",
    "unresolved custom op",
    "Didn't find op for builtin opcode",
    "failed to prepare",
)


class LiteRTSession:
    """A .tflite file loaded in this process; see `edgecnn.runtime.session.Session`.

    Args:
        model: path of the file, or its bytes.
        threads: threads of one inference.

    Raises:
        InputError: LiteRT refuses the file (`UnsupportedOpsError`: it lacks a kernel).
        MissingPartError: neither ai-edge-litert nor tflite-runtime is installed.
    """

    def __init__(self, model: Path | str | bytes, threads: int = 1) -> None:
        self._interpreter, self.runtime = _load(model, threads)
        with _readable_names():
            self._input_details = self._interpreter.get_input_details()
            self._output_details = self._interpreter.get_output_details()
        self.inputs = tuple(_tensor_info(detail) for detail in self._input_details)
        self.outputs = tuple(_tensor_info(detail) for detail in self._output_details)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run one inference; inputs of exactly the shapes and dtypes of `self.inputs`.

        Raises:
            InputError: an input does not fit, or an operator fails while running.
        """
        self._invoke(inputs)
        return [self._interpreter.get_tensor(detail["index"]) for detail in self._output_details]

    def run_in_place(self, inputs: Sequence[Array]) -> list[Array]:
        """As `run`, without copying: views of the interpreter's memory.

        Every one of them must be let go before the next run.
        """
        self._invoke(inputs)
        return [self._interpreter.tensor(detail["index"])() for detail in self._output_details]

    def _invoke(self, inputs: Sequence[Array]) -> None:
        check_inputs(inputs, self.inputs)
        for detail, array in zip(self._input_details, inputs, strict=True):
            self._interpreter.set_tensor(detail["index"], array)
        _invoke(self._interpreter)


def partitions(model: Path | str | bytes) -> tuple[int, dict[str, int]]:
    """How XNNPACK divides a file's main graph.

    Args:
        model: path of the file, or its bytes.

    Returns:
        The number of delegate partitions, and the operators outside all of them, name to count.

    Raises:
        InputError: LiteRT refuses the file (`UnsupportedOpsError`: it lacks a kernel).
        MissingPartError: no LiteRT is installed.
    """
    interpreter, _ = _load(model, threads=1)
    # Private, and the only way to see the delegate's work from Python. The list keeps the nodes
    # a delegate replaced; the DELEGATE nodes that took their place stand behind them.
    with _readable_names():
        details: list[dict[str, Any]] = interpreter._get_ops_details()  # noqa: SLF001 - see above
    delegates = [op for op in details if op["op_name"] == "DELEGATE"]
    original = [op for op in details if op["op_name"] != "DELEGATE"]
    replaced = set[int]()
    for delegate in delegates:
        replaced |= _replaced_by(delegate, original)
    remaining = Counter(op["op_name"] for op in original if op["index"] not in replaced)
    return len(delegates), dict(sorted(remaining.items()))


def run_on_zeros(model: bytes) -> dict[int, Array]:
    """Every tensor of the main graph after one run on zeros, by its index in the file.

    On kernels that keep all tensors and take no delegate; tensors that no operator reads or writes
    may be missing.

    Raises:
        InputError: LiteRT refuses the file, or fails while running it.
        MissingPartError: no LiteRT is installed.
    """
    interpreter, _ = _load(model, 1, experimental_preserve_all_tensors=True, **_without_delegates())
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
    _invoke(interpreter)
    with _readable_names():
        details = interpreter.get_tensor_details()
    return {
        detail["index"]: value
        for detail in details
        if (value := _value(interpreter, detail)) is not None
    }


def run_reference(model: Path | str, batches: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """Outputs of LiteRT's reference kernels, which round as those of microcontrollers do.

    Args:
        model: path of the file.
        batches: for each run an array for every input, of its own shape and dtype.

    Raises:
        InputError: LiteRT refuses the file, or fails while running it.
        MissingPartError: no LiteRT is installed.
    """
    interpreter, _ = _load(model, threads=1, **_of_kind("BUILTIN_REF"))
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    runs = []
    for batch in batches:
        for detail, array in zip(inputs, batch, strict=True):
            interpreter.set_tensor(detail["index"], array)
        _invoke(interpreter)
        runs.append([interpreter.get_tensor(detail["index"]) for detail in outputs])
    return runs


def _without_delegates() -> dict[str, Any]:
    """So that each operator prepares its own outputs; nothing where no runtime is installed."""
    return _of_kind("BUILTIN_WITHOUT_DEFAULT_DELEGATES")


def _of_kind(kernels: str) -> dict[str, Any]:
    """The option for other kernels than the default, named as OpResolverType names them."""
    for package, _ in _RUNTIMES:
        if importlib.util.find_spec(package) is not None:
            resolver = importlib.import_module(f"{package}.interpreter").OpResolverType
            return {"experimental_op_resolver_type": getattr(resolver, kernels)}
    return {}


def _value(interpreter: Any, detail: dict[str, Any]) -> Array | None:  # noqa: ANN401 - no types
    try:
        value: Array = interpreter.get_tensor(detail["index"])
    except ValueError:  # a tensor that was given no memory: nothing reads or writes it
        return None
    return value


def _replaced_by(delegate: dict[str, Any], original: Sequence[dict[str, Any]]) -> set[int]:
    """Indices of the nodes a DELEGATE node stands for.

    A DELEGATE reads every tensor its nodes read and do not make themselves: walking back from
    what it writes to what it reads passes through exactly its nodes.
    """
    maker = {int(tensor): op for op in original for tensor in op["outputs"]}
    stop = {int(tensor) for tensor in delegate["inputs"]}
    open_tensors = [int(tensor) for tensor in delegate["outputs"]]
    nodes = set[int]()
    while open_tensors:
        tensor = open_tensors.pop()
        op = maker.get(tensor)
        if op is None or tensor in stop or op["index"] in nodes:
            continue
        nodes.add(op["index"])
        open_tensors += [int(source) for source in op["inputs"]]
    return nodes


def _invoke(interpreter: Any) -> None:  # noqa: ANN401 - the runtime has no types
    try:
        interpreter.invoke()
    except RuntimeError as error:
        raise InputError(f"LiteRT failed while running the model: {error}") from error


def _load(model: Path | str | bytes, threads: int, **options: Any) -> tuple[Any, str]:  # noqa: ANN401 - the runtime's own options
    """An Interpreter with its tensors allocated, and the name of its runtime."""
    interpreter_class, runtime = _interpreter_class()
    source = {"model_content": model} if isinstance(model, bytes) else _source(str(model))
    name = "the model" if isinstance(model, bytes) else str(model)
    try:
        with quiet_stderr():
            interpreter = interpreter_class(**source, num_threads=threads, **options)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip() or "it says nothing, as where tensors find no memory"
        text = f"{runtime} refuses {name}: {reason}"
        if any(words in str(error) for words in _NO_KERNEL):
            hint = "Convert without SELECT_TF_OPS and custom operators, or update the runtime."
            raise UnsupportedOpsError(text, hint=hint) from error
        raise InputError(text, hint="The file is damaged, or not for this runtime.") from error
    return interpreter, runtime


@contextlib.contextmanager
def _readable_names() -> Generator[None, None, None]:
    """LiteRT hands names out as Python strings, and a damaged file's may not be UTF-8."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(
            "The .tflite file is damaged: a tensor's name is no text.",
            hint="Get or make the file again.",
        ) from error


def _source(path: str) -> dict[str, Any]:
    """How the file is handed over: LiteRT's own reader takes only names that are UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return {"model_content": files.read_bytes(path)}
    return {"model_path": path}


def _interpreter_class() -> tuple[Any, str]:
    for package, distribution in _RUNTIMES:
        if importlib.util.find_spec(package) is not None:
            with quiet_stderr():
                module = importlib.import_module(f"{package}.interpreter")
            version = importlib.metadata.version(distribution)
            return module.Interpreter, f"{distribution} {version}"
    raise MissingPartError(
        "No runtime for .tflite files is installed: neither ai-edge-litert nor tflite-runtime.",
        hint="pip install edgecnn",
    )


def _tensor_info(detail: dict[str, Any]) -> TensorInfo:
    scale, zero_point = detail["quantization"]
    quantized = scale != 0
    return TensorInfo(
        name=detail["name"],
        dtype=np.dtype(detail["dtype"]).name,
        shape=_plain(detail["shape"]),
        scale=float(scale) if quantized else None,
        zero_point=int(zero_point) if quantized else None,
    )


def _plain(shape: Iterable[Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in shape)


def shapes_at(
    model: Path | str | bytes, inputs: Sequence[tuple[int, ...]]
) -> dict[int, tuple[int, ...]]:
    """The shape of every tensor of the main graph once the inputs have these shapes.

    Where a shape follows from values, the model is run once, on zeros.

    Args:
        model: path of the file, or its bytes.
        inputs: a shape for each input, in the file's order.

    Returns:
        Shapes by the tensor's index in the file.

    Raises:
        InputError: LiteRT refuses the file, or these shapes.
        MissingPartError: no LiteRT is installed.
    """
    interpreter, runtime = _load(model, threads=1, **_without_delegates())
    details = interpreter.get_input_details()
    try:
        for detail, shape in zip(details, inputs, strict=True):
            interpreter.resize_tensor_input(detail["index"], shape, strict=False)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{runtime} refuses the shapes {', '.join(map(str, inputs))}: {error}",
            hint="The network may ask for sizes that its strides divide, such as multiples of 32.",
        ) from error
    with _readable_names():
        tensors = interpreter.get_tensor_details()
    if any(not _has_memory(interpreter, detail) for detail in tensors):
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
        _invoke(interpreter)
        tensors = interpreter.get_tensor_details()
    return {detail["index"]: _plain(detail["shape"]) for detail in tensors}


def _has_memory(interpreter: Any, detail: dict[str, Any]) -> bool:  # noqa: ANN401 - no types
    """Whether a tensor's size was known before a run; a view of it, let go at once."""
    try:
        interpreter.tensor(detail["index"])()
    except ValueError:
        return False
    return True
