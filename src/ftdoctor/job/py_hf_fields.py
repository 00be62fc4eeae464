"""The arguments of a Hugging Face job: machine, environment, secrets, and what it runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.model import Unread, WorkerPool
from ftdoctor.job.py_abstract import Abstract, Const, Map, Obj, Seq, Unk, text_of
from ftdoctor.job.py_embedded import text_source
from ftdoctor.job.py_ops import reason_of
from ftdoctor.job.py_values import command_text, command_texts, place_of, text, value
from ftdoctor.job.requirements import parse_requirement
from ftdoctor.job.value import Value, known

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.readenv import ReadEnv

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def entries(found: Abstract | None) -> dict[str, Abstract]:
    """Return the entries of a dict by name; none of anything else."""
    if isinstance(found, Map):
        return {str(key): item for key, (item, _) in found.data.items()}
    return {}


def fill(job: Job, fields: dict[str, Abstract], kind: str, env: ReadEnv, tool: bool) -> None:
    """Read the arguments of a job; `tool` for the agents' call, which takes more liberties."""

    def given(*names: str) -> Abstract | None:
        for name in names:
            found = fields.get(name)
            if found is not None and not (isinstance(found, Const) and found.value is None):
                return found
        return None

    pool = WorkerPool(place=job.place)
    job.pools.append(pool)
    flavor = given("flavor", "hardware_flavor", "hardware")
    job.flavor = text(flavor) if flavor is not None else None
    namespace = given("namespace")
    job.namespace = text(namespace) if namespace is not None else None
    timeout = given("timeout")
    job.timeout = seconds(timeout) if timeout is not None else None
    name = given("name")
    if name is not None:
        job.display_name = text(name)
        job.name = job.display_name.value or ""
    python = given("python")
    job.python = text(python) if python is not None else None
    image = given("image", "docker_image")
    pool.image = text(image) if image is not None else None
    _mapping(job, given("labels"), job.labels)
    _variables(job, pool, given("env", "environment"))
    _secrets(job, given("secrets"))
    _volumes(job, given("volumes"))
    if given("token") is not None:
        job.extra["token"] = text(given("token"))
    if given("script") is not None and (kind == "uv" or tool):
        _script(job, pool, fields, env, tool)
    else:
        _command(job, pool, given("command", "cmd"), env, tool)


def _mapping(job: Job, found: Abstract | None, target: dict[str, Value[str]]) -> None:
    if isinstance(found, Map):
        for key, (item, _) in found.data.items():
            target[str(key)] = text(item)


def _variables(job: Job, pool: WorkerPool, found: Abstract | None) -> None:
    if isinstance(found, Map):
        for key, (item, at) in found.data.items():
            pool.env[str(key)] = text(item)
            if at is not None and at.place is not None:
                pool.env_places[str(key)] = at.place
        pool.env_open = found.now.open
    elif found is not None:
        pool.env_open = reason_of(found)


def _secrets(job: Job, found: Abstract | None) -> None:
    if isinstance(found, Map):
        _mapping(job, found, job.secrets)
        if found.now.open:
            job.extra["secrets_open"] = found.now.open
    elif isinstance(found, Seq):
        # The older tool took names: ["HF_TOKEN"].
        for item in found.items:
            name = text_of(item)
            if name is not None:
                job.secrets[name] = known(f"${name}", place_of(item))
        place = place_of(found)
        if place is not None:
            job.extra.setdefault("wrong_shape", []).append(("secrets", place, "a mapping"))
    elif found is not None:
        job.extra["secrets_open"] = reason_of(found)


def _volumes(job: Job, found: Abstract | None) -> None:
    for item in found.items if isinstance(found, Seq) else ():
        if isinstance(item, (Obj, Map)):
            fields = item.kwargs if isinstance(item, Obj) else entries(item)
            parts = [text_of(fields.get(k)) for k in ("type", "source", "mount_path")]
            if all(parts):
                spelled = f"hf://{parts[0]}s/{parts[1]}:{parts[2]}"
                job.volumes.append(known(spelled, place_of(item)))
                continue
        job.volumes.append(text(item))


def seconds(found: Abstract) -> Value[int]:
    """Return a timeout in seconds: a number, or digits with s, m, h or d (huggingface_hub)."""
    result = value(found)
    if result.unknown:
        return result
    data = result.value
    if isinstance(data, (int, float)) and not isinstance(data, bool):
        return Value(int(data), result.place, "", result.raw)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(data))
    if match is None:
        return Value(None, result.place, "it is no duration that HF Jobs reads", str(data))
    return Value(int(float(match[1]) * _UNITS.get(match[2], 1)), result.place, "", str(data))


def _command(job: Job, pool: WorkerPool, found: Abstract | None, env: ReadEnv, tool: bool) -> None:
    from ftdoctor.job.container import attach_command

    if isinstance(found, Const) and isinstance(found.value, str):
        place = place_of(found)
        if tool:
            # The tool splits a text like a shell does (hf-mcp-server, parseCommand).
            import shlex

            try:
                split = [known(word, place) for word in shlex.split(found.value)]
            except ValueError:
                split = [command_text(found, env)]
            pool.command = split
        else:
            if place is not None:
                item = ("command", place, "a list of texts")
                job.extra.setdefault("wrong_shape", []).append(item)
            pool.command = [command_text(found, env)]
    else:
        pool.command = command_texts(found, env)
    attach_command(job, pool, env)


def _script(
    job: Job, pool: WorkerPool, fields: dict[str, Abstract], env: ReadEnv, tool: bool
) -> None:
    """Read what `uv run` gets: a file, a text, an address or a command."""
    from ftdoctor.job.container import attach_argv
    from ftdoctor.job.steps import add_script, read_script_header

    job.extra["uv"] = True
    script = fields["script"]
    args = command_texts(fields.get("script_args") or fields.get("args"), env)
    _dependencies(job, fields.get("dependencies") or fields.get("with_deps") or fields.get("with"))
    source = text_source(script, "script of the job")
    if source is None:
        found = text(script)
        job.unread.append(Unread("script", found.unknown or "it is no text", found.place))
        return
    body = source.text.strip()
    job.extra["script"] = text(script) if "\n" not in body else known("", place_of(script))
    if "\n" in source.text:
        if not body.strip(". \n") or body in ("<script content>",):
            return
        job.extra["inline_script"] = True
        add_script(job, source, args, env)
        read_script_header(job, source)
        return
    if not body or body == "..." or body.startswith("<"):
        job.unread.append(Unread("script", "its text is left out here", place_of(script)))
        return
    if isinstance(script, Unk):
        job.unread.append(Unread(f"script {body}", script.reason, place_of(script)))
        return
    if body.startswith(("http://", "https://")):
        if "/trl/" in body and "/scripts/" in body:
            attach_argv(
                job, [known("uv"), known("run"), text(script), *args], env, pool.env, job.place
            )
            return
        reason = "it is fetched from its address when the job starts"
        job.unread.append(Unread(f"script {body}", reason, place_of(script)))
        return
    if body.endswith(".py"):
        _file(job, body, script, args, env, tool)
        return
    attach_argv(job, [known("uv"), known("run"), text(script), *args], env, pool.env, job.place)


def _file(
    job: Job, path: str, script: Abstract, args: list[Value[str]], env: ReadEnv, tool: bool
) -> None:
    from ftdoctor.job.steps import add_script, read_script_header

    source = job.source if path == job.source.path else env.find(path)
    if tool:
        # The tool runs elsewhere: a path of this machine does not exist there.
        job.extra["local_script"] = text(script)
    if source is None:
        reason = "it is not among these files"
        job.unread.append(Unread(f"script {path}", reason, place_of(script)))
        return
    add_script(job, source, args, env)
    read_script_header(job, source)


def _dependencies(job: Job, found: Abstract | None) -> None:
    if isinstance(found, Const) and isinstance(found.value, str):
        items: list[Abstract] = [found]
    elif isinstance(found, Seq):
        items = list(found.items)
        if found.now.open:
            job.unread.append(Unread("further dependencies", found.now.open, place_of(found)))
    else:
        if found is not None and not isinstance(found, Const):
            job.unread.append(Unread("dependencies", reason_of(found), place_of(found)))
        return
    for item in items:
        wanted = text_of(item)
        if wanted is None:
            job.unread.append(Unread("a dependency", reason_of(item), place_of(item)))
            continue
        requirement = parse_requirement(wanted, "uv-with", place_of(item))
        if requirement is not None:
            job.requirements.append(requirement)
