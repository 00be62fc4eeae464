"""Judgement on an environment: the rules on versions and GPUs, run on it as if it were a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.context import Context
from ftdoctor.job.model import Job, Resolved, WorkerPool
from ftdoctor.job.source import Place, Source
from ftdoctor.rulebook.model import Finding
from ftdoctor.rulebook.run import run

if TYPE_CHECKING:
    from ftdoctor.environment.facts import Environment


def as_job(environment: Environment) -> Job:
    """Return the environment as a local job: its packages are known and pinned."""
    place = Place("environment", 1)
    job = Job("local", "other", place, Source("environment", ""), pools=[WorkerPool()])
    for name, version in environment.packages.items():
        job.packages[name] = Resolved(name, version.split("+")[0], "installed", place=place)
    return job


def judge(environment: Environment) -> list[Finding]:
    """Return what the rules on version pairs say of this environment."""
    from ftdoctor.rulebook.load import load

    rules = [r for r in load().with_before() if r.area == "PKG"]
    results = run(rules, Context(as_job(environment)))
    return [result for result in results if isinstance(result, Finding)]


def remarks(environment: Environment) -> list[str]:
    """Return plain remarks on the GPU, the driver and the token."""
    said = []
    nvidia = environment.nvidia
    torch = environment.packages.get("torch", "")
    if torch.endswith("+cpu"):
        said.append("torch is a CPU build: no training on a GPU with it.")
    elif torch and nvidia.cuda:
        needs = _cuda_of(torch)
        if needs and int(needs.split(".")[0]) > int(nvidia.cuda.split(".")[0]):
            said.append(
                f"torch {torch} is built for CUDA {needs}; this driver ({nvidia.driver}) runs "
                f"up to CUDA {nvidia.cuda}: torch will not see the GPU."
            )
    for gpu in nvidia.gpus:
        if gpu.capability < (8, 0):
            said.append(f"{gpu.name} has no bf16 in hardware and no FlashAttention 2: use fp16.")
        if gpu.processes:
            said.append(f"{gpu.name}: {gpu.processes} process(es) already hold memory on it.")
    if environment.token.problem:
        said.append(f"Hugging Face token: {environment.token.problem}.")
    return said


def _cuda_of(torch: str) -> str:
    """Return the CUDA of a torch build, "13.0", from its local version or the table of wheels."""
    local = torch.partition("+")[2]
    if local.startswith("cu") and local[2:].isdigit():
        return f"{local[2:-1]}.{local[-1]}"
    from ftdoctor.tables import table

    try:
        releases = table("torch")["releases"]
    except (FileNotFoundError, KeyError):
        return ""
    for release in releases:
        if release.get("version") == torch:
            return str(release.get("default_cuda") or "")
    return ""
