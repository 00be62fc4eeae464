"""The request of a remote smoke run: image, command, environment, secrets, time limit, labels.

The payload travels inside the command (a zip, base64), the plan in FTDOCTOR_SMOKE: no bucket
and no upload. The job's own image and packages are used where they are known.
"""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.redact import names_secret, redact
from ftdoctor.smoke.bundle import program
from ftdoctor.smoke.installs import files_of_the_image, groups

if TYPE_CHECKING:
    from ftdoctor.job.model import Job

UV_IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"
LABEL = "ftdoctor-smoke"
#: One environment variable holds at most 128 KiB on Linux (MAX_ARG_STRLEN, binfmts.h).
MOST_PLAN_BYTES = 96 * 1024
#: pip where python3 has it, else uv (an environment made by uv has no pip).
_GET = (
    'get() { if python3 -m pip --version >/dev/null 2>&1; then python3 -m pip install "$@"; '
    "else uv pip install --python python3 --break-system-packages "
    '--index-strategy unsafe-best-match "$@"; fi; }'
)
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
    env = {"PYTHONUNBUFFERED": "1", **job_environment(job, notes, ("HF_TOKEN",))}
    secrets = {"HF_TOKEN": token}
    packed = encoded(plan)
    if plan.get("rows"):
        secrets["FTDOCTOR_SMOKE"] = packed
        notes.append("the first rows of your file go along, as a secret of the job")
    else:
        env["FTDOCTOR_SMOKE"] = packed
    uv = "astral-sh/uv" in image
    command = uv_command(job) if uv else pip_command(job, notes=notes)
    return Request(image, command, env, secrets, machine, timeout, {LABEL: key}, notes)


def _image(job: Job | None, notes: list[str]) -> str:
    pool = job.pool if job is not None else None
    image = (get(pool.image) or "") if pool is not None and pool.image is not None else ""
    host = image.split("/")[0]
    if host.endswith(_PRIVATE):
        notes.append(f"HF Jobs cannot pull {image}: {UV_IMAGE} stands for it")
        return UV_IMAGE
    return image or UV_IMAGE


def job_environment(
    job: Job | None, notes: list[str], given: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return the job's environment where it is known and holds no secret.

    Variables of `given` are set by the run itself.
    """
    pool = job.pool if job is not None else None
    kept = {}
    for name, value in (pool.env if pool is not None else {}).items():
        if name in given:
            continue
        text = get(value)
        if not isinstance(text, str) or names_secret(name) or redact(text) != text:
            notes.append(f"the variable {name} is not passed on")
        else:
            kept[name] = text
    return kept


def uv_command(job: Job | None, start: str = "") -> list[str]:
    """Run with what the job installs, as `uv run` does; `start` runs in front of the payload."""
    command = ["uv", "run"]
    wanted = groups(job, own_image=False, pinned=True) or groups(None, own_image=False)
    addresses = dict.fromkeys(a for group in wanted for a in (group.index, *group.extra) if a)
    for address in addresses:
        command += ["--index", address]
    if addresses:  # as pip: the best version of all indexes, not the first index that has one
        command += ["--index-strategy", "unsafe-best-match"]
    for spec in dict.fromkeys(spec for group in wanted for spec in group.specs):
        command += ["--with", spec]
    python = get(job.python) if job is not None and job.python is not None else None
    if isinstance(python, str) and python.replace(".", "").isdigit():
        command += ["--python", python]
    return [*command, "python", "-c", start + program()]


def pip_command(
    job: Job | None, start: str = "", *, own_image: bool = True, notes: list[str] | None = None
) -> list[str]:
    """Install what the job installs, then run; `$0` is the program.

    `start` is Python that runs in front of the payload.
    """
    wanted = groups(job, own_image=own_image, notes=notes)
    if not own_image and not wanted:
        wanted = groups(None, own_image=False)
    files = files_of_the_image(job) if own_image else []
    if not wanted and not files:
        return ["python3", "-c", start + program()]
    lines = [
        f"{{ test ! -f {shlex.quote(name)} || {shlex.join(['get', '--quiet', '-r', name])}; }}"
        for name in files
    ]
    lines += [shlex.join(["get", *group.pip()]) for group in wanted]
    script = f"{_GET}\n" + " && ".join([*lines, 'exec python3 -c "$0"'])
    return ["sh", "-c", script, start + program()]
