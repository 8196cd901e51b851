"""Operators of a SavedModel that touch what lies outside of it: refused before it is loaded.

TensorFlow runs a graph's initializers when it loads it, and any operator of it when it is traced or
constants are folded: files would be read and written, with the user's rights.
"""

from __future__ import annotations

import itertools
import mmap
import re
from typing import TYPE_CHECKING

from edgecnn.building import graph_file
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgecnn.building.graph_file import MetaGraph, Node

FILE = "saved_model.pb"
# By what TensorFlow 2.21 registers; its datasets, readers, summaries and debugging operators are
# refused as families, since nearly each of them opens a file or a connection.
_ANY = "[A-Za-z0-9]*"  # and no underscore, which functions have in their names
_OUTSIDE = re.compile(
    r"WriteFile|ReadFile|MatchingFiles|RecordInput|ANYReader(V2)?|Reader[A-Z]ANY"
    r"|InitializeTableFromTextFile(V2)?|LoadAndRemapMatrix|FixedUnigramCandidateSampler"
    r"|ANYDatasetANY|ANYSummary(File|Db)?Writer|WriteANYSummary|ImportEvent"
    r"|PyFunc|PyFuncStateless|EagerPyFunc"
    r"|Debug(Identity|NanCount|NumericSummary)ANY|Copy|CopyHost|DumpTensor"
    r"|CalibrationStatisticsSaver|FileSystemSetConfiguration|Rpc[A-Z]ANY|RemoteCall".replace(
        "ANY", _ANY
    )
)
_SAVES = frozenset({"Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints", "DistributedSave"})
_SAVERS = _SAVES | {"Restore", "RestoreSlice", "RestoreV2", "DTensorRestoreV2"}
_STREAMS = frozenset({"", "stdout", "stderr", "log(info)", "log(warning)", "log(error)"})


def refuse(folder: Path) -> None:
    """Hold that no operator of a SavedModel touches files, the network, or Python.

    The saver's own, which write and read variables, may stand where only the saver runs them.

    Raises:
        InputError: one does; or saved_model.pb is no SavedModel.
    """
    path = folder / FILE
    try:
        with path.open("rb") as stream:
            # Mapped, not read: constants of gigabytes may lie in it.
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        graphs = graph_file.read(memoryview(content))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: edgecnn cannot load it: its {FILE}: {error}.",
            hint="The SavedModel may be incomplete or corrupt.",
        ) from error
    for function, node in itertools.chain.from_iterable(map(_refused, graphs)):
        where = f"its function {function}" if function else "its graph"
        raise InputError(
            f"{folder}: {where} has the operator {node.op} ({node.name}), which reaches outside of"
            " the model: edgecnn does not load it.",
            hint="Export the network alone, without its input pipeline, logging and saving:"
            " model.export(FOLDER) in Keras.",
        )


def _refused(graph: MetaGraph) -> Iterator[tuple[str, Node]]:
    """Nodes with the function they stand in, "" for the graph itself."""
    saving, called = graph.run(restoring=True), graph.run(restoring=False)
    for function, node in graph.everything():
        if _is_outside(node) or (
            node.op in _SAVERS and _runs(saving if node.op in _SAVES else called, function, node)
        ):
            yield function, node


def _is_outside(node: Node) -> bool:
    if node.op == "PrintV2":  # it prints into files too
        return node.prints_to not in _STREAMS
    return _OUTSIDE.fullmatch(node.op) is not None


def _runs(reached: tuple[set[str], set[str]], function: str, node: Node) -> bool:
    nodes, functions = reached
    return function in functions if function else node.name in nodes
