"""The claims: one literal table, the main one first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.claims import accuracy, fewest, gradients, kernels, low_power, parameters, separable
from edgecnn.claims.record import Claim, Verdict
from edgecnn.evidence.files import Evidence, command

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Entry:
    """A claim, and the pure function that judges it."""

    claim: Claim
    judge: Callable[[Evidence], Verdict]


def _claim(
    name: str, title: str, document: str, section: str, words: str, experiment: str, *records: str
) -> Claim:
    made_by = " && ".join(map(command, records))
    return Claim(name, title, document, section, words, experiment, records, made_by)


_KERNELS, _PARAMETERS, _GRADIENTS = "kernels", "parameters", "gradients"

TABLE: tuple[Entry, ...] = (
    Entry(
        _claim(
            "low-power", "Xception suits low-power devices", "000", "5. Xception Net",
            "We can use XceptionNet in low power devices as there are less computations in the Conv"
            " layer",
            "Latency, memory, size and power of full Xception on Raspberry Pis and phones under"
            " every recipe, beside its twin with normal convolutions and other networks. Holds"
            " where every device makes 10 frames a second within 64 MB and 5 W under some recipe,"
            " by measurement or, likely, by prediction; fails where none makes 1 at all.",
            "devices",
        ),
        low_power.judge,
    ),
    Entry(
        _claim(
            "accuracy", "accuracy similar to normal convolutions", "000", "5. Xception Net",
            "also is accuracy is pretty similar when compared to a normal convolution layer",
            "Twins with separable and with normal convolutions, at equal widths and at equal"
            " parameters, trained alike from several seeds. Holds where the 90% interval of each"
            " difference (Welch) rules out a loss of 1 percentage point.",
            "twins",
        ),
        accuracy.judge,
    ),
    Entry(
        _claim(
            "separable-cost", "a separable layer costs 1/N + 1/d^2", "002", "Pointwise conv",
            "total operations d^2 K^2 C + K^2 C N, against d^2 K^2 C N: 1/N + 1/d^2, almost 1/9 of"
            " previous",
            "Each separable layer of xception beside a normal convolution of the same tensor:"
            " multiplications and weights counted, time measured in turns. Holds where both ratios"
            " are within a tenth of 1/9; fails where the count is not.",
            _KERNELS,
        ),
        separable.judge_cost,
    ),
    Entry(
        _claim(
            "separable-weights", "219 weights against 1,728", "003",
            "Separable Convolutional Layer",
            "Traditional Convolutional layer = 3x3x3x64 = 1,728; Separable Convolutional layer ="
            " (3x3x1x3)+(1x1x3x64) = 219",
            "Count the weights of both ways to turn 3 channels into 64.",
            _KERNELS,
        ),
        separable.judge_example,
    ),
    Entry(
        _claim(
            "fewer-computations", "Xception computes less than Inception", "000",
            "5. Xception Net",
            "Xception Net is an improvisation of InceptionNet in terms of computational efficiency",
            "Count the multiplications of both networks as built. Holds where Xception has fewer.",
            _PARAMETERS,
        ),
        parameters.judge_fewer_computations,
    ),
    Entry(
        _claim(
            "outperforms", "Xception outperforms Inception v3", "000", "5. Xception Net",
            "Xception Net outperforms Inception Net v3",
            "Published top-1 on ImageNet; that training cannot be done again here.",
            _PARAMETERS,
        ),
        parameters.judge_outperforms,
    ),
    Entry(
        _claim(
            "parameters", "22.8 against 23.6 million parameters", "003", "the end",
            "Inception has approximately 23.6 million parameters while Xception has 22.8 million"
            " parameters",
            "Count the trainable parameters of both networks as built. Holds where Xception has"
            " fewer, and both are within 2% of the document's.",
            _PARAMETERS,
        ),
        parameters.judge_parameters,
    ),
    Entry(
        _claim(
            "entry-flow", "19x19x728 after the entry flow", "003", "the beginning",
            "we begin with an image size of 299x299x3, and after the entry flow, we get an image"
            " size of 19x19x728",
            "Read the shape off the network as built.",
            _PARAMETERS,
        ),
        parameters.judge_entry_flow,
    ),
    Entry(
        _claim(
            "fewest-parameters", "InceptionNet needs the fewest parameters", "000",
            "4. Inception Net",
            "the output params to be trained are less when compared to all other architectures",
            "Count trainable parameters at the document's own numbers of classes, at equal ones,"
            " and of the published networks at full size. Holds where Inception is first in all.",
            _PARAMETERS,
        ),
        fewest.judge_fewest,
    ),
    Entry(
        _claim(
            "kernel-size", "3x3 cheaper than 5x5", "000", "1. VGG",
            "mostly 3*3 are used, as it is cheaper to use then 5*5 filters",
            "The same tensor convolved by 3x3 and by 5x5: multiplications counted, time measured in"
            " turns. Holds where it is fewer and, by the 95% interval, faster in every pair.",
            _KERNELS,
        ),
        kernels.judge_kernel_size,
    ),
    Entry(
        _claim(
            "two-3x3", "two 3x3 replace one 5x5", "000", "4. Inception Net",
            "Instead of using a 5*5 filter, use two 3*3 filters as they are computationally"
            " efficient",
            "As kernel-size, for two 3x3 in a row against one 5x5.",
            _KERNELS,
        ),
        kernels.judge_two_3x3,
    ),
    Entry(
        _claim(
            "factorized", "1x3 + 3x1 far cheaper than 3x3", "000", "4. Inception Net",
            "Instead of performing a 3*3 filter, perform 1*3 filter followed by a 3*1 filter. This"
            " will drastically improve the computational efficiency",
            "As kernel-size; drastically is taken as half or less.",
            _KERNELS,
        ),
        kernels.judge_factorized,
    ),
    Entry(
        _claim(
            "bottleneck", "1x1 before a large kernel", "000", "4. Inception Net",
            "1*1 filter with less filter count will reduce the depth of the input and hence is"
            " computationally efficient",
            "As kernel-size, for a 1x1 with fewer filters before a large kernel against the large"
            " kernel alone.",
            _KERNELS,
        ),
        kernels.judge_bottleneck,
    ),
    Entry(
        _claim(
            "vanishing-gradient", "plain deep nets lose the gradient", "000", "1. VGG",
            'Cannot Create Deeper Architectures using vgg due "Vanishing gradient Problem"',
            "Gradient norms of plain networks by depth, several seeds and initializers. Vanished:"
            " the first kernel's norm in the deepest is below a hundredth of the shallowest's.",
            _GRADIENTS,
        ),
        gradients.judge_vanishing,
    ),
    Entry(
        _claim(
            "residual", "residual connections cure it", "000", "2. ResNet",
            "First Deep Layer Network with 152 Layers ... add the output to x and send this as"
            " input to the next layer",
            "The same networks with residual connections, where the plain ones lose the gradient."
            " Cured where it does not vanish; a growth of more than a hundredfold is a condition,"
            " and so is accuracy after brief training that is no better.",
            _GRADIENTS,
        ),
        gradients.judge_residual,
    ),
    Entry(
        _claim(
            "batch-norm", "batch normalization minimizes it", "000", "2. ResNet",
            "Batch Normalisation layers ... also can minimize Vanishing Gradient problem",
            "As residual, for plain networks with batch normalization after every convolution.",
            _GRADIENTS,
        ),
        gradients.judge_batch_norm,
    ),
)  # fmt: skip
