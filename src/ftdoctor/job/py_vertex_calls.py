"""Which calls of a submit script make a Vertex AI job, and the job behind each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job import py_kfp
from ftdoctor.job.model import Unread, WorkerPool
from ftdoctor.job.py_abstract import Abstract, Const, Func, Map, Obj, Seq, text_of
from ftdoctor.job.py_ops import reason_of
from ftdoctor.job.py_values import command_texts, place_of, text
from ftdoctor.job.py_vertex import (
    Fields,
    accelerator,
    job_spec,
    maybe_number,
    maybe_text,
    new_job,
    read_env_map,
    read_pools,
    settings,
    words,
)
from ftdoctor.job.requirements import parse_requirement
from ftdoctor.job.value import get, known
from ftdoctor.records import replace

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.py_run import Run
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source

_PIPELINES = (
    "CustomContainerTrainingJob",
    "CustomTrainingJob",
    "CustomPythonPackageTrainingJob",
)
#: Airflow's operators take constructor and run arguments together.
_OPERATORS = {
    "CreateCustomContainerTrainingJobOperator": "CustomContainerTrainingJob",
    "CreateCustomTrainingJobOperator": "CustomTrainingJob",
    "CreateCustomPythonPackageTrainingJobOperator": "CustomPythonPackageTrainingJob",
}
_KFP = (
    "CustomTrainingJobOp",
    "CustomContainerTrainingJobRunOp",
    "CustomPythonPackageTrainingJobRunOp",
)
_ROOTS = (
    "google",
    "google_cloud_pipeline_components",
    "vertexai",
    "agentplatform",
    "aiplatform",
    "vertex_ai",
    "airflow",
    "kfp",
)


def vertex_jobs(run: Run, source: Source, env: ReadEnv) -> list[Job]:
    """Return the Vertex AI jobs that the calls of a script make, in order."""
    reader = _Reader(run, source, env)
    return reader.jobs()


class _Reader:
    """The calls of one script, and which of them belong together."""

    def __init__(self, run: Run, source: Source, env: ReadEnv):
        self.run = run
        self.source = source
        self.env = env
        self.inits = [c for c in run.calls if c.name == "init" and _ours(c)]
        self.starts = [
            c for c in run.calls if c.name in ("run", "submit", "create") and c.receiver is not None
        ]

    def jobs(self) -> list[Job]:
        found: list[Job] = []
        tuned = [
            c.arg("custom_job", 1) for c in self.run.calls if c.name == "HyperparameterTuningJob"
        ]
        for call in self.run.calls:
            if any(call is inner for inner in tuned) or call.derived or call.fallback:
                continue
            job = self._job(call)
            if job is not None:
                found.append(job)
        return found

    def _job(self, call: Obj) -> Job | None:
        if not _ours(call):
            return None
        name = call.name
        if name == "CustomJob" and _is_sdk_job(call):
            return self._custom_job(call, "vertex-python")
        if name == "from_local_script" and call.callee.endswith("CustomJob.from_local_script"):
            return self._local_script(call)
        if name in _PIPELINES:
            return self._pipeline(call, name, self._start(call))
        if name in _OPERATORS:
            return self._pipeline(call, _OPERATORS[name], call)
        if name == "HyperparameterTuningJob":
            return self._tuning(call)
        if name == "create_custom_job":
            return self._client(call, "custom_job", "job_spec")
        if name == "create_hyperparameter_tuning_job":
            return self._client(call, "hyperparameter_tuning_job", "trial_job_spec")
        if name in _KFP and call.kwargs:
            return self._component(call)
        if name.startswith("create_custom_training_job") and call.kwargs and name[-1] != ")":
            return self._component(call)
        if name == "post" and call.callee.startswith("requests."):
            return self._rest(call)
        return None

    def _start(self, call: Obj) -> Obj | None:
        """Return the `run` or `submit` call of an object."""
        return next((c for c in self.starts if c.receiver is call), None)

    def _finish(self, job: Job, call: Obj, start: Obj | None) -> Job:
        """Apply init, constructor and run arguments, and read what the containers run."""
        from ftdoctor.job.container import attach_command

        before = self._init_before(call)
        if before is not None:
            settings(job, before)
        settings(job, call)
        if start is not None and start is not call:
            settings(job, start)
        if start is None and call.name not in ("create_custom_job", "post"):
            job.extra["not_started"] = True
        if job.display_name is not None:
            job.name = get(job.display_name) or job.display_name.raw
        job.sources.append(self.source)
        job.sources += [file for file in self.run.files if file not in job.sources]
        if call.condition:
            job.extra["condition"] = call.condition
        if call.loop:
            job.extra["loop"] = call.loop
        for pool in job.pools if "script_path" not in job.extra else ():
            if job.form != "kfp" or pool.command or pool.args:
                attach_command(job, pool, self.env)
        return job

    def _init_before(self, call: Obj) -> Obj | None:
        calls = self.run.calls
        at = next((i for i, c in enumerate(calls) if c is call), len(calls))
        before = [c for c in calls[:at] if any(c is init for init in self.inits)]
        return before[-1] if before else (self.inits[0] if self.inits else None)

    def _custom_job(self, call: Obj, form: str) -> Job:
        job = new_job(self.source, call)
        job.display_name = maybe_text(call.arg("display_name", 0))
        pools = call.arg("worker_pool_specs", 1)
        if pools is None and call.open:
            job.unread.append(Unread("worker pools", call.open, place_of(call)))
        read_pools(job, pools, self.env)
        base = call.arg("base_output_dir", 2)
        job.base_output_dir = maybe_text(base) if base is not None else None
        return self._finish(job, call, self._start(call))

    def _machines(self, job: Job, pool: WorkerPool, start: Obj | None) -> None:
        """Read the machine arguments of run/submit; replicas beyond the first are a second pool."""
        if start is None:
            job.pools.append(pool)
            return
        pool.machine_type = maybe_text(start.kwargs.get("machine_type"))
        pool.accelerator_type = accelerator(_given(start.kwargs.get("accelerator_type")))
        pool.accelerator_count = maybe_number(_given(start.kwargs.get("accelerator_count")))
        pool.boot_disk_type = maybe_text(start.kwargs.get("boot_disk_type"))
        pool.boot_disk_gb = maybe_number(start.kwargs.get("boot_disk_size_gb"))
        pool.args = words(job, start.kwargs.get("args"), "args", self.env)
        read_env_map(job, pool, start.kwargs.get("environment_variables"), "environment_variables")
        replicas = maybe_number(start.kwargs.get("replica_count"))
        pool.replica_count = replicas
        job.pools.append(pool)
        count = get(replicas)
        if replicas is not None and count is not None and count > 1:
            pool.replica_count = known(1, replicas.place, replicas.raw)
            second = replace(pool, replica_count=known(count - 1, replicas.place, replicas.raw))
            job.pools.append(second)

    def _pipeline(self, call: Obj, kind: str, start: Obj | None) -> Job:
        job = new_job(self.source, call)
        job.extra["training_pipeline"] = kind
        job.display_name = maybe_text(call.arg("display_name", 0))
        pool = WorkerPool(place=place_of(call))
        image_at = {"CustomContainerTrainingJob": 1, "CustomTrainingJob": 2}.get(kind, 3)
        pool.image = maybe_text(call.arg("container_uri", image_at))
        if kind == "CustomContainerTrainingJob":
            pool.command = words(job, call.arg("command", 2), "command", self.env)
        elif kind == "CustomPythonPackageTrainingJob":
            package = call.arg("python_package_gcs_uri", 1)
            pool.package_uris = command_texts(package)
            pool.python_module = maybe_text(call.arg("python_module_name", 2))
        self._machines(job, pool, start)
        if kind == "CustomTrainingJob":
            self._script(job, pool, call.arg("script_path", 1), call.arg("requirements", 3))
        return self._finish(job, call, start)

    def _local_script(self, call: Obj) -> Job:
        job = new_job(self.source, call)
        job.display_name = maybe_text(call.arg("display_name", 0))
        pool = WorkerPool(place=place_of(call), image=maybe_text(call.arg("container_uri", 2)))
        self._machines(job, pool, call)
        self._script(job, pool, call.arg("script_path", 1), call.kwargs.get("requirements"))
        return self._finish(job, call, self._start(call))

    def _script(
        self, job: Job, pool: WorkerPool, path: Abstract | None, requirements: Abstract | None
    ) -> None:
        """The SDK packs a local script; the container installs `requirements` and runs it."""
        from ftdoctor.job.steps import add_script

        if isinstance(requirements, Seq):
            for item in requirements.items:
                wanted = text_of(item)
                place = place_of(item)
                requirement = parse_requirement(wanted, "setup.py", place) if wanted else None
                if requirement is not None:
                    job.requirements.append(requirement)
        name = text_of(path) if path is not None else None
        if name is None:
            reason = reason_of(path) if path is not None else "it is not named"
            job.unread.append(Unread("training script", reason, place_of(path)))
            return
        job.extra["script_path"] = text(path)
        found = self.env.find(name)
        if found is None:
            job.unread.append(
                Unread(f"script {name}", "it is not among these files", place_of(path))
            )
            return
        add_script(job, found, pool.args, self.env)

    def _tuning(self, call: Obj) -> Job:
        inner = call.arg("custom_job", 1)
        if isinstance(inner, Obj) and inner.name == "from_local_script":
            job = self._local_script(inner)
        elif isinstance(inner, Obj) and inner.name == "CustomJob":
            job = self._custom_job(inner, "tuning")
        else:
            job = new_job(self.source, call)
            reason = reason_of(inner) if inner is not None else "it is not named"
            job.unread.append(Unread("custom job of the trials", reason, place_of(inner)))
            job.sources.append(self.source)
        job.form = "tuning"
        job.extra.pop("not_started", None)
        job.display_name = maybe_text(call.arg("display_name", 0)) or job.display_name
        settings(job, call)
        settings(job, self._start(call))
        return job

    def _client(self, call: Obj, message: str, spec_key: str) -> Job:
        job = new_job(self.source, call)
        request = Fields(call.arg("request", 0 if not call.kwargs else -1), job)
        spec = call.kwargs.get(message) or request.get(message)
        parent = call.kwargs.get("parent") or request.get("parent")
        custom = Fields(spec, job, message)
        job.display_name = maybe_text(custom.get("display_name"))
        if spec_key == "trial_job_spec":
            job.form = "tuning"
        job_spec(job, custom.get(spec_key), self.env)
        self._parent(job, parent)
        return self._finish(job, call, call)

    def _parent(self, job: Job, parent: Abstract | None) -> None:
        from ftdoctor.job.py_text import template

        if parent is None:
            return
        parts = template(parent).split("/")
        for index, part in enumerate(parts[:-1]):
            following = parts[index + 1]
            if "\ue000" in following:
                continue
            if part == "projects":
                job.project = known(following, place_of(parent))
            elif part == "locations":
                job.region = known(following, place_of(parent))

    def _component(self, call: Obj) -> Job:
        job = new_job(self.source, call, "kfp")
        job.display_name = maybe_text(call.arg("display_name"))
        pools = call.kwargs.get("worker_pool_specs")
        if pools is not None:
            read_pools(job, pools, self.env)
        else:
            pool = WorkerPool(place=place_of(call))
            pool.image = maybe_text(call.kwargs.get("container_uri"))
            self._machines(job, pool, call)
        step = call.arg("component_spec", 0)
        if isinstance(step, Func):
            py_kfp.fill(job, job.pools[0], step, self.run)
        place = place_of(call)
        job.unread.append(Unread("pipeline", "its other steps are not read", place))
        return self._finish(job, call, call)

    def _rest(self, call: Obj) -> Job | None:
        from ftdoctor.job.py_text import template

        url = call.arg("url", 0)
        if url is None or not template(url).split("?")[0].endswith("/customJobs"):
            return None
        body = call.kwargs.get("json") or call.kwargs.get("data")
        job = new_job(self.source, call)
        fields = Fields(body, job, "")
        job.extra.pop("camel_keys", None)
        job.display_name = maybe_text(fields.get("display_name"))
        job_spec(job, fields.get("job_spec"), self.env)
        job.extra.pop("camel_keys", None)
        self._parent(job, url)
        return self._finish(job, call, call)


def _given(found: Abstract | None) -> Abstract | None:
    """Return an argument, None when it is left out or None."""
    return None if isinstance(found, Const) and found.value is None else found


def _ours(call: Obj) -> bool:
    root = call.callee.split(".")[0].split("(")[0]
    return (
        root in _ROOTS
        or not call.imported
        or "aiplatform" in call.callee
        or (root == "requests" and call.name == "post")
    )


def _is_sdk_job(call: Obj) -> bool:
    """`aiplatform.CustomJob(...)` starts a job; the message class of that name does not."""
    if "job_spec" in call.kwargs or ".gapic" in call.callee or "aiplatform_v1" in call.callee:
        return False
    if (
        isinstance(call.arg("worker_pool_specs", 1), (Seq, Map))
        or "worker_pool_specs" in call.kwargs
    ):
        return True
    return bool(call.open) and isinstance(call.arg("display_name", 0), (Const, type(None)))
