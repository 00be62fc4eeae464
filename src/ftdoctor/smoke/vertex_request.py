"""The custom job of a smoke run on Vertex AI, as the JSON of the REST API.

Image, packages, environment, service account and network are the job's own. The payload stands in
the arguments (about 30 kB; one argument may have 128 KiB on Linux), the plan in the variable
FTDOCTOR_SMOKE: no bucket and no upload. Nothing is tried twice: `disableRetries`, one try a pool.
Fields: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.smoke.request import LABEL, encoded, job_environment, pip_command, uv_command
from ftdoctor.smoke.token_secret import code

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.value import Value
    from ftdoctor.smoke.offers import Offer

#: What runs where the job names no image that Vertex AI can pull. CUDA 12.6 is the highest that the
#: drivers of its L4, T4, A100 and H100 machines are known to run; Blackwell needs 12.8.
IMAGE = "pytorch/pytorch:2.8.0-cuda12.6-cudnn9-runtime"
BLACKWELL_IMAGE = "pytorch/pytorch:2.8.0-cuda12.8-cudnn9-runtime"
_BLACKWELL = ("NVIDIA_RTX_PRO_6000", "NVIDIA_B200", "NVIDIA_GB200")
#: Machines that Compute Engine offers only as spot or flex-start, or reserved
#: (https://cloud.google.com/compute/docs/gpus#h100-gpus).
SPOT_ONLY = ("a3-highgpu-1g", "a3-highgpu-2g", "a3-highgpu-4g")


@dataclass
class VertexRequest:
    """The body of `customJobs.create`. It may hold a live token: show `shown()` only."""

    body: dict[str, Any]
    token: str = ""
    notes: list[str] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """Return the body with the token hidden."""
        import json

        text = json.dumps(self.body)
        if self.token:
            text = text.replace(json.dumps(self.token), '"(hidden)"')
        shown: dict[str, Any] = json.loads(text)
        return shown


def build(
    plan: dict[str, Any],
    job: Job | None,
    offer: Offer,
    *,
    timeout: int,
    key: str,
    spot: bool = False,
    token: str = "",
    secret: str = "",
    nodes: int = 1,
) -> VertexRequest:
    """Return the request. `timeout` in seconds; `key` marks the job as this run's.

    `token` goes into the environment of the container, where it can be read in the job; `secret` is
    the full name of a secret version that the container reads itself.
    """
    notes: list[str] = []
    image, own = _image(job, offer, notes)
    given = ("HF_TOKEN",) if token or secret else ()
    env = {"PYTHONUNBUFFERED": "1", **job_environment(job, notes, given)}
    if not own:
        env["PIP_BREAK_SYSTEM_PACKAGES"] = "1"
    env["FTDOCTOR_SMOKE"] = encoded(plan)
    if token:
        env["HF_TOKEN"] = token
    if plan.get("rows"):
        notes.append("the first rows of your file go along; who may see the job can read them")
    start = code(secret) if secret else ""
    if "/uv:" in image:
        words = uv_command(job, start)
    else:
        words = pip_command(job, start, own_image=own, notes=notes)
    # The command replaces the image's entry point; the program is an argument of its own.
    program = {"sh": 3, "python3": 2}.get(words[0], 1)
    container = {
        "imageUri": image,
        "command": words[:program],
        "args": words[program:],
        "env": [{"name": name, "value": value} for name, value in env.items()],
    }
    spec: dict[str, Any] = {
        "workerPoolSpecs": _pools(container, offer, nodes, _disk(job, offer)),
        "scheduling": {
            "timeout": f"{timeout}s",
            "restartJobOnWorkerRestart": False,
            "disableRetries": True,
            **({"strategy": "SPOT"} if spot else {}),
        },
    }
    if job is not None and job.platform == "vertex":
        _keep(spec, "serviceAccount", job.service_account, notes)
        _keep(spec, "network", job.network, notes)
        _network(spec, job, notes)
    body: dict[str, Any] = {
        "displayName": f"ftdoctor-smoke-{key[:8]}",
        "labels": {LABEL: key},
        "jobSpec": spec,
    }
    if job is not None and job.platform == "vertex":
        encryption: dict[str, Any] = {}
        _keep(encryption, "kmsKeyName", job.extra.get("kmsKeyName"), notes)
        if encryption:
            body["encryptionSpec"] = encryption
    if not spot and offer.machine in SPOT_ONLY:
        notes.append(f"Google offers {offer.machine} as spot only, as a rule: add --spot")
    return VertexRequest(body, token, notes)


def boot_disk(job: Job | None) -> int:
    """Return the GB of the job's boot disk, 0 where it names none."""
    pool = job.pool if job is not None and job.platform == "vertex" else None
    size = get(pool.boot_disk_gb) if pool is not None else None
    return size if isinstance(size, int) and 100 <= size <= 64000 else 0


def _disk(job: Job | None, offer: Offer) -> dict[str, Any]:
    """Return the job's own disk: what fills it there fills it here.

    Which kinds of disk there are depends on the family of the machine.
    """
    size = boot_disk(job)
    if not size or job is None or job.pool is None:
        return {}
    own = get(job.pool.machine_type)
    same = str(own).split("-")[0] == offer.machine.split("-")[0]
    kind = get(job.pool.boot_disk_type) if same else None
    return {"bootDiskSizeGb": size, **({"bootDiskType": kind} if kind else {})}


def _pools(
    container: dict[str, Any], offer: Offer, nodes: int, disk: dict[str, Any]
) -> list[dict[str, Any]]:
    machine: dict[str, Any] = {"machineType": offer.machine}
    if offer.accelerator:
        machine["acceleratorType"] = offer.accelerator
        machine["acceleratorCount"] = offer.count
    chief = {"machineSpec": machine, "replicaCount": "1", "containerSpec": container}
    if disk:
        chief["diskSpec"] = disk
    if nodes == 1:
        return [chief]
    return [chief, {**chief, "replicaCount": str(nodes - 1)}]


def _image(job: Job | None, offer: Offer, notes: list[str]) -> tuple[str, bool]:
    """Return the image and whether it is the job's own."""
    pool = job.pool if job is not None else None
    image = (get(pool.image) or "") if pool is not None and pool.image is not None else ""
    ours = BLACKWELL_IMAGE if offer.accelerator in _BLACKWELL else IMAGE
    if image and pullable(image):
        return image, True
    if image:
        notes.append(f"Vertex AI cannot pull {image}: {ours} stands for it")
    elif pool is not None and pool.image is not None:
        notes.append(f"the image is not known here: {ours} stands for it")
    return ours, False


def pullable(image: str) -> bool:
    """Whether Vertex AI pulls an image: Artifact Registry, Container Registry, Docker Hub.

    https://cloud.google.com/vertex-ai/docs/training/create-custom-container
    """
    first, slash, _ = image.partition("/")
    if not slash or not ("." in first or ":" in first):
        return True  # Docker Hub
    return first.endswith(("pkg.dev", "gcr.io")) or first in ("docker.io", "index.docker.io")


def _network(spec: dict[str, Any], job: Job, notes: list[str]) -> None:
    """Take over what else says how the machines reach their network."""
    ranges = [get(value) for value in job.extra.get("reservedIpRanges") or ()]
    if ranges and all(isinstance(one, str) for one in ranges):
        spec["reservedIpRanges"] = ranges
    elif ranges:
        notes.append("reservedIpRanges of the job are not known here and are left out")
    attachment = get(job.extra.get("networkAttachment"))
    if isinstance(attachment, str) and attachment:
        spec["pscInterfaceConfig"] = {"networkAttachment": attachment}


def _keep(spec: dict[str, Any], name: str, value: Value[str] | None, notes: list[str]) -> None:
    """Take over a field of the job where it is known."""
    if value is None:
        return
    if get(value):
        spec[name] = get(value)
    else:
        notes.append(f"{name} of the job is not known here and is left out")
