"""Fidelity of int8 logits to float: edgecnn, TFLiteConverter and litert-quantizer side by side.

Three trained networks; each tool gets the same weights and the same 100 calibration images, and
one function measures every file, on images that no tool has seen.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import efficientnet_lite0
from logits import Fidelity, fidelity, power_share, run_logits
from measuring import (
    BENCHMARKS,
    Target,
    child_environment,
    edgecnn_command,
    print_table,
    print_targets,
    write_report,
)
from reference_images import CALIBRATION_SAMPLES, ImageSets, clothes, digest, photograph_crops, save
from train_reference_nets import NETWORKS, trained

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS = "edgecnn"
BASELINES = ("TFLiteConverter", "litert-quantizer")
GAIN_BOUND_DB = 4.0
CLOTHES = 2_000
PHOTOGRAPH_CROPS = 96
# Whether "worse on none" holds is asked of the difference.
NO_LOSS_DB = 0.0


@dataclass(frozen=True)
class Network:
    """A trained network and the images it is measured on."""

    name: str
    path: Path
    images: ImageSets


def networks(wheel: Path, folder: Path, names: Sequence[str]) -> list[Network]:
    """Return the trained networks of these names; train or read them where need be."""
    found = [Network(name, trained(name), clothes(CLOTHES)) for name in NETWORKS if name in names]
    if "efficientnet-lite0" in names:
        path = folder / "efficientnet-lite0.keras"
        _run([*_script("efficientnet_lite0.py"), "--wheel", str(wheel), "--out", str(path)])
        crops = photograph_crops(
            efficientnet_lite0.INPUT_SIZE, efficientnet_lite0.PREPROCESSING, PHOTOGRAPH_CROPS
        )
        found.append(Network("efficientnet-lite0", path, crops))
    return found


def _script(name: str) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name(name))]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nexit {done.returncode}\n{done.stderr[-3000:]}")


def make_files(network: Network, folder: Path, *, baselines_only: bool) -> dict[str, Path]:
    """Let each tool make its int8 file; "float" is TFLiteConverter's file without quantization."""
    images, model = folder / "images.npz", str(network.path)
    save(images, network.images.calibration)
    calibration = ("--calibration", str(images))
    files = {name: folder / f"{name}.tflite" for name in ("float", *BASELINES)}
    converter = [*_script("baseline_tflite_converter.py"), "--model", model, "--out"]
    _run([*converter, str(files["float"])])
    _run([*converter, str(files["TFLiteConverter"]), *calibration])
    _run(
        [
            *(*_script("baseline_litert_quantizer.py"), "--float", str(files["float"])),
            *(*calibration, "--out", str(files["litert-quantizer"])),
        ]
    )
    if not baselines_only:
        _run(
            edgecnn_command(
                *("export", model, "--int8", "--format", "tflite", "--out", str(folder / OURS)),
                *(*calibration, "--calibration-samples", str(CALIBRATION_SAMPLES)),
            )
        )
        files[OURS] = folder / OURS / "int8" / "model.tflite"
    return files


@dataclass(frozen=True)
class Measured:
    """One network's results.

    Attributes:
        calibration_sha256: of the calibration images; likewise of the unseen ones. Only results
            with the same ones may be compared.
        float_accuracy: of the float file, where labels are known.
        strongest_tenth: share of the float logits' power in the strongest tenth of the images;
            near 0.1 pooled SNR speaks for all images, near 1 for that tenth alone.
        tools: each tool's file against the float one.
    """

    name: str
    samples: int
    calibration_sha256: str
    unseen_sha256: str
    float_accuracy: float | None
    strongest_tenth: float
    tools: dict[str, Fidelity]


def measure(network: Network, files: dict[str, Path]) -> Measured:
    """Run every file on the unseen images and compare it with the float one."""
    images, labels = network.images.unseen, network.images.labels
    logits = {name: run_logits(path.read_bytes(), images) for name, path in files.items()}
    reference = logits.pop("float")
    return Measured(
        name=network.name,
        samples=len(images),
        calibration_sha256=digest(network.images.calibration),
        unseen_sha256=digest(images),
        float_accuracy=fidelity(reference, reference, labels).accuracy,
        strongest_tenth=power_share(reference),
        tools={name: fidelity(reference, values, labels) for name, values in logits.items()},
    )


def gains_db(results: Sequence[Measured], statistic: str) -> list[float]:
    """Return, for each network, edgecnn's gain over the better baseline in one statistic, dB."""
    return [
        getattr(result.tools[OURS], statistic)
        - max(getattr(result.tools[name], statistic) for name in BASELINES)
        for result in results
    ]


def targets(results: Sequence[Measured]) -> list[Target]:
    """Return what the issue asks for, of the pooled SNR and of the images' median alike."""
    asked = []
    for statistic, words in (("snr_db", "pooled"), ("image_snr_db", "per image")):
        gains = gains_db(results, statistic)
        asked += [
            Target(f"mean SNR gain, {words}, dB", fmean(gains), GAIN_BOUND_DB, at_most=False),
            Target(f"least SNR gain, {words}, dB", min(gains), NO_LOSS_DB, at_most=False),
        ]
    return asked


def print_results(results: Sequence[Measured]) -> None:
    """Print one row for each network and tool."""
    rows = [
        (
            f"{result.name}, {tool}",
            f"{found.snr_db:.1f}",
            f"{found.image_snr_db:.1f}",
            f"{found.strict_agreement:.1%}",
            f"{found.ties:.1%}",
            ""
            if found.accuracy is None
            else f"{found.accuracy:.2%} of {result.float_accuracy:.2%}",
        )
        for result in results
        for tool, found in result.tools.items()
    ]
    columns = ("", "SNR dB", "per image dB", "same argmax", "ties", "accuracy of float's")
    print_table("int8 logits against float, unseen images", columns, rows)


def main() -> None:
    """Compare the fidelity of int8 files."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    names = (*NETWORKS, "efficientnet-lite0")
    parser.add_argument("--wheel", type=Path, required=True, help="EfficientNet-Lite0's wheel")
    parser.add_argument("--networks", nargs="*", choices=names, default=names)
    parser.add_argument("--baselines-only", action="store_true", help="leave edgecnn out")
    parser.add_argument("--json", type=Path, default=BENCHMARKS / "fidelity.json")
    options = parser.parse_args()
    results = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        for network in networks(options.wheel, folder, options.networks):
            place = folder / network.name
            place.mkdir()
            files = make_files(network, place, baselines_only=options.baselines_only)
            results.append(measure(network, files))
    asked = [] if options.baselines_only else targets(results)
    write_report(options.json, {"networks": [asdict(result) for result in results]}, asked)
    print_results(results)
    if asked:
        print_targets(asked)


if __name__ == "__main__":
    main()
