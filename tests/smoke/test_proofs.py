"""What `verify:` promises, held against real runs: the jobs of the rules' own fixtures.

A job on which a rule fires is never "proved" by the run that the rule names; most of them fail with
that very rule. A look-alike, on which the rule is silent, never fails with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.checks.test_fixtures import options
from tests.conftest import FIXTURES, ROOT

from ftdoctor.commands.options import pins
from ftdoctor.job.read import read
from ftdoctor.job.versions import resolve_job
from ftdoctor.rulebook.load import load
from ftdoctor.smoke.confirm import outcome, proof_of, reduced, still_seen
from ftdoctor.smoke.elsewhere import weighed
from ftdoctor.smoke.evidence import gather
from ftdoctor.smoke.plan import plan_for
from ftdoctor.smoke.verdict import Verdict, judge

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: A run on the CPU, with no Hub and no image of the job, has none of this.
NOT_HERE = {"gpu", "image", "real", "shape", "token", "download", "push", "allreduce"}
#: Fixtures of each kind that are run of each rule.
EACH = {"fires": 2, "silent": 1}


def cases() -> dict[str, Path]:
    """Return the fixtures by name: "FT-API-014 fires.py"."""
    found = {}
    for rule in load():
        if rule.verify and not NOT_HERE & set(rule.verify):
            for kind, most in EACH.items():
                paths = sorted((FIXTURES / "before" / rule.code).glob(f"{kind}*"))[:most]
                found |= {f"{rule.code} {path.name}": path for path in paths}
    return found


def planned(path: Path, code: str) -> tuple[Any, dict[str, Any]]:
    """Return the job of a fixture and the plan that proves a rule of it."""
    given = options(path)
    with_ = pins([given[i + 1] for i, word in enumerate(given) if word == "--with"])
    with contextlib.chdir(path if path.is_dir() else path.parent):
        jobs = read([Path() if path.is_dir() else path.name]).jobs
        job = next((j for j in jobs if j.training is not None), jobs[0])
        resolve_job(job, with_)
        return job, reduced(plan_for(job, "cpu"), proof_of(code, load()))


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """Run all cases and return what each says of its rule."""
    folder = tmp_path_factory.mktemp("runs")
    known = {name: planned(path, name.split()[0]) for name, path in cases().items()}
    (folder / "plans").write_text(json.dumps({name: plan for name, (_, plan) in known.items()}))
    subprocess.run(
        [sys.executable, "-m", "tests.smoke.many_runs", str(folder / "plans"), str(folder / "out")],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        capture_output=True,
        timeout=580,
    )
    found = {}
    for name, ran in json.loads((folder / "out").read_text()).items():
        job, plan = known[name]
        proof = proof_of(name.split()[0], load())
        verdict = judge(ran["log"], exit_code=ran["code"])
        verdict.evidence = gather(verdict, plan, job)
        verdict = weighed(verdict, job, load())
        seen = still_seen(job, proof.rule) if verdict.word == "works" else ""
        found[name] = outcome(verdict, proof, plan, seen=seen)
    return found


def said(verdict: Verdict) -> str:
    return str((verdict.confirm or {}).get("outcome"))


@pytest.mark.parametrize("name", [n for n in cases() if " fires" in n])
def test_a_job_with_the_fault_is_not_proved(name: str, verdicts: dict[str, Verdict]) -> None:
    assert said(verdicts[name]) != "proved", verdicts[name].stages


@pytest.mark.parametrize("name", [n for n in cases() if " silent" in n])
def test_a_look_alike_does_not_fail_with_the_rule(name: str, verdicts: dict[str, Verdict]) -> None:
    assert said(verdicts[name]) != "still there", verdicts[name].reason


def test_most_faults_are_seen_by_the_run_itself(verdicts: dict[str, Verdict]) -> None:
    """Not only by `check`: otherwise a run would be of little use."""
    fires = [said(v) for name, v in verdicts.items() if " fires" in name]
    assert fires.count("still there") >= 18, fires
