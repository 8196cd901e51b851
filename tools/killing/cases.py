"""The commands that are killed, each in a folder with a home, a cache and a temporary folder."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

import edgecnn
from edgecnn import digests

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from pathlib import Path

_SIZE, _CLASSES, _IMAGES = 32, 10, 200
RESULTS = "results.jsonl"


def write_sources(folder: Path) -> Path:
    """A float .tflite and .onnx of the zoo's smallest, and an int8 artifact of it."""
    result = edgecnn.export(
        "xception-mini",
        recipes=["float32", "int8"],
        input_size=_SIZE,
        classes=_CLASSES,
        width=0.125,
        calibration_samples=4,
        out=folder / "artifacts",
    )
    float_folder = result.artifacts[0].folder
    for form in ("tflite", "onnx"):
        shutil.copyfile(float_folder / f"model.{form}", folder / f"float.{form}")
    (image,) = result.artifacts[0].manifest.inputs
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        image.name: random.uniform(-1, 1, (_IMAGES, *image.shape[1:])).astype(np.float32),
        "labels": random.integers(0, _CLASSES, _IMAGES),
    }
    np.savez(folder / "data.npz", **arrays)
    return folder


class Case:
    """A command and what may be where after it.

    Attributes:
        name: the verb.
        variants: ways that it can go, with how often each is to be taken.
        folder: all that it can write to lies here.
        variant: which way it goes now.
    """

    name = ""
    variants: Mapping[str, int] = {"": 1}

    def __init__(self, sources: Path, folder: Path) -> None:
        self.folder = folder
        self.home, self.temporary = folder / "home", folder / "tmp"
        self.cache, self.out = folder / "cache", folder / "out"
        for place in (self.home, self.temporary):
            place.mkdir(parents=True)
        self.sources = sources
        self.variant = next(iter(self.variants))
        self._known: set[Path] = set()

    def environment(self) -> dict[str, str]:
        """Nothing of the user's own is reached."""
        places = {"HOME": self.home, "TMPDIR": self.temporary, "EDGECNN_CACHE": self.cache}
        lock = self.folder / "device.lock"
        return {name: str(path) for name, path in {**places, "EDGECNN_LOCK": lock}.items()}

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `edgecnn`."""
        raise NotImplementedError

    def before(self, chance: random.Random) -> None:
        """Bring about the state that the variant begins with, and one of two at the target."""
        if chance.random() < 0.5:  # noqa: PLR2004 - as often with an old one as without
            shutil.rmtree(self.out, ignore_errors=True)

    def know_home(self) -> None:
        """What lies in the home now is no leftover: Keras's settings, what pip asks rustc for."""
        self._known |= set(self.home.iterdir())

    def half_written(self) -> list[str]:
        """What stands at the command's target and is not whole; a clause each."""
        return []

    def leftovers(self) -> list[str]:
        """What lies where nothing may lie after an undisturbed run; a clause each."""
        places = [self.temporary, *self._emptied()]
        left = [path for place in places if place.is_dir() for path in place.iterdir()]
        left += [path for path in self.folder.rglob(".*.part") if path not in left]
        left += [path for path in self.home.iterdir() if path not in self._known]
        lock = self.folder / "device.lock"
        left += [lock] if lock.exists() else []
        return [f"{path.relative_to(self.folder)} is left" for path in left]

    def _emptied(self) -> list[Path]:
        """Folders in which nothing may be, beside the temporary one."""
        return []


class Export(Case):
    """An own .tflite to int8, with a float stage in the cache or none; an own .onnx to both."""

    name = "export"
    variants: Mapping[str, int] = {"cached": 5, "new": 5, "by TensorFlow": 2}

    @property
    def arguments(self) -> tuple[str, ...]:
        """Few samples: more of them prolong no stage but two."""
        source, form = ("float.tflite", "tflite")
        if self.variant == "by TensorFlow":
            source, form = ("float.onnx", "both")
        samples = ("--calibration-samples", "4", "--input-range=-1,1")
        target = ("--format", form, "--out", str(self.out))
        return ("export", str(self.sources / source), "--int8", *samples, *target)

    def before(self, chance: random.Random) -> None:
        """Entries leave the cache; what killed runs left in it stays for the next to clear up."""
        super().before(chance)
        if self.variant != "cached":
            for entry in self.cache.glob("*/[!.]*"):
                shutil.rmtree(entry)

    def half_written(self) -> list[str]:
        """An artifact that is not what its manifest says."""
        folder = self.out / "int8"
        return unlike_manifest(folder) if folder.exists() else []

    def leftovers(self) -> list[str]:
        """Beside the artifact too."""
        beside = [f"{path.name} is left" for path in self.out.iterdir() if path.name != "int8"]
        return [*super().leftovers(), *beside]


def unlike_manifest(folder: Path) -> list[str]:
    """What in an artifact folder is not as its manifest says."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return [f"{folder.name} has no manifest"]
    try:
        files = json.loads(manifest.read_bytes())["files"]
        listed = {info["path"]: info["sha256"] for info in files}
        wrong = [name for name, sum_ in listed.items() if digests.of_file(folder / name) != sum_]
    except (OSError, ValueError, KeyError) as error:
        return [f"{folder.name} is half written: {error}"]
    unknown = {path.name for path in folder.iterdir()} - {*listed, "manifest.json", "reference.npz"}
    return [f"{name} is not what the manifest says" for name in sorted({*wrong, *unknown})]


class Bench(Case):
    """An int8 artifact, measured here."""

    name = "bench"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Results are appended to a file of this case."""
        artifact = str(self.sources / "artifacts" / "int8")
        return ("bench", artifact, "--results", str(self.folder / RESULTS))

    def half_written(self) -> list[str]:
        """A line of the results that is none."""
        path = self.folder / RESULTS
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return [f"line {k} of {RESULTS} is cut" for k, line in enumerate(lines) if not _whole(line)]


def _whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return line.endswith(b"\n")


class Deploy(Case):
    """An int8 artifact, put into a folder of this machine by the way it takes to a device."""

    name = "deploy"

    @property
    def arguments(self) -> tuple[str, ...]:
        """The target is a folder of this case."""
        artifact = str(self.sources / "artifacts" / "int8")
        return ("deploy", artifact, "local", "--to", str(self.out))

    def half_written(self) -> list[str]:
        """A current release that lacks what it lists, or a link that leads nowhere."""
        current = self.out / "current"
        if not current.is_symlink():
            return []
        record = current / "release.json"
        if not record.is_file():
            return ["the current release has no release.json"]
        listed = json.loads(record.read_bytes())["files"]
        return [f"{name} of the release is missing" for name in listed
                if not (current / name).is_file()]  # fmt: skip

    def leftovers(self) -> list[str]:
        """Beside the release too."""
        left = [path.name for path in self.out.iterdir() if path.name not in _RELEASED]
        releases = [path.name for path in (self.out / "releases").iterdir()]
        left += releases if len(releases) != 1 else []
        return [*super().leftovers(), *(f"{name} is left" for name in left)]

    def _emptied(self) -> list[Path]:
        device = self.home / ".cache" / "edgecnn"
        return [device / "work", device / "sessions"]


_RELEASED = {"releases", "current"}


class Evaluate(Case):
    """An int8 artifact on arrays; it writes nothing."""

    name = "evaluate"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Two processes."""
        artifact = str(self.sources / "artifacts" / "int8")
        data = str(self.sources / "data.npz")
        return ("evaluate", artifact, "--data", data, "--threads", "2")

    def leftovers(self) -> list[str]:
        """Nothing beside the data either."""
        left = {path.name for path in self.sources.iterdir()} - _SOURCES
        return [*super().leftovers(), *(f"{name} is left" for name in sorted(left))]


_SOURCES = {"artifacts", "float.tflite", "float.onnx", "data.npz"}


class Sweep(Case):
    """Two points of an own .tflite, from nothing or from the first of them on."""

    name = "sweep"
    variants: Mapping[str, int] = {"new": 2, "go on": 1}

    def __init__(self, sources: Path, folder: Path) -> None:
        super().__init__(sources, folder)
        self._spec, self._lines = folder / "sweep.toml", self.out / "sweep.jsonl"
        model = str(sources / "float.tflite")
        self._spec.write_text(
            f'[axes]\nmodel = "{model}"\nrecipe = ["float32", "int8"]\n'
            "calibration_samples = 4\n[input]\ninput_range = [-1, 1]\n"
            '[predict]\ndevice = "raspberry-pi-4b"\n',
            "utf-8",
        )

    @property
    def arguments(self) -> tuple[str, ...]:
        """Two points at a time."""
        return ("sweep", str(self._spec), "--out", str(self.out), "--jobs", "2")

    def before(self, chance: random.Random) -> None:
        """What killed runs left in the storage stays for the next to clear up, or to use."""
        del chance
        if self.variant == "new":
            shutil.rmtree(self.out, ignore_errors=True)
        elif self._lines.exists():
            self._lines.write_bytes(b"".join(self._whole_lines()[:1]))

    def half_written(self) -> list[str]:
        """A line within that is none (`sweep` drops a half one at the end); a half artifact."""
        lines = self._lines.read_bytes().splitlines(keepends=True) if self._lines.exists() else []
        cut = [k for k, line in enumerate(lines) if not _whole(line) and line is not lines[-1]]
        wrong = [f"line {k} of {self._lines.name} is cut" for k in cut]
        artifacts = self.out.glob("storage/**/manifest.json")
        return [*wrong, *(what for path in artifacts for what in unlike_manifest(path.parent))]

    def leftovers(self) -> list[str]:
        """Every point has its line, and nothing hidden is left beside the artifacts."""
        keys = {json.loads(line)["key"] for line in self._whole_lines()}
        wrong = [] if len(keys) == _POINTS else [f"{len(keys)} of {_POINTS} points are kept"]
        if len(self._whole_lines()) != len(self._lines.read_bytes().splitlines()):
            wrong.append("a half line is left")
        hidden = [f"{path} is left" for path in self.out.rglob(".*")]
        return [*super().leftovers(), *wrong, *hidden]

    def _whole_lines(self) -> list[bytes]:
        lines = self._lines.read_bytes().splitlines(keepends=True) if self._lines.exists() else []
        return [line for line in lines if _whole(line)]


_POINTS = 2

VERBS: dict[str, Callable[[Path, Path], Case]] = {
    "export": Export,
    "bench": Bench,
    "deploy": Deploy,
    "evaluate": Evaluate,
    "sweep": Sweep,
}
