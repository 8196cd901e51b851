"""An .npz: fed as it is, or refused by name."""

from __future__ import annotations

import io
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.calibration.arrays import Rows, load, share
from edgecnn.errors import InputError
from edgecnn.records import Endpoint

SHAPE = (4, 5, 3)
IMAGE = Endpoint("image", "float32", (1, *SHAPE), "NHWC")


def values(count: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(count, *SHAPE)).astype(np.float32)


def read(path: Path, samples: int = 6, held_out: int = 2, seed: int = 0) -> Rows:
    return load(path, (IMAGE,), samples=samples, held_out=held_out, seed=seed)


def save(folder: Path, *arrays: npt.ArrayLike, **named: npt.ArrayLike) -> Path:
    np.savez(folder / "x.npz", *map(np.asarray, arrays), **named)  # type: ignore[arg-type]
    return folder / "x.npz"


@pytest.mark.parametrize("compressed", [False, True])
def test_rows_are_fed_as_they_are_and_the_last_are_held_out(
    tmp_path: Path, *, compressed: bool
) -> None:
    x = values(20)
    (np.savez_compressed if compressed else np.savez)(tmp_path / "x.npz", x)
    rows = read(tmp_path / "x.npz")
    assert np.array_equal(rows.held_out[0], x[-2:])
    assert rows.calibration[0].shape == (6, *SHAPE)
    assert all(any(np.array_equal(row, other) for other in x[:-2]) for row in rows.calibration[0])
    assert rows.warnings == ()


def test_the_seed_chooses(tmp_path: Path) -> None:
    path = save(tmp_path, values(40))
    first = read(path).calibration[0]
    assert np.array_equal(first, read(path).calibration[0])
    assert not np.array_equal(first, read(path, seed=1).calibration[0])


def test_fewer_than_asked_for_is_said(tmp_path: Path) -> None:
    rows = read(save(tmp_path, values(4)))
    assert (rows.calibration_runs, rows.held_out_runs) == (3, 1)
    assert "has 4 samples: 3 for calibration (requested: 6), 1 held out" in rows.warnings[0]


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_other_floats_are_converted_and_said(tmp_path: Path, dtype: str) -> None:
    x = values(8).astype(dtype)
    rows = read(save(tmp_path, x))
    assert rows.held_out[0].dtype == np.float32
    assert np.array_equal(rows.held_out[0], x[-2:].astype(np.float32))
    assert f"{np.dtype(dtype)} values are converted to float32" in rows.warnings[0]


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
def test_integers_are_refused_with_a_hint(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(InputError, match=f"{dtype}.*must be float32") as caught:
        read(save(tmp_path, values(8).astype(dtype)))
    assert "scale it as the network expects" in caught.value.hint


@pytest.mark.parametrize("dtype", ["complex64", "U3", "longdouble"])
def test_other_types_are_refused(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(InputError, match="not float32"):
        read(save(tmp_path, values(8).astype(dtype)))


def test_pickled_objects_are_refused_unread(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    array = np.empty(1, object)
    array[0] = Trap()
    with pytest.raises(InputError, match="pickled Python objects"):
        read(save(tmp_path, array))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_by_its_index(tmp_path: Path, bad: float) -> None:
    x = values(8)
    x[5, 1, 2, 0] = bad
    with pytest.raises(InputError, match=r"NaN or infinite.*\(5, 1, 2, 0\)"):
        read(save(tmp_path, x))


@pytest.mark.parametrize("bad", [6.5e35, -2e18])
def test_a_value_that_no_network_is_fed_is_refused(tmp_path: Path, bad: float) -> None:
    x = values(8)
    x[5, 1, 2, 0] = bad
    with pytest.raises(InputError, match=r"a value of .* in sample 5; no more than 1e\+18"):
        read(save(tmp_path, x))


def test_a_float64_that_overflows_float32_is_refused(tmp_path: Path) -> None:
    x = values(8).astype(np.float64)
    x[0, 0, 0, 0] = 1e300
    with pytest.raises(InputError, match=r"as float32.*\(0, 0, 0, 0\)"):
        read(save(tmp_path, x))


@pytest.mark.parametrize(
    ("shape", "words", "hint"),
    [
        ((4, 5, 3), "wrong shape", r"x\[None\]"),
        ((8, 3, 4, 5), "wrong shape", "transpose"),
        ((8, 5, 4, 3), "wrong shape", r"\(N, 4, 5, 3\)"),
        ((8,), "wrong shape", "asks for"),
        ((), "wrong shape", "asks for"),
        ((0, 4, 5, 3), "is empty", "asks for"),
        ((8, 0, 5, 3), "is empty", "asks for"),
    ],
)
def test_a_wrong_shape_is_refused_with_the_right_one(
    tmp_path: Path, shape: tuple[int, ...], words: str, hint: str
) -> None:
    with pytest.raises(InputError, match=rf"{words}.*expected \(N, 4, 5, 3\)") as caught:
        read(save(tmp_path, np.zeros(shape, np.float32)))
    assert re.search(hint, caught.value.hint)


def test_one_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one sample is not enough"):
        read(save(tmp_path, values(1)))


def test_fortran_order_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Fortran order") as caught:
        read(save(tmp_path, np.asfortranarray(values(8))))
    assert "ascontiguousarray" in caught.value.hint


def test_copies_and_single_colours_are_said(tmp_path: Path) -> None:
    x = values(8)
    x[3], x[6] = x[2], 0.5
    rows = read(save(tmp_path, x))
    assert (rows.calibration_runs, rows.held_out_runs) == (5, 2)
    text = " ".join(rows.warnings)
    assert "1 samples repeat others exactly and were left out, the first at index 3" in text
    assert "1 samples are of a single colour, the first at index 6" in text


def test_a_vector_laid_out_as_a_picture_is_not_of_a_single_colour(tmp_path: Path) -> None:
    path = save(tmp_path, np.random.default_rng(0).normal(size=(8, 1, 1, 5)).astype(np.float32))
    latent = Endpoint("z", "float32", (1, 1, 1, 5), "NHWC")
    rows = load(path, (latent,), samples=6, held_out=2, seed=0)
    assert "single colour" not in " ".join(rows.warnings)


def test_an_array_that_only_repeats_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only repeat earlier ones"):
        read(save(tmp_path, np.repeat(values(1), 8, axis=0)))


def test_only_the_first_array_is_used_and_that_is_said(tmp_path: Path) -> None:
    rows = read(save(tmp_path, images=values(8), labels=np.arange(8)))
    assert rows.warnings == ("x.npz: of its arrays only images is used, not labels.",)


def test_an_array_of_the_inputs_name_is_taken_before_the_first(tmp_path: Path) -> None:
    x = values(8)
    assert np.array_equal(read(save(tmp_path, other=x + 1, image=x)).held_out[0], x[-2:])


TOKENS = Endpoint("tokens", "int32", (2, 3))  # two rows a run


def two(path: Path) -> Rows:
    return load(path, (IMAGE, TOKENS), samples=6, held_out=2, seed=0)


def test_each_input_has_its_array_and_a_run_may_take_several_rows(tmp_path: Path) -> None:
    x, tokens = values(8), np.arange(48, dtype=np.int64).reshape(16, 3)
    rows = two(save(tmp_path, tokens=tokens, image=x))
    assert np.array_equal(rows.held_out[0], x[-2:])
    assert np.array_equal(rows.held_out[1], tokens[-4:])
    assert rows.held_out[1].dtype == np.int32
    assert rows.held_out_runs == 2
    assert "int64 values are converted to int32" in rows.warnings[0]


def test_a_run_of_several_rows_may_have_an_axis_of_its_own(tmp_path: Path) -> None:
    state = Endpoint("state", "float32", (2, 1, 3))
    rows = np.random.default_rng(0).normal(size=(16, 1, 3)).astype(np.float32)
    flat, apart = (
        load(save(tmp_path, state=array), (state,), samples=6, held_out=2, seed=0)
        for array in (rows, rows.reshape(8, 2, 1, 3))
    )
    assert np.array_equal(flat.calibration[0], apart.calibration[0])
    assert np.array_equal(flat.held_out[0], apart.held_out[0])
    assert apart.calibration_runs == 6
    with pytest.raises(InputError, match=r"expected \(N, 2, 1, 3\)"):
        load(save(tmp_path, state=rows[:, 0]), (state,), samples=6, held_out=2, seed=0)


def test_a_missing_array_is_named_with_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no array for the input 'tokens'; it holds 'image'") as no:
        two(save(tmp_path, image=values(8)))
    assert "tokens (N, 2, 3)" in no.value.hint


def test_arrays_of_different_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="different numbers of samples: image 8, tokens 7"):
        two(save(tmp_path, image=values(8), tokens=np.zeros((14, 3), np.int32)))


def test_integers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    tokens = np.zeros((16, 3), np.int64)
    tokens[5, 1] = 2**40
    with pytest.raises(InputError, match="index 5 does not fit int32"):
        two(save(tmp_path, image=values(8), tokens=tokens))


def test_floats_for_an_input_of_integers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="array is float32, but the input 'tokens' takes int32"):
        two(save(tmp_path, image=values(8), tokens=np.zeros((16, 3), np.float32)))


def test_files_that_are_no_npz_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    for content in (b"", b"no archive", values(2).tobytes()):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"not an \.npz file, or damaged"):
            read(path)


def test_an_archive_without_arrays_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("readme.txt", "no array")
    with pytest.raises(InputError, match="holds no array"):
        read(tmp_path / "x.npz")


def test_a_compression_that_numpy_does_not_write_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", npy(values(8)))
    with pytest.raises(InputError, match="compressed in a way"):
        read(tmp_path / "x.npz")


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, ärr=values(8))
    path.write_bytes(path.read_bytes().replace("ä".encode(), b"\xff\xff"))
    with pytest.raises(InputError, match="damaged"):
        read(path)


def npy(x: npt.ArrayLike) -> bytes:
    stream = io.BytesIO()
    np.save(stream, x)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "header of array x is damaged"),
        (b"\x93NUMPY\x01\x00\x05\x00{bad}", "header of array x is damaged"),
        (b"\x93NUMPY\x09\x00", "not for plain arrays|header of array x is damaged"),
        (npy(values(8))[:-100], "contradict each other"),
        (npy(values(8)) + b"more", "contradict each other"),
    ],
)
def test_damaged_arrays_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "x.npz")


@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_flipped_byte_is_refused_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, position: float, value: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "x.npz"
    np.savez(path, values(8))
    expected = read(path)
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] = value
    path.write_bytes(content)
    try:
        rows = read(path)
    except InputError:
        return
    assert np.array_equal(rows.calibration[0], expected.calibration[0])
    assert np.array_equal(rows.held_out[0], expected.held_out[0])


@given(available=st.integers(2, 400), samples=st.integers(1, 300), held_out=st.integers(1, 100))
def test_share_gives_both_sides_something_and_never_too_much(
    available: int, samples: int, held_out: int
) -> None:
    calibration, apart = share(available, samples, held_out)
    assert 1 <= calibration <= samples
    assert 1 <= apart <= held_out
    assert calibration + apart <= available
    if available >= samples + held_out:
        assert (calibration, apart) == (samples, held_out)
    else:
        assert apart <= max(1, available // 4)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    count = 50_000
    np.savez(tmp_path / "x.npz", values(count))
    file_bytes = count * 4 * 4 * 5 * 3
    tracemalloc.start()
    read(tmp_path / "x.npz")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < file_bytes / 5
