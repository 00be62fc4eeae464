"""What a refusal of Google means, read from the error body alone.

Body: https://cloud.google.com/apis/design/errors (google.rpc.Status with ErrorInfo, Help and
PreconditionFailure among its details); Cloud Storage answers in its older form, `errors[].reason`
(https://cloud.google.com/storage/docs/json_api/v1/status-codes).
"""

from __future__ import annotations

import re
from typing import Any

from ftdoctor.facts.value import Unknown
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass


@dataclass(frozen=True)
class Refused:
    """A clear no.

    `kind`: api-disabled, quota-project, project, billing, vpc, scopes, reauth, permission,
    not-found, region; of a login also broken, impersonation.
    """

    kind: str
    said: str
    call: str = ""
    #: The permission that lacks, when Google names it.
    permission: str = ""
    #: The project that the refusal is about (id or number), the page that mends it.
    project: str = ""
    link: str = ""
    account: str = ""
    #: The service that is not enabled ("iam.googleapis.com").
    service: str = ""


#: Numbers of the projects that own the OAuth clients of gcloud and of `gcloud auth
#: application-default login` (google-auth `_cloud_sdk.py` CLOUD_SDK_CLIENT_ID; googlecloudsdk
#: core/config.py CLOUDSDK_CLIENT_ID): a refusal that names one means that no project pays.
_CLIENT_PROJECTS = ("764086051850", "32555940559")
_LOCATION = lazy(
    r"(?:unsupported|invalid|unknown|unrecognized) (?:value for )?(?:location|region)"
    r"|(?:location|region)\b.{0,80}?\b(?:is not supported|is not available|is invalid|not found"
    r"|is not a valid|does not exist|unsupported)",
    re.I,
)
_DENIED = lazy(r"[Pp]ermission '?([a-z]+\.[\w.]+)'?")


def refused(status: int, data: Any, call: str) -> Refused | Unknown:
    """Return what an error answer (HTTP status and JSON body) means."""
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return Unknown(f"the answer ({status}) is not an error of Google's", call)
    said = " ".join(str(error.get("message", "")).split())[:400]
    details = error.get("details")
    details = [d for d in details if isinstance(d, dict)] if isinstance(details, list) else []
    older = error.get("errors")
    older = [e for e in older if isinstance(e, dict)] if isinstance(older, list) else []
    reasons = {str(d.get("reason", "")) for d in (*details, *older)}
    for detail in details:
        for violation in detail.get("violations") or ():
            if isinstance(violation, dict):
                reasons.add(str(violation.get("type", "")))
    known = _metadata(details)
    more = {
        "call": call,
        "project": _project(known, said),
        "link": _link(known, details, said),
        "service": _service(known, said, call),
    }
    if (
        {"SECURITY_POLICY_VIOLATED", "VPC_SERVICE_CONTROLS", "vpcServiceControls"} & reasons
        or "vpcServiceControlsUniqueIdentifier" in said
        or "prohibited by organization's policy" in said
    ):
        return Refused("vpc", said, **more)
    if "BILLING_DISABLED" in reasons or "requires billing to be enabled" in said:
        return Refused("billing", said, **more)
    if "ACCESS_TOKEN_SCOPE_INSUFFICIENT" in reasons:
        return Refused("scopes", said, **more)
    if "USER_PROJECT_DENIED" in reasons or "requires a quota project" in said:
        return Refused("quota-project", said, **more)
    if {"SERVICE_DISABLED", "accessNotConfigured"} & reasons or re.search(
        r"API has not been used in project|API \S* ?is not enabled|it is disabled", said
    ):
        kind = "quota-project" if more["project"] in _CLIENT_PROJECTS else "api-disabled"
        return Refused(kind, said, **more)
    if {"CONSUMER_INVALID", "CONSUMER_SUSPENDED", "RESOURCE_PROJECT_INVALID"} & reasons:
        return Refused("project", said, **more)
    if status == 401:
        # Google says "invalid" of a token that was sent, "missing" where none was.
        if "CREDENTIALS_MISSING" in reasons or "missing required authentication" in said:
            return Unknown("Google wants a login for this question", call, "a Google login")
        return Refused("reauth", said, **more)
    if status in (400, 404) and _LOCATION.search(said):
        return Refused("region", said, **more)
    if status == 403:
        denied = known.get("permission", "") or (m[1] if (m := _DENIED.search(said)) else "")
        return Refused("permission", said, permission=denied, **more)
    if status == 404 and (error.get("status") == "NOT_FOUND" or older):
        return Refused("not-found", said, **more)
    if status == 429 or status >= 500:
        return Unknown(f"Google answered {status}: {said[:120]}", call, "trying again later")
    return Unknown(f"Google answered {status}: {said[:160]}", call)


def _metadata(details: list[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for detail in details:
        data = detail.get("metadata")
        if isinstance(data, dict):
            found.update((str(key), str(value)) for key, value in data.items())
    return found


def _project(known: dict[str, str], said: str) -> str:
    named = known.get("consumer", "").removeprefix("projects/")
    if named:
        return named
    match = re.search(r"in project (\S+) before|[?&]project=([\w:.-]+)", said)
    return (match[1] or match[2]) if match else ""


def _service(known: dict[str, str], said: str, call: str) -> str:
    """Return the service that a refusal is about: its metadata, its text, or the address asked."""
    match = re.search(r"\b([a-z]+\.googleapis\.com)\b", f"{said} {call}")
    return known.get("service", "") or (match[1] if match else "")


def _link(known: dict[str, str], details: list[dict[str, Any]], said: str) -> str:
    """Return the page that mends it: metadata.activationUrl, a Help link, or the text's own."""
    links = [known.get("activationUrl", "")]
    for detail in details:
        rows = detail.get("links")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict):
                links.append(str(row.get("url", "")))
    match = re.search(r"https://console\.\S+\.google\.com/\S+", said)
    if match:
        links.append(match[0].rstrip(".,"))
    return next((link for link in links if link.startswith("https://")), "")
