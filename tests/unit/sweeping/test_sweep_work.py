"""What is done with one point: what is a word on the point, and what is the machine's fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sample_benches
from tiny_tflite import float_net

from edgecnn.benchmark.report import BenchReport
from edgecnn.errors import DeviceError, EdgeCnnError, InputError, MissingPartError
from edgecnn.evaluating.records import Agreement, Detection, EvaluateReport, Evaluation, FileRun
from edgecnn.measurements import Trust
from edgecnn.records import Preprocessing
from edgecnn.sweeping import keys, timing, work
from edgecnn.sweeping.records import Accuracy, Place, Point, Timing

RUN = FileRun("model.tflite", "int8", "tflite", "images", "test", 100, 0, "runtime", 1, 2.0)


@pytest.fixture
def todo(tmp_path: Path) -> work.Work:
    """A float file that is small enough to be done in a second."""
    path = tmp_path / "net.tflite"
    path.write_bytes(float_net().to_bytes())
    point = Point(str(path), recipe="float32")
    return work.Work(
        "key", point, point, "network", "artifact", str(tmp_path / "storage"),
        keys.decisive_versions(), preprocessing=Preprocessing.from_range(-1, 1),
    )  # fmt: skip


def test_a_point_is_done_and_its_artifact_found_again(todo: work.Work) -> None:
    first = work.perform(todo)
    assert (first.status, first.run.reused) == ("done", False)
    assert first.size_bytes is not None
    again = work.perform(todo)
    assert again.run.reused
    assert replace(again, run=first.run) == first


def test_a_damaged_artifact_is_made_again(todo: work.Work, tmp_path: Path) -> None:
    first = work.perform(todo)
    folder = work.artifact_place(tmp_path / "storage", "artifact", todo.point)
    (Path(folder) / "model.tflite").write_bytes(b"something else")
    again = work.perform(todo)
    assert (again.run.reused, again.sha256) == (False, first.sha256)


def test_what_the_point_cannot_be_is_its_record(todo: work.Work) -> None:
    record = work.perform(replace(todo, preprocessing=None))
    assert record.status == "refused"
    assert "scaled" in record.message


def test_another_version_is_no_word_on_the_point(todo: work.Work) -> None:
    with pytest.raises(MissingPartError, match=r"has numpy .*, and the sweep was begun with 0\.1"):
        work.perform(replace(todo, versions={**todo.versions, "numpy": "0.1"}))


def test_nor_is_a_storage_that_refuses(todo: work.Work, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        work.perform(replace(todo, storage=str(tmp_path / "file" / "storage")))


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (
            EvaluateReport((Evaluation(**vars(RUN), top1=0.5, low=0.4, high=0.6, top5=None,
                                       classes=()),)),
            Accuracy("top1", 0.5, 0.4, 0.6, 100, "images"),
        ),
        (
            EvaluateReport(detections=(Detection(**vars(RUN), map=0.3, map50=0.5, map75=0.2,
                                                 boxes=9, found=9, head="ssd", categories=()),)),
            Accuracy("map", 0.3, None, None, 100, "images"),
        ),
        (
            EvaluateReport(agreements=(Agreement(**vars(RUN), against="float32", task="segment",
                                                 miou=0.9),)),
            Accuracy("agreement", 0.9, None, None, 100, "images"),
        ),
    ],
)  # fmt: skip
def test_one_figure_of_a_report(report: EvaluateReport, expected: Accuracy) -> None:
    assert work.accuracy_of(report, "images") == expected


def test_a_report_of_nothing() -> None:
    with pytest.raises(EdgeCnnError, match="Nothing was evaluated"):
        work.accuracy_of(EvaluateReport(), "images")


def test_what_a_bench_says_of_a_point() -> None:
    emulated = sample_benches.EMULATED
    report = BenchReport((sample_benches.TRUSTED, emulated, replace(emulated, threads=1)), ())
    (measured,), (note,) = timing.timings_of(report)
    place = Place("ssh://pi@raspberrypi.local", 4, measured=True)
    assert measured == Timing(place, 38.09, 38.0, 38.09)
    assert note == "ssh://pi@localhost:2222 is emulated: its times say nothing of the device."


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (BenchReport((), (sample_benches.FAILURE,)), "adb://R58M123 is not attached."),
        (
            BenchReport((sample_benches.result(trust=Trust("void", ("it was busy.",))),), ()),
            "ssh://pi@raspberrypi.local: the measurement is void: it was busy.",
        ),
        (
            BenchReport((replace(sample_benches.EMULATED, outputs_match=False),), ()),
            "ssh://pi@localhost:2222: its outputs are not this machine's.",
        ),
    ],
)
def test_what_a_device_did_not_give_is_no_word_on_the_point(report: BenchReport, said: str) -> None:
    with pytest.raises(DeviceError) as caught:
        timing.timings_of(report)
    assert caught.value.message == said
