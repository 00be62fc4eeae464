"""Gated models and data sets, and whether the job can get at them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import (
    TOKEN_NAMES,
    code,
    code_gap,
    document,
    env_open,
    environments,
    launched,
    own_token,
    pools_that_run,
    remote,
)
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit, Severity, Unsure
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place, Source

_REPO = lazy(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*\Z")


@cache
def gate_of(repo: str, kind: str = "models") -> dict[str, Any] | None:
    """Return the table's entry for a gated repository, or None when it is open or not known.

    `kind` is "models" or "datasets". Only the owner's own repositories are listed: a copy under
    another name (unsloth/, NousResearch/) has its own gate.
    """
    for entry in table("gated")[kind]:
        if re.fullmatch(entry["pattern"], repo, re.I):
            return entry if entry["gated"] else None
    return None


def _wanted(job: Job) -> Iterator[tuple[str, dict[str, Any], Place | None]]:
    """Yield (id, gate entry, place) of the gated repositories that the job downloads."""
    seen: set[str] = set()
    for training in job.trainings:
        model = get(training.model)
        if isinstance(model, str) and model not in seen and (entry := gate_of(model)):
            seen.add(model)
            yield model, entry, training.model.place if training.model else None
        for dataset in training.datasets:
            name = get(dataset.id)
            if isinstance(name, str) and name not in seen and (entry := gate_of(name, "datasets")):
                seen.add(name)
                yield name, entry, dataset.id.place
    for pool in job.pools:
        for value in (*pool.args, *pool.env.values()):
            text = get(value)
            name = text.rpartition("=")[2] if isinstance(text, str) else ""
            if _REPO.match(name) and name not in seen and (entry := gate_of(name)):
                seen.add(name)
                yield name, entry, value.place


def _lacking(job: Job) -> list[int]:
    """Return the pools that run code and have no token in their environment."""
    envs = environments(job)
    if not job.pools:
        return [i for i, env in enumerate(envs) if not any(n in env for n in TOKEN_NAMES)] or (
            [] if envs else [0]
        )
    return [i for i, _ in pools_that_run(job) if not any(n in envs[i] for n in TOKEN_NAMES)]


def gated_without_token(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """A gated model and no token in the container."""
    job = context.job
    if not launched(job) or not remote(job) or _served_otherwise(job):
        return
    lacking = _lacking(job)
    wanted = list(_wanted(job))
    if not wanted or not lacking or own_token(job) or _other_name(job):
        return
    for repo, entry, place in wanted:
        if getattr(context.facts.get(f"hub.model:{repo}"), "kind", "") == "open":
            continue  # asked just now: the gate of the table is gone
        why = env_open(job)
        if why:
            yield Unsure(
                f"{repo} is gated, and whether a token reaches the container is not known: {why}",
                "the environment as it is sent",
            )
            return
        some = len(lacking) < sum(1 for _ in pools_that_run(job))
        pools = ", ".join(f"pool {i}" for i in lacking) if some else "the container"
        gap = code_gap(job)
        if gap:
            reason = (
                f"{repo} is gated and the environment has no token; the code may get one ({gap})"
            )
            yield Unsure(reason, "the training code beside the job")
            return
        severity: Severity | None = "warning" if entry["basis"] != "seen" else None
        values = {"model": repo, "gate": entry["gated"], "where": pools}
        spot = job.pools[lacking[0]].place if some and lacking[0] < len(job.pools) else place
        yield Hit(
            spot or place or job.place,
            values,
            {**values, "basis": entry["source"], "pools": lacking},
            severity=severity,
            summary="{model} is gated and no Hub token reaches {where}.",
        )
        return


def _other_name(job: Job) -> bool:
    """Whether a token is given under another name (told by the rule on unread names)."""
    from ftdoctor.checks.token_uses import HUB_NAME

    return any(
        HUB_NAME.search(name) and name not in TOKEN_NAMES
        for env in environments(job)
        for name in env
    )


def _served_otherwise(job: Job) -> bool:
    """Whether the model comes from somewhere else than the Hub: a volume, a bucket."""
    if job.volumes:
        return True
    for env in environments(job):
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT"):
            if name in env:
                return True
        home = get(env.get("HF_HOME")) or get(env.get("HF_HUB_CACHE")) or ""
        if home.startswith(("/gcs/", "/mnt/nfs/")):
            return True
    return bool(
        re.search(
            r"gsutil\b.{0,40}\bgs://\S+.{0,80}(?:model|weights)|model_garden|vertex-model-garden",
            code(job),
            re.I,
        )
    )


def mirror_host(context: Context, **_: object) -> Iterator[Hit]:
    """HF_ENDPOINT, or code, sends Hub traffic (and the token) to somebody else's host."""
    from ftdoctor.checks.about import env_place, env_texts

    job = context.job
    for index, name, text in env_texts(job):
        if name in ("HF_ENDPOINT", "HUGGINGFACE_CO_RESOLVE_ENDPOINT", "HF_INFERENCE_ENDPOINT") and (
            host := _foreign(text)
        ):
            yield Hit(env_place(job, index, name), {"host": host, "name": name}, {"host": host})
            return
    for source in _texts(job):
        for match in (*_ENDPOINT.finditer(source.text), *_MIRROR.finditer(source.text)):
            line = source.text.rfind("\n", 0, match.start()) + 1
            host = _foreign(match["url"])
            if not host or re.match(r"\s*#", source.text[line : match.start()]):
                continue
            place = source.span(match.start("url"), match.end("url"))
            what = "The text" if document(place) else "HF_ENDPOINT"
            yield Hit(place, {"host": host, "name": what}, {"host": host})
            return


def _texts(job: Job) -> Iterator[Source]:
    """Yield the code and the spec of a job, and the whole document around it."""
    yield from (script.source for script in job.scripts)
    yield job.source
    if document(job.place) and job.source.whole:
        from ftdoctor.job.source import Source

        yield Source(job.source.path, job.source.whole)


_ENDPOINT = lazy(
    r"""(?:HF_ENDPOINT["']?\s*\]?\s*(?:[=:,]|:=)\s*|(?:HfApi|hf_hub_download|snapshot_download)\([^)\n]*\bendpoint\s*=\s*)["']?(?P<url>https?://[^\s"',)]+)"""
)
_MIRROR = lazy(
    r"(?P<url>https?://(?:[\w-]+\.)*(?:hf-mirror\.com|mirrork\.net|hf-cdn\.sufy\.com|huggingface\.sukaka\.top)(?![\w.])[^\s\"',)]*)"
)


def _foreign(url: str) -> str:
    """Return the host of a Hub address that is a known third-party mirror, else ""."""
    match = re.match(r"https?://([^/:\s]+)", url.strip())
    host = match[1].lower() if match else ""
    if not host or "." not in host or re.match(r"(?:\d+\.){3}\d+\Z", host):
        return ""
    if re.search(
        r"(?:^|\.)(?:huggingface\.co|hf\.co|internal|local|localhost|corp|lan|svc)\Z", host
    ):
        return ""
    known = re.search(r"mirror|mirrork|sufy|sukaka", host)
    return host if known else ""


def offline_with_hub_ids(context: Context, **_: object) -> Iterator[Hit]:
    """HF_HUB_OFFLINE in a fresh container that has to download a model."""
    from ftdoctor.checks.about import env_place, env_texts, truthy

    job = context.job
    if not launched(job) or not remote(job) or job.volumes or not _bare_image(job):
        return
    if re.search(
        r"hf\s+download|huggingface-cli\s+download|snapshot_download|gsutil|gcloud\s+storage|aws\s+s3|HF_HOME|local_files",
        code(job),
    ):
        return
    model = next(
        (m for t in job.trainings if isinstance(m := get(t.model), str) and _REPO.match(m)), ""
    )
    if not model or code_gap(job):
        return
    for index, name, text in env_texts(job):
        if name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") and truthy(text.strip()):
            home = get(environments(job)[index].get("HF_HOME")) or ""
            if not home.startswith(("/gcs/", "/mnt/")):
                yield Hit(
                    env_place(job, index, name),
                    {"name": name, "model": model},
                    {"name": name, "model": model},
                    summary="{name} forbids downloads, and {model} is not in this container.",
                )
                return


def _bare_image(job: Job) -> bool:
    """Whether every image is a published one, which carries no model of yours."""
    images = [get(pool.image) for pool in job.pools]
    return all(
        image is None
        or re.match(
            r"(?:docker\.io/)?(?:library/)?(?:python|pytorch/pytorch|nvidia/cuda|ubuntu|huggingface/)|ghcr\.io/astral-sh/uv|[\w-]+-docker\.pkg\.dev/(?:deeplearning-platform-release|vertex-ai)/",
            image,
        )
        for image in images
    ) and bool(job.pools)
