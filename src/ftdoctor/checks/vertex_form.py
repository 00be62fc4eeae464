"""How a Vertex AI job is written: keys, types and flags that gcloud refuses, drops or misreads.

Run against gcloud 528.0.0 and a server of ours: unknown and snake_case keys are sent as they stand;
`env` values, `args` and `timeout` that are numbers are refused by gcloud itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import near_names
from ftdoctor.job.value import get
from ftdoctor.job.vertex_fields import AROUND, JOB_SPEC, POOL, camel
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Edit, Hit, Severity, TextEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place

_YAML = ("vertex-yaml",)


def _all_names() -> set[str]:
    names: set[str] = {"name", "value"}

    def add(fields: Any) -> None:
        for key, below in (fields or {}).items():
            names.add(key)
            add(below)

    add(JOB_SPEC)
    add(POOL)
    return names


def _unread(job: Job) -> Iterator[tuple[str, str, Place]]:
    """Yield (full path, last key, place) of every key that is not the API's."""
    for path, place in job.unread_keys + [k for pool in job.pools for k in pool.unread_keys]:
        yield path, re.sub(r"\[\d+\]$", "", path.rpartition(".")[2]), place


def snake_case(context: Context, **_: object) -> Iterator[Hit]:
    """snake_case keys in the YAML of gcloud, where only camelCase is read."""
    job = context.job
    if job.form not in _YAML:
        return
    hits = [
        (p, key, place)
        for p, key, place in _unread(job)
        if ("_" in key or "-" in key) and camel(key) in _all_names() | AROUND
    ]
    if not hits:
        return
    changes = tuple(
        TextEdit(place, f"\0{camel(key)}\0") for _, key, place in hits if place.end_line
    )
    edits = (
        {"camel": Edit("Write the keys in camelCase", changes)} if len(changes) == len(hits) else {}
    )
    keys = [key for _, key, _ in hits]
    first = hits[0]
    values = {
        "keys": ", ".join(dict.fromkeys(keys)),
        "right": ", ".join(dict.fromkeys(camel(k) for k in keys)),
    }
    yield Hit(first[2], values, {"keys": keys}, edits)


def around_spec(context: Context, **_: object) -> Iterator[Hit]:
    """displayName, labels or jobSpec at the top of gcloud's file, which is a CustomJobSpec."""
    job = context.job
    if job.form not in _YAML or not _for_gcloud(job):
        return
    hits = [
        (key, place)
        for path, key, place in _unread(job)
        if camel(key) in AROUND and "." not in path
    ]
    if hits:
        keys = ", ".join(key for key, _ in hits)
        yield Hit(hits[0][1], {"keys": keys}, {"keys": [k for k, _ in hits]})


def _for_gcloud(job: Job) -> bool:
    """Whether a spec goes to gcloud's --config rather than to the REST API or another tool."""
    text = job.source.whole or job.source.text
    if re.search(r"\bcurl\b|customJobs\"?\s*$|aiplatform\.googleapis\.com", text):
        return False
    return not any(word in job.extra for word in ("rest", "kubernetes", "api_body"))


def unknown_key(context: Context, **_: object) -> Iterator[Hit]:
    """A key that the API does not have: a slip of the pen, or the right key in the wrong place."""
    job = context.job
    if job.form not in (*_YAML, "vertex-json"):
        return
    names = _all_names()
    env_maps = job.extra.get("env_as_mapping", [])
    for path, key, place in _unread(job):
        if camel(key) in AROUND and "." not in path:
            continue
        if camel(key) != key and camel(key) in names:
            continue  # snake_case above
        if any(m.line <= place.line <= (m.end_line or m.line) for m in env_maps):
            continue
        near = near_names(key, sorted(names), n=1, cutoff=0.75)
        right = near[0] if near and near[0] != key else ""
        misplaced = key in names
        values = {
            "key": key,
            "path": path,
            "why": f"{key} belongs elsewhere"
            if misplaced
            else f"did you mean {right}?"
            if right
            else "the API has no such field",
        }
        edits = {}
        if right and place.end_line and not misplaced:
            edits["rename"] = Edit(f"Rename {key} to {right}", (TextEdit(place, f"\0{right}\0"),))
        yield Hit(place, values, {"key": path, "suggested": right}, edits)


def env_mapping(context: Context, **_: object) -> Iterator[Hit]:
    """`env` written as a mapping, where the API has a list of name and value."""
    for place in context.job.extra.get("env_as_mapping", []):
        yield Hit(place, {}, {})
        return


def not_text(context: Context, **_: object) -> Iterator[Hit]:
    """A number, truth value or null where the API has a string: gcloud and CustomJob refuse it.

    run() of the training jobs takes numbers, and is left alone.
    """
    job = context.job
    if job.form not in (*_YAML, "vertex-python") or job.extra.get("env_as_mapping"):
        return
    for path, place, kind in job.extra.get("not_text", []):
        if job.form == "vertex-python" and not path.startswith("worker_pool_specs"):
            continue
        edits = {}
        text = _text_at(job, place)
        if text and kind != "null" and place.line == place.end_line:
            edits["quote"] = Edit("Put the value in quotes", (TextEdit(place, f'"{text}"'),))
        what = {
            "int": "a number",
            "float": "a number",
            "bool": "a truth value",
            "null": "empty",
        }.get(kind, f"a {kind}")
        yield Hit(
            place, {"path": path, "kind": what, "text": text}, {"path": path, "kind": kind}, edits
        )


def _text_at(job: Job, place: Place) -> str:
    lines = (job.source.whole or job.source.text).split("\n")
    if not place.end_line or place.line != place.end_line or place.line > len(lines):
        return ""
    text = lines[place.line - 1][place.column - 1 : place.end_column - 1]
    return text if re.fullmatch(r"[\w.+:-]+", text) else ""


def wrong_shape(context: Context, **_: object) -> Iterator[Hit]:
    """A text where a list belongs, or the other way round."""
    for path, place, expected in context.job.extra.get("wrong_shape", []):
        yield Hit(place, {"path": path, "expected": expected}, {"path": path, "expected": expected})


def duplicate_key(context: Context, **_: object) -> Iterator[Hit]:
    """The same key twice in one mapping: the last one wins silently."""
    for path, place in context.job.extra.get("duplicate_keys", []):
        yield Hit(place, {"path": path}, {"path": path})


def duration_form(context: Context, **_: object) -> Iterator[Hit]:
    """A timeout or wait that is no duration such as "86400s"."""
    job = context.job
    if job.form not in (*_YAML, "vertex-json"):
        return
    for name, value in (("timeout", job.timeout), ("maxWaitDuration", job.max_wait)):
        if value is None or value.known or "no duration" not in value.unknown:
            continue
        seconds = _seconds(value.raw)
        edits = {}
        if seconds and value.place is not None and value.place.end_line:
            edits["seconds"] = Edit(
                f"Write {seconds}s", (TextEdit(value.place, f"\0{seconds}s\0"),)
            )
        right = f"{seconds}s" if seconds else "a number of seconds and an s, such as 86400s"
        yield Hit(
            value.place or job.place,
            {"name": name, "raw": value.raw, "right": right},
            {"name": name, "raw": value.raw},
            edits,
        )


def _seconds(raw: str) -> int:
    match = re.fullmatch(r"\s*(\d+)\s*([smhd]?)(?:ec|in|r|rs|ours?|ays?|utes?|econds?)?\s*", raw)
    return int(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]] if match else 0


_STRATEGIES = ("STANDARD", "SPOT", "FLEX_START")
_OLD = {"ON_DEMAND": "STANDARD", "LOW_COST": "SPOT"}


def strategy_name(context: Context, **_: object) -> Iterator[Hit]:
    """A scheduling strategy that the API does not have, or whose name is on its way out."""
    job = context.job
    name = get(job.strategy)
    if (
        not name
        or name in _STRATEGIES
        or name == "STRATEGY_UNSPECIFIED"
        or re.search(r"[${}<>]", name)
    ):
        return
    place = job.strategy.place if job.strategy else None
    upper = re.sub(r"[^A-Z]+", "_", name.upper()).strip("_")
    right = _OLD.get(upper) or {
        "SPOT_VM": "SPOT",
        "PREEMPTIBLE": "SPOT",
        "FLEXSTART": "FLEX_START",
        "DWS": "FLEX_START",
        "ONDEMAND": "STANDARD",
    }.get(upper, upper)
    if right not in _STRATEGIES:
        right = ""
    edits = {}
    if right and place is not None and place.end_line:
        edits["replace"] = Edit(f"Write {right}", (TextEdit(place, f"\0{right}\0"),))
    values = {"name": name, "right": right or ", ".join(_STRATEGIES)}
    yield Hit(place or job.place, values, values, edits, severity="note" if name in _OLD else None)


_LABEL_KEY = lazy(r"[a-z][a-z0-9_-]*\Z")
_LABEL_VALUE = lazy(r"[a-z0-9_-]*\Z")


def labels(context: Context, **_: object) -> Iterator[Hit]:
    """A label that the API refuses: upper case, dots, slashes, or too long."""
    job = context.job
    for key, value in job.labels.items():
        text = get(value)
        shown = text if isinstance(text, str) else ""
        if re.search(r"(?i)[${}<>\[\]]|your", key + shown) or not (key + shown).isascii():
            continue
        wrong = ""
        if not _LABEL_KEY.match(key):
            wrong = f"the key {key!r}"
        elif not _LABEL_VALUE.match(shown):
            wrong = f"the value {shown!r}"
        long = "the key" if len(key) > 63 else "the value" if len(shown) > 63 else ""
        severity: Severity | None = None if wrong else "warning"
        if wrong or long:
            values = {"wrong": wrong or f"{long} of {key!r} has over 63 characters"}
            evidence = {"key": key, "value": shown}
            yield Hit(value.place or job.place, values, evidence, severity=severity)


def display_name(context: Context, **_: object) -> Iterator[Hit]:
    """A display name over 128 characters."""
    job = context.job
    name = get(job.display_name)
    if isinstance(name, str) and len(name) > 128:
        yield Hit(
            job.display_name.place if job.display_name else job.place,
            {"length": len(name)},
            {"length": len(name)},
        )


def output_uri(context: Context, **_: object) -> Iterator[Hit]:
    """baseOutputDirectory or staging bucket that is no gs:// address."""
    job = context.job
    for what, value in (
        ("baseOutputDirectory", job.base_output_dir),
        ("staging bucket", job.staging_bucket),
    ):
        text = get(value)
        if (
            not isinstance(text, str)
            or value is None
            or not text
            or re.search(r"(?i)[${}<>\[\]]|your", text)
            or text.startswith("gs://")
        ):
            continue
        if what == "staging bucket" and re.fullmatch(r"[a-z0-9][\w.-]+", text):
            continue  # the SDK takes a bare bucket name
        right = (
            "gs://" + text.removeprefix("/gcs/") if text.startswith("/gcs/") else "gs://BUCKET/PATH"
        )
        edits = {}
        if text.startswith("/gcs/") and value.place is not None and value.place.end_line:
            edits["replace"] = Edit(f"Write {right}", (TextEdit(value.place, f"\0{right}\0"),))
        yield Hit(
            value.place or job.place,
            {"what": what, "text": text, "right": right},
            {"value": text},
            edits,
        )


def project_id(context: Context, **_: object) -> Iterator[Hit]:
    """A project given by its name, or one that Google does not know."""
    job = context.job
    if "google.api" in context.facts:
        from ftdoctor.checks.live_google import project_unknown

        yield from project_unknown(context)
    text = get(job.project)
    if not isinstance(text, str) or re.fullmatch(
        r"[a-z][a-z0-9-]{4,28}[a-z0-9]|\d+|[a-z0-9.-]+:[a-z][a-z0-9-]+", text
    ):
        return
    if (
        re.search(r"(?i)[${}<>\[\]]|project|your|replace|change|x{3,}|\.\.\.|todo", text)
        or text.isupper()
        or not text
    ):
        return
    if " " in text or re.search(r"[A-Z]", text):
        yield Hit(
            job.project.place if job.project else job.place,
            {"project": text},
            {"project": text},
            summary="'{project}' is no project id; ids have no capitals and no spaces.",
        )
