"""Terraform: machine, image and environment of Vertex AI jobs in HCL, where they are literals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.model import Job, Unread, WorkerPool
from ftdoctor.job.value import known, unknown
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value

_RESOURCE = lazy(r'(?m)^[ \t]*resource\s+"(google_vertex_ai_[a-z_]+)"\s+"([\w-]+)"\s*\{')
_VARIABLE = lazy(r'(?m)^[ \t]*variable\s+"([\w-]+)"\s*\{')
_LOCALS = lazy(r"(?m)^[ \t]*locals\s*\{")
_PAIR = lazy(r'(?m)^[ \t]*"?([A-Za-z_]\w*)"?\s*[=:]\s*("(?:[^"\\\n]|\\.)*"|[\w.\[\]-]+)')
_BLOCK = lazy(r"(?m)^[ \t]*([A-Za-z_]\w*)\s*(?:=\s*)?\{")
_POOLS = lazy(r"(?m)^[ \t]*(?:worker_pool_specs?|worker_pools?)\s*(?:=\s*)?[\[{]")


def read(source: Source, env: ReadEnv) -> list[Job]:
    """Return the Vertex AI jobs of a Terraform file."""
    text = re.sub(r"(?m)(?:^|(?<=\s))(?:#|//)[^\n]*", lambda m: " " * len(m.group()), source.text)
    constants = _constants(text)
    jobs = []
    for match in _RESOURCE.finditer(text):
        if "custom_job" not in match.group(1) and "training" not in match.group(1):
            continue
        end = _close(text, match.end() - 1)
        jobs.append(_job(source, text, match, end, constants))
    return jobs


def _close(text: str, start: int) -> int:
    """Return the offset just past the bracket that closes the one at `start`."""
    depth = 0
    quoted = False
    at = start
    while at < len(text):
        char = text[at]
        if quoted:
            at += char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in "{[(":
            depth += 1
        elif char in "}])":
            depth -= 1
            if depth <= 0:
                return at + 1
        at += 1
    return len(text)


def _constants(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _VARIABLE.finditer(text):
        body = text[match.end() : _close(text, match.end() - 1)]
        default = re.search(r'(?m)^\s*default\s*=\s*"([^"\n]*)"', body)
        if default:
            found[f"var.{match.group(1)}"] = default.group(1)
    for match in _LOCALS.finditer(text):
        body = text[match.end() : _close(text, match.end() - 1)]
        for pair in _PAIR.finditer(body):
            if pair.group(2).startswith('"') and "${" not in pair.group(2):
                found[f"local.{pair.group(1)}"] = pair.group(2).strip('"')
    return found


def _job(
    source: Source, text: str, match: re.Match[str], end: int, constants: dict[str, str]
) -> Job:
    job = Job("vertex", "terraform", source.span(match.start(), match.end()), source)
    job.name = match.group(2)
    job.sources.append(source)
    start = match.end()
    values = _values(source, text, start, end, constants)
    job.region = _first(values, "region", "location")
    job.project = _first(values, "project")
    job.display_name = _first(values, "display_name")
    job.service_account = _first(values, "service_account")
    job.network = _first(values, "network")
    job.base_output_dir = _first(values, "output_uri_prefix")
    for pool_match in _POOLS.finditer(text, start, end):
        close = _close(text, pool_match.end() - 1)
        job.pools.append(_pool(source, text, pool_match.start(), close, constants))
    if not job.pools:
        job.unread.append(Unread("worker pools", "seen, not read", job.place))
    job.unread.append(Unread("Terraform", "only literals are read", job.place))
    return job


def _pool(source: Source, text: str, start: int, end: int, constants: dict[str, str]) -> WorkerPool:
    values = _values(source, text, start, end, constants)
    pool = WorkerPool(place=source.span(start, min(start + 20, end)))
    pool.machine_type = _first(values, "machine_type")
    pool.accelerator_type = _first(values, "accelerator_type")
    pool.accelerator_count = _number(_first(values, "accelerator_count"))
    pool.replica_count = _number(_first(values, "replica_count"))
    pool.image = _first(values, "image_uri", "executor_image_uri")
    pool.boot_disk_type = _first(values, "boot_disk_type")
    pool.boot_disk_gb = _number(_first(values, "boot_disk_size_gb"))
    names = values.get("name", [])
    texts = values.get("value", [])
    if len(names) == len(texts):
        for name, value in zip(names, texts, strict=True):
            if name.known and name.value:
                pool.env[name.value] = value
                if name.place is not None:
                    pool.env_places[name.value] = name.place
    else:
        pool.env_open = "the environment is put together by Terraform"
    if re.search(r"\bdynamic\b|\bfor\b|merge\(", text[start:end]):
        pool.env_open = "the environment is put together by Terraform"
    return pool


def _values(
    source: Source, text: str, start: int, end: int, constants: dict[str, str]
) -> dict[str, list[Value[str]]]:
    found: dict[str, list[Value[str]]] = {}
    for pair in _PAIR.finditer(text, start, end):
        place = source.span(pair.start(2), pair.end(2))
        raw = pair.group(2)
        value: Value[str]
        if raw.startswith('"') and "${" not in raw:
            value = known(raw[1:-1], place, raw)
        elif re.fullmatch(r"-?\d+(?:\.\d+)?|true|false", raw):
            value = known(raw, place)
        else:
            name = raw.strip('"').removeprefix("${").removesuffix("}")
            reason = f"Terraform fills in {raw}"
            fixed = constants.get(name)
            if fixed is not None and name.startswith("local."):
                value = known(fixed, place, raw)
            else:
                value = unknown(reason, place, raw, fixed)
        found.setdefault(pair.group(1), []).append(value)
    return found


def _first(values: dict[str, list[Value[str]]], *names: str) -> Value[str] | None:
    return next((values[name][0] for name in names if name in values), None)


def _number(value: Value[str] | None) -> Value[int] | None:
    if value is None:
        return None
    if value.known and value.value is not None and value.value.isdigit():
        return known(int(value.value), value.place, value.raw)
    return unknown(value.unknown or "it is not a whole number", value.place, value.raw)
