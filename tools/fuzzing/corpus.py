"""What is mutated: small files of every kind that a verb reads, made from a network of the zoo."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import edgecnn
from fuzzing.verbs import OF_FILES, OF_FOLDERS, OF_OWN_MODELS, OF_PICTURES, SLOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROOT = Path(__file__).parents[2]
_SAMPLES, _SIZE, _CLASSES = 6, 32, 10
_NETWORK: Any = {"input_size": _SIZE, "classes": _CLASSES, "width": 0.125}
RECORDS, RESULTS, PICTURES, SAVED = "records", "results.jsonl", "pictures", "saved"
SPEC, JOURNAL, ENTRY, COCO, MASK = "sweep.toml", "swept", "entry", "coco.json", "mask.png"
_READ_BY = {
    "data.npz": ("data", "calibrate"), "labels.txt": ("labels",), "device.toml": ("profile",),
    RESULTS: ("results", "report"), SPEC: ("sweep",), JOURNAL: ("journal",), ENTRY: ("cache",),
    COCO: ("annotations",), MASK: ("masks",), "anchors.txt": ("anchors",),
    "anchors.npy": ("anchors",),
}  # fmt: skip
_TURNS = 3  # of each quick source, for one of those that take TensorFlow's seconds


@dataclass(frozen=True)
class Source:
    """What is mutated.

    Attributes:
        path: a file, or a folder, one of whose files it is then.
        verbs: what is done with it.
    """

    path: Path
    verbs: tuple[str, ...]


def sources_in(folder: Path, *, with_slow: bool = True) -> tuple[Source, ...]:
    """What can be mutated in a folder: its model files and arrays, and the artifacts in it.

    Args:
        folder: see `fuzz`.
        with_slow: Keras files and SavedModels too, each of which costs TensorFlow's seconds, and
            the verbs that measure.
    """
    of_files = (*OF_FILES, *(SLOW if with_slow else ()))
    paths = sorted(folder.iterdir())
    quick = [source for path in paths for source in _sources(path, of_files)]
    own = [path for path in paths if path.suffix == ".keras" or path.name == SAVED]
    slow = [Source(path, OF_OWN_MODELS) for path in own]
    slow += [Source(path, OF_PICTURES) for path in paths if path.name == PICTURES]
    return (*quick * _TURNS, *(slow if with_slow else ()))


def _sources(path: Path, of_files: tuple[str, ...]) -> Iterator[Source]:
    if (path / "manifest.json").is_file():
        yield from [Source(path, OF_FOLDERS)] * 3
        yield from (Source(file, of_files) for file in sorted(path.glob("model.*")))
    elif path.suffix in {".tflite", ".onnx"}:
        yield Source(path, of_files)
    elif path.name == RECORDS:
        yield from (Source(file, ("verdict", "report")) for file in sorted(path.glob("*.json")))
    elif path.name in _READ_BY:
        yield Source(path, _READ_BY[path.name])


def limited(sources: Sequence[Source], verbs: Sequence[str]) -> tuple[Source, ...]:
    """What is mutated for some of the verbs."""
    kept = ((source, tuple(verb for verb in source.verbs if verb in verbs)) for source in sources)
    return tuple(Source(source.path, few) for source, few in kept if few)


def make(folder: Path) -> None:
    """Export a small network of the zoo, and put everything else beside it."""
    with tempfile.TemporaryDirectory() as out:
        edgecnn.export(
            "xception-mini",
            recipes=["float32", "int8"],
            formats=["tflite", "onnx"],
            **_NETWORK,
            calibration_samples=8,
            out=Path(out),
        )
        folder.mkdir(parents=True)
        shutil.copytree(Path(out) / "int8", folder / "model")
        for form in ("tflite", "onnx"):
            shutil.copyfile(Path(out) / "float32" / f"model.{form}", folder / f"float.{form}")
    _write_own_models(folder)
    write_data(folder / PICTURES)
    _copy_records(folder)
    write_results(folder)
    write_sweep(folder)
    write_small(folder)


def write_small(folder: Path) -> None:
    """Labels, anchors, annotated boxes, a mask, and an entry of the cache."""
    from PIL import Image

    from edgecnn import caching

    (folder / "labels.txt").write_text("".join(f"thing {k}\n" for k in range(_CLASSES)), "utf-8")
    (folder / "anchors.txt").write_text("0.1, 0.2, 0.3, 0.4\n0.5 0.5 1 1\n", "utf-8")
    np.save(folder / "anchors.npy", np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4))
    picture = {"id": 1, "file_name": "thing 0/colour.png", "width": 40, "height": 30}
    box = {"id": 1, "image_id": 1, "category_id": 2, "bbox": [3, 4, 10.5, 8], "iscrowd": 0}
    content = {"images": [picture], "annotations": [box], "categories": [{"id": 2, "name": "x"}]}
    (folder / COCO).write_text(json.dumps(content), "ascii")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 3).save(folder / MASK)
    entry = folder / ENTRY
    (entry / "inner").mkdir(parents=True)
    (entry / "inner" / "model.tflite").write_bytes(bytes(range(100)))
    caching.write_sums(entry)


def write_sweep(folder: Path) -> None:
    """A SPEC.toml, and what `sweep` keeps of it when both of its points are done."""
    from edgecnn.sweeping import journal, keys, points, spec
    from edgecnn.sweeping.records import Impossible, Place, PointRecord, Timing

    (folder / SPEC).write_text(spec.EXAMPLE, "utf-8")
    sweep = spec.read(folder / SPEC)
    keyer = keys.Keys(sweep)
    timings = (Timing(Place("raspberry-pi-4b", 4), 9.5, 8.0, 12.5),)
    (folder / JOURNAL).mkdir()
    with journal.opened(folder / JOURNAL / "sweep.jsonl") as book:
        for planned in points.plan_all(sweep):
            if not isinstance(planned, Impossible):
                record = PointRecord(
                    keyer.point(planned), planned.point, "done", size_bytes=9000, timings=timings
                )
                book.append(record)


def _write_own_models(folder: Path) -> None:
    """A .keras file, a SavedModel, and arrays for their input."""
    model = edgecnn.build("xception-mini", **_NETWORK)
    model.save(folder / "own.keras")
    model.export(str(folder / SAVED), verbose=False)
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (_SAMPLES, _SIZE, _SIZE, 3)).astype(np.float32)
    labels = random.integers(0, _CLASSES, _SAMPLES)
    arrays: dict[str, Any] = {model.inputs[0].name: images, "labels": labels}
    np.savez(folder / "data.npz", **arrays)


def write_data(folder: Path) -> None:
    """Pictures of two classes: a PNG in colour, one with a palette, a grey one, two JPEGs."""
    from PIL import Image

    random = np.random.default_rng(0)

    def picture(number: int) -> Image.Image:
        pixels = random.integers(0, 256, (5, 5, 3), np.uint8)
        return Image.fromarray(pixels).resize((40, 30 + number), Image.Resampling.BICUBIC)

    for name in ("thing 0", "thing 1"):
        (folder / name).mkdir(parents=True)
    picture(0).save(folder / "thing 0" / "colour.png")
    picture(1).quantize(16).save(folder / "thing 0" / "palette.png")
    picture(2).convert("L").save(folder / "thing 1" / "grey.png")
    picture(3).save(folder / "thing 0" / "plain.jpg", quality=80)
    picture(4).save(folder / "thing 1" / "progressive.jpg", progressive=True)


def _copy_records(folder: Path) -> None:
    records = folder / RECORDS
    records.mkdir()
    for name in ("parameters", "gradients", "layers"):
        shutil.copyfile(
            _ROOT / "artifacts" / "experiments" / f"{name}.json", records / f"{name}.json"
        )
    profiles = _ROOT / "edgecnn" / "latency" / "profiles"
    shutil.copyfile(profiles / "galaxy-s10.toml", folder / "device.toml")


def write_results(folder: Path) -> None:
    """What `bench` appended of two files on a Pi that nobody has."""
    from edgecnn.evidence import results
    from edgecnn.measurements import BenchResult, DeviceFacts, DeviceState, Latency, Trust

    pi = DeviceFacts(
        model="Raspberry Pi 4 Model B Rev 1.1", machine="aarch64", userland_bits=64,
        system="Debian GNU/Linux 12", kernel="6.6.20", libc="glibc 2.36", cpu="Cortex-A72",
        cores=4, memory_bytes=3_982_000_000, python="3.11.2",
    )  # fmt: skip
    state = DeviceState(
        clock_mhz=1800.0, max_clock_mhz=1800.0, governor="performance", temperature_c=51.2,
        throttled=0, load_average=0.12, free_memory_bytes=3_100_000_000,
    )  # fmt: skip
    for recipe, ms in (("float32", 9.5), ("int8", 4.25)):
        result = BenchResult(
            target="ssh://pi@raspberrypi.local", device=pi, file=f"{recipe}/model.tflite",
            file_sha256="ab" * 32, model="xception-mini", recipe=recipe,
            runtime="ai-edge-litert 2.3.0", threads=1, plan="quick", load_ms=3.5, first_ms=2 * ms,
            latency_ms=Latency(min=ms, mean=ms, p50=ms, p90=ms, p99=ms), samples_ms=(ms,) * 20,
            repeat_p50_ms=(ms,), peak_rss_bytes=21_000_000, output_sha256="cd" * 32,
            outputs_match=True, inputs="reference", before=state, after=state, timeline=(),
            trust=Trust("trusted"), emulated=False, measured_at="2026-11-28T00:00:00+00:00",
            edgecnn="0.1.0",
        )  # fmt: skip
        results.append(folder / RESULTS, [result])
