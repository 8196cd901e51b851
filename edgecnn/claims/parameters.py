"""What the documents say of the networks' sizes: parameters, multiplications, shapes, accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecnn.claims.record import Verdict
from edgecnn.claims.sources import missing, number, untestable
from edgecnn.text import count_text

if TYPE_CHECKING:
    from edgecnn.claims.record import Number, Outcome
    from edgecnn.evidence.files import Evidence
    from edgecnn.evidence.records import Counted, Header, Parameters

XCEPTION, INCEPTION_V3 = "xception", "keras:InceptionV3"
KERAS_XCEPTION = "keras:Xception"
IMAGENET_CLASSES = 1000
STATED_XCEPTION, STATED_INCEPTION = 22.8e6, 23.6e6
WITHIN = 0.02
"""The document rounds to three digits and says "approximately": 2 % allow for biases and for the
moving statistics of BatchNormalization, which some tables count and others do not."""
ENTRY_FLOW = (19, 19, 728)


def _find(record: Parameters, model: str) -> tuple[int, Counted] | None:
    """A network at ImageNet's classes, and its place; its largest input where there are several."""
    networks = [
        (index, network)
        for index, network in enumerate(record.networks)
        if network.model.lower() == model.lower() and network.classes == IMAGENET_CLASSES
    ]
    if not networks and model == XCEPTION:
        return _find(record, KERAS_XCEPTION)  # the same architecture, but for its padding
    return max(networks, key=lambda entry: entry[1].input_size, default=None)


def _lacks(model: str) -> Verdict:
    return untestable(f"parameters.json lacks {model} at {IMAGENET_CLASSES} classes.", "parameters")


def judge_parameters(evidence: Evidence) -> Verdict:
    """Xception has fewer parameters than Inception v3, and as many as the document says."""
    record = evidence.parameters
    if record is None:
        return missing("parameters")
    xception_entry, inception_entry = _find(record, XCEPTION), _find(record, INCEPTION_V3)
    if xception_entry is None or inception_entry is None:
        return _lacks(XCEPTION if xception_entry is None else INCEPTION_V3)
    xception, inception = (
        xception_entry[1].trainable_parameters,
        inception_entry[1].trainable_parameters,
    )
    off = [
        f"{name} has {value / 1e6:.2f} million, not {stated / 1e6:.1f}"
        for name, value, stated in (
            ("Xception", xception, STATED_XCEPTION),
            ("Inception v3", inception, STATED_INCEPTION),
        )
        if abs(value - stated) > WITHIN * stated
    ]
    return Verdict(
        outcome=_parameters_outcome(xception, inception, off),
        summary=f"Counted as built, trainable: Xception {xception / 1e6:.2f} million, Inception v3"
        f" {inception / 1e6:.2f} million (the document: 22.8 and 23.6), a ratio of"
        f" {xception / inception:.3f}.",
        conditions=tuple(off) if xception < inception else (),
        numbers=(*_sizes(record.header, *xception_entry), *_sizes(record.header, *inception_entry)),
    )


def _parameters_outcome(xception: int, inception: int, off: list[str]) -> Outcome:
    if xception >= inception:
        return "fails"
    return "holds with conditions" if off else "holds"


def _sizes(header: Header, index: int, net: Counted) -> tuple[Number, ...]:
    entry = f"networks[{index}]"
    values = (
        ("parameters", net.parameters, "parameters"),
        ("trainable parameters", net.trainable_parameters, "parameters"),
        ("MACs", net.macs, "MACs"),
    )
    what = f"{net.model}, {net.classes} classes, {net.input_size}x{net.input_size}"
    return tuple(
        number(f"{name}, {what}", value, unit, "counted", header, entry)
        for name, value, unit in values
    )


def judge_entry_flow(evidence: Evidence) -> Verdict:
    """After the entry flow a 299x299 image is 19x19x728."""
    record = evidence.parameters
    if record is None:
        return missing("parameters")
    shape = record.entry_flow_shape
    return Verdict(
        outcome="holds" if shape == ENTRY_FLOW else "fails",
        summary=f"The network as built has {'x'.join(map(str, shape))} after its entry flow; the"
        f" document says {'x'.join(map(str, ENTRY_FLOW))}.",
        numbers=tuple(
            number(f"{axis} after the entry flow", size, "1", "counted", record.header,
                   "entry_flow_shape")
            for axis, size in zip(("height", "width", "channels"), shape, strict=True)
        ),
    )  # fmt: skip


def judge_fewer_computations(evidence: Evidence) -> Verdict:
    """Xception improves on Inception in computational efficiency: multiplications, and accuracy."""
    record = evidence.parameters
    if record is None:
        return missing("parameters")
    xception, inception = _find(record, XCEPTION), _find(record, INCEPTION_V3)
    if xception is None or inception is None:
        return _lacks(XCEPTION if xception is None else INCEPTION_V3)
    ratio = xception[1].macs / inception[1].macs
    return Verdict(
        outcome="holds" if ratio < 1 else "fails",
        summary=f"Counted, Xception multiplies {count_text(xception[1].macs)} times for an image,"
        f" Inception v3 {count_text(inception[1].macs)} times: {ratio:.2f} times as much.",
        numbers=(*_sizes(record.header, *xception), *_sizes(record.header, *inception)),
        caveats=("Times on devices, predicted: `edgecnn verdict low-power`.",),
    )


def judge_outperforms(evidence: Evidence) -> Verdict:
    """Xception is more accurate than Inception v3: published top-1, which cannot be redone here."""
    record = evidence.parameters
    if record is None:
        return missing("parameters")
    xception_entry, inception_entry = _find(record, XCEPTION), _find(record, INCEPTION_V3)
    if xception_entry is None or inception_entry is None:
        return _lacks(XCEPTION if xception_entry is None else INCEPTION_V3)
    known = _find(record, KERAS_XCEPTION)
    if xception_entry[1].published_top1 is None and known is not None:
        xception_entry = known  # the same architecture, for which the weights were published
    xception, inception = xception_entry[1].published_top1, inception_entry[1].published_top1
    if xception is None or inception is None:
        return untestable("parameters.json lacks the published top-1 of both.", "parameters")
    entries = (
        (xception_entry[0], "Xception", xception),
        (inception_entry[0], "Inception v3", inception),
    )
    return Verdict(
        outcome="holds" if xception > inception else "fails",
        summary=f"Published, not measured: top-1 on ImageNet {xception:.3f} against"
        f" {inception:.3f}, {100 * (xception - inception):+.1f} percentage points.",
        numbers=tuple(
            number(f"top-1, {name}", value, "1", "published", record.header, f"networks[{index}]")
            for index, name, value in entries
        ),
        caveats=("ImageNet is not available here; both numbers are from Keras's documentation.",),
    )
