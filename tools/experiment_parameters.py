"""Parameters: which of the documents' networks has the fewest, at equal classes too.

Builds the zoo at the documents' own classes and all at ten, and networks of keras.applications,
and counts what is built. The record is `artifacts/experiments/parameters.json`. Needs TensorFlow.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from experiments import keras_counts
from experiments.experiment_record import arguments, header, save
from experiments.published_accuracy import PUBLISHED_TOP1
from measure.measuring import print_table

from edgecnn.building.models import build
from edgecnn.building.request import BuildRequest
from edgecnn.evidence.records import Counted, Parameters
from edgecnn.zoo import MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence

# The documents' networks have 10, 14 or 100; which needs the fewest depends on it.
EQUAL_CLASSES = (10, 100)
APPLICATIONS = (
    "keras:Xception",
    "keras:InceptionV3",
    "keras:ResNet50",
    "keras:VGG16",
    "keras:MobileNetV2",
    "keras:MobileNetV3Small",
    "keras:MobileNetV3Large",
    "keras:EfficientNetB0",
)
_ENTRY_FLOW_END = "entry3_add"


def requests() -> list[BuildRequest]:
    """Everything that is counted."""
    own = [BuildRequest(name) for name in MODELS]
    equal = [
        BuildRequest(name, classes=classes)
        for classes in EQUAL_CLASSES
        for name, spec in MODELS.items()
        if spec.classes != classes
    ]
    return [*own, *equal, *map(BuildRequest, APPLICATIONS)]


def count(request: BuildRequest) -> Counted:
    """Build a network and count it."""
    built = build(request)
    model = built.identity.name
    return Counted(
        model=model,
        classes=built.classes,
        input_size=built.input_shape[1],
        parameters=built.parameters,
        trainable_parameters=built.trainable_parameters,
        macs=keras_counts.macs(built.keras_model),
        published_top1=PUBLISHED_TOP1.get(model),
    )


def entry_flow_shape() -> tuple[int, int, int]:
    """Height, width and channels of document 003's Xception after its entry flow."""
    model = build(BuildRequest("xception")).keras_model
    assert model is not None  # noqa: S101 - for the type checker: the zoo's are Keras models
    _, height, width, channels = model.get_layer(_ENTRY_FLOW_END).output.shape
    return height, width, channels


def print_counts(networks: Sequence[Counted]) -> None:
    """Print what was counted."""
    rows = [
        (
            network.model,
            str(network.classes),
            f"{network.parameters:,}",
            f"{network.trainable_parameters:,}",
            f"{network.macs / 1e6:,.1f}",
        )
        for network in networks
    ]
    columns = ("network", "classes", "parameters", "trainable", "MMACs")
    print_table("Parameters", columns, rows)


def main() -> None:
    """Build the networks and count their parameters and multiplications."""
    options = arguments(main.__doc__).parse_args()
    networks = []
    for request in requests():
        print(f"building {request.model}", flush=True)
        networks.append(count(request))
        gc.collect()  # a network of VGG16's size is half a gigabyte
    shape = entry_flow_shape()
    save(Parameters(header("parameters"), tuple(networks), shape), options.records)
    print_counts(networks)
    print(f"xception after its entry flow: {' x '.join(map(str, shape))}")


if __name__ == "__main__":
    main()
