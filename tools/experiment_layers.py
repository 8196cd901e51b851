"""Layers: where the time of a network goes, operator by operator, and where int8 loses fidelity.

Time: full-size xception in int8 and float32, and xception-mini in int8, with random weights, which
decide no time. Fidelity: the same int8 xception, whose random weights show how rounding adds up
and nothing of accuracy, and the networks that `experiment_twins.py` trained, where their weights
are at hand. The record is `artifacts/experiments/layers.json`. Needs TensorFlow.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from experiment_twins import DATA, SEEDS, TWINS
from experiments.experiment_record import arguments, header, save
from measure.measuring import ROOT, child_environment, edgecnn_command, print_table

import edgecnn
from edgecnn.evidence.records import LayerFidelity, Layers, OperatorTime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgecnn.diagnosing import Diagnosis
    from edgecnn.profiling.operator_record import OperatorProfile

TRAINED = ROOT / "artifacts" / "trained"
_SAMPLES = 32


class Net(NamedTuple):
    """A network to export, and what to do with it.

    Attributes:
        name: to record it under, without the recipe.
        export: the arguments of `edgecnn export` that make it.
        profiled: recipes whose operators are timed.
        diagnosed: whether the int8 file's layers are compared with float.
        data: images to compare on; None for the photographs it was proved on.
    """

    name: str
    export: tuple[str, ...]
    profiled: tuple[str, ...] = ()
    diagnosed: bool = False
    data: str | None = None


def nets(trained: Path) -> list[Net]:
    """Those of random weights, and each trained one whose weights are there."""
    return [
        Net("xception", ("xception",), ("int8", "float32"), diagnosed=True),
        Net("xception-mini", ("xception-mini",), ("int8",)),
        *_trained(trained),
    ]


def _trained(folder: Path) -> Iterator[Net]:
    for twin in TWINS:
        weights = folder / twin.name / "weights.npz"
        if weights.is_file():
            shape = ("--width", str(twin.width), "--input-size", str(twin.input_size))
            options = ("--convolution", twin.convolution, "--classes", "10", "--calibration", DATA)
            yield Net(
                f"{twin.network}, trained, {twin.match}",
                (twin.network, *shape, *options, "--weights", str(weights)),
                diagnosed=True,
                data=DATA,
            )


def operator_times(model: str, profile: OperatorProfile) -> Iterator[OperatorTime]:
    """What each kind of operator takes, the costliest first."""
    for kind in profile.kinds:
        yield OperatorTime(
            model=model,
            operator=kind.kind,
            count=kind.count,
            time_ms=kind.time_ms,
            share=kind.time_share,
            macs=kind.macs,
        )


def fidelity(model: str, diagnosis: Diagnosis) -> Iterator[LayerFidelity]:
    """Every layer that has a counterpart in float, in order."""
    for layer in diagnosis.layers:
        yield LayerFidelity(model, layer.index, layer.layer, layer.operator, layer.snr_db)


def notes_of(model: str, diagnosis: Diagnosis) -> Iterator[str]:
    """What a reader of its curve should know."""
    snr_db = diagnosis.observed.worst.snr_db
    ratio = "identical" if snr_db is None else f"{snr_db:.1f} dB"
    yield f"{model}: logits {ratio} on {diagnosis.samples} images ({diagnosis.source})."
    for cause in diagnosis.causes:
        yield f"{model}: {cause.kind}: {cause.finding}"


def _export(net: Net, folder: Path) -> Path:
    recipes = ("--float32", "--int8", "--format", "tflite", "--calibration-samples", str(_SAMPLES))
    command = edgecnn_command(
        *("export", *net.export, *recipes, "--out", str(folder / "out"), "--quiet")
    )
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"export of {net.name} failed:\n{done.stderr[-3000:]}")
    return folder / "out"


def run(chosen: Iterable[Net], seconds: float) -> Layers:
    """Export each network, time its operators and compare its layers."""
    operators: list[OperatorTime] = []
    layers: list[LayerFidelity] = []
    notes: list[str] = []
    for net in chosen:
        print(net.name, flush=True)
        with TemporaryDirectory() as folder:
            out = _export(net, Path(folder))
            for recipe in net.profiled:
                file = out / recipe / "model.tflite"
                profile = edgecnn.profile_operators(file, threads=1, seconds=seconds)
                model = f"{net.name} {recipe}"
                operators += operator_times(model, profile)
                notes.append(
                    f"{model}: {profile.latency_ms:.1f} ms, operators timed {profile.how}."
                )
            if net.diagnosed:
                diagnosis = edgecnn.diagnose(out / "int8", data=net.data, samples=_SAMPLES)
                layers += fidelity(f"{net.name} int8", diagnosis)
                notes += notes_of(f"{net.name} int8", diagnosis)
    notes.append(f"Trained networks: seed {SEEDS[0]} of twins.json; all others: random weights.")
    return Layers(header("layers"), tuple(operators), tuple(layers), tuple(notes))


def print_layers(record: Layers) -> None:
    """Print the operators and the range of fidelity."""
    rows = [
        (row.model, row.operator, str(row.count), f"{row.time_ms:.2f}", f"{row.share:.1%}")
        for row in record.operators
    ]
    print_table("Operators, one thread", ("network", "operator", "count", "ms", "share"), rows)
    print_table("Fidelity by layer", ("int8", "layers", "worst dB", "last dB"), _spans(record))
    for note in record.notes:
        print(note)


def _spans(record: Layers) -> Sequence[tuple[str, str, str, str]]:
    rows = []
    for model in dict.fromkeys(layer.model for layer in record.fidelity):
        own = [e.snr_db for e in record.fidelity if e.model == model and e.snr_db is not None]
        rows.append((model, str(len(own)), f"{min(own):.1f}", f"{own[-1]:.1f}"))
    return rows


def main() -> None:
    """Time operators and compare layers."""
    parser = arguments(main.__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of profiling, each file")
    parser.add_argument("--trained", type=Path, default=TRAINED, help="folder of trained weights")
    options = parser.parse_args()
    record = run(nets(options.trained), options.seconds)
    save(record, options.records)
    print_layers(record)


if __name__ == "__main__":
    main()
