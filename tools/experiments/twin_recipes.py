"""What each recipe costs a trained twin: accuracy, size and time; and its weights, to be kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import edgecnn
from edgecnn import isolation
from edgecnn.evidence.records import RecipeRun
from edgecnn.zoo.twins import NORMAL, SEPARABLE, twin_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from experiment_twins import Twin

    from edgecnn import Evaluation, Manifest
    from edgecnn.building import BuildRequest

DATA = "fashion-mnist"
RECIPES = ("float32", "dynamic", "int8", "int16x8")
WEIGHTS = "weights.npz"
TEST_SAMPLES = 4_000
# XNNPACK has no kernels for int16 activations: as many images would take longer than training.
SLOW = {"int16x8": 1_000}


def measure(twin: Twin, seed: int, folder: Path, *, timed: bool) -> list[RecipeRun]:
    """Export a trained network under every recipe and evaluate each file.

    Args:
        twin: which network.
        seed: that it was trained with.
        folder: of its model.keras; gets the weights and the exported files.
        timed: also measure latency, on a machine that should then have nothing else to do.
    """
    weights = folder / WEIGHTS
    if not weights.exists():
        isolation.run(
            "experiments.twin_recipes:write_weights",
            str(folder),
            what=f"reading {twin.name}, seed {seed}",
        )
    exported = edgecnn.export(
        twin.network,
        weights=str(weights),
        classes=10,
        input_size=twin.input_size,
        width=twin.width,
        convolution=twin.convolution,
        recipes=RECIPES,
        formats=("tflite",),
        calibration=DATA,
        out=folder / "exported",
    )
    manifests = {artifact.manifest.recipe: artifact.manifest for artifact in exported.artifacts}
    latencies = _latencies_ms(folder / "exported") if timed else {}
    fast = _accuracies(folder / "exported", (r for r in RECIPES if r not in SLOW), TEST_SAMPLES)
    runs = [
        _run(twin, seed, manifests[recipe], evaluation, fast["float32"], latencies.get(recipe))
        for recipe, evaluation in fast.items()
    ]
    for recipe, limit in SLOW.items():
        both = _accuracies(folder / "exported", ("float32", recipe), limit)
        latency_ms = latencies.get(recipe)
        runs.append(_run(twin, seed, manifests[recipe], both[recipe], both["float32"], latency_ms))
    print(f"{twin.name}, seed {seed}: {len(runs)} recipes", flush=True)
    return runs


def _accuracies(exported: Path, recipes: Iterable[str], limit: int | None) -> dict[str, Evaluation]:
    accuracies = {}
    for recipe in recipes:
        report = edgecnn.evaluate(exported / recipe, data=DATA, limit=limit)
        (accuracies[recipe],) = report.evaluations
    return accuracies


def _latencies_ms(exported: Path) -> dict[str, float]:
    """Median latency of each recipe's file with one thread."""
    folders = [exported / recipe for recipe in RECIPES]
    report = edgecnn.bench(folders, threads=1, profile="quick", results=None)
    if report.failures:
        raise SystemExit(f"{exported}: {report.failures[0].message}")
    by_hash = {result.file_sha256: result for result in report.results}
    by_recipe = {f.name: by_hash[edgecnn.inspect(f / "model.tflite").sha256] for f in folders}
    for recipe, result in by_recipe.items():
        if result.trust.grade == "void":
            print(f"{exported}, {recipe}: no latency: {result.trust.reasons[0]}")
    return {name: r.latency_ms.p50 for name, r in by_recipe.items() if r.trust.grade != "void"}


def _run(
    twin: Twin,
    seed: int,
    manifest: Manifest,
    evaluation: Evaluation,
    floating: Evaluation,
    latency_ms: float | None,
) -> RecipeRun:
    (file,) = manifest.files
    return RecipeRun(
        network=twin.network,
        convolution=twin.convolution,
        match=twin.match,
        seed=seed,
        recipe=manifest.recipe,
        accuracy=evaluation.top1,
        float_accuracy=floating.top1,
        test_samples=evaluation.images,
        snr_db=file.parity.snr_db,
        size_bytes=file.bytes,
        latency_ms=latency_ms,
    )


def write_weights(folder: str) -> None:
    """Write a model.keras's weights as an .npz that `--weights` takes, kernels in float16.

    What is kept in the repository is what is evaluated. Vectors (biases, normalizations) stay
    float32: a small variance has no place in float16.
    """
    import keras
    import numpy as np

    model = keras.saving.load_model(Path(folder) / "model.keras", compile=False)
    arrays = {variable.path: variable.numpy() for variable in model.weights}
    kept = {name: a.astype(np.float16) if a.ndim > 1 else a for name, a in arrays.items()}
    np.savez_compressed(Path(folder) / WEIGHTS, **kept)


def publish(folder: Path, place: Path) -> None:
    """Copy a network's weights and what is known of its training."""
    place.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, "training.json"):
        shutil.copyfile(folder / name, place / name)


def request_for(folder: Path) -> BuildRequest:
    """What builds the network that `publish` kept the weights of."""
    from edgecnn.building import BuildRequest

    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    base = record["model"].removesuffix(twin_name("", NORMAL))
    return BuildRequest(
        base,
        classes=len(record["classes"]),
        input_size=record["input_size"],
        width=record["width"],
        convolution=SEPARABLE if base == record["model"] else NORMAL,
        weights=str(folder / WEIGHTS),
    )


def write_keras(folder: str, path: str) -> None:
    """Build the network that `publish` kept the weights of, and save it as a .keras file."""
    from edgecnn.building import build

    model = build(request_for(Path(folder))).keras_model
    if model is None:
        raise ValueError(f"{folder} is no Keras model's.")
    model.save(path)
