"""When the platform ends a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.value import get

if TYPE_CHECKING:
    from ftdoctor.job.model import Job

#: Seconds after which a job without a timeout is ended: HF Jobs 30 minutes
#: (https://huggingface.co/docs/hub/jobs-pricing), Vertex AI 7 days
#: (https://cloud.google.com/vertex-ai/docs/training/configure-compute).
DEFAULT = {"hf-jobs": 1800, "vertex": 7 * 86400}


def ends_after(job: Job) -> int | None:
    """Return the seconds after which the platform ends the job; None for no limit or not known."""
    if job.timeout is not None or job.extra.get("timeout_open"):
        return get(job.timeout)
    return DEFAULT.get(job.platform)
