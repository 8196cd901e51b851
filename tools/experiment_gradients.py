"""Do gradients vanish in plain deep networks, and do residual connections cure it?

The same chain of 3x3 convolutions is built with and without skips, with and without batch
normalization, at several depths and under two initializations; the norm of the loss's gradient is
taken for the kernel of each convolution before any training, and the networks are then trained
briefly to see whether it matters. Writes artifacts/experiments/gradients.json; ten minutes or so.
"""

from __future__ import annotations

import itertools
import os
from statistics import median
from typing import TYPE_CHECKING, Any, get_args

from compare.reference_images import clothes_split
from experiments.experiment_record import arguments, header, save
from measure.measuring import print_table

from edgecnn.evidence.records import GradientKind, GradientRun, Gradients

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    import numpy as np
    from numpy.typing import NDArray

    Labelled = tuple[NDArray[np.float32], NDArray[np.uint8]]

DEPTHS = (8, 20, 56)
INITIALIZERS = ("glorot_uniform", "he_normal")
SEEDS = (0, 1, 2)
KINDS: tuple[GradientKind, ...] = get_args(GradientKind)
# What the documents' code uses by saying nothing; the trained networks have it.
KERAS_DEFAULT = "glorot_uniform"
CHANNELS = 16
BATCH = 128
# Keras's 0.99 would not have settled after training so brief, and spoil what is evaluated.
MOMENTUM = 0.9
TRAINING_SAMPLES, EPOCHS, TEST_SAMPLES = 6_000, 2, 2_000


def build(kind: GradientKind, depth: int, initializer: str) -> keras.Model:
    """A chain of `depth` 3x3 convolutions of 16 channels; the first halves the image.

    With skips, every two convolutions after the first and one more form a block as in He et al.,
    arXiv:1512.03385, figure 2: relu(x + conv(relu(conv(x)))). Depth is even.
    """
    import keras
    from keras import layers

    normalized, residual = "batch norm" in kind, "residual" in kind

    def conv(x: Any, number: int, strides: int = 1) -> Any:  # noqa: ANN401 - Keras is untyped
        x = layers.Conv2D(
            CHANNELS,
            3,
            strides=strides,
            padding="same",
            use_bias=not normalized,
            kernel_initializer=initializer,
            name=f"conv{number}",
        )(x)
        return layers.BatchNormalization(momentum=MOMENTUM)(x) if normalized else x

    image = keras.Input((32, 32, 3))
    x = layers.ReLU()(conv(image, 0, strides=2))
    x = layers.ReLU()(conv(x, 1))
    for number in range(2, depth, 2):
        branch = conv(layers.ReLU()(conv(x, number)), number + 1)
        x = layers.ReLU()(layers.Add()([x, branch]) if residual else branch)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def gradient_norms(model: keras.Model, images: Any, labels: Any) -> tuple[float, ...]:  # noqa: ANN401 - tensors
    """L2 norm of the cross-entropy's gradient with respect to each convolution's kernel."""
    import keras
    import tensorflow as tf  # noqa: TID251 - Keras alone has no gradients

    kernels = [layer.kernel for layer in model.layers if layer.name.startswith("conv")]
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(labels, model(images, training=True))
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, [kernel.value for kernel in kernels])
    return tuple(float(tf.norm(gradient)) for gradient in gradients)


def accuracy_after_training(model: keras.Model, training: Labelled, test: Labelled) -> float:
    """Train briefly with Adam and return the accuracy on test images, 0..1."""
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*training, batch_size=64, epochs=EPOCHS, verbose=0)
    _loss, accuracy = model.evaluate(*test, batch_size=250, verbose=0)
    return float(accuracy)


def measure(
    kind: GradientKind,
    depth: int,
    initializer: str,
    seed: int,
    data: tuple[Labelled, Labelled],
) -> GradientRun:
    """Build one network, take its gradients; of the first seed, train it."""
    import keras

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = build(kind, depth, initializer)
    (images, labels), test = data
    norms = gradient_norms(model, images[:BATCH], labels[:BATCH])
    accuracy = None
    if initializer == KERAS_DEFAULT and seed == SEEDS[0]:
        accuracy = accuracy_after_training(model, (images, labels), test)
    return GradientRun(kind, depth, initializer, seed, norms, accuracy)


def print_runs(runs: Sequence[GradientRun]) -> None:
    """Print, for each network, how much smaller the first layers' gradients are than the last's."""
    rows = []
    for kind, depth, initializer in itertools.product(KINDS, DEPTHS, INITIALIZERS):
        same = [r for r in runs if (r.kind, r.depth, r.initializer) == (kind, depth, initializer)]
        first_over_last = median(run.gradient_norms[1] / run.gradient_norms[-1] for run in same)
        accuracies = [f"{100 * r.accuracy:.1f}%" for r in same if r.accuracy is not None]
        rows.append(
            (kind, str(depth), initializer, f"{first_over_last:.2e}", *(accuracies or ["-"]))
        )
    columns = ("kind", "depth", "initializer", "second / last layer", "accuracy")
    print_table("Gradient norms before training", columns, rows)


def main() -> None:
    """Measure every network and write the record."""
    parser = arguments(main.__doc__)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    data = (clothes_split("train", TRAINING_SAMPLES), clothes_split("test", TEST_SAMPLES))
    runs = []
    for kind, depth, initializer, seed in itertools.product(KINDS, DEPTHS, INITIALIZERS, SEEDS):
        runs.append(measure(kind, depth, initializer, seed, data))
        print(".", end="", flush=True)
    print()
    save(Gradients(header("gradients"), tuple(runs)), options.records)
    print_runs(runs)


if __name__ == "__main__":
    main()
