"""The file of `accelerate launch --config_file FILE`, also when `trl sft` hands it on.

`trl METHOD --accelerate_config NAME` takes the name of a config inside the trl wheel too
(trl/accelerate_configs, `zero3`, `multi_gpu`, ...): such a name is no file of the job.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from ftdoctor.job.readenv import Disk
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.job.launch import Launch
    from ftdoctor.job.model import Job, Step, Training
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value

#: What only a config of accelerate holds: a file of the same name elsewhere may be anything.
_MARK = lazy(r"(?m)^\s*[\"']?(?:compute_environment|distributed_type)[\"']?\s*:")
_FILE = lazy(r"\.(?:ya?ml|json)\Z")


@dataclass(eq=False)
class LaunchConfig:
    """A config of accelerate that a command of the job names."""

    #: The path as the command has it.
    path: Value[Any]
    step: Step
    #: The content; None when the file was not found.
    source: Source | None = None
    #: Names of the launcher's options that the command gives itself: they win over the file.
    given: frozenset[str] = frozenset()
    #: Where the file must lie and does not: the folder that holds the script of the same command.
    missing_in: str | None = None


def attach(job: Job, launch: Launch, trained: list[Training], env: ReadEnv, folder: str) -> None:
    """Add the config of one launch to `job.extra["launch_configs"]` and to the job's sources."""
    options: dict[str, Value[Any] | None] = dict(launch.options)
    if launch.kind == "trl" or any(t.written_as == "trl-cli" for t in trained):
        for training in trained:
            options.update(training.launch)
    elif "accelerate" not in launch.launchers:
        return
    path = options.get("config_file") or options.get("accelerate_config")
    name = path.value if path is not None and path.known else None
    if path is None or not isinstance(name, str) or not _FILE.search(name):
        return
    found = LaunchConfig(path, launch.step, given=frozenset(options))
    source = (env.read_file(posixpath.join(folder, name)) if folder else None) or env.read_file(
        name
    )
    if source is None:
        source = env.find(name)
        if source is not None and not _MARK.search(source.text):
            return  # another file of that name
    found.source = source
    if source is None:
        found.missing_in = _where(job, launch, name, env, folder)
    elif all(item.path != source.path or item.text != source.text for item in job.sources):
        job.sources.append(source)
    job.extra.setdefault("launch_configs", []).append(found)


def _where(job: Job, launch: Launch, name: str, env: ReadEnv, folder: str) -> str | None:
    """Return the folder in which the command runs, where that and its content are certain.

    The script of the same command lies there under the path as written, so the command runs there.
    """
    target = launch.target.value if launch.target is not None and launch.target.known else None
    if job.platform != "local" or launch.kind != "python" or not isinstance(env.files, Disk):
        return None
    if not target or target[0] in "/~" or name[0] in "/~" or ".." in (*name.split("/"), target):
        return None
    script = env.read_file(posixpath.join(folder, target))
    return posixpath.dirname(script.path) if script is not None and script.is_file else None
