"""What is mutated: small files of every kind that a verb reads, made from a network of the zoo."""

from __future__ import annotations

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
_OF_TEXTS = {".txt": "labels", ".toml": "profile"}


@dataclass(frozen=True)
class Seed:
    """What is mutated.

    Attributes:
        path: a file, or a folder, one of whose files it is then.
        verbs: what is done with it.
    """

    path: Path
    verbs: tuple[str, ...]


def seeds_in(folder: Path, *, with_slow: bool = True) -> tuple[Seed, ...]:
    """What can be mutated in a folder: its model files and arrays, and the artifacts in it.

    Args:
        folder: see `fuzz`.
        with_slow: Keras files and SavedModels too, each of which costs TensorFlow's seconds, and
            the verbs that measure.
    """
    of_files = (*OF_FILES, *(SLOW if with_slow else ()))
    paths = sorted(folder.iterdir())
    quick = [seed for path in paths for seed in _seeds(path, of_files)]
    own = [path for path in paths if with_slow and (path.suffix == ".keras" or path.name == SAVED)]
    return (*quick, *quick, *(Seed(path, OF_OWN_MODELS) for path in own))


def _seeds(path: Path, of_files: tuple[str, ...]) -> Iterator[Seed]:
    if (path / "manifest.json").is_file():
        yield from [Seed(path, OF_FOLDERS)] * 3
        yield from (Seed(each, of_files) for each in sorted(path.glob("model.*")))
    elif path.suffix in {".tflite", ".onnx"}:
        yield Seed(path, of_files)
    elif path.suffix == ".npz":
        yield Seed(path, ("data", "calibrate"))
    elif path.suffix in _OF_TEXTS:
        yield Seed(path, (_OF_TEXTS[path.suffix],))
    elif path.name == RECORDS:
        yield from (Seed(each, ("verdict", "report")) for each in sorted(path.glob("*.json")))
    elif path.name == RESULTS:
        yield Seed(path, ("results", "report"))
    elif path.name == PICTURES:
        yield Seed(path, OF_PICTURES)


def limited(seeds: Sequence[Seed], verbs: Sequence[str]) -> tuple[Seed, ...]:
    """What is mutated for some of the verbs."""
    kept = ((seed, tuple(verb for verb in seed.verbs if verb in verbs)) for seed in seeds)
    return tuple(Seed(seed.path, few) for seed, few in kept if few)


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
    (folder / "labels.txt").write_text("".join(f"thing {k}\n" for k in range(_CLASSES)), "utf-8")


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
        made = BenchResult(
            target="ssh://pi@raspberrypi.local", device=pi, file=f"{recipe}/model.tflite",
            file_sha256="ab" * 32, model="xception-mini", recipe=recipe,
            runtime="ai-edge-litert 2.3.0", threads=1, plan="quick", load_ms=3.5, first_ms=2 * ms,
            latency_ms=Latency(min=ms, mean=ms, p50=ms, p90=ms, p99=ms), samples_ms=(ms,) * 20,
            repeat_p50_ms=(ms,), peak_rss_bytes=21_000_000, output_sha256="cd" * 32,
            outputs_match=True, inputs="reference", before=state, after=state, timeline=(),
            trust=Trust("trusted"), emulated=False, measured_at="2026-11-28T00:00:00+00:00",
            edgecnn="0.1.0",
        )  # fmt: skip
        results.append(folder / RESULTS, [made])
