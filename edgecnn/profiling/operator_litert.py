"""LiteRT's own profiler, which sees every operator inside the XNNPACK delegate.

Python's Interpreter and CompiledModel do not reach it, but the C API that libLiteRt.so exports
does: a compiled model made with `enable_profiling` keeps an event for each operator, and for each
operator that XNNPACK ran in the delegate's stead. Declared after LiteRT's headers
litert/c/litert_compiled_model.h, litert_profiler.h, litert_profiler_event.h and
litert_tensor_buffer.h as of LiteRT 2.1 to 2.3.

A call with wrong arguments would crash: run `profile` in a child process.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import time
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import InputError, MissingPartError
from edgecnn.runtime.timing import pin

_LIBRARY = "libLiteRt.so"
_ON_CPU = 1
_FOR_WRITING = 1
# ProfiledEventData.event_type
_INTERPRETER_OPERATOR = 1 << 1
_DELEGATED_OPERATOR = (1 << 2) | (1 << 3)
# LiteRtElementType to numpy, those that network inputs have
_DTYPES = {1: "float32", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8"}
_RANKED_TENSOR_TYPE_BYTES = 72  # the header's own static_assert


class ProfilerFailedError(InputError):
    """LiteRT's profiler is there, but does not profile this file."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("tag", c_char_p),
        ("event_type", c_int),
        ("start_us", c_uint64),
        ("elapsed_us", c_uint64),
        ("memory", c_size_t * 6),
        ("metadata", c_uint64),
        ("metadata2", c_uint64),
        ("source", c_int),
    )


@dataclass(frozen=True)
class Event:
    """One operator of one run.

    Attributes:
        kernel: the operator in XNNPACK's words, or the builtin's name.
        node: index of the graph's operator; None inside a delegate, which counts its own.
        elapsed_us: microseconds; profilers cut them off to whole ones.
    """

    kernel: str
    node: int | None
    elapsed_us: float


@dataclass(frozen=True)
class Run:
    """One inference: wall time in microseconds, and its operators in the order they ran."""

    wall_us: float
    events: tuple[Event, ...]


def profile(path: str, threads: int, seconds: float) -> tuple[Run, ...]:
    """Run a .tflite file for about `seconds` and return what each run's operators took.

    Random inputs; a fifth of the time is warm-up, and at least three runs are profiled.

    Raises:
        MissingPartError: this runtime brings no libLiteRt.so.
        ProfilerFailedError: the library refuses the file.
    """
    pin(threads)
    with _Profiled(path, threads) as model:
        deadline = time.monotonic() + seconds
        warm = time.monotonic() + seconds / 5
        while time.monotonic() < warm:
            model.run()
        runs = [model.profiled_run() for _ in range(3)]
        while time.monotonic() < deadline:
            runs.append(model.profiled_run())
    return tuple(runs)


def runtime_name() -> str:
    """The runtime whose profiler this is."""
    return f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"


def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("ai_edge_litert")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / _LIBRARY if folders else None
    if path is None or not path.is_file():
        raise MissingPartError(
            f"LiteRT's profiler is not here: no {_LIBRARY}.", hint="pip install ai-edge-litert"
        )
    return ctypes.CDLL(str(path))


class _Profiled:
    """A compiled model with its buffers and profiler, by the C API."""

    def __init__(self, path: str, threads: int) -> None:
        self._lib = _library()
        self._path = path
        self._environment, self._model = c_void_p(), c_void_p()
        self._compiled, self._profiler = c_void_p(), c_void_p()
        self._call("LiteRtCreateEnvironment", c_int(0), None, byref(self._environment))
        encoded = path.encode(errors="surrogateescape")
        self._call(
            "LiteRtCreateModelFromFile", self._environment, c_char_p(encoded), byref(self._model)
        )
        self._call(
            "LiteRtCreateCompiledModel",
            *(self._environment, self._model, self._options(threads), byref(self._compiled)),
        )
        self._call("LiteRtCompiledModelGetProfiler", self._compiled, byref(self._profiler))
        signature = c_void_p()
        self._call("LiteRtGetModelSignature", self._model, c_size_t(0), byref(signature))
        self._inputs = self._buffers(signature, "Input")
        self._outputs = self._buffers(signature, "Output")

    def __enter__(self) -> _Profiled:  # noqa: PYI034 - Python 3.10 has no typing.Self
        return self

    def __exit__(self, *_: object) -> None:
        for buffer in (*self._inputs, *self._outputs):
            self._lib.LiteRtDestroyTensorBuffer(c_void_p(buffer))
        self._lib.LiteRtDestroyCompiledModel(self._compiled)
        self._lib.LiteRtDestroyModel(self._model)
        self._lib.LiteRtDestroyEnvironment(self._environment)

    def run(self) -> float:
        """Run one inference; its wall time in microseconds."""
        arguments = (
            *(self._compiled, c_size_t(0)),
            *(c_size_t(len(self._inputs)), self._inputs),
            *(c_size_t(len(self._outputs)), self._outputs),
        )
        begin = time.perf_counter_ns()
        status = self._lib.LiteRtRunCompiledModel(*arguments)
        elapsed = time.perf_counter_ns() - begin
        self._check(status, "LiteRtRunCompiledModel")
        return elapsed / 1000

    def profiled_run(self) -> Run:
        """Run one inference with the profiler on."""
        self._call("LiteRtStartProfiler", self._profiler)  # also forgets what it held
        wall_us = self.run()
        self._call("LiteRtStopProfiler", self._profiler)
        count = c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, byref(count))
        events = (_Event * max(count.value, 1))()
        if count.value:
            self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        return Run(wall_us, tuple(_operators(events[: count.value])))

    def _options(self, threads: int) -> c_void_p:
        options = c_void_p()
        self._call("LiteRtCreateOptions", byref(options))
        self._call("LiteRtSetOptionsHardwareAccelerators", options, c_int(_ON_CPU))
        # What LrtGetOpaqueRuntimeOptionsData and LrtGetOpaqueCpuOptionsData would write.
        self._add_option(options, b"runtime_options_string", b"enable_profiling = true\n")
        self._add_option(options, b"xnnpack", b"num_threads = %d\n" % threads)
        return options

    def _add_option(self, options: c_void_p, name: bytes, text: bytes) -> None:
        """Add a payload that LiteRT frees when it is done: so C must allocate it."""
        libc = ctypes.CDLL(None)
        libc.strdup.restype = c_void_p
        payload = c_void_p(libc.strdup(c_char_p(text)))
        handle = c_void_p()
        self._call(
            "LiteRtCreateOpaqueOptions",
            *(c_char_p(name), payload, ctypes.cast(libc.free, c_void_p), byref(handle)),
        )
        self._call("LiteRtAddOpaqueOptions", options, handle)

    def _buffers(self, signature: c_void_p, side: str) -> ctypes.Array[c_void_p]:
        """A buffer for each input or output; inputs hold random numbers."""
        count = c_size_t()
        self._call(f"LiteRtGetNumSignature{side}s", signature, byref(count))
        buffers = (c_void_p * count.value)()
        for index in range(count.value):
            buffers[index] = self._buffer(signature, side, c_size_t(index))
        return buffers

    def _buffer(self, signature: c_void_p, side: str, index: c_size_t) -> c_void_p:
        tensor, requirements, buffer = c_void_p(), c_void_p(), c_void_p()
        kind = ctypes.create_string_buffer(_RANKED_TENSOR_TYPE_BYTES)
        self._call(f"LiteRtGetSignature{side}TensorByIndex", signature, index, byref(tensor))
        self._call("LiteRtGetRankedTensorType", tensor, kind)
        self._call(
            f"LiteRtGetCompiledModel{side}BufferRequirements",
            *(self._compiled, c_size_t(0), index, byref(requirements)),
        )
        self._call(
            "LiteRtCreateManagedTensorBufferFromRequirements",
            *(self._environment, kind, requirements, byref(buffer)),
        )
        if side == "Input":
            self._fill(buffer, _DTYPES.get(c_int.from_buffer(kind).value, "uint8"))
        return buffer

    def _fill(self, buffer: c_void_p, dtype: str) -> None:
        size, address = c_size_t(), c_void_p()
        self._call("LiteRtGetTensorBufferPackedSize", buffer, byref(size))
        self._call("LiteRtLockTensorBuffer", buffer, byref(address), c_int(_FOR_WRITING))
        values = random_values(size.value // np.dtype(dtype).itemsize, dtype).tobytes()
        ctypes.memmove(address, values, len(values))
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def _call(self, name: str, *arguments: Any) -> None:  # noqa: ANN401 - whatever C takes
        self._check(getattr(self._lib, name)(*arguments), name)

    def _check(self, status: int, name: str) -> None:
        if status != 0:
            raise ProfilerFailedError(f"LiteRT's profiler: {name} gave {status} on {self._path}.")


def random_values(count: int, dtype: str) -> np.ndarray[Any, Any]:
    """Seeded numbers as a network is fed: 0..1 as floats, the whole range as 8-bit integers.

    Zeros for wider integers and bools, which are indices or sizes.
    """
    random = np.random.default_rng(0)
    if dtype.startswith("float"):
        return random.random(count, np.float32).astype(dtype)
    if dtype in {"int8", "uint8"}:
        return random.integers(0, 256, count, np.uint8).view(dtype)
    return np.zeros(count, dtype)


def _operators(events: list[_Event]) -> list[Event]:
    """Operators alone, in order; the interpreter's own bookkeeping is left out."""
    operators = []
    for event in events:
        kernel = (event.tag or b"").decode(errors="replace")
        if event.event_type & _DELEGATED_OPERATOR:
            operators.append(Event(kernel, None, event.elapsed_us))
        elif event.event_type == _INTERPRETER_OPERATOR:
            operators.append(Event(kernel, int(event.metadata), event.elapsed_us))
    return operators
