"""results.jsonl: whole lines whatever happens, and readers that outlive a half one."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_benches import EMULATED, TRUSTED, result

from edgecnn.errors import InputError
from edgecnn.evidence import results

_TESTS = Path(__file__).parents[2]


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "results.jsonl"
    results.append(path, [TRUSTED])
    results.append(path, [EMULATED, result(file="odd \udcff name\n.tflite")])
    found, problems = results.read(path)
    assert found == (TRUSTED, EMULATED, result(file="odd \udcff name\n.tflite"))
    assert problems == ()
    assert path.read_bytes().count(b"\n") == 3


def test_each_line_says_its_schema_first(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results.append(path, [TRUSTED])
    assert path.read_bytes().startswith(b'{"schema":1,')


def test_nothing_to_append_makes_no_file(tmp_path: Path) -> None:
    results.append(tmp_path / "results.jsonl", [])
    assert list(tmp_path.iterdir()) == []


@given(cut=st.integers(min_value=1, max_value=400))
def test_a_half_line_is_told_and_swallows_nothing(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "results.jsonl"
    results.append(path, [TRUSTED, EMULATED])
    path.write_bytes(path.read_bytes()[:-cut])
    results.append(path, [TRUSTED])
    found, problems = results.read(path)
    if cut == 1:  # the line's end alone: nothing was lost
        assert found == (TRUSTED, EMULATED, TRUSTED)
    else:
        assert found == (TRUSTED, TRUSTED)
        assert len(problems) == 1
        assert "line 2" in problems[0]


@pytest.mark.parametrize(
    "line", ["null", "[]", "{}", '{"schema": 2}', '{"schema": 1, "target": 3}', "[" * 100_000]
)
def test_a_line_that_is_no_result_is_told(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(f"{line}\n")
    found, problems = results.read(path)
    assert found == ()
    assert len(problems) == 1


def test_fields_of_a_later_edgecnn_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results.append(path, [TRUSTED])
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "energy_mj": 3.5}) + "\n")
    assert results.read(path) == ((TRUSTED,), ())


def test_processes_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    script = (
        "import sys; from pathlib import Path; from sample_benches import result;"
        "from edgecnn.evidence import results\n"
        "for i in range(50): results.append(Path(sys.argv[1]), [result(file=f'{sys.argv[2]}{i}')])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(_TESTS), *sys.path))}
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(path), name], env=environment)
        for name in "ab"
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    found, problems = results.read(path)
    assert problems == ()
    assert sorted(each.file for each in found) == sorted(f"{n}{i}" for n in "ab" for i in range(50))


def test_a_full_disk_is_told_and_cuts_no_line() -> None:
    with pytest.raises(InputError, match=r"/dev/full: No space left"):
        results.append(Path("/dev/full"), [TRUSTED])


def test_a_link_to_a_file_that_is_run_is_not_followed(tmp_path: Path) -> None:
    """A shell would run what a line holds."""
    profile = tmp_path / ".profile"
    profile.write_text("# the user's own\n")
    (tmp_path / "artifacts").mkdir()
    path = tmp_path / "artifacts" / "results.jsonl"
    path.symlink_to(profile)
    hostile = dataclasses.replace(TRUSTED, file="$(touch owned)/model.tflite")
    with pytest.raises(InputError, match="it is a symbolic link") as caught:
        results.check_writable(path)
    assert "--results" in caught.value.hint
    with pytest.raises(InputError, match="it is a symbolic link"):
        results.append(path, [hostile])
    assert profile.read_text() == "# the user's own\n"


def test_a_place_that_cannot_be_written_is_told_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be kept") as caught:
        results.check_writable(tmp_path / "file" / "results.jsonl")
    assert "--no-results" in caught.value.hint


def test_no_file_to_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        results.read(tmp_path / "results.jsonl")
