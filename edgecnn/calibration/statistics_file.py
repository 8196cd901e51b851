"""Statistics of activations as a folder of the cache keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.calibration.layer_inputs import LayerInputs
from edgecnn.calibration.statistics import Statistics, TensorStatistics

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[Any]

# Raise it when what is collected changes: cached statistics of another version are not read.
VERSION = 8
_FILE = "statistics.npz"
_NAMED = ("tensors", "layers", "answers")


def save(statistics: Statistics, folder: Path) -> None:
    """Write to a folder what `load` reads."""
    arrays: dict[str, Array] = {
        f"names/{kind}": np.array(list(vars(statistics)[kind]), np.str_) for kind in _NAMED
    }
    arrays["parts"] = statistics.parts
    for number, tensor in enumerate(statistics.tensors.values()):
        arrays[f"tensor/{number}/extremes"] = np.stack([tensor.lows, tensor.highs])
        arrays[f"tensor/{number}/sample"] = tensor.sample
    for number, layer in enumerate(statistics.layers.values()):
        arrays[f"layer/{number}/mean"] = layer.mean
        arrays[f"layer/{number}/power"] = layer.power
        if layer.covariance is not None:
            arrays[f"layer/{number}/covariance"] = layer.covariance
    for number, answer in enumerate(statistics.answers.values()):
        arrays[f"answer/{number}"] = answer
    np.savez(folder / _FILE, **arrays)  # type: ignore[arg-type] # names never meet savez's own


def load(folder: Path) -> Statistics:
    """Read what `save` wrote."""
    with np.load(folder / _FILE, allow_pickle=False) as arrays:
        names = {kind: arrays[f"names/{kind}"].tolist() for kind in _NAMED}
        tensors = {}
        for number, name in enumerate(names["tensors"]):
            lows, highs = arrays[f"tensor/{number}/extremes"]
            tensors[name] = TensorStatistics(lows, highs, arrays[f"tensor/{number}/sample"])
        layers = {}
        for number, name in enumerate(names["layers"]):
            key = f"layer/{number}/covariance"
            covariance = arrays[key] if key in arrays.files else None
            mean, power = arrays[f"layer/{number}/mean"], arrays[f"layer/{number}/power"]
            layers[name] = LayerInputs(mean, power, covariance)
        answers = {name: arrays[f"answer/{n}"] for n, name in enumerate(names["answers"])}
        return Statistics(tensors, layers, answers, arrays["parts"])
