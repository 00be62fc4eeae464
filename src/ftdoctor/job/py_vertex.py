"""Vertex AI jobs written in Python: the SDK, its training pipelines, and the generated client.

Names and positions: google-cloud-aiplatform 2.7.0, aiplatform/jobs.py and training_jobs.py. Keys of
specs are snake_case there; other spellings are noted in `job.extra["camel_keys"]`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.model import Job, Unread, WorkerPool
from ftdoctor.job.py_abstract import Abstract, At, Const, Map, Obj, Ref, Seq, Unk
from ftdoctor.job.py_ops import reason_of
from ftdoctor.job.py_values import command_texts, flag, number, place_of, text, texts, value
from ftdoctor.job.value import Value, known, unknown

if TYPE_CHECKING:
    from ftdoctor.job.model import Form
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Place, Source


def snake(name: str) -> str:
    """Return a key in snake_case."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


class Fields:
    """The fields of a spec, written as a dict or as a call of a message class."""

    def __init__(self, found: Abstract | None, job: Job, path: str = ""):
        self.values: dict[str, Abstract] = {}
        self.keys: dict[str, At | None] = {}
        self.open = ""
        self.whole = found
        self.path = path
        if isinstance(found, Map):
            for key, (item, at) in found.data.items():
                name = snake(str(key))
                if name != key and at is not None and at.place is not None:
                    note(job, "camel_keys", (f"{path}.{key}".lstrip("."), at.place))
                self.values[name] = item
                self.keys[name] = at
            self.open = found.now.open
        elif isinstance(found, Obj) and not found.derived:
            self.values.update({snake(key): item for key, item in found.kwargs.items()})
            self.values.update(
                {str(k): v for k, v in found.cells.items() if isinstance(v, Abstract)}
            )
            self.keys.update(found.kw_at)
            if len(found.args) == 1 and isinstance(found.args[0], Map) and not found.kwargs:
                inner = Fields(found.args[0], job, path)
                self.values, self.keys, self.open = inner.values, inner.keys, inner.open
            self.open = self.open or found.open
        elif found is not None and not (isinstance(found, Const) and found.value is None):
            self.open = reason_of(found)

    def get(self, name: str) -> Abstract | None:
        """Return a field; unknown when it may be hidden in what could not be followed."""
        found = self.values.get(name)
        if found is None and self.open and not isinstance(self.whole, (Map, Obj)):
            return Unk(self.open, self.whole.at if self.whole is not None else None)
        return None if isinstance(found, Const) and found.value is None else found


def note(job: Job, key: str, item: Any) -> None:
    """Add an item to a list in `job.extra`."""
    items = job.extra.setdefault(key, [])
    if item not in items:
        items.append(item)


def maybe_text(found: Abstract | None) -> Value[str] | None:
    """Return a text, None when it is not written."""
    return text(found) if found is not None else None


#: aiplatform_v1.types.AcceleratorType (google-cloud-aiplatform 2.7.0): some write the number.
_ACCELERATORS = (
    "ACCELERATOR_TYPE_UNSPECIFIED NVIDIA_TESLA_K80 NVIDIA_TESLA_P100 NVIDIA_TESLA_V100 "
    "NVIDIA_TESLA_P4 NVIDIA_TESLA_T4 TPU_V2 TPU_V3 NVIDIA_TESLA_A100 NVIDIA_A100_80GB TPU_V4_POD "
    "NVIDIA_L4 TPU_V5_LITEPOD NVIDIA_H100_80GB NVIDIA_H100_MEGA_80GB NVIDIA_H200_141GB "
    "NVIDIA_B200 NVIDIA_GB200 NVIDIA_RTX_PRO_6000"
).split()


def accelerator(found: Abstract | None) -> Value[str] | None:
    """Return the name of an accelerator, written as a text, an enum member or its number."""
    if isinstance(found, Const) and type(found.value) is int:
        if 0 <= found.value < len(_ACCELERATORS):
            return known(_ACCELERATORS[found.value], place_of(found), str(found.value))
        return unknown("it is a number that stands for no accelerator", place_of(found))
    return maybe_text(found)


def maybe_number(found: Abstract | None) -> Value[int] | None:
    """Return a number, None when it is not written."""
    return number(found) if found is not None else None


def read_pools(job: Job, specs: Abstract | None, env: ReadEnv) -> None:
    """Read worker pool specs into a job, and what their containers run."""
    if isinstance(specs, Seq):
        for index, item in enumerate(specs.items):
            if isinstance(item, Unk) and index:
                # A pool that there may be or not: no statement about it would be sure.
                place = place_of(item)
                job.unread.append(Unread("further worker pools", item.reason, place))
                continue
            job.pools.append(_pool(job, item, f"worker_pool_specs[{index}]", env))
        if specs.now.open:
            place = place_of(specs)
            job.unread.append(Unread("further worker pools", specs.now.open, place))
    elif specs is not None:
        pool = _pool(job, specs, "worker_pool_specs", env)
        job.pools.append(pool)
        if isinstance(specs, Map):
            note(job, "wrong_shape", ("worker_pool_specs", place_of(specs), "a list of pools"))


def _pool(job: Job, spec: Abstract, path: str, env: ReadEnv) -> WorkerPool:
    pool = WorkerPool(place=place_of(spec))
    fields = Fields(spec, job, path)
    if fields.open:
        pool.env_open = fields.open
    machine = Fields(fields.get("machine_spec"), job, f"{path}.machine_spec")
    pool.machine_type = maybe_text(machine.get("machine_type"))
    pool.accelerator_type = accelerator(machine.get("accelerator_type"))
    pool.accelerator_count = maybe_number(machine.get("accelerator_count"))
    for extra in ("tpu_topology", "reservation_affinity"):
        found = machine.get(extra)
        if found is not None and extra in machine.values:
            job.extra[_CAMEL[extra]] = value(found)
    pool.replica_count = maybe_number(fields.get("replica_count"))
    disk = Fields(fields.get("disk_spec"), job, f"{path}.disk_spec")
    pool.boot_disk_type = maybe_text(disk.get("boot_disk_type"))
    pool.boot_disk_gb = maybe_number(disk.get("boot_disk_size_gb"))
    container = Fields(fields.get("container_spec"), job, f"{path}.container_spec")
    package = Fields(fields.get("python_package_spec"), job, f"{path}.python_package_spec")
    chosen = container if container.values or container.open else package
    pool.image = maybe_text(container.get("image_uri") or package.get("executor_image_uri"))
    pool.command = words(job, container.get("command"), f"{path}.container_spec.command", env)
    pool.args = words(job, chosen.get("args"), f"{chosen.path}.args", env)
    pool.package_uris = command_texts(package.get("package_uris"))
    pool.python_module = maybe_text(package.get("python_module"))
    read_env_list(job, pool, chosen.get("env"), f"{chosen.path}.env")
    if chosen.open and not pool.env_open:
        pool.env_open = chosen.open
    return pool


_CAMEL = {"tpu_topology": "tpuTopology", "reservation_affinity": "reservationAffinity"}


def words(job: Job, found: Abstract | None, path: str, env: ReadEnv) -> list[Value[str]]:
    """Return a command or argument list; note what is no list of texts."""
    if isinstance(found, Const) and isinstance(found.value, str):
        note(job, "wrong_shape", (path, place_of(found), "a list of texts"))
    for index, item in enumerate(found.items if isinstance(found, Seq) else ()):
        if isinstance(item, Const) and not isinstance(item.value, str):
            kind = {bool: "bool", int: "int", float: "float"}.get(type(item.value), "null")
            note(job, "not_text", (f"{path}[{index}]", place_of(item), kind))
    return command_texts(found, env)


def read_env_list(job: Job, pool: WorkerPool, found: Abstract | None, path: str) -> None:
    """Read `env`: a list of {name, value}; a mapping, which the message does not take, is noted."""
    if found is None:
        return
    if isinstance(found, Map):
        place = place_of(found)
        if place is not None:
            note(job, "env_as_mapping", place)
        read_env_map(job, pool, found, path)
        return
    if not isinstance(found, Seq):
        pool.env_open = pool.env_open or reason_of(found)
        return
    pool.env_open = pool.env_open or found.now.open
    for index, item in enumerate(found.items):
        entry = Fields(item, job, f"{path}[{index}]")
        name = entry.get("name")
        if isinstance(name, Const) and isinstance(name.value, str):
            _variable(job, pool, name.value, place_of(name), entry.get("value"), entry.path)
        else:
            pool.env_open = pool.env_open or "the name of a variable is not known"


def read_env_map(job: Job, pool: WorkerPool, found: Abstract | None, path: str) -> None:
    """Read `environment_variables={...}`."""
    if found is None:
        return
    if not isinstance(found, Map):
        pool.env_open = pool.env_open or reason_of(found)
        return
    pool.env_open = pool.env_open or found.now.open
    for key, (item, at) in found.data.items():
        _variable(job, pool, str(key), at.place if at else None, item, f"{path}.{key}")


def _variable(
    job: Job, pool: WorkerPool, name: str, place: Place | None, item: Abstract | None, path: str
) -> None:
    if item is None:
        pool.env[name] = known("", place)
    else:
        pool.env[name] = text(item)
        if isinstance(item, Const) and not isinstance(item.value, str):
            kind = {bool: "bool", int: "int", float: "float"}.get(type(item.value), "null")
            note(job, "not_text", (path, place_of(item), kind))
    if place is not None:
        pool.env_places[name] = place


# Settings of a job


def settings(job: Job, call: Obj | None, start: int = -1) -> None:
    """Read what `run`, `submit` and the constructors take besides the machines."""
    if call is None:
        return

    def given(name: str) -> Abstract | None:
        found = call.kwargs.get(name)
        return None if isinstance(found, Const) and found.value is None else found

    job.service_account = maybe_text(given("service_account")) or job.service_account
    job.network = maybe_text(given("network")) or job.network
    job.base_output_dir = maybe_text(given("base_output_dir")) or job.base_output_dir
    job.staging_bucket = maybe_text(given("staging_bucket")) or job.staging_bucket
    job.project = maybe_text(given("project")) or job.project
    job.region = maybe_text(given("location")) or job.region
    job.timeout = maybe_number(given("timeout")) or job.timeout
    job.max_wait = maybe_number(given("max_wait_duration")) or job.max_wait
    strategy = given("scheduling_strategy")
    if strategy is not None:
        job.strategy = _strategy(strategy)
    restart = given("restart_job_on_worker_restart")
    if restart is not None:
        job.restart_on_worker_restart = flag(restart)
    for name, key in _EXTRA.items():
        found = given(name)
        if found is not None:
            job.extra[key] = text(found)
    ranges = given("reserved_ip_ranges")
    if ranges is not None:
        job.extra["reservedIpRanges"] = texts(ranges)
    labels = given("labels")
    if isinstance(labels, Map):
        for key, (item, _) in labels.data.items():
            job.labels[str(key)] = text(item)


_EXTRA = {
    "persistent_resource_id": "persistentResourceId",
    "tensorboard": "tensorboard",
    "psc_interface_config": "pscInterfaceConfig",
    "enable_web_access": "enableWebAccess",
    "encryption_spec_key_name": "kmsKeyName",
    "training_encryption_spec_key_name": "kmsKeyName",
    "tpu_topology": "tpuTopology",
}
#: aiplatform_v1.types.Scheduling.Strategy
_STRATEGIES = {
    0: "STRATEGY_UNSPECIFIED",
    1: "ON_DEMAND",
    2: "LOW_COST",
    3: "STANDARD",
    4: "SPOT",
    6: "FLEX_START",
}


def _strategy(found: Abstract) -> Value[str]:
    if isinstance(found, Ref):
        return known(found.name.rsplit(".", 1)[-1], place_of(found), found.name)
    result = value(found)
    if isinstance(result.value, int):
        name = _STRATEGIES.get(result.value)
        if name is not None:
            return Value(name, result.place, "", result.raw)
    return text(found)


def job_spec(job: Job, spec: Abstract | None, env: ReadEnv) -> None:
    """Read a CustomJobSpec message or dict."""
    fields = Fields(spec, job, "job_spec")
    if fields.open and not fields.values:
        job.unread.append(Unread("job spec", fields.open, place_of(spec)))
        return
    read_pools(job, fields.get("worker_pool_specs"), env)
    scheduling = Fields(fields.get("scheduling"), job, "job_spec.scheduling")
    timeout = scheduling.get("timeout")
    if timeout is not None:
        job.timeout = duration(timeout)
    wait = scheduling.get("max_wait_duration")
    if wait is not None:
        job.max_wait = duration(wait)
    strategy = scheduling.get("strategy")
    if strategy is not None:
        job.strategy = _strategy(strategy)
    restart = scheduling.get("restart_job_on_worker_restart")
    if restart is not None:
        job.restart_on_worker_restart = flag(restart)
    job.service_account = maybe_text(fields.get("service_account"))
    job.network = maybe_text(fields.get("network"))
    output = Fields(fields.get("base_output_directory"), job, "job_spec.base_output_directory")
    job.base_output_dir = maybe_text(output.get("output_uri_prefix"))
    for name, key in _EXTRA.items():
        found = fields.get(name)
        if found is not None and name in fields.values:
            job.extra[key] = text(found)


def duration(found: Abstract) -> Value[int]:
    """Return seconds of `{"seconds": 3600}`, "3600s", a Duration or timedelta."""
    if isinstance(found, Map) and (seconds := found.get("seconds")) is not None:
        return number(seconds)
    if isinstance(found, Obj):
        total = 0
        for name, factor in (("seconds", 1), ("minutes", 60), ("hours", 3600), ("days", 86400)):
            part = found.arg(name)
            if part is None:
                continue
            amount = number(part)
            if amount.unknown or amount.value is None:
                return amount
            total += amount.value * factor
        if total:
            return known(total, place_of(found), found.at.raw if found.at else "")
        return unknown(reason_of(found), place_of(found))
    result = value(found)
    if isinstance(result.value, str):
        match = re.fullmatch(r"(\d+)(?:\.\d+)?s", result.value.strip())
        if match is not None:
            return Value(int(match[1]), result.place, "", result.raw)
        return Value(None, result.place, "it is no duration", result.raw)
    return number(found)


def new_job(source: Source, call: Obj, form: Form = "vertex-python") -> Job:
    """Return an empty Vertex job that a call makes."""
    from ftdoctor.job.source import Place as _Place

    where = place_of(call) or _Place(source.path, 1)
    job = Job("vertex", form, where, source)
    job.extra["sdk"] = call.callee
    return job
