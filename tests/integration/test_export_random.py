"""Random small networks: every one is exported right, or refused with a sentence and a way out."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from examples import examples
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from judging import FLOAT_DB, answers, judged_db
from keras_sources import source
from random_keras import described, network

from edgecnn.errors import EdgeCnnError
from edgecnn.isolation import CrashedError

if TYPE_CHECKING:
    import keras
    from judging import Source

    from edgecnn.exporting import Artifact

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("float_stage_here")]


@given(st.data())
@settings(
    max_examples=examples(4),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to shrink a failure would take an hour
    suppress_health_check=list(HealthCheck),
)
def test_a_random_network_is_exported_right_or_refused_with_a_sentence(data: st.DataObject) -> None:
    model = network(data.draw)
    note(described(model))
    with tempfile.TemporaryDirectory() as folder:
        check(model, Path(folder))


def check(model: keras.Model, folder: Path) -> None:
    """Export as float32 and int8 in both formats; hold what was written, and what was said."""
    made = source(folder, model)
    try:
        result = made.export(folder / "out")
    except EdgeCnnError as error:
        check_refusal(error)
        return
    for refusal in result.refused:
        check_refusal(refusal.error)
    for artifact in result.artifacts:
        check_artifact(made, artifact)


def check_refusal(error: EdgeCnnError) -> None:
    """A sentence and a way out: no crash, and no file that turned out to be wrong."""
    assert not isinstance(error, CrashedError), error.message
    assert error.message.endswith(".") or error.message.endswith(")"), error.message
    assert error.hint
    assert "converter's mistake" not in error.hint, error.message


def check_artifact(made: Source, artifact: Artifact) -> None:
    """The float file is the source; a quantized one runs, and answers with finite numbers."""
    manifest = artifact.manifest
    assert [end.name for end in manifest.outputs] == list(made.outputs)
    for file in manifest.files:
        found = answers(artifact.folder, manifest, file, list(made.inputs.values()))
        for info, wanted, got in zip(manifest.outputs, made.outputs.values(), found, strict=True):
            ratio = judged_db(info, wanted, got)
            where = manifest.recipe, file.format, info.name, ratio
            assert ratio >= FLOAT_DB if manifest.recipe == "float32" else ratio > -math.inf, where
        for parity in file.parities:
            assert parity.snr_db is None or math.isfinite(parity.snr_db)
