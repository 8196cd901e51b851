"""Farms of devices: which targets a name stands for, and what is refused with a sentence."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.devices import farm
from edgecnn.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_FARM = """
[pi4]
targets = ["ssh://pi@a", "ssh://pi@b:2222", "ssh://pi@a"]
[pi5]
targets = ["ssh://pi@c", "ssh://pi@a"]
"""


def written(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "farm.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return f"@{path}"


def test_groups_and_all_of_them_each_device_once_in_the_order_named(tmp_path: Path) -> None:
    name = written(tmp_path, _FARM)
    assert farm.expanded([f"{name}:pi5"]) == ("ssh://pi@c", "ssh://pi@a")
    assert farm.expanded([name]) == ("ssh://pi@a", "ssh://pi@b:2222", "ssh://pi@c")
    assert farm.expanded(["local", f"{name}:pi5", name, "adb://"]) == (
        *("local", "ssh://pi@c", "ssh://pi@a", "ssh://pi@b:2222", "adb://"),
    )


def test_a_file_whose_name_has_a_colon(tmp_path: Path) -> None:
    path = tmp_path / "rack:1.toml"
    path.write_text(_FARM)
    assert farm.expanded([f"@{path}:pi5"]) == ("ssh://pi@c", "ssh://pi@a")
    assert len(farm.expanded([f"@{path}"])) == 3


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "no group"),
        (b"\xff", "UTF-8"),
        ("[pi4", "not TOML"),
        (f"x = {'9' * 9999}", "not TOML"),
        ("x = " + "[" * 99999, "not TOML"),
        ("pi4 = 3", "is no group"),
        ("[pi4]", "needs targets"),
        ("[pi4]\ntargets = []", "needs targets"),
        ('[pi4]\ntargets = "ssh://a"', "needs targets"),
        ("[pi4]\ntargets = [1]", "text in quotes"),
        ('[pi4]\ntargets = ["ssh://a"]\nuser = "pi"', "'user'"),
        ('["a b"]\ntargets = ["ssh://a"]', "no group's name"),
        (f'["{"x" * 5000}"]\ntargets = ["ssh://a"]', "no group's name"),
        ('[pi4]\ntargets = ["ssh://-oProxyCommand=touch pwned"]', "[pi4]: "),
        ('[pi4]\ntargets = ["ssh://$(id)@a"]', "no user's name"),
        ('[pi4]\ntargets = ["ssh://pi:secret@a"]', "no password"),
        ('[pi4]\ntargets = ["@farm.toml"]', "is not a device"),
        ('[pi4]\ntargets = ["ssh://a\\u001b[2J"]', "no host's name"),
        ("[pi4]\ntargets = [" + '"ssh://a",' * 4097 + "]", "more than 4096"),
    ],
)
def test_what_a_farm_may_not_say(content: str | bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        farm.expanded([written(tmp_path, content)])
    assert sentence in caught.value.message
    assert "secret" not in caught.value.message
    assert len(caught.value.message) < 1500
    assert caught.value.hint


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * ((1 << 20) + 1))
    for name in ("absent.toml", "pipe.toml", "large.toml", "", "nul\0.toml"):
        with pytest.raises(InputError, match="cannot be read"):
            farm.expanded([f"@{tmp_path}/{name}"])
    with pytest.raises(InputError, match="no group 'pi6'") as caught:
        farm.expanded([f"{written(tmp_path, _FARM)}:pi6"])
    assert caught.value.hint == "Its groups: pi4, pi5."


@settings(max_examples=examples(200))
@given(st.text())
def test_any_name_is_a_device_or_a_sentence(name: str) -> None:
    with contextlib.suppress(InputError):
        assert farm.expanded([name]) == (name,)
