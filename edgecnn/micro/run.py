"""The verb `mcu`: is a .tflite file for TensorFlow Lite Micro, and what does it need there?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn import gate, isolation
from edgecnn.errors import EdgeCnnError, InputError
from edgecnn.inspection import arena
from edgecnn.micro import interpreter, subject, writing
from edgecnn.micro.compare import compare
from edgecnn.micro.fitting import board_fit
from edgecnn.micro.naming import identifier
from edgecnn.micro.record import ArenaMeasurement, MicroReport
from edgecnn.progress import Progress, Silent
from edgecnn.tflm import operators
from edgecnn.tflm.boards import BOARDS
from edgecnn.tflm.planner import ALIGNMENT

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from edgecnn.inspection import Inspection
    from edgecnn.micro.record import Comparison
    from edgecnn.micro.subject import Subject
    from edgecnn.tflm.arena import ArenaEstimate

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
    tested = subject.read(Path(path))
    report = _inspected(tested)
    if report.ok:
        watcher.stage("running LiteRT")
        expected = _expected(tested)
        if expected is None:
            report = dataclasses.replace(report, problems=(_crash(tested),))
        else:
            report = _measured(report, tested, expected, watcher)
        if expected is not None and report.ok and output is not None:
            watcher.stage("writing C++")
            writing.write(Path(output), report, tested, expected)
            report = dataclasses.replace(report, folder=Path(output))
    macs = sum(tested.inspection.graph.macs_by_dtype.values())
    is_int8 = set(tested.inspection.graph.macs_by_dtype) <= {"int8"}
    boards = tuple(board_fit(report, board, macs if is_int8 else 0) for board in BOARDS)
    return dataclasses.replace(report, boards=boards if report.ok else ())


def _inspected(tested: Subject) -> MicroReport:
    """What the file says, without running it."""
    names = [node.name for graph in tested.model.graphs for node in graph.nodes]
    counts = {name: names.count(name) for name in sorted(set(names))}
    missing = operators.missing(tuple(counts))
    estimate, why_not = _estimated(tested)
    return MicroReport(
        path=tested.path,
        name=identifier(tested.name),
        size_bytes=len(tested.data),
        inputs=tested.inspection.inputs,
        outputs=tested.inspection.outputs,
        operators=counts,
        missing_operators=missing,
        problems=tuple(_problems(tested, missing)),
        estimate=estimate,
        measured=None,
        not_measured="It was not run: the problems come first.",
        boards=(),
        notes=(*_notes(tested.inspection), *why_not, ARENA_NOTE, FLASH_NOTE),
    )


def _estimated(tested: Subject) -> tuple[ArenaEstimate | None, tuple[str, ...]]:
    try:
        return arena.estimate(tested.model, str(tested.path)), ()
    except InputError as error:
        return None, (error.message,)


def _problems(tested: Subject, missing: tuple[str, ...]) -> list[str]:
    problems = []
    if missing:
        problems.append(f"TensorFlow Lite Micro has no {', '.join(missing)}.")
    hybrid = sorted({operator.name for operator in tested.inspection.operators
                     if operator.compute_dtype == "dynamic"})  # fmt: skip
    if hybrid:
        problems.append(
            f"{', '.join(hybrid)}: float activations meet integer weights (recipe dynamic), which"
            " TensorFlow Lite Micro has no kernels for; export with --int8."
        )
    if tested.model.buffers_behind:
        problems.append(
            "Constants lie behind the FlatBuffer, where TensorFlow Lite Micro does not read them;"
            " export again with `edgecnn export`."
        )
    if any(size < 0 for tensor in tested.inspection.inputs for size in tensor.shape[1:]):
        problems.append("It leaves input sizes open; export with --input-size or --input-shape.")
    return problems


def _notes(inspection: Inspection) -> list[str]:
    wide = sorted(set(inspection.graph.macs_by_dtype) - {"int8", "int16"})
    if not wide:
        return []
    dtypes = ", ".join(wide)
    message = f"It computes in {dtypes}; int8 takes a quarter of the flash and RAM"
    return [f"{message}: `edgecnn export MODEL --int8`."]


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
    report: MicroReport, tested: Subject, expected: Runs, progress: Progress
) -> MicroReport:
    """With what TFLM's interpreter takes and answers; without, where it is not installed."""
    if not interpreter.is_installed():
        why = f"{interpreter.PACKAGE} is not installed; to measure: {interpreter.HINT}"
        return dataclasses.replace(report, not_measured=why)
    progress.stage("running TensorFlow Lite Micro")
    try:
        measured = _run(report, tested, expected)
    except EdgeCnnError as error:
        problem = f"TensorFlow Lite Micro's interpreter does not run it: {error.message}"
        return dataclasses.replace(report, problems=(problem,), not_measured=problem)
    return dataclasses.replace(report, measured=measured, not_measured="")


def _run(report: MicroReport, tested: Subject, expected: Runs) -> ArenaMeasurement:
    most = _LARGEST_ARENA
    if report.estimate is not None:
        most = min(most, 2 * report.estimate.arena_bytes + _ROOM)
    outputs, head, tail = gate.run(
        "edgecnn.micro.interpreter:run",
        str(tested.path),
        tested.runs,
        len(report.outputs),
        most,
        source=tested.path,
        work=gate.RUN,
        what=f"running {tested.path} in TensorFlow Lite Micro",
    )
    smallest = _smallest_arena(tested, head + tail, most)
    by_default = subject.litert_outputs(tested, subject.DEFAULT)
    return ArenaMeasurement(
        runtime=interpreter.runtime(),
        arena_bytes=smallest,
        planned_bytes=head,
        persistent_bytes=tail,
        outputs=_compared(report, expected, outputs),
        default_outputs=_compared(report, by_default, outputs),
    )


def _compared(report: MicroReport, expected: Runs, outputs: Runs) -> tuple[Comparison, ...]:
    return tuple(
        compare(info.name, [run[k] for run in expected], [run[k] for run in outputs])
        for k, info in enumerate(report.outputs)
    )


def _smallest_arena(tested: Subject, from_bytes: int, most_bytes: int) -> int:
    """The smallest arena that TFLM allocates in; `from_bytes` is what it holds afterwards.

    That is mostly enough; allocating itself needs more where a network is small. Each size is tried
    in a child of its own: TFLM may crash where the arena is too small.
    """
    low, high = from_bytes // ALIGNMENT - 1, -(-most_bytes // ALIGNMENT)
    reach = 1
    while high - low > 1:
        place = min(low + reach, (low + high) // 2)
        if _allocates(tested, place * ALIGNMENT):
            high, reach = place, high
        else:
            low, reach = place, 2 * reach
    return high * ALIGNMENT


def _allocates(tested: Subject, arena_bytes: int) -> bool:
    try:
        allocated: bool = gate.run(
            "edgecnn.micro.interpreter:allocates",
            str(tested.path),
            arena_bytes,
            source=tested.path,
            work=gate.RUN,
            what=f"measuring the arena of {tested.path}",
        )
    except isolation.CrashedError:
        return False
    return allocated
