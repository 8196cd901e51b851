"""What a device says of a deployment is about what was sent, or is the device's failure."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_artifact import write_artifact
from tiny_release import own_libraries

from edgecnn.deploying import TaskOptions, artifact, release, reply, tasking
from edgecnn.devices.device import Completed
from edgecnn.errors import DeviceError
from edgecnn.progress import Silent

if TYPE_CHECKING:
    from edgecnn.deploying.artifact import Deployable
    from edgecnn.deploying.release import Release

pytestmark = pytest.mark.usefixtures("warm_children")

TARGET = "ssh://pi@host"
Sent = tuple["Deployable", "Release"]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    folder = write_artifact(tmp_path_factory.mktemp("told") / "net", ("tflite",))
    deployable = artifact.read(folder, Silent())
    task = tasking.resolve(deployable, TaskOptions())
    return deployable, release.make(deployable, own_libraries(), task)


def good(sent: Sent) -> dict[str, Any]:
    """What a device says of a release that does there what it does here."""
    deployable, made = sent
    outputs = [
        {"name": rule.name, "rule": rule.rule, "limit": rule.limit, "ok": True,
         "max_difference": 0.0}
        for rule in made.rules
    ]  # fmt: skip
    total = hashlib.sha256(b"".join(each.tobytes() for each in deployable.outputs)).hexdigest()
    proof = {"schema": 1, "ok": True, "images": len(deployable.outputs[0]), "outputs": outputs,
             "output_sha256": total}  # fmt: skip
    return {"ok": True, "folder": "/home/pi/net", "release": made.name, "unchanged": False,
            "previous": "", "removed": [], "proof": proof}  # fmt: skip


def understood(sent: Sent, said: object, code: int = 0) -> reply.InstallReply:
    text = said if isinstance(said, str) else json.dumps(said)
    return reply.parse_reply(TARGET, Completed(code, text, "its\nlast words"), *sent)


def test_what_was_proved_is_taken(sent: Sent) -> None:
    told = understood(sent, good(sent))
    assert reply.proof(told.proof).bit_identical
    assert (told.folder, told.release, told.removed) == ("/home/pi/net", sent[1].name, ())
    second = {**good(sent), "release": f"{sent[1].name}.2", "previous": "a" * 16}
    assert understood(sent, second).previous == "a" * 16


@pytest.mark.parametrize("said", [
    [], 5, None, '"ok"', {}, {"ok": 1}, {"ok": "yes"}, {"ok": True}, {"ok": False},
    {"ok": False, "kind": [], "message": "m"}, {"ok": False, "kind": "full", "message": {}},
])  # fmt: skip
def test_what_is_no_answer_is_the_devices_failure(sent: Sent, said: object) -> None:
    with pytest.raises(DeviceError, match="what installing printed is damaged"):
        understood(sent, said)


@pytest.mark.parametrize("changes", [
    {"folder": 5}, {"folder": "net"}, {"folder": "/a\x1b[2J"}, {"folder": "/" * 5000},
    {"release": "f" * 16}, {"release": ""}, {"previous": "../x"}, {"previous": None},
    {"removed": "abc"}, {"removed": [5]}, {"removed": ["a\nb"]}, {"unchanged": "no"},
    {"proof": None}, {"proof": {}}, {"proof": []},
])  # fmt: skip
def test_a_field_that_cannot_be_is_the_devices_failure(sent: Sent, changes: dict[str, Any]) -> None:
    with pytest.raises(DeviceError, match="what installing printed is damaged"):
        understood(sent, {**good(sent), **changes})


@pytest.mark.parametrize("changes", [
    {"images": 10**9}, {"images": 0}, {"images": -1}, {"images": 4.0}, {"outputs": []},
    {"outputs": "x"}, {"output_sha256": "ab"}, {"output_sha256": 5}, {"output_sha256": "\ud800"},
])  # fmt: skip
def test_a_proof_of_something_else_is_the_devices_failure(
    sent: Sent, changes: dict[str, Any]
) -> None:
    said = good(sent)
    with pytest.raises(DeviceError, match="what installing printed is damaged"):
        understood(sent, {**said, "proof": {**said["proof"], **changes}})


@pytest.mark.parametrize("changes", [
    {"name": "other"}, {"rule": "share"}, {"limit": 1e300}, {"limit": None},
    {"max_difference": None}, {"max_difference": -1.0}, {"max_difference": 1e300},
    {"max_difference": float("nan")}, {"max_difference": "0"},
])  # fmt: skip
def test_an_output_by_another_rule_is_the_devices_failure(
    sent: Sent, changes: dict[str, Any]
) -> None:
    said = good(sent)
    said["proof"]["outputs"][0].update(changes)
    with pytest.raises(DeviceError, match="what installing printed is damaged"):
        understood(sent, said)


def test_a_refusal_is_told_with_what_to_do(sent: Sent) -> None:
    with pytest.raises(DeviceError, match="no \\\\x1b room") as caught:
        understood(sent, {"ok": False, "kind": "full", "message": "no \x1b room."}, 1)
    assert "Free some space there" in caught.value.hint


@pytest.mark.parametrize("said", ["", "no json", "[" * 100_000])
def test_what_is_no_json_is_told_with_the_last_words(sent: Sent, said: str) -> None:
    with pytest.raises(DeviceError, match=r"exit code 3\. its\nlast words"):
        understood(sent, said, 3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(where=st.lists(st.integers(0, 9), max_size=3), value=JSON)
def test_any_change_is_taken_or_the_devices_failure(
    sent: Sent, where: list[int], value: object
) -> None:
    said: Any = good(sent)
    place: Any = said
    for step in where[:-1]:
        inner = list(place.values()) if isinstance(place, dict) else place
        if not isinstance(inner, list) or not inner:
            break
        place = inner[step % len(inner)]
    if isinstance(place, dict) and place:
        place[list(place)[(where or [0])[-1] % len(place)]] = value
    with contextlib.suppress(DeviceError):
        told = understood(sent, said)
        assert told.proof.images == len(sent[0].outputs[0])
        assert told.folder.startswith("/")
