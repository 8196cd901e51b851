"""Records of experiments: written whole, and damaged ones named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edgecnn.errors import InputError
from edgecnn.evidence import files
from edgecnn.evidence.records import (
    Counted,
    DeviceLatency,
    Devices,
    GradientRun,
    Gradients,
    Header,
    Machine,
    Parameters,
)

if TYPE_CHECKING:
    from pathlib import Path


def header(name: str) -> Header:
    machine = Machine("a CPU", 2, 8 << 30, "6.7", "3.11.2")
    return Header(name, "2026-11-22T10:00:00Z", f"make {name}", machine, {"numpy": "2.4"})


NETWORK = Counted("xception", 1000, 299, 22_910_480, 22_855_952, 8_000_000_000, 0.79)
PARAMETERS = Parameters(header("parameters"), (NETWORK,), (19, 19, 728))
RUN = GradientRun("plain", 3, "he_normal", 0, (0.0, 0.5, 1.0))
GRADIENTS = Gradients(header("gradients"), (RUN,))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    assert files.write(PARAMETERS, tmp_path / "new") == tmp_path / "new" / "parameters.json"
    files.write(GRADIENTS, tmp_path / "new")
    evidence = files.read_all(tmp_path / "new")
    assert evidence.parameters == PARAMETERS
    assert evidence.gradients == GRADIENTS
    assert evidence.devices is None
    assert list(evidence.records) == ["parameters", "gradients"]
    assert {each.name for each in (tmp_path / "new").iterdir()} == {
        "parameters.json",
        "gradients.json",
    }


def test_a_missing_folder_says_where_records_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder") as error:
        files.read_all(tmp_path / "nowhere")
    assert "--records" in error.value.hint


def test_a_folder_without_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no record"):
        files.read_all(tmp_path)


def damaged(tmp_path: Path, change: dict[str, Any]) -> InputError:
    files.write(PARAMETERS, tmp_path)
    path = tmp_path / "parameters.json"
    content = json.loads(path.read_text())
    content["networks"][0].update(change)
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as error:
        files.read_all(tmp_path)
    return error.value


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        ({"published_top1": float("nan")}, "published_top1"),
        ({"published_top1": 79.0}, "published_top1"),
        ({"macs": -5}, "macs"),
        ({"macs": 0}, "macs"),
        ({"macs": 10**30}, "macs"),
        ({"parameters": "many"}, "parameters"),
        ({"classes": True}, "classes"),
        ({"model": 3}, "model"),
    ],
)
def test_a_hostile_entry_is_named(tmp_path: Path, change: dict[str, Any], entry: str) -> None:
    error = damaged(tmp_path, change)
    assert "parameters.json" in error.message
    assert f"networks[0].{entry}" in error.message
    assert "tools/experiment_parameters.py" in error.hint


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    path = files.write(PARAMETERS, tmp_path)
    content = json.loads(path.read_text())
    del content["networks"][0]["classes"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="classes"):
        files.read_all(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '"x"', '{"schema": 2}', "{}", "[" * 100_000, "\xff"]
)
def test_what_is_no_record_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "gradients.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"gradients\.json") as error:
        files.read_all(tmp_path)
    assert "tools/experiment_gradients.py" in error.value.hint


def test_every_truncated_file_is_told(tmp_path: Path) -> None:
    path = files.write(GRADIENTS, tmp_path)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            files.read_all(tmp_path)


def test_a_negative_norm_is_told(tmp_path: Path) -> None:
    path = files.write(GRADIENTS, tmp_path)
    path.write_text(path.read_text().replace("0.5", "-0.5"))
    with pytest.raises(InputError, match=r"gradient_norms\[1\]"):
        files.read_all(tmp_path)


def test_an_unsound_record_is_not_written(tmp_path: Path) -> None:
    row = DeviceLatency(
        label="Xception",
        recipe="int8",
        device="raspberry-pi-5",
        threads=4,
        latency_ms=9.0,
        low_ms=10.0,
        high_ms=8.0,
        interval=0.8,
        power_w=None,
        energy_mj=None,
        basis="extrapolated",
        provenance="predicted",
    )
    record = Devices(header("devices"), (), (row,))
    with pytest.raises(InputError, match="low_ms"):
        files.write(record, tmp_path)
    with pytest.raises(InputError, match="latency_ms"):
        files.write(replace(record, latencies=(replace(row, latency_ms=float("inf")),)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_old_record_survives_a_failed_write(tmp_path: Path) -> None:
    path = files.write(GRADIENTS, tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError):
        files.write(replace(GRADIENTS, runs=(replace(RUN, depth=-1),)), tmp_path)
    assert path.read_bytes() == before
