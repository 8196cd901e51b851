"""The table of claims, and the verb that judges them."""

from __future__ import annotations

import doctest
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest
import sample_experiments as sample
from hypothesis import given
from hypothesis import strategies as st

import edgecnn
from edgecnn.claims import changing, gradients, sources, standings
from edgecnn.claims.judging import judge
from edgecnn.claims.table import TABLE
from edgecnn.errors import InputError
from edgecnn.evidence.files import Evidence, read_all
from edgecnn.reporting import verdict as shown

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from edgecnn.claims.table import Entry


def test_ids_are_unique_and_the_main_claim_is_first() -> None:
    ids = [entry.claim.id for entry in TABLE]
    assert len(set(ids)) == len(ids)
    assert ids[0] == "low-power"
    assert all(re.fullmatch(r"[a-z0-9-]+", each) for each in ids)


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.claim.id)
def test_without_evidence_every_claim_says_what_would_change_that(entry: Entry) -> None:
    found = judge(entry, Evidence())
    assert found.outcome == "not testable here"
    assert entry.claim.command in found.summary


def test_a_sample_of_every_record_decides_claims(tmp_path: Path) -> None:
    folder = sample.write_all(tmp_path / "experiments")
    report = edgecnn.verdict(records=folder)
    assert len(report.verdicts) == len(TABLE)
    assert {header.experiment for header in report.headers} == set(read_all(folder).records)
    outcomes = {each.claim.id: each.outcome for each in report.verdicts}
    assert outcomes["low-power"] == "holds with conditions"
    assert outcomes["vanishing-gradient"] == "holds"
    for each in report.verdicts:
        assert (each.outcome == "holds with conditions") == bool(each.conditions)
        assert bool(each.numbers) == (each.outcome != "not testable here")


def test_one_missing_record_leaves_the_other_claims(tmp_path: Path) -> None:
    folder = sample.write_all(tmp_path / "experiments")
    (folder / "devices.json").unlink()
    report = edgecnn.verdict("low-power", "vanishing-gradient", records=folder)
    assert [each.outcome for each in report.verdicts] == ["not testable here", "holds"]


WHOLE: dict[str, Any] = {
    "kernels": sample.kernels(),
    "parameters": sample.parameters(),
    "gradients": sample.gradients(),
    "twins": sample.twins(),
    "devices": sample.devices(),
}


@given(data=st.data())
def test_no_judge_falls_over_a_record_that_lacks_entries(data: st.DataObject) -> None:
    parts: dict[str, Any] = {}
    for name, record in WHOLE.items():
        lists = [
            each.name for each in fields(record) if isinstance(getattr(record, each.name), tuple)
        ]
        kept = {
            each: tuple(data.draw(st.lists(st.sampled_from(entries), max_size=6)))
            for each in lists
            if each != "entry_flow_shape" and (entries := getattr(record, each))
        }
        parts[name] = replace(record, **kept)
    for entry in TABLE:
        found = judge(entry, Evidence(**parts))
        assert found.summary
        assert (found.outcome == "holds with conditions") == bool(found.conditions)


@pytest.mark.parametrize("module", [changing, gradients, sources, standings, shown])
def test_the_examples_in_the_documentation(module: ModuleType) -> None:
    tried = doctest.testmod(module)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_a_misspelt_claim_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lowpower") as error:
        edgecnn.verdict("lowpower", records=tmp_path)
    assert "Did you mean low-power?" in error.value.hint
