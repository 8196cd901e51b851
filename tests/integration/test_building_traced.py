"""Networks of every kind: traced, converted, and run by LiteRT as Keras runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf  # noqa: TID251 - SavedModels are written with it
from ai_edge_litert.interpreter import Interpreter

from edgecnn.building import BuildRequest, BuiltModel, build
from edgecnn.convert import recurrent, tflite_float
from edgecnn.errors import InputError
from edgecnn.formats.tflite_graph import Graph
from edgecnn.parity import snr_db
from edgecnn.runtime.litert import LiteRTSession

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.tensorflow

layers, ops = keras.layers, keras.ops
SAMPLES = 4


def inputs(built: BuiltModel, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [
        (
            rng.normal(size=end.shape) if "float" in end.dtype else rng.integers(0, 2, end.shape)
        ).astype(end.dtype)
        for end in built.network.inputs
    ]


def assert_same(built: BuiltModel, folder: Path) -> bytes:
    """Convert, and hold every output of the file against the network's."""
    traced = tflite_float.trace(built)
    data = tflite_float.to_tflite(tflite_float.define(traced), "net")
    path = folder / "net.tflite"
    path.write_bytes(data)
    session = LiteRTSession(path, threads=1)
    fed = [inputs(built, seed) for seed in range(SAMPLES)]
    expected = [[np.asarray(y) for y in built.function(x)] for x in fed]
    found = [session.run(x) for x in fed]
    for k, end in enumerate(built.network.outputs):
        float_out, file_out = (
            np.stack([answers[k] for answers in runs]) for runs in (expected, found)
        )
        assert float_out.shape[1:] == file_out.shape[1:] == end.shape
        assert str(file_out.dtype) == end.dtype
        ratio = snr_db(float_out.astype(np.float64), file_out.astype(np.float64))
        assert ratio is None or ratio >= 60, (end.name, ratio)
    interpreter = Interpreter(model_content=data)
    names = [end.name for end in built.network.inputs], [end.name for end in built.network.outputs]
    details = interpreter.get_input_details(), interpreter.get_output_details()
    assert tuple([detail["name"] for detail in side] for side in details) == names
    return data


def saved(model: keras.Model, path: Path, **options: Any) -> BuiltModel:  # noqa: ANN401 - fields of BuildRequest
    model.save(path) if path.suffix else model.export(path, verbose=False)
    return build(BuildRequest(str(path), **options))


def several_ends() -> keras.Model:
    picture, numbers = keras.Input((16, 16, 3), name="picture"), keras.Input((4,), name="numbers")
    x = layers.Conv2D(4, 3, strides=2, name="map")(picture)
    pooled = layers.GlobalAveragePooling2D()(x)
    return keras.Model(
        [picture, numbers],
        [
            layers.Dense(1, name="zebra")(pooled),
            layers.Dense(3, name="ape")(layers.Concatenate()([pooled, numbers])),
            x,
            ops.argmax(x, axis=-1),
        ],
    )


def dictionaries() -> keras.Model:
    b, a = keras.Input((6, 6, 2), name="b"), keras.Input((3,), name="a")
    pooled = layers.GlobalMaxPooling2D(name="pooled")(b)
    return keras.Model(
        {"b": b, "a": a}, {"z": {"k": pooled, "c": layers.Dense(2, name="head")(a)}, "y": b * 2.0}
    )


def siamese() -> keras.Model:
    shared = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 3), layers.Flatten()])
    one, two = keras.Input((8, 8, 3), name="one"), keras.Input((8, 8, 3), name="two")
    return keras.Model([one, two], layers.Dense(1, name="far")(ops.abs(shared(one) - shared(two))))


def of_rank(*shape: int) -> Callable[[], keras.Model]:
    def make() -> keras.Model:
        x = keras.Input(shape, name="x")
        return keras.Model(x, layers.Rescaling(2.0, offset=1.0, name="y")(x))

    return make


def from_dtype(dtype: str) -> Callable[[], keras.Model]:
    def make() -> keras.Model:
        x = keras.Input((8,), dtype=dtype, name="x")
        return keras.Model(x, layers.Dense(3, name="y")(ops.cast(x, "float32")))

    return make


def recurrent_net(make: Callable[[], Any]) -> Callable[[], keras.Model]:
    def net() -> keras.Model:
        x = keras.Input((6, 5), name="x")
        return keras.Model(x, layers.Dense(2, name="y")(make()(x)))

    return net


def convolutional_lstm() -> keras.Model:
    x = keras.Input((3, 6, 6, 2), name="x")
    return keras.Model(x, layers.ConvLSTM2D(2, 3, name="y")(x))


def masked_words() -> keras.Model:
    x = keras.Input((6,), dtype="int32", name="x")
    return keras.Model(x, layers.GRU(3, name="y")(layers.Embedding(9, 4, mask_zero=True)(x)))


def masked_both_ways() -> keras.Model:
    """Half a Bidirectional reads its mask backwards."""
    x = keras.Input((6,), dtype="int32", name="x")
    words = layers.Embedding(9, 4, mask_zero=True)(x)
    steps = layers.Bidirectional(layers.GRU(3, return_sequences=True))(words)
    return keras.Model(x, layers.Bidirectional(layers.LSTM(3, return_sequences=True))(steps))


def fixed_batch() -> keras.Model:
    x = keras.Input((6, 6, 2), batch_size=3, name="x")
    return keras.Model(x, layers.Conv2D(2, 3, groups=2, name="y")(x))


def soft_argmax() -> keras.Model:
    """Keypoints as the mean place of a heat map: the grid is a tensor among the arguments."""
    x = keras.Input((12, 12, 3), name="x")
    heat = layers.Softmax(axis=1)(layers.Reshape((144, 4))(layers.Conv2D(4, 1)(x)))
    grid = np.stack(np.meshgrid(np.arange(12), np.arange(12)), -1).reshape(144, 2)
    return keras.Model(x, ops.einsum("bnk,nc->bkc", heat, ops.convert_to_tensor(grid, "float32")))


def volumes() -> keras.Model:
    x = y = keras.Input((9, 12, 10, 2), name="x")
    y = layers.MaxPooling3D(2)(layers.Conv3D(3, 3)(y))
    y = layers.AveragePooling3D((1, 2, 3), strides=(1, 2, 1), padding="same")(y)
    return keras.Model(x, layers.MaxPooling3D((2, 3, 2), strides=1, padding="same", name="y")(y))


def resizes() -> keras.Model:
    """By kernels that TFLite has not, larger and smaller, smoothed and not."""
    x = y = keras.Input((11, 12, 3), name="x")
    y = layers.Resizing(7, 17, interpolation="bilinear", antialias=True)(y)
    y = layers.Resizing(13, 9, interpolation="lanczos3")(layers.Conv2D(4, 3)(y))
    return keras.Model(x, layers.UpSampling2D((2, 3), interpolation="bicubic", name="y")(y))


MODELS = {
    "resizes": resizes,
    "soft argmax": soft_argmax,
    "volumes": volumes,
    "several ends": several_ends,
    "dictionaries": dictionaries,
    "siamese": siamese,
    "rank 1": of_rank(),
    "rank 2": of_rank(7),
    "rank 3": of_rank(7, 3),
    "rank 5": of_rank(2, 3, 4, 5),
    **{
        dtype: from_dtype(dtype) for dtype in ("uint8", "int8", "int32", "int64", "bool", "float16")
    },
    "LSTM": recurrent_net(lambda: layers.Bidirectional(layers.LSTM(4))),
    "GRU": recurrent_net(lambda: layers.GRU(4, go_backwards=True)),
    "SimpleRNN": recurrent_net(lambda: layers.SimpleRNN(4)),
    "ConvLSTM": convolutional_lstm,
    "masked": masked_words,
    "masked both ways": masked_both_ways,
    "batch 3": fixed_batch,
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_keras_file(tmp_path: Path, kind: str) -> None:
    assert_same(saved(MODELS[kind](), tmp_path / "net.keras"), tmp_path)


@pytest.mark.parametrize("kind", ["several ends", "siamese", "LSTM", "uint8"])
def test_a_saved_model(tmp_path: Path, kind: str) -> None:
    assert_same(saved(MODELS[kind](), tmp_path / "net"), tmp_path)


def test_a_long_loop_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = saved(MODELS["LSTM"](), tmp_path / "net.keras")
    short = assert_same(built, tmp_path)
    monkeypatch.setattr(recurrent, "MAX_STEPS", 11)
    assert len(assert_same(built, tmp_path)) < len(short)
    assert not any(
        layer.unroll
        for layer in built.keras_model._flatten_layers()  # type: ignore[union-attr]  # noqa: SLF001
        if isinstance(layer, layers.RNN)
    )


def test_open_sizes_are_fixed_as_asked(tmp_path: Path) -> None:
    x = keras.Input((None, None, 1), name="x")
    net = keras.Model(x, layers.Conv2D(2, 3, strides=2, name="y")(x))
    built = saved(net, tmp_path / "net.keras", input_size=(10, 30))
    assert built.network.outputs[0].shape == (1, 4, 14, 2)
    assert_same(built, tmp_path)
    shapes = (("", (2, 10, 12, 1)),)
    assert build(BuildRequest(str(tmp_path / "net.keras"), input_shapes=shapes)).input_shape[0] == 2


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_reduced_precision_is_rebuilt_in_float32(tmp_path: Path, policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        x = keras.Input((8, 8, 1), dtype="float32", name="x")
        y = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x))
        net = keras.Model(x, layers.Dense(3, dtype="float32", name="y")(layers.Flatten()(y)))
    finally:
        keras.config.set_dtype_policy("float32")
    built = saved(net, tmp_path / "net.keras")
    assert_same(built, tmp_path)
    x = inputs(built, 0)[0]
    np.testing.assert_allclose(built.function([x])[0], net(x), atol=0.05)
    assert {w.dtype for w in built.keras_model.weights} == {"float32"}  # type: ignore[union-attr]


class Signatures(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
    """Two functions, and no serving_default."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "p")])  # type: ignore[untyped-decorator]
    def first(self, p: tf.Tensor) -> dict[str, tf.Tensor]:
        """Double."""
        return {"doubled": p * 2.0}

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, "in_10"),
            tf.TensorSpec([None, 2], tf.int32, "in_2"),
        ]
    )
    def second(self, in_10: tf.Tensor, in_2: tf.Tensor) -> dict[str, tf.Tensor]:
        """Add."""
        return {"sum": in_10 + tf.cast(in_2, tf.float32), "product": in_10 * 3.0}


def test_a_signature_is_chosen_by_name(tmp_path: Path) -> None:
    module, path = Signatures(), tmp_path / "net"
    tf.saved_model.save(module, path, {"first": module.first, "second": module.second})
    with pytest.raises(InputError, match="its signatures: first, second") as caught:
        build(BuildRequest(str(path)))
    assert caught.value.hint == f"Choose one: {path}:first"
    built = build(BuildRequest(f"{path}:second"))
    assert [end.name for end in built.network.inputs] == ["in_2", "in_10"]
    assert_same(built, tmp_path)


def test_a_call_stands_in_where_there_is_no_signature(tmp_path: Path) -> None:
    module = tf.Module()
    spec = tf.TensorSpec([None, 2, 3], tf.float32, "q")
    module.serve = tf.function(lambda q: [q * 2.0, tf.reduce_sum(q, 1)], input_signature=[spec])
    tf.saved_model.save(module, tmp_path / "net", signatures={})
    built = build(BuildRequest(str(tmp_path / "net")))
    assert [end.shape for end in built.network.outputs] == [(1, 2, 3), (1, 3)]
    assert_same(built, tmp_path)


def picture() -> Any:  # noqa: ANN401 - a KerasTensor
    return keras.Input((6, 6, 3), name="picture")


def ends_of(kind: str) -> keras.Model:
    image, idle = picture(), keras.Input((2,), name="idle")
    pooled = layers.GlobalAveragePooling2D(name="pooled")(image)
    return {
        "twice": lambda: keras.Model(image, [pooled, layers.Dropout(0.5)(pooled)]),
        "input": lambda: keras.Model(image, [pooled, image]),
        "constant": lambda: keras.Model(image, [pooled, ops.ones_like(pooled)]),
        "idle": lambda: keras.Model([image, idle], pooled),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("twice", "its output dropout is its output pooled, unchanged"),
        ("input", "its output picture_1 is its input picture, unchanged"),
        ("constant", "is constant"),
        ("idle", "no output depends on its input idle"),
    ],
)
def test_ends_that_are_no_tensors_of_their_own_are_refused(
    tmp_path: Path, kind: str, said: str
) -> None:
    keras.utils.clear_session()
    built = saved(ends_of(kind), tmp_path / "net.keras")
    with pytest.raises(InputError, match=said):
        tflite_float.trace(built)


def test_a_stateful_layer_is_refused(tmp_path: Path) -> None:
    x = keras.Input((4, 3), batch_size=1)
    net = keras.Model(x, layers.LSTM(2, stateful=True, name="remembers")(x))
    with pytest.raises(InputError, match="'remembers' is stateful"):
        saved(net, tmp_path / "net.keras")


def patches(x: Any) -> list[Any]:  # noqa: ANN401 - tensors of TensorFlow
    """Of images: side by side, with a rest, overlapping, and dilated."""
    return [
        tf.image.extract_patches(x, [1, *size, 1], [1, *step, 1], [1, *rate, 1], padding)
        for size, step, rate, padding in (
            ((4, 4), (4, 4), (1, 1), "VALID"),
            ((3, 5), (3, 5), (1, 1), "VALID"),
            ((3, 3), (1, 1), (1, 1), "SAME"),
            ((2, 3), (2, 1), (1, 1), "SAME"),
            ((3, 3), (1, 1), (2, 2), "VALID"),
        )
    ]


def test_patches_of_images(tmp_path: Path) -> None:
    module = tf.Module()
    module.patches = tf.function(
        lambda x: {f"y{k}": y for k, y in enumerate(patches(x))},
        input_signature=[tf.TensorSpec((1, 12, 8, 3), tf.float32, name="x")],
    )
    tf.saved_model.save(module, str(tmp_path / "net"))
    built = build(BuildRequest(str(tmp_path / "net")))
    kinds = {operator.name for operator in Graph.read(assert_same(built, tmp_path)).operators}
    assert {"CONV_2D", "TRANSPOSE"} <= kinds
