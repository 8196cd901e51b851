"""Device profiles: those of edgecnn, and what is told of wrong ones."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING

import pytest

from edgecnn.errors import InputError
from edgecnn.latency import cores, device_names, profiles

if TYPE_CHECKING:
    from pathlib import Path

_TOML = """
title = "A board"
soc = "X1"
dram_gbps = 5.0
idle_w = 1.0
load_w = 4.0

[[clusters]]
core = "cortex-a76"
count = 2
clock_ghz = 2.0
l2_kib = 512
source = "its data sheet"

[[clusters]]
core = "cortex-a55"
count = 4
clock_ghz = 1.8
l2_kib = 128
source = "its data sheet"

[sources]
dram_gbps = "a copy of 1 GB, timed"
power = "a wall meter"
"""
_ASKED_FOR = (
    "raspberry-pi-zero-2w",
    "raspberry-pi-3b-plus",
    "raspberry-pi-4b",
    "raspberry-pi-5",
    "pixel-2",
    "pixel-3",
    "pixel-4",
    "rk3588",
    "odroid-n2-plus",
)


@pytest.mark.parametrize("name", _ASKED_FOR)
def test_the_devices_everybody_asks_for_are_there(name: str) -> None:
    assert profiles.find(name).name == name


@pytest.mark.parametrize("name", profiles.names())
def test_every_profile_is_valid_and_names_sources(name: str) -> None:
    profile = profiles.find(name)
    assert profile.cores == sum(cluster.count for cluster in profile.clusters)
    assert profile.sources["dram_gbps"]
    assert (profile.idle_w is None) == (profile.load_w is None)


def test_a_profile_is_found_whatever_its_case() -> None:
    assert profiles.find("Raspberry-Pi-4B").soc == "BCM2711"


def test_a_profile_of_ones_own_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(_TOML + "\n[scale]\nint8 = 1.25\n", encoding="utf-8")
    profile = profiles.find(str(path))
    assert (profile.name, profile.cores, profile.scale) == ("my", 6, {"int8": 1.25})


@pytest.mark.parametrize(
    ("threads", "clusters"),
    [(1, [("cortex-a76", 1)]), (3, [("cortex-a76", 2), ("cortex-a55", 1)])],
)
def test_threads_run_on_the_fastest_cores(threads: int, clusters: list[tuple[str, int]]) -> None:
    chosen = profiles.parse(_TOML, "board").fastest(threads)
    assert [(each.core, each.count) for each in chosen] == clusters


def test_an_unknown_device_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match="no device named 'raspberry-pi-4c'") as caught:
        profiles.find("raspberry-pi-4c")
    assert "raspberry-pi-4b" in caught.value.hint


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("dram_gbps = 5.0", "", "lacks the number dram_gbps"),
        ("clock_ghz = 2.0", "clock_ghz = 2000.0", "clock_ghz = 2000 of cluster 1 is absurd"),
        ("count = 4", "count = 0", "count = 0 of cluster 2 is absurd"),
        ("count = 4", "count = true", "cluster 2 lacks the number count"),
        ("load_w = 4.0", "load_w = 0.5", "load_w = 0.5 is less than idle_w = 1"),
        ("load_w = 4.0", "", "lacks the number load_w"),
        ('power = "a wall meter"', "", "power has no source"),
        ('dram_gbps = "a copy of 1 GB, timed"', "", "dram_gbps has no source"),
        ('source = "its data sheet"', 'source = " "', "source has no source"),
        ('core = "cortex-a76"', 'core = "cortex-a67"', "no core named 'cortex-a67'"),
        ('soc = "X1"', 'chip = "X1"', "the profile has no 'chip'"),
        ("[[clusters]]", "[[cluster]]", "has no 'cluster'"),
        ("title =", "title", "it is not TOML"),
        ("[sources]", "[scale]\nint4 = 1.0\n[sources]", r"\[scale\] has no 'int4'"),
    ],
)
def test_a_wrong_profile_is_told_what_is_wrong(before: str, after: str, says: str) -> None:
    assert before in _TOML
    with pytest.raises(InputError, match=says):
        profiles.parse(_TOML.replace(before, after), "board")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        profiles.find(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("core", cores.CORES.values(), ids=lambda core: core.name)
def test_no_core_does_int8_slower_than_float(core: cores.Core) -> None:
    assert core.int8_macs >= core.fp32_macs


@pytest.mark.parametrize(
    ("model", "profile"),
    [
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "raspberry-pi-3b-plus"),
        ("Raspberry Pi 3 Model B Rev 1.2", "raspberry-pi-3b"),
        ("samsung SM-G973F", "galaxy-s10"),
        ("samsung SM-A037F", "galaxy-a03s"),
        ("Xiaomi MI 8 SE", "xiaomi-mi-8-se"),
        ("Google Pixel 4 XL", "pixel-4"),
        ("Google Pixel 3a", "pixel-3a"),
        ("Google Pixel 4a", None),
        ("Google Pixel 6", None),
        ("AMD EPYC", None),
    ],
)
def test_a_device_finds_its_profile_by_what_it_calls_itself(
    model: str, profile: str | None
) -> None:
    assert device_names.of_device(model) == profile


def test_the_examples_of_names() -> None:
    tried = doctest.testmod(device_names)
    assert (tried.failed, tried.attempted) == (0, 2)


def test_no_two_profiles_share_a_name() -> None:
    own = [name.lower() for each in profiles.names() for name in profiles.find(each).names]
    assert len(own) == len(set(own))


def test_every_pi_and_phone_says_what_it_is_and_how_it_is_called() -> None:
    kinds = {"raspberry": "raspberry-pi", "pixel": "phone", "galaxy": "phone", "xiaomi": "phone"}
    shorts = [device_names.short_name(name) for name in profiles.names()]
    assert len(shorts) == len(set(shorts))
    for name in profiles.names():
        assert device_names.kind(name) == kinds.get(name.partition("-")[0], "board"), name


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("names = 3", "names is no list"),
        ('kind = "toaster"', "kind = 'toaster' is none of raspberry-pi, phone, board"),
        ("[units.float32]\nwarp_drive = 1.0", "has no 'warp_drive'"),
        ("[units.float32]\ndepthwise_mac = 0.0", "is absurd"),
        ("[units.int4]\ndepthwise_mac = 1.0", "has no 'int4'"),
    ],
)
def test_units_and_names_are_checked(text: str, match: str) -> None:
    whole = f"{text}\n{_TOML}" if not text.startswith("[") else f"{_TOML}\n{text}"
    with pytest.raises(InputError, match=match):
        profiles.parse(whole, "mine")
