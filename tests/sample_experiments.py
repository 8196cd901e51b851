"""Made-up records of every experiment, plausible in shape and clearly synthetic in origin.

Nothing here was measured: the machine is called "made-up", and one network has a hostile name.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Literal

import sample_benches

from edgecnn.evidence import results
from edgecnn.evidence.files import write
from edgecnn.evidence.records import (
    Contender,
    Counted,
    DeviceLatency,
    Devices,
    Fitted,
    GradientRun,
    Gradients,
    Header,
    KernelPair,
    Kernels,
    LayerFidelity,
    Layers,
    Machine,
    OperatorTime,
    Parameters,
    RecipeRun,
    Side,
    TwinRun,
    Twins,
)
from edgecnn.measurements import Interval
from edgecnn.sweeping import journal
from edgecnn.sweeping.records import Accuracy, Place, Point, PointRecord, Timing

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.evidence.records import Convolution, GradientKind, Match

HOSTILE = "<script>alert('x')</script>\"'&{{7*7}}"
MACHINE = Machine("made-up CPU", 2, 8_000_000_000, "Linux 0.0", "3.11.2")
_NETWORKS: tuple[tuple[str, str, Convolution | None, int, int, float | None], ...] = (
    ("xception", "Xception", "separable", 22_910_480, 8_360_000_000, 0.790),
    ("xception", "Xception, normal convolutions", "normal", 60_000_000, 40_000_000_000, None),
    ("keras:InceptionV3", "InceptionV3", None, 23_851_784, 5_710_000_000, 0.779),
    ("keras:MobileNetV2", "MobileNetV2", None, 3_538_984, 300_000_000, 0.713),
    ("keras:EfficientNetB0", "EfficientNetB0", None, 5_330_571, 390_000_000, 0.771),
    ("hostile", HOSTILE, None, 1_000_000, 100_000_000, 0.5),
)
_RECIPES = (("float32", 4.0, 1.0), ("int8", 1.0, 0.45))
_DEVICES = (
    ("raspberry-pi-zero-2w", 6.0, 3.0),
    ("raspberry-pi-4b", 3.0, 6.4),
    ("pixel-4", 0.8, None),
)
_DTYPES: tuple[Literal["float32", "int8"], ...] = ("float32", "int8")
_GFLOPS = 100_000_000.0


def header(experiment: str) -> Header:
    """Of a made-up record."""
    return Header(
        experiment,
        "2026-11-22T10:00:00+00:00",
        f"python tools/experiment_{experiment}.py",
        MACHINE,
        {"edgecnn": "0.1.0", "ai-edge-litert": "2.3.0"},
    )


def kernels() -> Kernels:
    """Three separable layers, measured and predicted, and one pair of another group."""
    separable = [
        _pair("separable", f"block{block}_sepconv1", size, channels, dtype, target)
        for block, size, channels in ((2, 147, 128), (4, 37, 728), (14, 10, 1536))
        for dtype in _DTYPES
        for target in ("local", "raspberry-pi-4b")
    ]
    other = _pair("two-3x3", "", 32, 64, "float32", "local")
    return Kernels(header("kernels"), (*separable, other))


def _pair(
    group: Literal["two-3x3", "separable"],
    layer: str,
    size: int,
    channels: int,
    dtype: Literal["float32", "int8"],
    target: str,
) -> KernelPair:
    costly = size * size * channels * channels * 9
    cheap = size * size * channels * (9 + channels)
    measured = target == "local"
    ratio = 2.5 * cheap / costly
    return KernelPair(
        group=group, layer=layer, size=size, channels=channels, filters=channels,
        dtype=dtype, target=target, threads=1,
        cheap=Side("depthwise + pointwise", cheap, channels * (9 + channels), ratio * costly / 1e7),
        costly=Side("3x3", costly, 9 * channels * channels, costly / 1e7),
        latency_ratio=ratio,
        low_ratio=ratio * 0.97 if measured else None,
        high_ratio=ratio * 1.03 if measured else None,
        provenance="measured" if measured else "predicted",
    )  # fmt: skip


def parameters() -> Parameters:
    """The counts of Keras's networks."""
    counted = (
        Counted("keras:Xception", 1000, 299, 22_910_480, 22_855_952, 8_360_000_000, 0.790),
        Counted("keras:InceptionV3", 1000, 299, 23_851_784, 23_817_352, 5_710_000_000, 0.779),
        Counted("keras:MobileNetV2", 1000, 224, 3_538_984, 3_504_872, 300_000_000, 0.713),
    )
    return Parameters(header("parameters"), counted, (19, 19, 728))


def gradients() -> Gradients:
    """Norms that fall by a constant factor a layer in plain nets, and stay in residual ones."""
    falls: tuple[tuple[GradientKind, float], ...] = (("plain", 0.7), ("residual", 0.99))
    runs = tuple(
        GradientRun(
            kind, depth, "glorot_uniform", seed,
            tuple((1 + 0.1 * seed) * fall ** (depth - 1 - layer) for layer in range(depth)),
            0.3 if kind == "plain" else 0.7,
        )
        for kind, fall in falls for depth in (10, 30) for seed in (0, 1, 2)
    )  # fmt: skip
    return Gradients(header("gradients"), runs)


def twins() -> Twins:
    """Three seeds of a separable net and of its two twins, and what each recipe costs."""
    kinds: tuple[tuple[Convolution, Match, float], ...] = (
        ("separable", "itself", 0.905),
        ("normal", "equal widths", 0.912),
        ("normal", "equal parameters", 0.898),
    )
    runs = tuple(
        TwinRun(
            "xception-mini", convolution, match, 1.0, 28, seed, 200_000, 20_000_000,
            12_000, 4, 10_000, accuracy + 0.002 * (seed - 1), 300.0,
        )
        for convolution, match, accuracy in kinds for seed in (0, 1, 2)
    )  # fmt: skip
    recipes = tuple(
        RecipeRun(
            "xception-mini", convolution, match, 0, recipe, accuracy - loss, accuracy, 10_000,
            None if recipe == "float32" else 30.0, 400_000, 1.5 - 20 * loss,
        )
        for convolution, match, accuracy in kinds
        for recipe, loss in (("float32", 0.0), ("dynamic", 0.001), ("int8", 0.004))
    )  # fmt: skip
    return Twins(header("twins"), "Fashion-MNIST (made up)", runs, recipes)


def devices() -> Devices:
    """Six networks under two recipes on three devices, predicted; one measured on this machine."""
    contenders = tuple(
        Contender(
            model, label, convolution, 299, parameters, macs, top1, recipe,
            int(parameters * size), "measured" if recipe == "int8" else "predicted",
            int(parameters * size * 1.5), "predicted", macs / _GFLOPS / 5 * speed,
        )
        for model, label, convolution, parameters, macs, top1 in _NETWORKS
        for recipe, size, speed in _RECIPES
    )  # fmt: skip
    latencies = tuple(
        _latency(label, recipe, device, threads, macs / _GFLOPS * slow * speed, watts)
        for _, label, _, _, macs, _ in _NETWORKS
        for recipe, _, speed in _RECIPES
        for device, slow, watts in _DEVICES
        for threads in (1, 4)
    )
    fits = tuple(
        Fitted(
            device, budget, budget > 500, 0.5, 160, "int8", 4, budget * 0.9, budget * 0.7, budget
        )
        for device, _, _ in _DEVICES
        for budget in (100.0, 1000.0)
    )
    return Devices(header("devices"), contenders, latencies, fits)


def _latency(
    label: str, recipe: str, device: str, threads: int, one_thread_ms: float, watts: float | None
) -> DeviceLatency:
    expected = one_thread_ms / math.sqrt(threads)
    return DeviceLatency(
        label, recipe, device, threads, expected, expected * 0.8, expected * 1.3, 0.77, watts,
        None if watts is None else expected * watts, "interpolated", "predicted",
    )  # fmt: skip


def layers() -> Layers:
    """Operators and fidelity of one network."""
    operators = (
        OperatorTime("xception int8", "CONV_2D", 40, 30.0, 0.6, 8_000_000_000),
        OperatorTime("xception int8", "DEPTHWISE_CONV_2D", 34, 15.0, 0.3, 360_000_000),
        OperatorTime("xception int8", "ADD", 12, 5.0, 0.1, 0),
    )
    fidelity = tuple(
        LayerFidelity(
            "xception int8",
            index,
            f"block{index}/conv",
            "CONV_2D",
            None if index == 0 else 50 - index,
        )
        for index in range(30)
    )
    return Layers(header("layers"), operators, fidelity)


def write_all(folder: Path) -> Path:
    """Write every record; returns the folder."""
    for record in (kernels(), parameters(), gradients(), twins(), devices(), layers()):
        write(record, folder)
    return folder


def write_sweep(artifacts: Path) -> Path:
    """Write the sweep.jsonl of four points: two on the front, one beaten by both, one failed."""
    scores = {"int8": (0.71, 9.0, 1_000), "float32": (0.72, 20.0, 4_000),
              "float16": (0.70, 21.0, 4_100)}  # fmt: skip
    path = artifacts / "sweeps" / "sizes" / "sweep.jsonl"
    with journal.opened(path) as book:
        for recipe, (top1, ms, size) in scores.items():
            point = Point("xception", input_size=96, recipe=recipe)
            accuracy = Accuracy("top1", top1, None, None, 100, "fashion-mnist")
            places = Place("raspberry-pi-4b", 4), Place("raspberry-pi-5", 4)
            timings = tuple(Timing(place, ms, ms / 2, ms * 2) for place in places)
            book.append(PointRecord(recipe, point, "done", size_bytes=size, accuracy=accuracy,
                                    timings=timings))  # fmt: skip
        died = PointRecord("int16x8", Point("xception", recipe="int16x8"), "failed",
                           message="It died <b>.", hint="Close other programs.")  # fmt: skip
        book.append(dataclasses.replace(died, message="Once."))
        book.append(died)
    return path


def write_results(artifacts: Path) -> Path:
    """Write a results.jsonl with a sustained result, an emulated one and a hostile name."""
    timeline = tuple(
        Interval(
            60.0 * i, 1000, 38 + i, 39 + i,
            dataclasses.replace(
                sample_benches.STATE, clock_mhz=1800.0 - 50 * i, temperature_c=50.0 + 3 * i
            ),
        )
        for i in range(10)
    )  # fmt: skip
    sustained = sample_benches.result(plan="sustained", timeline=timeline)
    hostile = sample_benches.result(model=HOSTILE, recipe="float32")
    path = artifacts / "results.jsonl"
    results.append(path, (sample_benches.TRUSTED, sustained, hostile, sample_benches.EMULATED))
    return path


def write_benchmarks(folder: Path) -> Path:
    """Write a validation of predictions and a comparison with one target that is missed."""
    numbers = {"rows": 20, "median_error": 0.1, "within_30_percent": 0.9, "in_interval": 0.8}
    devices_ = [
        {"device": device, "precision": precision, **numbers}
        for device, _, _ in _DEVICES
        for precision in ("float32", "int8")
    ]
    targets = [
        {
            "name": f"{what} over another's", "measured": measured, "bound": 1.0,
            "at_most": True, "met": met,
        }
        for what, measured, met in (("time", 0.5, True), ("memory", 1.2, False))
    ]  # fmt: skip
    comparison = {
        "date": "2026-11-22T10:00:00+00:00",
        "command": ["compare_export.py"],
        "machine": dataclasses.asdict(MACHINE),
        "versions": {"edgecnn": "0.1.0"},
        "targets": targets,
    }
    folder.mkdir(parents=True)
    (folder / "predictor.json").write_text(json.dumps({"imagenet": devices_, "coverage": 0.8}))
    (folder / "latency.json").write_text(json.dumps(comparison))
    return folder
