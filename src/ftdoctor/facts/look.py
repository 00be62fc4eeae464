"""Whether this machine has something to say of a job, and looking at it then.

No network. Without `--local`, a machine counts only when it has an NVIDIA GPU: scripts are mostly
checked where they are written, and run elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.environment.nvidia import Nvidia
    from ftdoctor.facts.machine import Machine
    from ftdoctor.job.model import Job


def looker(*, local: bool) -> Callable[[Job], Machine | None]:
    """Return the function that looks at this machine for a job; the GPUs are read once.

    It returns None for a job that trains elsewhere, and, without `local`, where no GPU is seen.
    """
    from ftdoctor.environment.signs import signs

    seen: list[Nvidia] = []

    def look(job: Job) -> Machine | None:
        if job.platform != "local" or not job.trainings or not (local or signs()):
            return None
        from ftdoctor.environment.nvidia import nvidia
        from ftdoctor.facts.machine import machine

        if not seen:
            seen.append(nvidia(sure=local))
        found = seen[0]
        if not local and (found.state == "absent" or not (found.gpus or found.problem)):
            return None
        return machine(job, found, meant=local)

    return look
