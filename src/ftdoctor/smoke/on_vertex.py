"""A smoke run on Vertex AI custom training: where, on what, for how much, with which token."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Any

import click

from ftdoctor.errors import UsageError
from ftdoctor.job.value import get
from ftdoctor.platforms import gcloud_defaults
from ftdoctor.redact import remember
from ftdoctor.smoke import token_secret
from ftdoctor.smoke.money import cents
from ftdoctor.smoke.offers import choose, larger, offers, price
from ftdoctor.smoke.request import remote_plan
from ftdoctor.smoke.target import Target
from ftdoctor.smoke.vertex_prices import dated, disk, hourly
from ftdoctor.smoke.vertex_request import boot_disk, build

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.platforms.vertex import Vertex
    from ftdoctor.smoke.offers import Offer
    from ftdoctor.smoke.target import Options

TITLE = "Vertex AI"
#: Cloud Logging shows lines late, and a cancelled job takes minutes to end: in units of the time
#: between looks.
PATIENCE = 9.0
VERIFY = 30.0
LIST = "gcloud ai custom-jobs list --filter=labels.ftdoctor-smoke:*"
CANCEL = "gcloud ai custom-jobs cancel {job}"
_HOW_TO = "https://docs.cloud.google.com/secret-manager/docs/create-secret-quickstart"


def region_of(options: Options, job: Job | None) -> str:
    """Return the region: the one asked for, the job's, else gcloud's.

    Raises:
        UsageError: none of them says it.
    """
    own = get(job.region) if job is not None and job.region is not None else None
    region = options.region or (own if isinstance(own, str) else "") or gcloud_defaults.region()
    if region:
        return region
    have = sorted(region for region in _regions() if _has(options.gpu, region))
    raise UsageError(
        "The region of the run is not known.",
        f"Add --region REGION; {options.gpu} is in: {', '.join(have)}"
        if have
        else "Add --region REGION.",
    )


def _regions() -> list[str]:
    from ftdoctor.tables import table

    return list(table("regions")["regions"])


def _unlisted(region: str) -> str:
    known = _regions()
    if region in known:
        return ""
    return f"{region} is not among the regions known here ({', '.join(sorted(known))}).\n  "


def _has(gpu: str, region: str) -> bool:
    try:
        choose(gpu, "vertex", region)
    except UsageError:
        return False
    return True


def project_of(options: Options, job: Job | None) -> str:
    """Return the project: the one asked for, the job's, else gcloud's; "" when none is known."""
    own = get(job.project) if job is not None and job.project is not None else None
    return options.project or (own if isinstance(own, str) else "") or gcloud_defaults.project()


def offer(options: Options, job: Job | None) -> Offer:
    """Return the cheapest machine of the region that has a GPU."""
    region = region_of(options, job)
    if not offers("vertex", region):
        raise UsageError(f"Nothing is known of region {region}.", "Name another --region.")
    return choose(options.gpu, "vertex", region)


def connect(options: Options, job: Job | None, state: dict[str, Any] | None = None) -> Vertex:
    """Return the platform, for a new run or that of a state file.

    Raises:
        UsageError: the project is not known.
        UnreadableInput: nobody is logged in.
    """
    from ftdoctor.platforms.vertex import Vertex

    if state is not None:
        known = Vertex(str(state.get("owner") or ""), str(state.get("region") or ""))
        known.login()
        return known
    project = project_of(options, job)
    if not project:
        raise UsageError(
            "The Google Cloud project of the run is not known.",
            "Add --project PROJECT, or:  gcloud config set project PROJECT",
        )
    found = Vertex(project, region_of(options, job))
    found.login()
    found.may_read_logs()
    return found


def target(
    plan: dict[str, Any], job: Job | None, options: Options, platform: Vertex | None
) -> Target:
    """Return the run. Without a platform it is only shown, and nothing is asked."""
    region, found = region_of(options, job), offer(options, job)
    usd, told = _price(found, region, options)
    if options.price is None:
        usd += disk(boot_disk(job))
    project = project_of(options, job)
    notes = _differences(options, job)
    secret = _secret(options, job, project, notes)
    if secret and (job is None or job.service_account is None):
        notes.append(
            "the job names no service account of its own, and that of Vertex AI may not be allowed "
            "to read secrets"
        )
    token = "" if secret else _token(options, job, plan, notes, ask=platform is not None)
    request = build(
        remote_plan(plan),
        job,
        found,
        timeout=int(options.timeout),
        key=uuid.uuid4().hex,
        spot=options.spot,
        token=token,
        secret=secret,
        nodes=options.nodes,
    )
    return Target(
        TITLE,
        found,
        request.body,
        request.shown(),
        usd * options.nodes,
        options.timeout,
        str(request.body["labels"]["ftdoctor-smoke"]),
        [*notes, *request.notes, "minutes in which the machine is made ready may be charged too"],
        told,
        owner=project,
        region=region,
        nodes=options.nodes,
        token=bool(token or secret),
        larger=larger(job, found, region),
        spot=options.spot,
    )


def _differences(options: Options, job: Job | None) -> list[str]:
    """Return what is not as in the job: its place where it is not known, its way to machines."""
    if job is None or job.platform != "vertex":
        return []
    unknown = [
        name
        for name, given, own in (
            ("project", options.project, job.project),
            ("region", options.region, job.region),
        )
        if own is not None and not own.known and not given
    ]
    notes = [f"the {name} of the job is not known here: gcloud's stands for it" for name in unknown]
    strategy = get(job.strategy) if job.strategy is not None else None
    if strategy in ("SPOT", "FLEX_START") and not options.spot:
        notes.append(f"the job is {strategy}, which has a quota of its own: --spot asks for that")
    if job.extra.get("persistentResourceId") is not None:
        notes.append("the job's persistent resource is not used")
    return notes


def _price(found: Offer, region: str, options: Options) -> tuple[float, str]:
    """Return the dollars an hour that count for the ceiling, and the price in words."""
    if options.price is not None:
        return options.price, f"${options.price:.2f} an hour as you say"
    if found.usd_per_hour is None:
        raise UsageError(
            f"The price of {found.machine} ({found.label}) in {region} is not known here.",
            f"{_unlisted(region)}Look it up and add  --price USD_PER_HOUR\n"
            "    https://cloud.google.com/products/gemini-enterprise-agent-platform/pricing",
        )
    told = f"{price(found)} (list of {dated()}, with Vertex AI's fee)"
    known = hourly(found.machine, found.accelerator, found.count, region)
    if options.spot and known is not None and known.spot is not None:
        # Vertex AI may take on-demand machines for a SPOT job, and spot prices change monthly.
        told += f"; as spot about ${cents(known.spot)}, the ceiling counts the full price"
    return found.usd_per_hour, told


def _secret(options: Options, job: Job | None, project: str, notes: list[str]) -> str:
    if options.token_secret:
        name = token_secret.whole_name(options.token_secret, project)
        notes.append(f"the container reads the Hugging Face token from {name}")
        return name
    found = token_secret.of_job(job, project)
    if found:
        notes.append(f"the container reads the Hugging Face token from {found}, as the job does")
    return found


def _token(
    options: Options, job: Job | None, plan: dict[str, Any], notes: list[str], *, ask: bool
) -> str:
    """Return the token that goes along in the open, "" when none does."""
    pool = job.pool if job is not None else None
    own = get(pool.env.get("HF_TOKEN")) if pool is not None and "HF_TOKEN" in pool.env else None
    token = own if isinstance(own, str) and own else _local_token()
    whose = "the token of the job's own variables" if own and token == own else "your own token"
    goes = f"{whose} for Hugging Face goes along; who may see the job can read it"
    if token:
        remember(token)
    if options.send_token:
        if not token:
            raise UsageError(
                "--send-token: there is no Hugging Face token to send.", "Log in:  hf auth login"
            )
        notes.append(goes)
        return token
    if token and ask and not options.yes and sys.stdin.isatty() and plan.get("model"):
        click.echo(
            "Vertex AI shows a job's variables to all who may see the job. Better is a secret of\n"
            f"Secret Manager (--token-secret NAME; {_HOW_TO}).",
            err=True,
        )
        if click.confirm("Send your Hugging Face token in the open?", default=False, err=True):
            notes.append(goes)
            return token
    notes.append(
        "no Hugging Face token goes along, so neither it nor a gate is proved: "
        "--token-secret NAME (Secret Manager) or --send-token (in the open)"
    )
    return ""


def _local_token() -> str:
    from huggingface_hub import get_token

    return get_token() or ""
