"""Operators that reach outside of a SavedModel are refused by name, wherever they stand."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saved_graphs import Op, saved_model

from edgecnn.building import BuildRequest, identify, outside
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_OUTSIDE = [
    "WriteFile", "ReadFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc",
    "WholeFileReaderV2", "ReaderReadV2", "TFRecordReader", "RecordInput",
    "InitializeTableFromTextFileV2", "LoadAndRemapMatrix", "FixedUnigramCandidateSampler",
    "TextLineDataset", "TFRecordDatasetV2", "CacheDatasetV2", "SaveDatasetV2", "SnapshotDatasetV2",
    "DataServiceDatasetV4", "GeneratorDataset", "DatasetToTFRecord", "CreateSummaryFileWriter",
    "CreateSummaryDbWriter", "SummaryWriter", "WriteSummary", "WriteGraphSummary", "ImportEvent",
    "DebugIdentityV2", "DebugNumericSummary", "DumpTensor", "CalibrationStatisticsSaver",
    "FileSystemSetConfiguration", "RpcClient", "RpcCall", "RemoteCall",
]  # fmt: skip
_INSIDE = [
    "Conv2D", "ReadVariableOp", "AssignVariableOp", "HashTableV2", "LookupTableFindV2", "Print",
    "Assert", "DecodeJpeg", "StatefulPartitionedCall", "While", "CheckNumericsV2",
    "ShardedFilename", "__inference_Dataset_map_12", "TensorArrayWriteV3",
    "DebugGradientIdentity", "MergeSummary",
]  # fmt: skip
_SAVERS = ("SaveV2", "MergeV2Checkpoints", "RestoreV2")


def write(folder: Path, content: bytes) -> Path:
    (folder / outside.FILE).write_bytes(content)
    return folder


def refusal(folder: Path, content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        identify(BuildRequest(str(write(folder, content))))
    return caught.value.message


@pytest.mark.parametrize("op", _OUTSIDE)
def test_it_is_refused_by_its_name(tmp_path: Path, op: str) -> None:
    assert f"its graph has the operator {op} (deep)" in refusal(
        tmp_path, saved_model(Op("Conv2D"), Op(op, "deep"))
    )
    assert f"its function body has the operator {op}" in refusal(
        tmp_path, saved_model(functions={"body": (Op("Add"), Op(op))})
    )


@pytest.mark.parametrize("op", _INSIDE)
def test_what_stays_inside_is_taken(tmp_path: Path, op: str) -> None:
    content = saved_model(Op(op), functions={"body": (Op(op),)}, ends=("node:0",), called=("body",))
    assert identify(BuildRequest(str(write(tmp_path, content)))).kind == "savedmodel"


@pytest.mark.parametrize("op", _SAVERS)
def test_the_savers_own_operators_are_exempt(tmp_path: Path, op: str) -> None:
    """As TensorFlow 2 writes them, in a function, and as TensorFlow 1 does, in the graph."""
    nodes = (
        Op("Conv2D", "conv", ("weights",)),
        Op("VarHandleOp", "weights"),
        Op("StatefulPartitionedCall", "saving", ("weights",), calls="traced"),
        Op(op, "in_the_graph", ("weights",)),
    )
    content = saved_model(*nodes, functions={"traced": (Op(op),)}, ends=("conv:0",))
    outside.refuse(write(tmp_path, content))


@pytest.mark.parametrize("op", _SAVERS)
@pytest.mark.parametrize(
    "ends", ["in_the_graph:0", "late", "^control", "calls", "named", "indirectly"]
)
def test_a_savers_operator_that_is_called_is_refused(tmp_path: Path, op: str, ends: str) -> None:
    nodes = (
        Op(op, "in_the_graph"),
        Op("Identity", "late", ("middle:1",)),
        Op("Identity", "middle", ("in_the_graph",)),
        Op("NoOp", "control", ("^in_the_graph",)),
        Op("StatefulPartitionedCall", "calls", calls="traced"),
        Op("traced", "named"),
        Op("StatefulPartitionedCall", "indirectly", calls="outer"),
    )
    functions = {"traced": (Op(op),), "outer": (Op("If", calls="traced"),)}
    assert op in refusal(tmp_path, saved_model(*nodes, functions=functions, ends=(ends,)))


def test_a_savers_function_that_the_model_offers_is_refused(tmp_path: Path) -> None:
    content = saved_model(functions={"traced": (Op("SaveV2"),)}, called=("traced",))
    assert "SaveV2" in refusal(tmp_path, content)


def test_what_restores_may_restore_and_not_save(tmp_path: Path) -> None:
    def content(op: str) -> bytes:
        return saved_model(
            Op("NoOp", "restore_all", ("^read",)), Op(op, "read"), restores="restore_all"
        )

    outside.refuse(write(tmp_path, content("RestoreV2")))
    assert "SaveV2" in refusal(tmp_path, content("SaveV2"))


@pytest.mark.parametrize("stream", ["stdout", "stderr", "log(info)"])
def test_printing_is_no_harm(tmp_path: Path, stream: str) -> None:
    outside.refuse(write(tmp_path, saved_model(Op("PrintV2", stream=stream))))


def test_printing_into_a_file_is_refused(tmp_path: Path) -> None:
    assert "PrintV2" in refusal(tmp_path, saved_model(Op("PrintV2", stream="file:///etc/motd")))


def test_an_operator_with_two_names_is_refused(tmp_path: Path) -> None:
    """Protobuf takes the last of a field that stands twice."""
    node = b"\x12\x04NoOp\x12\x09WriteFile"
    graph = b"\x0a" + bytes([len(node)]) + node
    meta = b"\x12" + bytes([len(graph)]) + graph
    assert "two names" in refusal(tmp_path, b"\x12" + bytes([len(meta)]) + meta)


def test_an_escape_in_a_name_and_an_empty_file_are_sentences(tmp_path: Path) -> None:
    assert "cannot load it" in refusal(tmp_path, b"")
    assert "cannot load it" in refusal(tmp_path, b"\x12\xff\xff\xff\xff\x0f")
    assert "cannot load it" in refusal(tmp_path, b"\xff" * 100)


_WHOLE = saved_model(
    Op("Conv2D", "conv", ("x",)), Op("If", calls="body"), functions={"body": (Op("Add"),)}
)


@given(st.lists(st.tuples(st.integers(0, len(_WHOLE) - 1), st.integers(0, 255)), max_size=6))
def test_damaged_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(_WHOLE)
    for place, value in changes:
        content[place] = value
    folder = write(tmp_path_factory.getbasetemp(), bytes(content))
    with contextlib.suppress(InputError):
        outside.refuse(folder)
