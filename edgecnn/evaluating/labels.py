"""Whether the classes of the data are those of the network, and by which numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecnn.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgecnn.datasets.labelled import LabelledSet
    from edgecnn.evaluating.subjects import Subject
    from edgecnn.progress import Progress


def network_labels(
    subject: Subject, classes: int, data: LabelledSet, progress: Progress
) -> NDArray[np.int64]:
    """The class of each image, as the network numbers its outputs.

    Names decide where the network's are known and it has all of the data's; else the places.

    Args:
        subject: the file.
        classes: values of its output.
        data: the images.
        progress: warned where names differ.

    Raises:
        InputError: there are as many classes on neither side, and no names tell which is which.
    """
    names = subject.classes if len(subject.classes) == classes else ()
    places = {name: place for place, name in enumerate(names)}
    if names and set(data.classes) <= places.keys():
        return np.array([places[name] for name in data.classes], np.int64)[data.labels]
    if len(data.classes) != classes:
        raise InputError(
            f"{subject.file} tells {classes} classes apart, {data.source} has {len(data.classes)}.",
            hint=_hint(len(data.classes), classes),
        )
    if names:
        progress.warn(
            f"{subject.file} was trained on other names of classes ({names[0]}, ...) than"
            f" {data.source} has ({data.classes[0]}, ...): they are matched by their order."
        )
    return data.labels


def _hint(data_classes: int, network_classes: int) -> str:
    if data_classes > network_classes:
        return "Name the data it was trained on, or a network for these classes."
    return (
        "A class's number is its place among the folders' names: give a folder for every class,"
        " DIR/train/CLASS and DIR/test/CLASS, where a class of test/ may be missing."
    )
