"""Where a Vertex AI job runs: regions and hosts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit, Severity
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
from ftdoctor.checks.vertex_spec import accelerator, final, replacement


def region_without_gpu(context: Context, **_: object) -> Iterator[Hit]:
    """A region that does not offer this GPU for training."""
    job = context.job
    region = get(job.region) or ""
    rows: dict[str, Any] = table("regions")["regions"]
    names: dict[str, str] = table("aliases")["accelerator_region"]
    if region not in rows:
        return
    for pool in job.pools:
        short = names.get(accelerator(pool), "")
        if not short or short in rows[region]["training"]:
            continue
        others = sorted(name for name, row in rows.items() if short in row["training"])
        near = [o for o in others if o.split("-")[0] == region.split("-")[0]] or others
        serving = short in rows[region]["listed_but_not_for_training"]
        values = {"gpu": short.replace("_", " "), "region": region, "others": ", ".join(near[:5])}
        values["how"] = "only for serving, not for training" if serving else "not at all"
        yield Hit(
            job.region.place if job.region and job.region.place else pool.place,
            values,
            {**values, "date": table("regions")["date"]},
        )
        return


_REGION = lazy(r"[a-z]+-[a-z]+\d{1,2}\Z")


def region_form(context: Context, **_: object) -> Iterator[Hit]:
    """A zone, a multi-region or nonsense where a region belongs."""
    job = context.job
    region = final(get(job.region))
    if not region or _REGION.match(region) or region.isupper() or not region.islower():
        return
    zone = re.fullmatch(r"([a-z]+-[a-z]+\d{1,2})-[a-z]", region)
    right = zone[1] if zone else _meant(region)
    if not right and region not in ("global", "us", "eu", "europe", "asia", "asia-pacific"):
        return
    place = job.region.place if job.region else None
    edits = replacement(place, f"Replace {region} by {right}", right) if right else {}
    values = {
        "region": region,
        "what": "a zone" if zone else "not a region",
        "right": right or "us-central1",
    }
    yield Hit(place or job.place, values, values, edits)


def _meant(region: str) -> str:
    """Return the region that is written with other dashes ("us-central-1", "uscentral1")."""
    plain = re.sub(r"[^a-z0-9]", "", region)
    rows: dict[str, Any] = table("regions")["regions"]
    return next((name for name in rows if name.replace("-", "") == plain), "")


def arm_host(context: Context, **_: object) -> Iterator[Hit]:
    """An Arm host (a4x) with an image that is built for x86."""
    for pool in context.job.pools:
        machine = get(pool.machine_type) or ""
        image = get(pool.image) or ""
        if not machine.startswith("a4x-") or re.search(r"arm64|aarch64|sbsa|igpu", image):
            continue
        x86 = bool(re.search(r"deeplearning-platform-release|vertex-ai/training|amd64|x86", image))
        severity: Severity | None = None if x86 else "note"
        values = {"machine": machine, "image": image or "the image"}
        yield Hit(
            pool.image.place if pool.image else pool.place,
            values,
            values,
            severity=severity,
            summary="{machine} has an Arm host; {image} must be built for arm64.",
        )


def tpu(context: Context, **_: object) -> Iterator[Hit]:
    """A TPU machine for code that trains on CUDA."""
    job = context.job
    for pool in job.pools:
        machine = get(pool.machine_type) or ""
        kind = get(pool.accelerator_type) or ""
        if not (
            machine.startswith(("cloud-tpu", "ct5lp-", "ct6e-", "tpu7x-")) or kind.startswith("TPU")
        ):
            continue
        needs = [
            t
            for t in job.trainings
            if t.quantization is not None
            or get(t.model_kwargs.get("attn_implementation")) == "flash_attention_2"
        ]
        if needs:
            values = {"machine": machine or kind}
            yield Hit(pool.machine_type.place if pool.machine_type else pool.place, values, values)
