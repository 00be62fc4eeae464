"""`gcloud ai custom-jobs create` and its kin: the command line as a Vertex AI job.

Flags and worker-pool keys: rules/tables/gcloud_custom_jobs.json, made from the real gcloud. How it
reads them: googlecloudsdk 528, calliope/arg_parsers.py (ArgList, ArgDict) and
command_lib/ai/custom_jobs/{flags,custom_jobs_util}.py.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.model import Job, Unread, WorkerPool
from ftdoctor.job.shell_text import as_text
from ftdoctor.job.value import known, unknown
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.model import Requirement, Step
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.shell_follow import Written
    from ftdoctor.job.shell_text import ShellText
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value

_TRACKS = ("alpha", "beta")
#: Where the flags of a command stop being told: a dictionary of worker pools.
_POOL_FLAG = "--worker-pool-spec"


@dataclass(slots=True)
class GcloudCommand:
    """A gcloud command as written; kept in `Job.extra["gcloud"]`.

    `flags` maps a flag to each value it was given, with its place; a flag without a value maps to
    an empty known text. `unknown` are flags that this gcloud command does not have, `stray` words
    that belong to no flag, `pool_keys` keys of `--worker-pool-spec` that do not exist.
    """

    path: str
    place: Place
    step: Step
    flags: dict[str, list[Value[str]]] = field(default_factory=dict)
    flag_places: dict[str, Place] = field(default_factory=dict)
    unknown: list[tuple[str, Place | None]] = field(default_factory=list)
    stray: list[tuple[str, Place | None]] = field(default_factory=list)
    pool_keys: list[tuple[str, Place | None]] = field(default_factory=list)
    #: True when a word of the command is not known, so that any flag may be given.
    open: bool = False

    def one(self, flag: str) -> Value[str] | None:
        """Return the last value of a flag, or None when it is not given."""
        values = self.flags.get(flag)
        return values[-1] if values else None


def command_path(step: Step) -> tuple[str, list[Value[str]]] | None:
    """Return ("ai custom-jobs create", words after it) of a gcloud command, else None."""
    if not step.argv or posixpath.basename(as_text(step.argv[0]).body) not in (
        "gcloud",
        "gcloud.cmd",
    ):
        return None
    path: list[str] = []
    rest: list[Value[str]] = []
    at = 1
    while at < len(step.argv) and len(path) < 4:
        word = as_text(step.argv[at])
        if word.body.startswith("-"):
            rest.append(word)
            if "=" not in word.body and word.body in ("--project", "--account", "--configuration"):
                at += 1
                rest.extend(step.argv[at : at + 1])
        elif not path and word.body in _TRACKS:
            pass
        elif re.fullmatch(r"[a-z][a-z0-9-]*", word.body):
            path.append(word.body)
            if path[-1] in ("create", "submit", "run", "local-run"):
                at += 1
                if path[-1] == "submit":
                    continue
                break
        else:
            break
        at += 1
    return " ".join(path), [*rest, *step.argv[at:]]


def read_step(
    step: Step,
    env: ReadEnv,
    source: Source,
    written: Mapping[str, Written] | None = None,
    variables: Mapping[str, Value[str]] | None = None,
) -> list[Job]:
    """Return the job that a gcloud command submits; [] for any other command.

    `written` are the files that the script has written so far, `variables` what is exported.
    """
    found = command_path(step)
    if found is None:
        return []
    path, words = found
    if path.startswith("ai-platform jobs submit"):
        return [_seen(step, source, "gcloud ai-platform", "AI Platform Training was shut down")]
    if path == "ai custom-jobs local-run":
        return []
    if path not in ("ai custom-jobs create", "ai hp-tuning-jobs create"):
        return []
    command = read_flags(path, step, words)
    return [_Reader(command, env, source, written or {}).job]


def _seen(step: Step, source: Source, what: str, reason: str) -> Job:
    job = Job("vertex", "other", step.place, source)
    job.sources.append(source)
    job.unread.append(Unread(what, f"seen, not read: {reason}", step.place))
    return job


def read_flags(path: str, step: Step, words: list[Value[str]]) -> GcloudCommand:
    """Split the words of a gcloud command into flags, unknown flags and stray words."""
    from ftdoctor.tables import table

    data = table("gcloud_custom_jobs")
    flags: dict[str, object] = {**data["global_flags"], **data["commands"][path]}
    command = GcloudCommand(path, step.place, step)
    at = 0
    while at < len(words):
        word = as_text(words[at])
        at += 1
        if not word.body.startswith("-") or word.body == "-":
            if word.known and word.body.strip():
                command.stray.append((word.body, word.place))
            elif not word.known:
                command.open = True
            continue
        name, equals, value = word.partition("=")
        if not name.known:
            command.open = True
            continue
        flag = _alias(name.body)
        kind = flags.get(flag)
        if kind is None and flag.startswith("--no-") and flags.get("--" + flag[5:]) == "bool":
            command.flags.setdefault("--" + flag[5:], []).append(known("false", name.place))
            continue
        if kind is None:
            command.unknown.append((name.body, name.place))
        if kind != "bool" and not equals and at < len(words):
            following = as_text(words[at])
            if not following.body.startswith("--"):
                value, equals = following, True
                at += 1
        command.flags.setdefault(flag, []).append(value if equals else known("", name.place))
        if name.place is not None:
            command.flag_places[flag] = name.place
    return command


def _alias(flag: str) -> str:
    return {"-q": "--quiet", "-h": "--help"}.get(flag, flag)


def items_of(value: ShellText, delimiter: str = ",") -> list[ShellText]:
    """Split a list flag as gcloud does: at commas, or at X of a leading `^X^`."""
    match = re.match(r"\^([^^]*)\^", value.body)
    if match and match.group(1):
        value, delimiter = value.slice(match.end()), match.group(1)
    if not value.body:
        return []
    return value.split(delimiter)


class _Reader:
    """One command being read into a job."""

    def __init__(
        self, command: GcloudCommand, env: ReadEnv, source: Source, written: Mapping[str, Written]
    ) -> None:
        self.command = command
        self.env = env
        self.source = source
        self.written = written
        self.job = self._base()
        self.job.extra["gcloud"] = command

    def _base(self) -> Job:
        command = self.command
        config = command.one("--config")
        if config is not None:
            job = self._from_config(config)
        else:
            job = self._blank()
        if config is None or command.flags.get(_POOL_FLAG):
            self._fill(job)
            self._pools(job)
            for pool in job.pools:
                self._attach(job, pool)
        return job

    def _blank(self) -> Job:
        form = "tuning" if "hp-tuning" in self.command.path else "vertex-gcloud"
        job = Job("vertex", form, self.command.place, self.source)  # type: ignore[arg-type]
        job.sources.append(self.source)
        return job

    def _from_config(self, config: Value[str]) -> Job:
        from ftdoctor.job.config_file import find_config

        found = find_config(as_text(config), self.env, self.written)
        if isinstance(found, str):
            job = self._blank()
            job.unread.append(Unread("job spec", found, config.place or self.command.place))
            self._fill(job)
            return job
        from ftdoctor.job import vertex_yaml
        from ftdoctor.job.yaml_values import BrokenYaml

        source, template = found
        try:
            jobs = vertex_yaml.read(source, self.env, template, self._fill)
        except BrokenYaml as error:
            job = self._blank()
            place = source.place(error.line, error.column)
            job.unread.append(Unread("job spec", f"not valid YAML: {error.what}", place))
            job.extra["broken_config"] = (error.what, place)
            self._fill(job)
            return job
        if not jobs:
            job = self._blank()
            reason = "no workerPoolSpecs were found in it"
            job.unread.append(Unread("job spec", reason, source.place(1)))
            self._fill(job)
            return job
        job = jobs[0]
        job.extra["spec_place"] = job.place
        if all(item != self.source for item in job.sources):
            job.sources.append(self.source)
        return job

    def _fill(self, job: Job) -> None:
        """Put what the flags say into the job; flags win over the file."""
        command = self.command
        flag = command.one
        job.region = flag("--region") or job.region
        job.project = flag("--project") or job.project
        job.display_name = flag("--display-name") or job.display_name
        job.service_account = flag("--service-account") or job.service_account
        job.network = flag("--network") or job.network
        if flag("--persistent-resource-id") is not None:
            job.extra["persistentResourceId"] = flag("--persistent-resource-id")
        if flag("--kms-key") is not None:
            from ftdoctor.job.gcloud_kms import key_name

            job.extra["kmsKeyName"] = key_name(flag, job.project)
        for value in command.flags.get("--labels", []):
            for item in items_of(as_text(value)):
                name, _, text = item.partition("=")
                job.labels[name.body] = text
        args = self._list("--args")
        words = self._list("--command")
        for pool in job.pools:
            pool.args = args or pool.args
            if pool.python_module is None:
                pool.command = words or pool.command

    def _list(self, flag: str) -> list[Value[str]]:
        found: list[Value[str]] = []
        for value in self.command.flags.get(flag, []):
            found.extend(items_of(as_text(value)))
        return found

    def _pools(self, job: Job) -> None:
        job.pools = []
        for value in self.command.flags.get(_POOL_FLAG, []):
            text = as_text(value)
            if (
                text.holes
                and len(text.holes) == 1
                and not text.body.strip(text.body[text.holes[0].start : text.holes[0].end])
            ):
                job.unread.append(Unread("worker pool", text.unknown, text.place))
                self.command.open = True
                continue
            job.pools.append(self._pool(job, text))
        uris = self._list("--python-package-uris")
        args = self._list("--args")
        command = self._list("--command")
        for pool in job.pools:
            pool.args = list(args)
            pool.package_uris = list(uris) if pool.python_module is not None else []
            if pool.python_module is None:
                pool.command = list(command)

    def _pool(self, job: Job, text: ShellText) -> WorkerPool:
        from ftdoctor.tables import table

        keys = table("gcloud_custom_jobs")["worker_pool_spec"]
        pool = WorkerPool(place=text.place)
        local: dict[str, ShellText] = {}
        for item in items_of(text):
            name, equals, value = item.partition("=")
            key = name.body.strip()
            if key not in keys:
                self.command.pool_keys.append((key if equals else item.body, item.place))
                continue
            local[key] = value
        pool.machine_type = local.get("machine-type")
        pool.accelerator_type = local.get("accelerator-type")
        pool.image = local.get("container-image-uri") or local.get("executor-image-uri")
        pool.replica_count = _number(local.get("replica-count")) or known(1, text.place, "default")
        pool.accelerator_count = _number(local.get("accelerator-count"))
        if pool.accelerator_type is not None and pool.accelerator_count is None:
            pool.accelerator_count = known(1, pool.accelerator_type.place, "default")
        if "python-module" in local and "local-package-path" not in local:
            pool.python_module = local["python-module"]
        if "local-package-path" in local:
            job.extra.setdefault("local_packages", []).append((pool, local))
        return pool

    def _attach(self, job: Job, pool: WorkerPool) -> None:
        from ftdoctor.job.container import attach_command

        packages = job.extra.get("local_packages", [])
        local = next((keys for owner, keys in packages if owner is pool), None)
        if local is None:
            attach_command(job, pool, self.env)
        else:
            self._local_package(job, pool, local)

    def _local_package(self, job: Job, pool: WorkerPool, local: dict[str, ShellText]) -> None:
        """gcloud builds an image from a local folder and runs a script or module of it."""
        from ftdoctor.job.requirements import parse_requirement
        from ftdoctor.job.steps import add_script

        folder = local["local-package-path"].value or ""
        order = 0
        for item in items_of(local["requirements"], ";") if "requirements" in local else []:
            found: Requirement | None = parse_requirement(item.body, "requirements", item.place)
            if found is not None:
                job.requirements.append(found)
        for name in ("requirements.txt", "setup.py"):
            beside = self.env.read_file(posixpath.join(folder, name)) if folder else None
            if beside is not None and name == "requirements.txt":
                from ftdoctor.job.requirements import read_requirements

                job.requirements.extend(read_requirements(beside, self.env))
                job.sources.append(beside)
                order += 1
        script, module = local.get("script"), local.get("python-module")
        target = script or module
        if target is None or target.value is None:
            return
        inner = target.value if script is not None else target.value.replace(".", "/") + ".py"
        source = self.env.read_file(posixpath.join(folder, inner)) if folder else None
        source = source or self.env.find(inner)
        if source is None:
            reason = "it is not among these files"
            job.unread.append(Unread(f"script {target.body}", reason, target.place))
        elif inner.endswith(".py"):
            add_script(job, source, pool.args, self.env)
        else:
            from ftdoctor.job.container import attach_argv

            argv = [known("bash", target.place), target, *pool.args]
            attach_argv(job, argv, self.env, pool.env, pool.place)


def _number(value: ShellText | None) -> Value[int] | None:
    if value is None:
        return None
    if not value.known:
        default = value.default
        number = int(default) if isinstance(default, str) and default.isdigit() else None
        return unknown(value.unknown, value.place, value.raw, number)
    if re.fullmatch(r"\s*\d{1,9}\s*", value.body):
        return known(int(value.body), value.place, value.body)
    return unknown(f"{value.body!r} is not a whole number", value.place, value.body)
