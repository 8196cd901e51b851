"""The networks that are compared on devices, all treated alike.

The same exporter, recipes, runtime and calibration images for all, random weights, each at its own
published input size. Only xception is also taken at a width and size that `fit` proposes, and with
normal convolutions in place of separable ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.errors import InputError
from edgecnn.evidence.records import Fitted
from edgecnn.latency.built import costs_of_built
from edgecnn.latency.probe_nets import Layer, ProbeNet
from edgecnn.latency.search import fit
from edgecnn.latency.subjects import Shape
from edgecnn.latency.zoo_nets import costs_of_zoo
from edgecnn.progress import Silent
from edgecnn.zoo import MODELS, keras_applications

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgecnn.evidence.records import Convolution, Parameters
    from edgecnn.latency.cost import NetCost, OperatorCost

RECIPES = ("float32", "float16", "dynamic", "int8")
# What is written, weighed and run here; the others are predicted only.
MEASURED_RECIPES = ("float32", "int8")
BUDGETS_MS = (100.0, 1000.0)
# Whose proposals at ten frames a second become contenders: a board and the smallest one.
_FIT_FOR = ("raspberry-pi-4b", "raspberry-pi-zero-2w")
_APPLICATIONS = (
    "keras:Xception",
    "keras:InceptionV3",
    "keras:MobileNetV2",
    "keras:MobileNetV3Small",
    "keras:MobileNetV3Large",
    "keras:EfficientNetB0",
)
# What a process takes that runs next to nothing: one megabyte. A run lasts half a millisecond, for
# one of microseconds has its process keep megabytes of samples.
TINY = ProbeNet("tiny", 16, 32, (Layer(32),) * 12)
_CONVOLUTIONS = {"convolution", "pointwise"}


@dataclass(frozen=True)
class Entry:
    """A network that takes part.

    Attributes:
        model: what `edgecnn export` takes.
        convolution: "normal" for a twin; None where that is not a choice.
        width: width multiplier; None for the network's own.
        size: of the input, pixels; None for its own.
        exported: whether it is written and run here.
    """

    model: str
    convolution: Convolution | None = None
    width: float | None = None
    size: int | None = None
    exported: bool = True

    @property
    def label(self) -> str:
        """What to call it."""
        name = self.model.removeprefix(keras_applications.PREFIX)
        if self.model != name:
            name = f"Keras {name}" if name.lower() in MODELS else name
        shape = "" if self.size is None else f" {self.width or 1:g} at {self.size}"
        return name + shape + (", normal convolutions" if self.convolution == "normal" else "")

    @property
    def input_size(self) -> int:
        """Height and width of the input, pixels."""
        if self.size is not None:
            return self.size
        if self.model in MODELS:
            return MODELS[self.model].input_size
        return keras_applications.find(self.model).input_size

    def costs(self, recipes: Sequence[str] = RECIPES) -> dict[str, NetCost]:
        """What it costs under each recipe; TensorFlow builds Keras's networks once."""
        if self.model not in MODELS:
            return costs_of_built(self.model, recipes, Shape(self.size), Silent())
        return {recipe: self._zoo_cost(recipe) for recipe in recipes}

    def _zoo_cost(self, recipe: str) -> NetCost:
        return costs_of_zoo(
            self.model,
            input_size=self.size,
            width=self.width,
            convolution=self.convolution,
            recipe=recipe,
        )

    def export_flags(self) -> list[str]:
        """The options of `edgecnn export` that make it."""
        options = {
            "--width": self.width,
            "--input-size": self.size,
            "--convolution": self.convolution,
        }
        flags = {flag: value for flag, value in options.items() if value is not None}
        return [text for flag, value in flags.items() for text in (flag, str(value))]


def entries(fits: Sequence[Fitted]) -> list[Entry]:
    """All of them; a normal twin of full size has 180 million parameters and is not exported."""
    proposed = list(dict.fromkeys(_proposed(fits)))
    smallest = min(proposed, key=lambda entry: (entry.width or 1, entry.input_size), default=None)
    twins = (
        [] if smallest is None else [Entry(smallest.model, "normal", smallest.width, smallest.size)]
    )
    return [
        Entry("xception", "separable"),
        Entry("xception", "normal", exported=False),
        *proposed,
        *twins,
        *map(Entry, _APPLICATIONS),
    ]


def _proposed(fits: Sequence[Fitted]) -> Iterator[Entry]:
    for fitted in fits:
        if fitted.found and fitted.device in _FIT_FOR and fitted.budget_ms == min(BUDGETS_MS):
            yield Entry("xception", "separable", fitted.width, fitted.input_size)


def fits_of(device: str) -> Iterator[Fitted]:
    """The largest xception for each budget on a device, else the fastest, with all cores."""
    for budget_ms in BUDGETS_MS:
        report = fit("xception", device=device, latency_ms=budget_ms)
        taken = report.taken or min(report.candidates, key=lambda candidate: candidate.latency_ms)
        yield Fitted(
            device=device,
            budget_ms=budget_ms,
            found=report.taken is not None,
            width=taken.width or 1.0,
            input_size=taken.input_size or MODELS["xception"].input_size,
            recipe=taken.recipe,
            threads=report.threads,
            latency_ms=taken.latency_ms,
            low_ms=taken.low_ms,
            high_ms=taken.high_ms,
        )


def parameters(entry: Entry, cost: NetCost, counted: Parameters | None) -> int:
    """All parameters as Keras counts them.

    Of an xception from its cost: a normalization that was folded into a convolution has four
    numbers a channel, where the file has one bias; depthwise convolutions have neither.

    Raises:
        InputError: a network of Keras that `experiment_parameters.py` has not counted.
    """
    if entry.model in MODELS:
        return sum(_keras_parameters(operator) for operator in cost.operators)
    for network in counted.networks if counted else ():
        if (network.model, network.input_size) == (entry.model, entry.input_size):
            return network.parameters
    raise InputError(
        f"{entry.model} was not counted.", hint="Run tools/experiment_parameters.py first."
    )


def _keras_parameters(operator: OperatorCost) -> int:
    weights, channels = operator.weight_elements, operator.out_channels
    if operator.kind == "depthwise":
        return weights - channels
    return weights + 3 * channels if operator.kind in _CONVOLUTIONS else weights
