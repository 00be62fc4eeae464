"""Checks on Google's answers about buckets, images, secrets, quota and region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.facts.google import Locations
from ftdoctor.facts.google_call import Answer, Closed
from ftdoctor.facts.google_policy import Inferred, infer
from ftdoctor.facts.google_quota import Quota
from ftdoctor.facts.google_refusal import Refused
from ftdoctor.facts.google_things import Bucket, account_of, agent, buckets, read_registry
from ftdoctor.facts.value import Unknown
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Fix, Hit, Severity, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.source import Place


def _number(context: Context) -> str:
    """Return the number of the job's project, "" when it was not told."""
    answer = context.facts.get("google.project")
    found = answer.data.get("projectNumber", "") if isinstance(answer, Answer) else ""
    return found if isinstance(found, str) and found.isdigit() else ""


def _run_as(context: Context) -> str:
    """Return the account that the job runs as, "" when it cannot be told."""
    job = context.job
    if job.service_account is not None:
        return account_of(job)
    if job.extra.get("service_account_open") or not _number(context):
        return ""
    return agent(_number(context))


def _asked(context: Context, prefix: str) -> list[tuple[str, Any]]:
    return [
        (name.partition(":")[2], answer)
        for name, answer in context.facts.items()
        if name.startswith(f"{prefix}:")
    ]


def _missing(answer: Any) -> bool:
    return isinstance(answer, Refused) and answer.kind == "not-found"


def _no_organisation(answer: Any) -> bool:
    """Whether a project is known to stand in no folder or organisation."""
    return (
        isinstance(answer, Answer)
        and bool(answer.data.get("projectId"))
        and (not answer.data.get("parent"))
    )


def bucket(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """A bucket that does not exist, or that the job's own account may not use.

    What the account that the job runs as may do is inferred from the IAM policies of bucket and
    project, where they may be read; the caller's own rights settle nothing.
    """
    for found in buckets(context.job):
        answer = context.facts.get(f"google.bucket:{found.name}")
        place = found.place or context.job.place
        if isinstance(answer, Refused) and _missing(answer):
            values = {"bucket": found.name}
            summary = "The bucket gs://{bucket} does not exist."
            # A bucket that only stands in arguments may be one that the job makes.
            severity: Severity | None = "warning" if found.use == "named" else None
            evidence = values | {"said": answer.said}
            yield Hit(place, values, evidence, severity=severity, summary=summary)
        elif answer is not None and not _unanswered(answer) and found.use != "named":
            yield from _usable(context, found, place)


def _usable(context: Context, found: Bucket, place: Place | None) -> Iterator[Hit | Unsure]:
    if not context.facts.get("google.project-id"):
        return  # that the project is not known is told already
    name = found.name
    verb = "read" if found.use == "read" else "write to"
    what = f"whether the job's account may {verb} gs://{name} could not be told"
    account = _run_as(context)
    policy = context.facts.get(f"google.bucket-policy:{name}")
    home = context.facts.get(f"google.bucket-home:{name}")
    project, above = _project_policy(context)
    if _unanswered(policy, home, above, context.facts.get("google.project")):
        return
    if not account:
        if context.job.service_account is None:
            yield Unsure(f"{what}: the number of the project is not known", "roles/browser")
        return
    number = home.data.get("projectNumber", "") if isinstance(home, Answer) else ""
    place_above = f"the project {project}"
    if not _number(context) or str(number) != _number(context):
        place_above = "its project"
        reason = "the project that the bucket belongs to is not known"
        above = Closed(reason, "", "roles/iam.securityReviewer")
    policies = {f"gs://{name}": policy, place_above: above}
    right = "read" if found.use == "read" else "write"
    whole = _no_organisation(context.facts.get("google.project"))
    seen = infer(account, right, policies, whole=whole)
    if seen.verdict == "unknown":
        yield Unsure(f"{what}: {seen.reason}", seen.needs)
    # Vertex AI gives its own agent the role when it is first used.
    elif seen.verdict == "no" and context.job.service_account is not None:
        values = {"bucket": name, "account": account, "verb": verb, "reason": seen.reason}
        role = "roles/storage.objectViewer" if right == "read" else "roles/storage.objectAdmin"
        yield Hit(
            place,
            values,
            values,
            # Only a job that names its output folder is sure to write there.
            severity="warning" if found.use == "stage" else _severity(seen),
            summary="{account}, which the job runs as, has no role to {verb} gs://{bucket}.",
            advice=(
                Fix(
                    "Grant it on the bucket.",
                    f"gcloud storage buckets add-iam-policy-binding gs://{name} "
                    f"--member=serviceAccount:{account} --role={role}",
                ),
            ),
        )


def _severity(found: Inferred) -> Severity | None:
    """A binding of a folder may still be there: then it is a warning."""
    return "warning" if "is not seen" in found.reason else None


def _project_policy(context: Context) -> tuple[str, Any]:
    project = str(context.facts.get("google.project-id") or "")
    return project, context.facts.get(f"google.policy:{project}")


def _unanswered(*answers: Any) -> bool:
    """Whether a call failed that the rest depends on, or was refused for a reason of all calls
    (login, perimeter): that is told once."""
    return any(
        isinstance(answer, Unknown)
        or (isinstance(answer, Refused) and answer.kind not in ("permission", "not-found"))
        for answer in answers
    )


def image_missing(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """The image is not in Artifact Registry."""
    for name, answer in _asked(context, "google.image"):
        if isinstance(answer, Closed):
            yield Unsure(answer.reason, answer.needs)
        pool = next((p for p in context.job.pools if get(p.image) == name), None)
        if _missing(answer) and pool is not None and pool.image is not None:
            values = {"image": name}
            evidence = values | {"said": answer.said, "call": answer.call}
            image = read_registry(name)
            advice: tuple[Fix, ...] = ()
            if image is not None and not image.repository.endswith("gcr.io"):
                path = (
                    f"{image.location}-docker.pkg.dev/{image.project}/{image.repository}/"
                    f"{image.package}"
                )
                advice = (
                    Fix(
                        "List the tags that the image has.",
                        f"gcloud artifacts docker tags list {path}",
                    ),
                )
            yield Hit(pool.image.place, values, evidence, advice=advice)


def image_agent(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """An image of another project that the service agent of the job's project may not read."""
    for name, policy in _asked(context, "google.repository"):
        pool = next((p for p in context.job.pools if get(p.image) == name), None)
        image = read_registry(name)
        if pool is None or pool.image is None or image is None:
            continue
        if _missing(context.facts.get(f"google.image:{name}")):
            continue
        what = f"whether Vertex AI may pull the image of project {image.project} could not be told"
        above = context.facts.get(f"google.policy:{image.project}")
        home = context.facts.get(f"google.home:{image.project}")
        if _unanswered(policy, above, context.facts.get("google.project")):
            continue
        number = _number(context)
        if not number:
            yield Unsure(f"{what}: the number of the job's project is not known", "roles/browser")
            continue
        policies = {image.repository_path: policy, f"the project {image.project}": above}
        found = infer(agent(number), "pull", policies, whole=_no_organisation(home))
        if found.verdict == "unknown":
            yield Unsure(f"{what}: {found.reason}", found.needs)
        elif found.verdict == "no":
            values = {
                "account": agent(number),
                "image": name,
                "project": image.project,
                "repository": image.repository,
                "location": image.location,
                "reason": found.reason,
            }
            fix = Fix(
                "Let the service agent of the job's project read the repository.",
                f"gcloud artifacts repositories add-iam-policy-binding {image.repository} "
                f"--project={image.project} --location={image.location} "
                f"--member=serviceAccount:{agent(number)} --role=roles/artifactregistry.reader",
            )
            summary = "{account}, which pulls the image, has no role to read it in {project}."
            yield Hit(
                pool.image.place,
                values,
                values,
                severity=_severity(found),
                summary=summary,
                advice=(fix,),
            )


def secret(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """A secret that the job's code reads: it exists, and the job's account may read it."""
    for key, answer in _asked(context, "google.secret"):
        project, _slash, name = key.partition("/")
        values: dict[str, Any] = {"secret": name, "project": project}
        if _missing(answer):
            summary = "Secret Manager has no secret {secret} in {project}."
            yield Hit(context.job.place, values, values | {"said": answer.said}, summary=summary)
            continue
        account = _run_as(context)
        policy = context.facts.get(f"google.secret-policy:{key}")
        own, above = _project_policy(context)
        if _unanswered(answer, policy, above, context.facts.get("google.project")):
            continue
        policies = {
            f"the secret {name}": policy,
            f"the project {project}": above if own == project else None,
        }
        whole = own == project and _no_organisation(context.facts.get("google.project"))
        found = infer(account, "secret", policies, whole=whole) if account else None
        if found is None or found.verdict == "unknown":
            why = found.reason if found else "the account of the job is not known"
            yield Unsure(
                f"whether the job may read the secret {name} could not be told: {why}",
                found.needs if found else "roles/browser",
            )
        elif found.verdict == "no":
            values |= {"account": account, "reason": found.reason}
            fix = Fix(
                "Let the account of the job read this one secret.",
                f"gcloud secrets add-iam-policy-binding {name} --project={project} "
                f"--member=serviceAccount:{account} --role=roles/secretmanager.secretAccessor",
            )
            yield Hit(context.job.place, values, values, severity=_severity(found), advice=(fix,))


def quota(context: Context, kind: str = "gpu", **_: object) -> Iterator[Hit | Unsure]:
    """The quota in this region, of GPUs or of vCPUs, is smaller than the job needs."""
    for metric, answer in _asked(context, "google.quota"):
        if isinstance(answer, Closed) and metric.endswith("cpus") == (kind == "cpu"):
            yield Unsure(answer.reason, answer.needs)
        if not isinstance(answer, Quota) or answer.kind != kind:
            continue
        if 0 <= answer.limit < answer.needed:
            values = {
                "metric": answer.metric,
                "region": answer.region,
                "limit": answer.limit,
                "needed": answer.needed,
            }
            place = context.job.region.place if context.job.region else context.job.place
            what = "this GPU" if kind == "gpu" else "vCPUs of custom training"
            summary = f"The quota for {what} in {{region}} is {{limit}}; the job needs {{needed}}."
            yield Hit(place, values, values | {"call": answer.call}, summary=summary)


def region_unknown(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """A region that Vertex AI does not have, by its own list or its refusal."""
    job = context.job
    region = get(job.region) or ""
    found = context.facts.get("google.locations")
    answer = context.facts.get("google.api")
    place = job.region.place if job.region else job.place
    if not region:
        return
    if isinstance(found, Locations) and region not in found.names:
        start = region.split("-")[0]
        near = sorted(n for n in found.names if n.startswith(start)) or sorted(found.names)
        values = {"region": region, "others": ", ".join(near[:8])}
        yield Hit(place, values, values | {"call": found.call})
    elif isinstance(answer, Refused) and answer.kind == "region":
        values = {"region": region, "others": "see the list of locations"}
        yield Hit(place, values, values | {"said": answer.said, "call": answer.call})
    elif isinstance(found, Closed) and not isinstance(answer, Answer):
        yield Unsure(found.reason, found.needs)
