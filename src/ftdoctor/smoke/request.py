"""The request of a remote smoke run: image, command, environment, secrets, time limit, labels.

The payload travels inside the command (a zip, base64), the plan in FTDOCTOR_SMOKE: no bucket
and no upload. The job's own image and packages are used where they are known.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.redact import names_secret, redact
from ftdoctor.smoke.bundle import program

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, Requirement

UV_IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"
#: What a smoke run with no job is made of.
PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets")
LABEL = "ftdoctor-smoke"
#: One environment variable holds at most 128 KiB on Linux (MAX_ARG_STRLEN, binfmts.h).
MOST_PLAN_BYTES = 96 * 1024
#: Registries that Hugging Face Jobs cannot pull from: they ask for a Google login.
_PRIVATE = ("pkg.dev", "gcr.io")


@dataclass
class Request:
    """What is submitted. `secrets` holds live values: show `shown()` only."""

    image: str
    command: list[str]
    env: dict[str, str]
    secrets: dict[str, str]
    machine: str
    timeout: int
    labels: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def keywords(self) -> dict[str, Any]:
        """Return the keywords of huggingface_hub's run_job."""
        return {
            "image": self.image,
            "command": self.command,
            "env": self.env,
            "secrets": self.secrets,
            "flavor": self.machine,
            "timeout": self.timeout,
            "attempts": 1,
            "name": "ftdoctor-smoke",
            "labels": self.labels,
        }

    def shown(self) -> dict[str, Any]:
        """Return the same with the secrets' values hidden."""
        return {**self.keywords(), "secrets": dict.fromkeys(self.secrets, "(hidden)")}


def encoded(plan: dict[str, Any]) -> str:
    """Return the plan as FTDOCTOR_SMOKE holds it; rows are left out until it fits."""
    plan = dict(plan)
    while True:
        text = base64.b64encode(json.dumps(plan).encode()).decode()
        rows = plan.get("rows")
        if len(text) <= MOST_PLAN_BYTES or not rows:
            return text
        plan["rows"] = rows[: len(rows) // 2]


def remote_plan(plan: dict[str, Any]) -> dict[str, Any]:
    """Return the plan with what a run with a token adds: who it is, and whether the gate is open.

    A plan that confirms one fix keeps the stages that prove it.
    """
    if plan.get("confirms"):
        return plan
    stages = list(plan["stages"])
    after = stages.index("gpu") + 1 if "gpu" in stages else 0
    named = "/" in str(plan.get("model") or "") and not str(plan["model"]).startswith((".", "/"))
    wanted = ["token", *(["download"] if named else [])]
    stages[after:after] = [stage for stage in wanted if stage not in stages]
    return {**plan, "stages": stages}


def build(
    plan: dict[str, Any], job: Job | None, *, machine: str, timeout: int, token: str, key: str
) -> Request:
    """Return the request for HF Jobs. `timeout` in seconds; `key` marks the job as this run's."""
    notes: list[str] = []
    image = _image(job, notes)
    env = {"PYTHONUNBUFFERED": "1", **job_environment(job, notes)}
    secrets = {"HF_TOKEN": token}
    packed = encoded(plan)
    if plan.get("rows"):
        secrets["FTDOCTOR_SMOKE"] = packed
        notes.append("the first rows of your file go along, as a secret of the job")
    else:
        env["FTDOCTOR_SMOKE"] = packed
    command = uv_command(job) if "astral-sh/uv" in image else pip_command(job)
    return Request(image, command, env, secrets, machine, timeout, {LABEL: key}, notes)


def _image(job: Job | None, notes: list[str]) -> str:
    pool = job.pool if job is not None else None
    image = (get(pool.image) or "") if pool is not None and pool.image is not None else ""
    host = image.split("/")[0]
    if host.endswith(_PRIVATE):
        notes.append(f"HF Jobs cannot pull {image}: {UV_IMAGE} stands for it")
        return UV_IMAGE
    return image or UV_IMAGE


def job_environment(job: Job | None, notes: list[str]) -> dict[str, str]:
    """Return the job's environment where it is known and holds no secret."""
    pool = job.pool if job is not None else None
    kept = {}
    for name, value in (pool.env if pool is not None else {}).items():
        text = get(value)
        if not isinstance(text, str) or names_secret(name) or redact(text) != text:
            notes.append(f"the variable {name} is not passed on")
        else:
            kept[name] = text
    return kept


def _specs(job: Job | None) -> list[str]:
    """Return the packages that the job asks for, or those of a run with no job."""
    if job is None or not job.requirements:
        return list(PACKAGES) if job is None else []
    latest: dict[str, Requirement] = {}
    for one in sorted(job.requirements, key=lambda r: r.order):
        latest[one.name] = one
    return [_spec(one) for one in latest.values() if one.source != "image"]


def _spec(one: Requirement) -> str:
    extras = f"[{','.join(one.extras)}]" if one.extras else ""
    text = f"{one.name}{extras}" + (f" @ {one.url}" if one.url else one.specifier)
    return f"{text} ; {one.marker}" if one.marker else text


def uv_command(job: Job | None, start: str = "") -> list[str]:
    """Run with what the job installs, as `uv run` does; `start` runs in front of the payload."""
    command = ["uv", "run"]
    for spec in _specs(job) or PACKAGES:
        command += ["--with", spec]
    python = get(job.python) if job is not None and job.python is not None else None
    if isinstance(python, str) and python.replace(".", "").isdigit():
        command += ["--python", python]
    return [*command, "python", "-c", start + program()]


def pip_command(job: Job | None, start: str = "") -> list[str]:
    """Install what the job installs, then run; `$0` and `$@` carry the words unquoted.

    `start` is Python that runs in front of the payload.
    """
    specs = _specs(job)
    if not specs:
        return ["python3", "-c", start + program()]
    script = 'code="$0"; python3 -m pip install --quiet "$@" && exec python3 -c "$code"'
    return ["sh", "-c", script, start + program(), *specs]
