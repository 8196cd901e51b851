"""Whatever JSON a device sends is a frame with all its fields, or is refused with a sentence."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.devices import frames
from edgecnn.strict import UnfitError, parse, structured

KINDS: dict[type, dict[str, Any]] = {
    frames.Hello: {"folder": "/x", "python": ""},
    frames.Space: {"free": 5},
    frames.Sum: {"sha256": "ab" * 32},
    frames.Data: {"size": 0},
    frames.Kept: {"folder": "", "free": 5},
    frames.Unpacked: {"folder": "/x"},
    frames.Printed: {"op": "out", "size": 5},
    frames.Exit: {"code": 255, "late": False},
    frames.Refusal: {"kind": "full", "text": "", "free": 0},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_guard_sends_is_taken(kind: type) -> None:
    good = {"op": kind.OPS[0], **KINDS[kind]}  # type: ignore[attr-defined] # every frame has it
    frames.check_op(good["op"], kind)
    record: object = structured(json.loads(json.dumps(good)), kind)
    assert {name: getattr(record, name) for name in KINDS[kind]} == KINDS[kind]
    assert structured({**good, "more": []}, kind) == record
    with pytest.raises(UnfitError, match="op"):
        frames.check_op("sing", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_is_missing_is_refused(kind: type) -> None:
    for name in KINDS[kind]:
        if name != "free" or kind is not frames.Refusal:
            fields = {key: value for key, value in KINDS[kind].items() if key != name}
            with pytest.raises(UnfitError, match="required field missing"):
                structured(fields, kind)


@given(st.sampled_from(list(KINDS)), JSON, st.data())
def test_any_value_is_taken_or_refused(kind: type, value: Any, data: st.DataObject) -> None:  # noqa: ANN401 - anything
    name = data.draw(st.sampled_from(list(KINDS[kind])))
    good = KINDS[kind][name]
    with contextlib.suppress(UnfitError):
        record: object = structured({**KINDS[kind], name: value}, kind)
        assert type(getattr(record, name)) is type(good)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (frames.Hello, {"folder": "x"}), (frames.Hello, {"folder": "/x\0"}),
        (frames.Hello, {"folder": "/" * 5000}), (frames.Hello, {"python": "p" * 5000}),
        (frames.Space, {"free": -1}), (frames.Space, {"free": 10**30}),
        (frames.Space, {"free": True}), (frames.Space, {"free": 1.0}),
        (frames.Sum, {"sha256": "AB" * 32}), (frames.Sum, {"sha256": ""}),
        (frames.Data, {"size": -1}), (frames.Kept, {"folder": "relative"}),
        (frames.Printed, {"size": -1}), (frames.Printed, {"size": (1 << 20) + 1}),
        (frames.Printed, {"op": "in"}), (frames.Exit, {"code": -1}), (frames.Exit, {"code": 256}),
        (frames.Exit, {"late": 0}), (frames.Refusal, {"free": -1}),
        (frames.Refusal, {"text": "x" * 100_000}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(kind: type, changes: dict[str, Any]) -> None:
    with pytest.raises(UnfitError):
        structured({**KINDS[kind], **changes}, kind)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "9" * 5000, b"\xff\xfe{", "{'a': 1}"])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(UnfitError, match="no JSON"):
        parse(text)


@pytest.mark.parametrize("value", [None, 5, "text", [], [1], True])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(UnfitError, match="expected an object"):
        structured(value, frames.Space)
