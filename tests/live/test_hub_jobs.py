"""HF Jobs: who is billed, what it costs at most, who may start it, and what it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.hub import TOKEN, Identity, State, base

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OTHER = "hf_" + "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvuts"
SCRIPT = """\
from trl import SFTConfig, SFTTrainer

config = SFTConfig(output_dir="/tmp/out", push_to_hub=True, hub_model_id="ada/new")
SFTTrainer("open-org/tiny", args=config).train()
"""


@pytest.fixture
def launch(hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Check one `hf jobs uv run` and return its report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    def call(options: str, state: State | None = None) -> Any:
        hub(state or base())
        (tmp_path / "train.py").write_text(SCRIPT)
        (tmp_path / "job.sh").write_text(f"hf jobs uv run {options} train.py\n")
        done = inspect(
            read(["job.sh"]).jobs,
            load(),
            Config(select=("FT-AUTH", "FT-JOB", "FT-NET")),
            gather=gatherer(online=True, deadline=10),
        )
        report = done.jobs[0]
        assert not report.crashed
        return report

    return call


def codes(report: Any) -> list[str]:
    return [f.code for f in report.findings]


def test_price_times_timeout(launch) -> None:
    report = launch("--flavor l4x1 --timeout 90m --secrets HF_TOKEN")
    assert codes(report) == []
    cost = report.told["cost"]
    assert "l4x1 costs $0.80 an hour, at most $1.20 until its timeout of 1.5 h" in cost
    assert "credit" in cost
    assert "cannot be asked" in cost


def test_without_a_timeout_jobs_ends_after_half_an_hour(launch) -> None:
    assert "at most $0.40 until its timeout of 30 min" in launch(
        "--flavor l4x1 --secrets HF_TOKEN"
    ).told["cost"]  # fmt: skip


def test_the_namespace_is_said(launch) -> None:
    asked = launch("--flavor l4x1 --timeout 1h --secrets HF_TOKEN").told["asked"]
    assert "HF Jobs: ada is billed (the token's own name" in asked
    asked = launch("--flavor l4x1 --timeout 1h --namespace team --secrets HF_TOKEN").told["asked"]
    assert "HF Jobs: may be started in team, which is billed" in asked


def test_what_will_be_made_is_an_inference(launch) -> None:
    asked = launch("--flavor l4x1 --timeout 1h --secrets HF_TOKEN").told["asked"]
    assert "ada/new: is not there yet; this token can create it (inferred" in asked


def test_denied_in_the_namespace(launch) -> None:
    state = base()
    state.jobs_denied = True
    report = launch("--flavor l4x1 --timeout 1h --namespace team --secrets HF_TOKEN", state)
    assert codes(report) == ["FT-JOB-206"]


def fine(*permissions: str) -> Identity:
    held = {"user:ada": ["repo.write", *permissions]}
    return Identity(role="fineGrained", gated=True, permissions=held)


@pytest.mark.parametrize(
    ("who", "denied"),
    [
        (Identity(role="write"), False),
        (Identity(role="read"), True),
        (fine(), True),
        (fine("job.write"), False),
        (Identity(role="oauth", scopes=("write-repos",)), False),
    ],
)
def test_inferred_for_ones_own_name(launch, who: Identity, denied: bool) -> None:
    """The job carries a token that writes; the one on this machine starts it."""
    state = base()
    state.tokens[OTHER] = Identity()
    state.tokens[TOKEN] = who
    report = launch(f"--flavor l4x1 --timeout 1h --secrets HF_TOKEN={OTHER}", state)
    assert ("FT-JOB-206" in codes(report)) is denied
    assert "FT-AUTH-254" in codes(report)  # two tokens, said as a note
    assert state.seen.count("GET /api/whoami-v2") == 2


def test_a_read_token_that_also_writes_is_told_once(launch) -> None:
    state = base()
    state.tokens[TOKEN] = Identity(role="read")
    report = launch("--flavor l4x1 --timeout 1h --secrets HF_TOKEN", state)
    assert codes(report) == ["FT-AUTH-001"]


def test_the_submitters_token_is_refused(launch) -> None:
    state = base()
    state.tokens[OTHER] = state.tokens.pop(TOKEN)
    for namespace in ("", "--namespace team"):
        report = launch(f"--flavor l4x1 --timeout 1h {namespace} --secrets HF_TOKEN={OTHER}", state)
        found = [c for c in codes(report) if c not in ("FT-AUTH-254", "FT-AUTH-113", "FT-AUTH-116")]
        assert found == ["FT-AUTH-258"]


def test_a_flavor_that_is_newer_than_the_table(launch) -> None:
    state = base()
    row = {"name": "b200", "unitCostUSD": 0.1, "unitLabel": "minute", "ephemeralStorage": "1 TB"}
    state.hardware = [row]
    report = launch("--flavor b200 --timeout 1h --secrets HF_TOKEN", state)
    assert codes(report) == []
    assert "b200 costs $6.00 an hour" in report.told["cost"]
    assert codes(launch("--flavor b300 --timeout 1h --secrets HF_TOKEN", state)) == ["FT-JOB-207"]
    assert codes(launch("--flavor l4x1 --timeout 1h --secrets HF_TOKEN", state)) == ["FT-JOB-251"]


def test_weights_against_the_disk_of_the_flavor(launch) -> None:
    state = base()
    gb = 10**9
    state.repos["open-org/tiny"].files = {"config.json": 1, "model.safetensors": 300 * gb,
                                          "pytorch_model.bin": 300 * gb}  # fmt: skip
    options = "--flavor l4x1 --timeout 1h --secrets HF_TOKEN"
    assert codes(launch(options, state)) == []  # one format is downloaded, not both
    state.repos["open-org/tiny"].files["model.safetensors"] = 500 * gb
    report = launch(options, state)
    assert codes(report) == ["FT-JOB-003"]
    assert "open-org/tiny: can be read, 500.0 GB of weights" in report.told["asked"]
    assert "466 GiB of weights, and the disk of l4x1 400 GiB" in report.findings[0].summary


@pytest.mark.parametrize(
    ("volume", "asked"),
    [
        ("hf://gate-org/tiny-gated:/model", "GET /api/models/gate-org/tiny-gated/auth-check"),
        ("hf://models/gate-org/tiny-gated@v1:/model:ro", "GET /api/models/gate-org/tiny-gated/auth-check"),
        ("hf://datasets/open-org/chat/data:/corpus", "GET /api/datasets/open-org/chat/auth-check"),
    ],
)  # fmt: skip
def test_volumes_are_read_as_the_submitter(launch, volume: str, asked: str) -> None:
    state = base()
    report = launch(f"--flavor l4x1 --timeout 1h -v {volume} --secrets HF_TOKEN", state)
    assert asked in state.seen
    assert codes(report) == (["FT-AUTH-259"] if "gate-org" in volume else [])


def test_buckets_are_no_repositories(launch) -> None:
    state = base()
    launch("--flavor l4x1 --timeout 1h -v hf://buckets/ada/data:/corpus --secrets HF_TOKEN", state)
    assert not [request for request in state.seen if "buckets" in request]
