"""Artifacts and files in a storage, by their keys: a folder, file:// and memory://."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sample_benches
import without_packages
from tiny_tflite import float_net

from edgecnn.benchmark.report import BenchReport
from edgecnn.building.files import tree_sha256
from edgecnn.errors import DeviceError, InputError, MissingPartError
from edgecnn.records import Preprocessing
from edgecnn.sweeping import keys, offered, storage, work
from edgecnn.sweeping.records import Point
from edgecnn.sweeping.sharing import DATA, Shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "a" * 64


@pytest.fixture(params=["folder", "file", "memory"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {
        "folder": str(tmp_path / "storage"),
        "file": f"file://{tmp_path}/storage",
        "memory": f"memory://{tmp_path.name}",
    }[request.param]


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """At each step the cache of another node, with nothing in it."""

    def caches() -> Iterator[str]:
        for number in range(100):
            monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / f"node-{number}"))
            yield str(number)

    return caches()


def fill(folder: Path) -> None:
    (folder / KEY / "int8").mkdir(parents=True)
    (folder / KEY / "int8" / "model.tflite").write_bytes(b"weights")
    (folder / KEY / "empty").touch()


def test_what_one_node_makes_another_finds(where: str, nodes: Iterator[str]) -> None:
    next(nodes)
    assert storage.opened(where).find("artifacts", KEY) is None
    assert storage.opened(where).make("artifacts", KEY, fill).name == KEY
    next(nodes)
    for _ in range(2):
        found = storage.opened(where).find("artifacts", KEY)
        assert found is not None
        assert sorted(path.name for path in found.rglob("*")) == ["empty", "int8", "model.tflite"]
        assert (found / "int8" / "model.tflite").read_bytes() == b"weights"


@pytest.mark.parametrize("lost", ["sums.json", "int8/model.tflite"])
def test_what_is_not_whole_is_not_there(tmp_path: Path, nodes: Iterator[str], lost: str) -> None:
    """A node was killed while it sent it, or the storage has lost something."""
    next(nodes)
    where = f"file://{tmp_path}/storage"
    storage.opened(where).make("artifacts", KEY, fill)
    (tmp_path / "storage" / "artifacts" / KEY / lost).unlink()
    next(nodes)
    assert storage.opened(where).find("artifacts", KEY) is None
    storage.opened(where).make("artifacts", KEY, fill)
    next(nodes)
    assert storage.opened(where).find("artifacts", KEY) is not None


def test_a_point_is_done_where_its_files_are_not(tmp_path: Path, nodes: Iterator[str]) -> None:
    """The model comes by its hash; a third node finds the artifact too."""
    next(nodes)
    model = tmp_path / "net.tflite"
    model.write_bytes(float_net().to_bytes())
    where, point = f"memory://{tmp_path.name}", Point(str(model), recipe="float32")
    shared = Shared(where).of(point, None, {"data": "fashion-mnist"})
    assert shared == ((str(model), tree_sha256(model)),)
    todo = work.Work(
        KEY, point, point, "b" * 64, KEY, where, keys.decisive_versions(), shared=shared,
        preprocessing=None,
    )  # fmt: skip
    model.unlink()
    next(nodes)
    refused = work.perform(todo)
    assert "scaled" in refused.message  # it was read, and its pixels' scaling is not said
    todo = replace(todo, preprocessing=Preprocessing.from_range(-1, 1))
    made = work.perform(todo)
    assert (made.status, made.run.reused) == ("done", False)
    next(nodes)
    again = work.perform(todo)
    assert again.run.reused
    assert replace(again, run=made.run) == made
    next(nodes)
    with pytest.raises(InputError, match=r"net\.tflite is not in the storage"):
        work.perform(replace(todo, shared=((str(model), "c" * 64),)))


def test_a_folder_of_data_is_sent_once(tmp_path: Path, nodes: Iterator[str]) -> None:
    next(nodes)
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True)
        (tmp_path / "photos" / name).write_bytes(name.encode())
    where, point = f"file://{tmp_path}/storage", Point("xception")
    ((name, key),) = Shared(where).of(point, {"data": str(tmp_path / "photos"), "epochs": 1})
    sent = tmp_path / "storage" / DATA / key / "photos" / "a" / "1.png"
    sent.write_bytes(b"A/1.png")  # is it sent again?
    assert Shared(where).of(point, {"data": name}) == ((name, key),)
    assert sent.read_bytes() == b"A/1.png"
    assert Shared(str(tmp_path)).of(point, {"data": name}) == ()


def test_an_address_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no address"):
        storage.opened("nothing-known://bucket")
    with pytest.raises(MissingPartError, match="s3"):
        storage.opened("s3://bucket/folder")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be used") as caught:
        storage.opened(f"file://{tmp_path}/file").make("artifacts", KEY, fill)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_folder_needs_no_fsspec(tmp_path: Path) -> None:
    program = (
        "from edgecnn.sweeping import storage\n"
        f"storage.opened({str(tmp_path)!r}).make('data', 'k', lambda into: (into / 'k').mkdir())\n"
        "storage.opened('file:///nowhere')\n"
    )
    (tmp_path / "packages").mkdir()
    done = without_packages.run_without(["fsspec"], tmp_path / "packages", ["-c", program])
    assert (tmp_path / "data" / "k").is_dir()
    assert "needs fsspec" in done.stderr


def test_on_the_node_a_device_has_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = offered.expanded(["device:raspberry-pi-4b", "local"])
    assert offered.of(names) == ("device:raspberry-pi-4b",)
    monkeypatch.delenv(offered.FARM, raising=False)
    assert offered.targets(names[:1]) == {"local": names[0]}
    farm = tmp_path / "farm.toml"
    farm.write_text('[raspberry-pi-4b]\ntargets = ["ssh://pi@rack"]\n')
    monkeypatch.setenv(offered.FARM, str(farm))
    named = offered.targets(names)
    assert named == {"ssh://pi@rack": names[0], "local": "local"}
    result = replace(sample_benches.TRUSTED, target="ssh://pi@rack")
    assert offered.renamed(BenchReport((result,), ()), named).results[0].target == names[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[other]\ntargets = ["local"]\n', "no group"),
        ('[raspberry-pi-4b]\ntargets = ["local", "ssh://b"]\n', "has 2 targets"),
    ],
)
def test_a_node_that_does_not_say_where_its_device_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    (tmp_path / "farm.toml").write_text(content)
    monkeypatch.setenv(offered.FARM, str(tmp_path / "farm.toml"))
    with pytest.raises(DeviceError, match=said):
        offered.targets(["device:raspberry-pi-4b"])


def test_no_names_of_devices() -> None:
    with pytest.raises(InputError, match="nothing that a node can offer"):
        offered.expanded(["device:a b"])
