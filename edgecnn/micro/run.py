"""The verb `mcu`: is a .tflite file for TensorFlow Lite Micro, and what does it need there?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import gate, isolation
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.micro import arena, interpreter, operators, subject, writing
from edgecnn.micro.boards import BOARDS
from edgecnn.micro.compare import compare
from edgecnn.micro.fitting import board_fit
from edgecnn.micro.naming import identifier
from edgecnn.micro.planner import ALIGNMENT
from edgecnn.micro.record import ArenaMeasurement, MicroReport
from edgecnn.progress import Progress, Silent

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from edgecnn.inspection import Inspection
    from edgecnn.micro.record import ArenaEstimate, Comparison
    from edgecnn.micro.subject import Subject

    Runs = list[list[NDArray[Any]]]

_LARGEST_ARENA = 256 << 20
_ROOM = 1 << 20
# reference/softmax.h of TFLite divides by 2^(23 + bits of the sum of exps), and 31 is the most.
_SOFTMAX_CLASSES = 256

ARENA_NOTE = (
    "The arena is that of TensorFlow Lite Micro's reference kernels on a 64-bit machine: a 32-bit"
    " one needs less; kernels of CMSIS-NN and ESP-NN need scratch memory on top, not counted here."
)
FLASH_NOTE = (
    "Flash of the program itself is unknown until it is linked: for the core runtime alone, without"
    " kernels, TensorFlow's documentation says 16 KB on a Cortex-M3."
)


@gate.guarded("Reading")
def mcu(
    path: Path | str, *, output: Path | str | None = None, progress: Progress | None = None
) -> MicroReport:
    """Look at a .tflite file as TensorFlow Lite Micro does.

    Args:
        path: a .tflite file, or an artifact folder, whose reference inputs are then compared on.
        output: a folder to write C++ into; None writes nothing.
        progress: told of the stages.

    Returns:
        What was found; `MicroReport.problems` says why the file is not for TFLM. Nothing is written
        where there are any.

    Raises:
        InputError: no such file, a damaged one, or the folder cannot be written or is the user's.
        MissingPartError: LiteRT is not installed.
    """
    watcher = progress or Silent()
    if output is not None:
        writing.require_replaceable(Path(output))
    meant = subject.read(Path(path))
    found = _inspected(meant)
    if found.ok:
        watcher.stage("running LiteRT")
        expected = _expected(meant)
        if expected is None:
            found = dataclasses.replace(found, problems=(_crash(meant),))
        else:
            found = _measured(found, meant, expected, watcher)
        if expected is not None and found.ok and output is not None:
            watcher.stage("writing C++")
            writing.write(Path(output), found, meant, expected)
            found = dataclasses.replace(found, folder=Path(output))
    macs = sum(meant.inspection.graph.macs_by_dtype.values())
    is_int8 = set(meant.inspection.graph.macs_by_dtype) <= {"int8"}
    boards = tuple(board_fit(found, board, macs if is_int8 else 0) for board in BOARDS)
    return dataclasses.replace(found, boards=boards if found.ok else ())


def _inspected(meant: Subject) -> MicroReport:
    """What the file says, without running it."""
    names = [node.name for graph in meant.model.graphs for node in graph.nodes]
    counts = {name: names.count(name) for name in sorted(set(names))}
    missing = operators.missing(tuple(counts))
    estimate, why_not = _estimated(meant)
    return MicroReport(
        path=meant.path,
        name=identifier(meant.name),
        size_bytes=len(meant.data),
        inputs=meant.inspection.inputs,
        outputs=meant.inspection.outputs,
        operators=counts,
        missing_operators=missing,
        problems=tuple(_problems(meant, missing)),
        estimate=estimate,
        measured=None,
        not_measured="It was not run: the problems come first.",
        boards=(),
        notes=(*_notes(meant.inspection), *why_not, ARENA_NOTE, FLASH_NOTE),
    )


def _estimated(meant: Subject) -> tuple[ArenaEstimate | None, tuple[str, ...]]:
    try:
        return arena.estimate(meant.model, str(meant.path)), ()
    except InputError as error:
        return None, (error.message,)


def _problems(meant: Subject, missing: tuple[str, ...]) -> list[str]:
    found = []
    if missing:
        found.append(f"TensorFlow Lite Micro has no {', '.join(missing)}.")
    hybrid = sorted({each.name for each in meant.inspection.operators
                     if each.compute_dtype == "dynamic"})  # fmt: skip
    if hybrid:
        found.append(
            f"{', '.join(hybrid)}: float activations meet integer weights (recipe dynamic), which"
            " TensorFlow Lite Micro has no kernels for; export with --int8."
        )
    if meant.model.buffers_behind:
        found.append(
            "Constants lie behind the FlatBuffer, where TensorFlow Lite Micro does not read them;"
            " export again with `edgecnn export`."
        )
    if any(size < 0 for tensor in meant.inspection.inputs for size in tensor.shape[1:]):
        found.append("It leaves input sizes open; export with --input-size or --input-shape.")
    return found


def _notes(inspection: Inspection) -> list[str]:
    wide = sorted(set(inspection.graph.macs_by_dtype) - {"int8", "int16"})
    if not wide:
        return []
    dtypes = ", ".join(wide)
    said = f"It computes in {dtypes}; int8 takes a quarter of the flash and RAM"
    return [f"{said}: `edgecnn export MODEL --int8`."]


def _expected(meant: Subject) -> Runs | None:
    """What LiteRT's reference kernels answer; None where they alone crash.

    Raises:
        InputError: LiteRT refuses the file.
        CrashedError: it crashes on it whatever its kernels, or meets a limit.
    """
    try:
        return subject.litert_outputs(meant, subject.REFERENCE)
    except isolation.LimitError:
        raise
    except isolation.CrashedError:
        subject.litert_outputs(meant, subject.DEFAULT)
        return None


def _crash(meant: Subject) -> str:
    said = (
        "LiteRT's reference kernels, from which TensorFlow Lite Micro's are made, crash on the"
        " inputs that were tried; so would a microcontroller."
    )
    graph = meant.model.graphs[0]
    classes = max(
        (
            graph.tensors[node.outputs[0]].shape[-1]
            for node in graph.nodes
            if node.name == "SOFTMAX"
        ),
        default=0,
    )
    if classes > _SOFTMAX_CLASSES:
        said += (
            f" Their int8 SOFTMAX of {classes} classes does where hundreds of them are as likely as"
            " the first, as with random weights: try trained ones."
        )
    return said


def _measured(
    found: MicroReport, meant: Subject, expected: Runs, progress: Progress
) -> MicroReport:
    """With what TFLM's interpreter takes and answers; without, where it is not installed."""
    if not interpreter.is_installed():
        why = f"{interpreter.PACKAGE} is not installed; to measure: {interpreter.HINT}"
        return dataclasses.replace(found, not_measured=why)
    progress.stage("running TensorFlow Lite Micro")
    try:
        measured = _run(found, meant, expected)
    except EdgeCnnError as error:
        problem = f"TensorFlow Lite Micro's interpreter does not run it: {error.message}"
        return dataclasses.replace(found, problems=(problem,), not_measured=problem)
    return dataclasses.replace(found, measured=measured, not_measured="")


def _run(found: MicroReport, meant: Subject, expected: Runs) -> ArenaMeasurement:
    most = _LARGEST_ARENA
    if found.estimate is not None:
        most = min(most, 2 * found.estimate.arena_bytes + _ROOM)
    outputs, head, tail = gate.run(
        "edgecnn.micro.interpreter:run",
        str(meant.path),
        meant.runs,
        len(found.outputs),
        most,
        source=meant.path,
        work=gate.RUN,
        what=f"running {meant.path} in TensorFlow Lite Micro",
    )
    smallest = _smallest_arena(meant, head + tail, most)
    by_default = subject.litert_outputs(meant, subject.DEFAULT)
    return ArenaMeasurement(
        runtime=interpreter.runtime(),
        arena_bytes=smallest,
        planned_bytes=head,
        persistent_bytes=tail,
        outputs=_compared(found, expected, outputs),
        default_outputs=_compared(found, by_default, outputs),
    )


def _compared(found: MicroReport, expected: Runs, outputs: Runs) -> tuple[Comparison, ...]:
    return tuple(
        compare(info.name, [run[k] for run in expected], [run[k] for run in outputs])
        for k, info in enumerate(found.outputs)
    )


def _smallest_arena(meant: Subject, from_bytes: int, most_bytes: int) -> int:
    """The smallest arena that TFLM allocates in; `from_bytes` is what it holds afterwards.

    That is mostly enough; allocating itself needs more where a network is small. Each size is tried
    in a child of its own: TFLM may crash where the arena is too small.
    """
    low, high = from_bytes // ALIGNMENT - 1, -(-most_bytes // ALIGNMENT)
    reach = 1
    while high - low > 1:
        place = min(low + reach, (low + high) // 2)
        if _allocates(meant, place * ALIGNMENT):
            high, reach = place, high
        else:
            low, reach = place, 2 * reach
    return high * ALIGNMENT


def _allocates(meant: Subject, arena_bytes: int) -> bool:
    try:
        allocated: bool = gate.run(
            "edgecnn.micro.interpreter:allocates",
            str(meant.path),
            arena_bytes,
            source=meant.path,
            work=gate.RUN,
            what=f"measuring the arena of {meant.path}",
        )
    except isolation.CrashedError:
        return False
    return allocated
