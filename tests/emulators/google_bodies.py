"""Error bodies as Google's services send them: https://cloud.google.com/apis/design/errors."""

from __future__ import annotations

from typing import Any

Reply = tuple[int, Any]


def error(
    status: int, name: str, message: str, reason: str = "", **metadata: str
) -> tuple[int, dict[str, Any]]:
    """An error body."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": metadata,
    }
    details = [info] if reason else []
    return status, {
        "error": {"code": status, "message": message, "status": name, "details": details}
    }


def disabled(service: str, title: str, project: str) -> Reply:
    """A service that the paying project has not enabled."""
    link = f"https://console.developers.google.com/apis/api/{service}/overview?project={project}"
    return error(
        403,
        "PERMISSION_DENIED",
        f"{title} API has not been used in project {project} before or it is disabled. Enable it "
        f"by visiting {link} then retry. If you enabled this API recently, wait a few minutes for "
        "the action to propagate to our systems and retry.",
        "SERVICE_DISABLED",
        service=service,
        consumer=f"projects/{project}",
        activationUrl=link,
    )


def refusal(why: str, project: str, region: str) -> Reply:
    """What aiplatform says when it refuses a call outright."""
    if why == "disabled":
        return disabled("aiplatform.googleapis.com", "Agent Platform", project)
    if why == "vpc":
        return error(
            403,
            "PERMISSION_DENIED",
            "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: "
            "abcDEF123",
            "SECURITY_POLICY_VIOLATED",
            uid="abcDEF123",
        )
    if why == "billing":
        return error(
            403,
            "PERMISSION_DENIED",
            f"This API method requires billing to be enabled. Please enable billing on project "
            f"#{project}.",
            "BILLING_DISABLED",
            consumer=f"projects/{project}",
        )
    if why == "project":
        return error(
            403,
            "PERMISSION_DENIED",
            f"Permission denied on resource project {project}.",
            "CONSUMER_INVALID",
            consumer=f"projects/{project}",
        )
    if why == "quota-project":
        return error(
            403,
            "PERMISSION_DENIED",
            "Your application is authenticating by using local Application Default Credentials. "
            "The aiplatform.googleapis.com API requires a quota project, which is not set by "
            "default.",
            "SERVICE_DISABLED",
            consumer="projects/764086051850",
            service="aiplatform.googleapis.com",
        )
    if why == "scopes":
        return error(
            403,
            "PERMISSION_DENIED",
            "Request had insufficient authentication scopes.",
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        )
    return error(400, "INVALID_ARGUMENT", f"Unsupported region: {region}.")


def older(status: int, message: str, reason: str) -> Reply:
    """An error of Cloud Storage, in its older form."""
    rows = [{"message": message, "domain": "global", "reason": reason}]
    return status, {"error": {"code": status, "message": message, "errors": rows}}
