"""tools/fuzzing: mutations of pictures and of messages without a schema."""

from __future__ import annotations

import io
import random
import traceback
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from fuzzing import corpus, mutate, pictures, trials, verbs, wire
from onnx_nets import Net
from PIL import Image

from edgecnn import gate

if TYPE_CHECKING:
    from pathlib import Path

_TRIES = 60


def chance(number: int) -> random.Random:
    return random.Random(number)  # noqa: S311 - no secret is made


def network() -> bytes:
    net = Net()
    logits = net.node("Relu", "input")
    return bytes(net.model(logits, (1, 8, 8, 3)).SerializeToString())


def test_a_message_without_edits_is_packed_as_it_was() -> None:
    data = network()
    assert b"".join(map(wire._packed, wire._fields(data))) == data  # noqa: SLF001 - its other half


def test_most_edited_messages_are_still_messages() -> None:
    data = network()
    made = [wire.of_message(data, chance(number)) for number in range(_TRIES)]
    assert len(set(made)) > _TRIES // 2
    assert sum(is_model(each) for each in made) > _TRIES // 2


def is_model(data: bytes) -> bool:
    try:
        onnx.load_model_from_string(data)
    except Exception:  # noqa: BLE001 - whatever protobuf raises
        return False
    return True


@pytest.mark.parametrize("data", [b"\x00", b"\x08", b"\x0a\x05x", b"\x0b"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        wire.of_message(data, chance(0))


@pytest.mark.parametrize(("form", "edit"), [("PNG", pictures.of_png), ("JPEG", pictures.of_jpeg)])
def test_edited_pictures_are_opened_and_refused_alike(form: str, edit: mutate.Mutation) -> None:
    out = io.BytesIO()
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(out, form)
    ends = Counter(opens(edit(out.getvalue(), chance(number))) for number in range(_TRIES))
    assert min(ends[True], ends[False]) > 0


def opens(data: bytes) -> bool:
    try:
        Image.open(io.BytesIO(data)).close()
    except Exception:  # noqa: BLE001 - whatever Pillow raises
        return False
    return True


def test_what_nobody_foresaw_is_named_by_its_place() -> None:
    error = io.StringIO()
    try:
        with gate.foreign_errors("reading x"):
            gate.limits_for(gate.READ, "many")  # type: ignore[arg-type]
    except gate.DamagedFileError as damaged:
        traceback.print_exception(damaged, file=error)
    place = trials.unforeseen(error.getvalue())
    assert place.startswith("TypeError at gate/limits.py:")
    assert trials.unforeseen("Traceback ...\nedgecnn.errors.InputError: no") == ""


def test_every_kind_of_file_has_verbs(tmp_path: Path) -> None:
    corpus.write_data(tmp_path / corpus.PICTURES)
    corpus.write_results(tmp_path)
    (tmp_path / corpus.SAVED).mkdir()
    for name in ("float.onnx", "data.npz", "device.toml", "own.keras"):
        (tmp_path / name).touch()
    corpus.write_sweep(tmp_path)
    corpus.write_small(tmp_path)
    sources = corpus.sources_in(tmp_path)
    assert {source.path for source in sources} == set(tmp_path.iterdir())
    known = {*verbs.COMMANDS, *verbs.READERS}
    assert {verb for source in sources for verb in source.verbs} <= known
    assert corpus.limited(sources, ["results"])[0].verbs == ("results",)
