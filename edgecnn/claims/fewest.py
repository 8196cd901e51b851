"""Document 000: InceptionNet needs the fewest parameters to train of all its architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.claims.record import Verdict
from edgecnn.claims.sources import listed, missing, number, untestable
from edgecnn.text import count_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import Counted

DOCUMENTED = ("vgg", "resnet", "densenet", "inception", "xception-mini")
"""The networks of document 000, built word for word."""
OWN_CLASSES = {"vgg": 10, "resnet": 100, "densenet": 14, "inception": 100, "xception-mini": 100}
IMAGENET_CLASSES = 1000
PUBLISHED = ("VGG", "ResNet", "DenseNet", "Inception", "Xception")
"""The families it treats; the published networks of the same names are the full-size test."""


def judge_fewest(evidence: Evidence) -> Verdict:
    """Compare at the documents' own classes, at equal classes, and at full size."""
    record = evidence.parameters
    if record is None:
        return missing("parameters")
    nets = list(enumerate(record.networks))
    settings = {name: group for name, group in _settings(nets) if len(group) > 1}
    if not settings:
        return untestable("parameters.json lacks the networks of document 000.", "parameters")
    won = [name for name, group in settings.items() if _is_inception(_ordered(group)[0])]
    lost = [name for name in settings if name not in won]
    conditions = (f"{listed(won)}; not {listed(lost)}",) if won and lost else ()
    return Verdict(
        outcome="holds with conditions" if conditions else "holds" if won else "fails",
        summary=" ".join(_sentence(name, group) for name, group in settings.items()),
        conditions=conditions,
        numbers=tuple(
            number(
                f"trainable parameters, {net.model}, {net.classes} classes",
                net.trainable_parameters, "parameters", "counted", record.header,
                f"networks[{index}]",
            )
            for index, net in dict(pair for group in settings.values() for pair in group).items()
        ),
    )  # fmt: skip


def _settings(
    nets: Sequence[tuple[int, Counted]],
) -> Iterator[tuple[str, list[tuple[int, Counted]]]]:
    documented = [entry for entry in nets if entry[1].model in DOCUMENTED]
    own = [entry for entry in documented if OWN_CLASSES[entry[1].model] == entry[1].classes]
    if len(own) == len(DOCUMENTED):
        yield "at the document's own numbers of classes", own
    for classes in sorted({net.classes for _, net in documented}):
        group = [entry for entry in documented if entry[1].classes == classes]
        if len(group) == len(DOCUMENTED):
            yield f"at {classes} classes each", group
    yield "at full size, 1000 classes", [entry for entry in nets if _full_size(entry[1])]


def _full_size(net: Counted) -> bool:
    name = net.model.removeprefix("keras:")
    published = net.model.startswith("keras:") and name.startswith(PUBLISHED)
    return net.classes == IMAGENET_CLASSES and (published or net.model == "xception")


def _ordered(group: Sequence[tuple[int, Counted]]) -> list[Counted]:
    return sorted((net for _, net in group), key=lambda net: net.trainable_parameters)


def _is_inception(net: Counted) -> bool:
    return net.model.removeprefix("keras:").lower().startswith("inception")


def _sentence(name: str, group: Sequence[tuple[int, Counted]]) -> str:
    ordered = _ordered(group)
    least = ordered[0]
    inception = next((net for net in ordered if _is_inception(net)), None)
    place = name[0].upper() + name[1:]
    if inception is None:
        return f"{place}: there is no inception to compare."
    if least is inception:
        second = ordered[1]
        return (
            f"{place}: {inception.model} needs the fewest, {_count(inception)}; next"
            f" {second.model}, {_count(second)}."
        )
    return f"{place}: {least.model} needs {_count(least)}, {inception.model} {_count(inception)}."


def _count(net: Counted) -> str:
    return count_text(net.trainable_parameters)
