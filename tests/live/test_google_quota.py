"""Quota by either of Google's services, for the metric that the job counts against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.google_state import (
    CPUS,
    L4,
    good,
)
from tests.live.google_job import SPEC, checked, codes, skipped

from ftdoctor.facts.google_quota import from_infos

if TYPE_CHECKING:
    from pathlib import Path

# -- quota -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["cloudquotas", "serviceusage"])
@pytest.mark.parametrize(
    ("quotas", "code"),
    [
        ({L4: 2, CPUS: 24}, ""),
        ({L4: -1, CPUS: -1}, ""),
        ({L4: 1, CPUS: 24}, "FT-JOB-018"),
        ({L4: 0, CPUS: 24}, "FT-JOB-018"),
        ({L4: 2, CPUS: 23}, "FT-JOB-017"),
        ({(L4[0], None): 8, L4: 1, CPUS: 24}, "FT-JOB-018"),
        # The row of another region, or of all others, says nothing of this one.
        ({(L4[0], "us-east4"): 0, CPUS: 24}, ""),
    ],
)
def test_either_quota_service_is_read(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    quotas: dict[Any, int],
    code: str,
) -> None:
    state = good()
    state.quotas = quotas
    state.disabled = {"cloudquotas", "serviceusage"} - {service}
    assert codes(checked(state, monkeypatch)) == ([code] if code else [])


def test_a_quota_that_is_not_listed_is_not_told(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = good()
    state.quotas = {}
    inspection = checked(state, monkeypatch)
    assert codes(inspection) == []
    assert "names no limit" in skipped(inspection)["FT-JOB-018"]
    assert "names no limit" in skipped(inspection)["FT-JOB-017"]


def test_a_job_in_a_reservation_counts_against_other_quotas(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "job.yaml").write_text(
        SPEC.replace(
            "acceleratorCount: 2}",
            "acceleratorCount: 2, reservationAffinity: {reservationAffinityType: ANY_RESERVATION}}",
        )
    )
    state = good()
    state.quotas = {L4: 0, CPUS: 0}
    assert codes(checked(state, monkeypatch)) == []


@pytest.mark.parametrize(
    ("rows", "limit"),
    [
        ([{"dimensions": {"region": "us-central1"}, "details": {"value": "4"}}], 4),
        ([{"dimensions": {"region": "us-central1"}, "details": {}}], 0),
        ([{"dimensions": {"region": "us-central1"}}], None),
        ([{"dimensions": {"region": "us-east4"}, "details": {"value": "4"}}], None),
        ([{"details": {"value": "2"}, "applicableLocations": ["us-central1"]}], 2),
        ([{"details": {"value": "2"}, "applicableLocations": ["us-east4"]}], None),
        ([{"details": {"value": "2"}}], 2),
        (
            [
                {"details": {"value": "2"}, "applicableLocations": ["us-central1", "us-east4"]},
                {"dimensions": {"region": "us-central1"}, "details": {"value": "8"}},
            ],
            8,
        ),
        ([{"dimensions": {"region": "us-central1", "user": "x"}, "details": {"value": "4"}}], None),
        ([{"details": {"value": "many"}}], None),
        ("no list", None),
    ],
)
def test_the_row_of_the_region_is_taken(rows: Any, limit: int | None) -> None:
    """`dimensionsInfos` as Cloud Quotas v1 documents it."""
    assert from_infos({"dimensionsInfos": rows}, "us-central1") == limit
