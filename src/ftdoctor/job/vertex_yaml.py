"""Vertex AI job specs written in YAML or JSON: the file of `gcloud ai custom-jobs create --config`.

gcloud wants a CustomJobSpec, in camelCase, with `workerPoolSpecs` at the top. What people write
differs (a whole CustomJob, snake_case, `env` as a mapping): it is read all the same, and what
gcloud would send unread is listed in `unread_keys`.

Notes left in `Job.extra`, each a list: `not_text` (key path, place, YAML kind) for a number or
truth value where the API has a string; `wrong_shape` (key path, place, what belongs there);
`env_as_mapping` (place); `duplicate_keys` (key path, place); `bare_pools` (place) for pools without
`workerPoolSpecs` around them; `template_variables` (`${X}`, `{{ x }}`). Texts: `nested` ("jobSpec"
or "trialJobSpec") and `filled_by` (the tool that fills the template).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.model import Job, Unread, WorkerPool
from ftdoctor.job.value import known, unknown
from ftdoctor.job.vertex_fields import AROUND, JOB_SPEC, POOL, camel
from ftdoctor.job.yaml_values import Mapping, Reader, Scalar, Sequence, Template

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.job.model import Form
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value
    from ftdoctor.job.yaml_values import Node

#: Cheap test before parsing.
MARKERS = ("workerPoolSpec", "worker_pool_spec", "containerSpec", "machineSpec", "trialJobSpec")
_SPEC_KEYS = {"workerPoolSpecs", "jobSpec", "trialJobSpec"}
_POOL_KEYS = {"machineSpec", "containerSpec", "pythonPackageSpec"}


def looks_like_spec(text: str) -> bool:
    """Whether a text may hold a Vertex AI job spec."""
    return any(marker in text for marker in MARKERS)


def read(
    source: Source,
    env: ReadEnv,
    template: Template | None = None,
    prepare: Callable[[Job], None] | None = None,
) -> list[Job]:
    """Return the jobs of a YAML or JSON text. Raises BrokenYaml when it cannot be parsed.

    `template` says how the text is filled in before use. `prepare` is called with each job before
    what its containers run is read: there a command line puts what it says on top of the file.
    """
    reader = Reader(source, env, template or Template())
    jobs: list[Job] = []
    for root in reader.documents():
        if _is_spec(reader, root):
            jobs.append(_Spec(reader, root, prepare).job)
    return jobs


def _is_spec(reader: Reader, root: Node) -> bool:
    if isinstance(root, Sequence):
        return bool(root.value) and _is_pool(reader, root.value[0])
    keys = {camel(key) for key, _, _ in reader.pairs(root)}
    return bool(keys & _SPEC_KEYS) or _is_pool(reader, root)


def _is_pool(reader: Reader, node: Node) -> bool:
    keys = {camel(key) for key, _, _ in reader.pairs(node)}
    return bool(keys & _POOL_KEYS) and bool(keys & {"machineSpec", "replicaCount", "diskSpec"})


class _Spec:
    """One spec being read into a job."""

    def __init__(
        self, reader: Reader, root: Node, prepare: Callable[[Job], None] | None = None
    ) -> None:
        self.reader = reader
        self.env = reader.env
        as_json = reader.source.text.lstrip()[:1] in ("{", "[")
        form: Form = "vertex-json" if as_json else "vertex-yaml"
        self.job = Job("vertex", form, reader.place(root), reader.source)
        self.job.sources.append(reader.source)
        self._root(root)
        if reader.template.more:
            for pool in self.job.pools:
                pool.env_open = pool.env_open or "lines are added to the file after it is written"
        if prepare is not None:
            prepare(self.job)
        for pool in self.job.pools:
            self._attach(pool)
        if reader.holes:
            self.job.extra["template_variables"] = list(dict.fromkeys(reader.holes))
        if reader.template.filled:
            self.job.extra["filled_by"] = reader.template.filled

    def _attach(self, pool: WorkerPool) -> None:
        from ftdoctor.job.container import attach_command

        attach_command(self.job, pool, self.env)

    def _note(self, key: str, item: Any) -> None:
        self.job.extra.setdefault(key, []).append(item)

    def _fields(
        self, node: Node, path: str, known_fields: Any, pool: WorkerPool | None = None
    ) -> dict[str, tuple[str, Scalar, Node]]:
        """Return name -> (key path, key node, value node); list what the API does not have."""
        found: dict[str, tuple[str, Scalar, Node]] = {}
        for key, key_node, value in self.reader.pairs(node):
            name = camel(key)
            full = f"{path}.{key}" if path else key
            place = self.reader.place(key_node)
            right = _spelled(name, known_fields)
            if right is None or key != right:
                (pool.unread_keys if pool else self.job.unread_keys).append((full, place))
            if key in (k for k, _, _ in found.values()):
                self._note("duplicate_keys", (full, place))
            found[right or name] = (full, key_node, value)
        return found

    def _root(self, root: Node) -> None:
        if isinstance(root, Sequence):
            self._pools(root, "")
            self._note("bare_pools", self.reader.place(root))
            return
        if _is_pool(self.reader, root):
            self._note("bare_pools", self.reader.place(root))
            self._pool(root, "", 0)
            return
        keys = {
            camel(key): (key, key_node, value) for key, key_node, value in self.reader.pairs(root)
        }
        nested = next((name for name in ("trialJobSpec", "jobSpec") if name in keys), None)
        if nested is None:
            self._job_spec(root, "", around=True)
            return
        if nested == "trialJobSpec":
            self.job.form = "tuning"
        self.job.extra["nested"] = nested
        for name, (key, key_node, value) in keys.items():
            place = self.reader.place(key_node)
            if name == nested:
                self._job_spec(value, key, around=False)
                continue
            self._around(name, value)
            if name not in AROUND:
                self.job.unread_keys.append((key, place))
        # A whole CustomJob is what the REST API takes; gcloud's --config is a job spec.
        if self.job.form == "vertex-yaml":
            for name in keys:
                if name in AROUND:
                    key, key_node, _ = keys[name]
                    self.job.unread_keys.append((key, self.reader.place(key_node)))

    def _around(self, name: str, value: Node) -> None:
        if name == "displayName":
            self.job.display_name = self.reader.text(value)
        elif name == "labels":
            for label, _, item in self.reader.pairs(value):
                self.job.labels[label] = self.reader.text(item)
        elif name == "encryptionSpec":
            self._inner(value, "kmsKeyName")

    def _inner(self, node: Node, wanted: str) -> None:
        """Keep one text of a mapping in the job's extras."""
        for key, _, item in self.reader.pairs(node):
            if camel(key) == wanted:
                self.job.extra[wanted] = self.reader.text(item)

    def _job_spec(self, node: Node, path: str, *, around: bool) -> None:
        job, reader = self.job, self.reader
        if not isinstance(node, Mapping):
            job.unread.append(Unread(path or "job spec", "it is not a mapping", reader.place(node)))
            return
        fields = self._fields(node, path, JOB_SPEC)
        for name, (full, _, value) in fields.items():
            if name == "workerPoolSpecs":
                self._pools(value, full)
            elif name == "scheduling":
                self._scheduling(value, full)
            elif name == "serviceAccount":
                job.service_account = reader.text(value)
            elif name == "network":
                job.network = reader.text(value)
            elif name == "baseOutputDirectory":
                inner = self._fields(value, full, JOB_SPEC[name])
                if "outputUriPrefix" in inner:
                    job.base_output_dir = reader.text(inner["outputUriPrefix"][2])
                elif isinstance(value, Scalar):
                    job.base_output_dir = reader.text(value)
                    self._note("wrong_shape", (full, reader.place(value), "a mapping"))
            elif name in (
                "persistentResourceId",
                "tensorboard",
                "pscInterfaceConfig",
                "enableWebAccess",
            ):
                job.extra[name] = reader.text(value)
                self._inner(value, "networkAttachment")
            elif name == "reservedIpRanges":
                job.extra[name] = [reader.text(item) for item in reader.items(value)]
            elif around:
                self._around(name, value)

    def _scheduling(self, node: Node, path: str) -> None:
        job, reader = self.job, self.reader
        fields = self._fields(node, path, JOB_SPEC["scheduling"])
        for name, (_, _, value) in fields.items():
            if name == "timeout":
                job.timeout = duration(reader.text(value))
            elif name == "maxWaitDuration":
                job.max_wait = duration(reader.text(value))
            elif name == "strategy":
                job.strategy = reader.text(value)
            elif name == "restartJobOnWorkerRestart":
                job.restart_on_worker_restart = reader.truth(value)

    def _pools(self, node: Node, path: str) -> None:
        if isinstance(node, Mapping):
            # gcloud takes a single mapping as a list of one.
            self._pool(node, path, 0)
            return
        for index, item in enumerate(self.reader.items(node)):
            self._pool(item, f"{path}[{index}]", index)

    def _pool(self, node: Node, path: str, index: int) -> None:
        reader = self.reader
        pool = WorkerPool(place=reader.place(node))
        if not isinstance(node, Mapping):
            reason = "it is not a mapping"
            self.job.unread.append(Unread(path, reason, reader.place(node)))
            return
        self.job.pools.append(pool)
        fields = self._fields(node, path, POOL, pool)
        for name, (full, _, value) in fields.items():
            if name == "replicaCount":
                pool.replica_count = reader.whole_number(value)
            elif name == "machineSpec":
                self._machine(pool, value, full)
            elif name == "diskSpec":
                inner = self._fields(value, full, POOL[name], pool)
                if "bootDiskType" in inner:
                    pool.boot_disk_type = reader.text(inner["bootDiskType"][2])
                if "bootDiskSizeGb" in inner:
                    pool.boot_disk_gb = reader.whole_number(inner["bootDiskSizeGb"][2])
            elif name in ("containerSpec", "pythonPackageSpec"):
                self._container(pool, value, full, POOL[name], index)

    def _machine(self, pool: WorkerPool, node: Node, path: str) -> None:
        inner = self._fields(node, path, POOL["machineSpec"], pool)
        for name, (_, _, value) in inner.items():
            if name == "machineType":
                pool.machine_type = self.reader.text(value)
            elif name == "acceleratorType":
                pool.accelerator_type = self.reader.text(value)
            elif name == "acceleratorCount":
                pool.accelerator_count = self.reader.whole_number(value)
            elif name in ("reservationAffinity", "tpuTopology", "gpuPartitionSize"):
                self.job.extra[name] = self.reader.text(value)

    def _container(self, pool: WorkerPool, node: Node, path: str, fields: Any, index: int) -> None:
        inner = self._fields(node, path, fields, pool)
        for name, (full, _, value) in inner.items():
            if name in ("imageUri", "executorImageUri"):
                pool.image = self.reader.text(value)
            elif name == "command":
                pool.command = self._texts(value, full)
            elif name == "args":
                pool.args = self._texts(value, full)
            elif name == "packageUris":
                pool.package_uris = self._texts(value, full)
            elif name == "pythonModule":
                pool.python_module = self.reader.text(value)
            elif name == "env":
                self._environment(pool, value, full, index)

    def _texts(self, node: Node, path: str) -> list[Value[str]]:
        if isinstance(node, Sequence):
            for number, item in enumerate(node.value):
                self._must_be_text(item, f"{path}[{number}]")
            return [self.reader.text(item) for item in node.value]
        if isinstance(node, Scalar) and node.tag.endswith(":null"):
            return []
        self._note("wrong_shape", (path, self.reader.place(node), "a list of texts"))
        return [self.reader.text(node)]

    def _must_be_text(self, node: Node, path: str) -> None:
        """Note a number, truth value, date or null where the API has a string."""
        if isinstance(node, Scalar) and node.tag.rsplit(":", 1)[-1] == "str":
            return
        kind = node.tag.rsplit(":", 1)[-1]
        self._note("not_text", (path, self.reader.place(node), kind))

    def _environment(self, pool: WorkerPool, node: Node, path: str, index: int) -> None:
        reader = self.reader
        if isinstance(node, Mapping):
            self._note("env_as_mapping", reader.place(node))
            for key, key_node, value in reader.pairs(node):
                self._variable(pool, key, reader.place(key_node), value, f"{path}.{key}")
            return
        if not isinstance(node, Sequence):
            if not node.tag.endswith(":null"):
                pool.env_open = "the env list is written in a way that cannot be read here"
            return
        for number, item in enumerate(node.value):
            full = f"{path}[{number}]"
            if not isinstance(item, Mapping):
                self._note(
                    "wrong_shape", (full, reader.place(item), "a mapping with name and value")
                )
                if isinstance(item, Scalar) and "=" in item.value:
                    name, _, _ = reader.text(item).raw.partition("=")
                    pool.env_open = f"{name} is written as NAME=value, not as a mapping"
                continue
            self._entry(pool, item, full, index)

    def _entry(self, pool: WorkerPool, item: Node, full: str, index: int) -> None:
        reader = self.reader
        inner = self._fields(item, full, {"name": None, "value": None}, pool)
        if "name" not in inner:
            pairs = list(reader.pairs(item))
            if len(pairs) == 1:
                # `- HF_TOKEN: abc`: a mapping of one where {name, value} belongs.
                key, key_node, value = pairs[0]
                self._note("env_as_mapping", reader.place(item))
                self._variable(pool, key, reader.place(key_node), value, f"{full}.{key}")
            return
        name_node = inner["name"][2]
        name = reader.text(name_node)
        text = name.value if name.known else name.raw
        if not text:
            return
        self._must_be_text(name_node, f"{full}.name")
        if "value" in inner:
            self._variable(pool, text, reader.place(name_node), inner["value"][2], f"{full}.value")
            return
        place = reader.place(name_node)
        pool.env_places[text] = place
        if "valueFrom" in inner or "secretKeyRef" in inner:
            pool.env[text] = unknown("it is to come from a secret, which this API cannot do", place)
        else:
            pool.env[text] = known("", reader.place(item))

    def _variable(self, pool: WorkerPool, name: str, place: Place, node: Node, path: str) -> None:
        value = self.reader.text(node)
        if isinstance(node, Scalar) and node.tag.endswith(":null"):
            value = known("", value.place, node.value)
        self._must_be_text(node, path)
        pool.env[name] = value
        pool.env_places[name] = place


def _spelled(name: str, fields: Any) -> str | None:
    return name if fields is None or name in fields else None


def duration(text: Value[str]) -> Value[int]:
    """Return the seconds of a protobuf duration ("86400s"); other spellings are unknown."""
    if not text.known or text.value is None:
        return unknown(text.unknown, text.place, text.raw, text.default)
    match = re.fullmatch(r"\s*(\d{1,12})(?:\.\d+)?s\s*", text.value)
    if match:
        return known(int(match.group(1)), text.place, text.value)
    return unknown(f"{text.value!r} is no duration such as 86400s", text.place, text.value)
