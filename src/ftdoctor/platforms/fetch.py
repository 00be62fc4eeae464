"""Explain a job by its id: find the platform, wait, read job and log, keep them if asked."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ftdoctor.errors import FtdoctorError, UnreadableInput, UsageError
from ftdoctor.logs.explain import explain_log
from ftdoctor.logs.reading import RawLog, open_log
from ftdoctor.platforms.base import JobId, RemoteJob
from ftdoctor.platforms.ids import parse_id
from ftdoctor.redact import redact, redact_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftdoctor.logs.explain import Explanation
    from ftdoctor.logs.lines import Line
    from ftdoctor.logs.patterns import Patterns
    from ftdoctor.platforms.base import Platform

#: Seconds between looks at a job that has not ended.
POLL = float(os.environ.get("FTDOCTOR_POLL_SECONDS") or 10)
LOG, JOB = "log.jsonl", "job.json"


class _Stream:
    """Pieces of bytes as something to read from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    def read(self, size: int) -> bytes:
        """Return about `size` bytes, b"" at the end."""
        found: list[bytes] = []
        while size > 0:
            piece = next(self._pieces, b"")
            if not piece:
                break
            found.append(piece)
            size -= len(piece)
        return b"".join(found)

    def close(self) -> None:
        """Nothing is open."""


def platform(name: str, options: dict[str, Any]) -> Platform:
    """Return a platform by name."""
    if name == "vertex":
        from ftdoctor.platforms.vertex import Vertex

        return Vertex(options.get("project") or "", options.get("region") or "")
    from ftdoctor.platforms.hf_jobs import HfJobs

    return HfJobs(options.get("namespace") or "")


def explain_job(
    name: str, patterns: Patterns, options: dict[str, Any], good: Any = None
) -> Explanation:
    """Explain the job that a text names (or "--last", or a folder that --save made).

    Raises:
        UsageError: the text names nothing.
        FtdoctorError: the job or its log may not be read.
    """
    if os.path.isdir(name):
        return _saved(name, patterns, options, good)
    job = _last(options) if name == "--last" else _named(name, options)
    where = platform(job.platform, options)
    remote = where.get(job)
    if options.get("follow"):
        remote = _wait(where, remote)
    elif not remote.ended:
        _note(f"{remote.id} has not ended (state {remote.state}); what is there is explained.")
    return _explain(remote, where.logs(remote), patterns, options, good)


def _named(name: str, options: dict[str, Any]) -> JobId:
    from ftdoctor.platforms import gcloud_defaults

    job = parse_id(
        name,
        platform=options.get("platform") or "auto",
        project=options.get("project") or gcloud_defaults.project(),
        region=options.get("region") or gcloud_defaults.region(),
        namespace=options.get("namespace") or "",
    )
    if job is None:
        open_log(name).close()  # tells that there is no such file, and which ids are known
        raise UsageError(f"{name} cannot be explained.", "Give a log file or a job.")
    return job


def _last(options: dict[str, Any]) -> JobId:
    wanted = options.get("platform") or "auto"
    if wanted == "auto":
        raise UsageError(
            "--last needs to know where.", "Add --platform vertex or --platform hf-jobs."
        )
    job = platform(wanted, options).last_failed()
    if job is None:
        raise UsageError("There is no failed job.", "Give the id of the job.")
    return job


def _wait(where: Platform, remote: RemoteJob) -> RemoteJob:
    """Wait for the end; Ctrl-C leaves the job running."""
    shown = ""
    while not remote.ended:
        if remote.state != shown:
            _note(f"{remote.id}: {remote.state}")
            shown = remote.state
        time.sleep(POLL)
        remote = where.get(remote.id)
    return remote


def _note(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"{redact(text)}\n")


def _explain(
    remote: RemoteJob,
    pieces: Iterator[bytes],
    patterns: Patterns,
    options: dict[str, Any],
    good: Any,
) -> Explanation:
    folder = options.get("save") or ""
    if folder:
        _keep_job(folder, remote)
        pieces = _keep_log(folder, pieces)
    problems: list[FtdoctorError] = []
    stream = cast("BinaryIO", _Stream(_until_error(pieces, problems)))
    raw = RawLog(str(remote.id), stream)
    result = explain_log(
        raw,
        patterns,
        platform=remote.id.platform,
        job=platform_lines(remote),
        good=good,
        known=remote.facts,
        engine=options.get("engine") or "auto",
        failed=remote.failed,
        job_file=options.get("job_file") or "",
    )
    if problems:
        # What the platform says of the end may be the cause; that a process ended is none.
        if result.cause is None or result.cause["confidence"] == "low":
            raise problems[0]
        result.scan.truncated = problems[0].message
    result.run = {
        "platform": remote.id.platform,
        "id": str(remote.id),
        "state": remote.state,
        "url": remote.url,
    }
    return result


def _until_error(pieces: Iterable[bytes], problems: list[FtdoctorError]) -> Iterator[bytes]:
    """Pass the log on; when it may not be read further, the job's own error can still explain."""
    try:
        yield from pieces
    except FtdoctorError as error:
        problems.append(error)


def platform_lines(remote: RemoteJob) -> list[Line]:
    """Return what the job resource itself says about its end, as lines of the platform."""
    from ftdoctor.logs.clean import clean_line
    from ftdoctor.logs.envelope import platform_job

    lines: list[Line] = []
    for record in platform_job(0, remote.raw):
        for text in record.message.split("\n"):
            lines += clean_line(text, 0, "service", record.time)
    return lines


def _keep_job(folder: str, remote: RemoteJob) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, JOB), "w", encoding="utf-8") as file:
            kept = {
                "platform": remote.id.platform,
                "id": remote.id.id,
                "owner": remote.id.owner,
                "region": remote.id.region,
                "kind": remote.id.kind,
                "state": remote.state,
                "url": remote.url,
                "facts": remote.facts,
                "failed": remote.failed,
                "job": remote.raw,
            }
            json.dump(redact_tree(kept), file, indent=1, ensure_ascii=False, default=str)
    except OSError as error:
        raise UsageError(
            f"{folder}: {error.strerror or error}", "Name a folder to write in."
        ) from None


def _keep_log(folder: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    with open(os.path.join(folder, LOG), "wb") as file:
        for piece in pieces:
            file.write(redact(piece.decode("utf-8", "replace")).encode("utf-8", "replace"))
            yield piece


def _saved(folder: str, patterns: Patterns, options: dict[str, Any], good: Any) -> Explanation:
    """Explain what --save kept."""
    try:
        with open(os.path.join(folder, JOB), encoding="utf-8") as file:
            kept = json.load(file)
        raw = kept["job"]
        job = JobId(kept["platform"], kept["id"], kept["owner"], kept["region"], kept["kind"])
        remote = RemoteJob(job, kept["state"], True, kept["failed"], raw, kept["url"])
        remote.facts = kept["facts"]
        log = open(os.path.join(folder, LOG), "rb")  # noqa: SIM115 - closed by `with` below
    except FileNotFoundError:
        raise UsageError(
            f"{folder} is a folder without {JOB} and {LOG}.",
            "Name the log file itself, or a folder that --save made.",
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise UnreadableInput(f"{folder}: {JOB} is damaged.", "Explain the job itself.") from None
    with log:
        return _explain(remote, iter(log), patterns, {**options, "save": ""}, good)
