"""A peak that a smoke run measured overrules the prediction, until something that matters changes.

The results are made by hand in the form that docs/smoke.md gives; `fixtures/smoke` holds them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.checks.context import Context
from ftdoctor.checks.memory import fits
from ftdoctor.memory import from_job, measured
from ftdoctor.rulebook.model import Hit
from tests.conftest import FIXTURES
from tests.memory.test_finding import GEMMA, WANTS, job_of, said

if TYPE_CHECKING:
    from pathlib import Path

LONG = GEMMA + "--max_length 6144"


def result(name: str) -> dict[str, Any]:
    """Return a kept result."""
    found: dict[str, Any] = json.loads((FIXTURES / "smoke" / f"{name}.json").read_text())
    return found


def told(job: Any, *results: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the findings by what they are about, and what is told of the job beside them."""
    context = Context(job, smoke_results=lambda: list(results))
    found = {want: answer for want in WANTS for answer in fits(context, want=want)}
    return found, context.told


def test_it_was_predicted_not_to_fit_and_did(tmp_path: Path) -> None:
    job = job_of(tmp_path, LONG)
    assert list(said(job)) == ["logits"]
    found, head = told(job, result("gemma-12b-a10g-fits"))
    assert found == {}
    assert head["memory"].startswith("measured on 2026-11-20: 18.2 GiB of 22.1 GiB")
    # The run quantised its constants too; the job does not, and that is added.
    assert "GiB more for plain quantisation" in head["memory"]


def test_it_was_predicted_to_fit_and_died(tmp_path: Path) -> None:
    """trl 1.16 has no full logits: the prediction fits."""
    job = job_of(tmp_path, LONG, trl="1.16.0")
    died = result("gemma-12b-a10g-oom")
    own = from_job.read(job)
    assert own is not None
    died["evidence"]["memory"]["settings"] = measured.described(own.settings)
    assert said(job) == {}
    found, head = told(job, died)
    (hit,) = found.values()
    assert isinstance(hit, Hit)
    assert hit.summary.startswith("Measured on 2026-11-20: out of memory on the A10G")
    assert hit.evidence["measured"] == {
        "date": "2026-11-20T09:30:00Z",
        "card": "a10g",
        "fits": False,
        "allocated_bytes": None,
        "reserved_bytes": None,
    }
    assert list(found) != ["tight"]
    assert "out of memory" in head["memory"]


def test_a_death_on_full_rows_is_a_warning_where_the_data_may_be_shorter(tmp_path: Path) -> None:
    job = job_of(tmp_path, GEMMA + "--max_length 2048", trl="1.16.0")
    own = from_job.read(job)
    assert own is not None
    died = result("gemma-12b-a10g-oom")
    died["evidence"]["memory"]["settings"] = measured.described(own.settings)
    found, _ = told(job, died)
    assert list(found) == ["tight"]


def test_a_step_that_nearly_fills_the_card_is_a_warning(tmp_path: Path) -> None:
    near = result("gemma-12b-a10g-fits")
    near["evidence"]["memory"]["allocated_bytes"] = int(21.3 * 2**30)
    found, _ = told(job_of(tmp_path, LONG), near)
    assert list(found) == ["tight"]
    assert "21.3 GiB of 22.1 GiB" in found["tight"].summary


@pytest.mark.parametrize(
    "changed",
    [
        {"arguments": LONG.replace("12b", "4b")},
        {"arguments": LONG.replace("6144", "6080")},
        {"arguments": LONG.replace("train_batch_size 1", "train_batch_size 2")},
        {"arguments": LONG + " --lora_r 64"},
        {"arguments": LONG.replace("q_proj v_proj", "q_proj k_proj v_proj o_proj")},
        {"arguments": LONG.replace("--load_in_4bit", "--load_in_8bit")},
        {"arguments": LONG + " --gradient_checkpointing false"},
        {"arguments": LONG + " --optim paged_adamw_8bit"},
        {"arguments": LONG + " --attn_implementation eager"},
        {"flavor": "l4x1"},
        {"trl": "1.5.0"},
    ],
    ids=lambda x: str(x)[-40:],
)
def test_what_matters_ends_it(tmp_path: Path, changed: dict[str, str]) -> None:
    arguments = changed.pop("arguments", LONG)
    job = job_of(tmp_path, arguments, **changed)
    own = from_job.read(job)
    assert own is not None
    known = measured.measurements([result("gemma-12b-a10g-fits")])
    assert measured.match(known, own) is None


@pytest.mark.parametrize("more", ["--num_train_epochs 5", "--learning_rate 1e-5", "--seed 7"])
def test_what_does_not_matter_leaves_it(tmp_path: Path, more: str) -> None:
    found, head = told(job_of(tmp_path, f"{LONG} {more}"), result("gemma-12b-a10g-fits"))
    assert found == {}
    assert head


def test_the_newest_counts(tmp_path: Path) -> None:
    job = job_of(tmp_path, LONG)
    died = result("gemma-12b-a10g-fits")
    died["evidence"]["memory"].update(outcome="oom", allocated_bytes=None, date="2026-11-21")
    assert list(told(job, died, result("gemma-12b-a10g-fits"))[0]) == ["logits"]
    assert told(job, result("gemma-12b-a10g-fits"), died)[0] == {}


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"evidence": None},
        {"evidence": {"memory": "much"}},
        {"evidence": {"memory": {"outcome": "fits", "date": "x", "card": "l4", "settings": {}}}},
        {
            "evidence": {
                "memory": {
                    "outcome": "fits",
                    "date": "x",
                    "card": "l4",
                    "settings": {},
                    "allocated_bytes": "?",
                }
            }
        },
    ],
)
def test_a_result_of_another_form_is_no_measurement(broken: dict[str, Any]) -> None:
    assert measured.measurements([broken]) == []


def test_check_goes_by_it_and_shows_it(tmp_path: Path, cli: Any, monkeypatch: Any) -> None:
    job_of(tmp_path, LONG)
    monkeypatch.chdir(tmp_path)
    before = cli("check", "--offline", "--select", "FT-MEM", "job.sh")
    assert "FT-MEM-007" in before.out
    (tmp_path / ".ftdoctor" / "smoke").mkdir(parents=True)
    kept = json.dumps(result("gemma-12b-a10g-fits"))
    (tmp_path / ".ftdoctor" / "smoke" / "20261120T093000-1.json").write_text(kept)
    (tmp_path / ".ftdoctor" / "smoke" / "20261120T093001-1.json").write_text("{ half")
    after = cli("check", "--offline", "--select", "FT-MEM", "job.sh")
    assert after.code == 0
    assert "FT-MEM" not in after.out
    assert "memory    measured on 2026-11-20: 18.2 GiB of 22.1 GiB" in after.out
    document = json.loads(cli("check", "--offline", "--format", "json", "job.sh").out)
    assert document["job"]["told"]["memory"].startswith("measured on 2026-11-20")


def test_nothing_is_imported_for_it_where_no_run_was_kept(tmp_path: Path) -> None:
    job_of(tmp_path, LONG)
    code = (
        "import sys; from ftdoctor.cli import run; run(['check', '--offline', 'job.sh']); "
        "print([m for m in sys.modules if m.startswith('ftdoctor.smoke')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.splitlines()[-1]
    assert loaded in ("[]", "['ftdoctor.smoke', 'ftdoctor.smoke.home']")
