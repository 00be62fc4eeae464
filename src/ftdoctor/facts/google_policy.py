"""What an account other than the caller's may do, inferred from IAM policies.

Nobody can ask Google for the rights of another account without a role of its own, so the bindings
that may be read are compared: https://cloud.google.com/iam/docs/reference/rest/v1/Policy. Groups,
conditions, roles that are not known here and policies that may not be read leave it open.
"""

from __future__ import annotations

from typing import Any

from ftdoctor.facts.google_call import Answer, Closed
from ftdoctor.records import dataclass

#: Right (write, read: objects of a bucket; pull: an image; secret) -> predefined roles that hold
#: it (https://cloud.google.com/iam/docs/roles-permissions).
_GRANTING = {
    "write": frozenset(
        "storage.admin storage.objectAdmin storage.objectUser storage.objectCreator "
        "storage.legacyBucketOwner storage.legacyBucketWriter aiplatform.customCodeServiceAgent "
        "aiplatform.serviceAgent".split()
    ),
    "read": frozenset(
        "storage.admin storage.objectAdmin storage.objectUser storage.objectViewer "
        "storage.legacyObjectReader storage.legacyObjectOwner aiplatform.customCodeServiceAgent "
        "aiplatform.serviceAgent".split()
    ),
    "pull": frozenset(
        "artifactregistry.admin artifactregistry.repoAdmin artifactregistry.writer "
        "artifactregistry.reader artifactregistry.createOnPushRepoAdmin "
        "artifactregistry.createOnPushWriter artifactregistry.serviceAgent viewer editor owner "
        "reader writer aiplatform.customCodeServiceAgent aiplatform.serviceAgent "
        "storage.objectViewer storage.objectAdmin storage.admin".split()
    ),
    "secret": frozenset("secretmanager.secretAccessor secretmanager.admin owner".split()),
}
#: Roles, by their first part, that hold none of these rights.
_OTHERS = {
    "write": ("artifactregistry.", "secretmanager.", "storage.objectViewer",
              "storage.legacyBucketReader", "storage.legacyObjectReader", "viewer"),
    "read": ("artifactregistry.", "secretmanager.", "storage.objectCreator"),
    "pull": ("secretmanager.",),
    "secret": ("artifactregistry.", "storage.", "viewer", "editor", "secretmanager.viewer",
               "secretmanager.secretVersionAdder"),
}  # fmt: skip
#: The same, whatever the right.
_NEVER = (
    "logging.", "monitoring.", "cloudtrace.", "iam.serviceAccount", "serviceusage.", "bigquery.",
    "run.", "pubsub.", "aiplatform.user", "aiplatform.viewer", "browser",
)  # fmt: skip
_EVERYBODY = ("allUsers", "allAuthenticatedUsers")


@dataclass(frozen=True)
class Inferred:
    """`verdict` is yes, no or unknown; `reason` says what was seen; `needs` is a role."""

    verdict: str
    reason: str
    needs: str = ""


def infer(account: str, right: str, policies: dict[str, Any], *, whole: bool) -> Inferred:
    """Say whether an account has a right (a key of `_GRANTING`) by the policies at hand.

    `policies` maps what each belongs to ("gs://b", "the project p") to the answer of getIamPolicy.
    `whole` is True when nothing can be inherited from above them (a project in no organisation).
    """
    open_reason = needs = ""
    for place, answer in policies.items():
        if not isinstance(answer, Answer):
            if isinstance(answer, Closed) and not open_reason:
                open_reason, needs = answer.reason, answer.needs
            open_reason = open_reason or f"the IAM policy of {place} could not be read"
            continue
        verdict, reason = _one(account, right, answer.data)
        if verdict == "yes":
            return Inferred("yes", f"{reason} in the policy of {place}")
        if verdict == "maybe":
            open_reason, needs = open_reason or f"{reason} in the policy of {place}", needs
    if open_reason:
        return Inferred("unknown", open_reason, needs or "an administrator")
    read = " and ".join(policies)
    note = "" if whole else "; a binding of a folder or the organisation is not seen"
    return Inferred("no", f"no binding of {read} names {account}{note}")


def _one(account: str, right: str, policy: dict[str, Any]) -> tuple[str, str]:
    found = ("no", "")
    bindings = policy.get("bindings")
    for binding in bindings if isinstance(bindings, list) else ():
        if not isinstance(binding, dict):
            continue
        role = str(binding.get("role", ""))
        short = role.removeprefix("roles/")
        grants = role.startswith("roles/") and short in _GRANTING[right]
        if (
            not grants
            and role.startswith("roles/")
            and short.startswith((*_OTHERS[right], *_NEVER))
        ):
            continue
        members = binding.get("members")
        members = list(map(str, members)) if isinstance(members, list) else []
        named = f"serviceAccount:{account}" in members or any(m in members for m in _EVERYBODY)
        if named and grants and not binding.get("condition"):
            return "yes", f"{account} has {role}"
        if named:
            why = "under a condition" if binding.get("condition") else "whose rights are not known"
            found = ("maybe", f"{account} has {role}, {why}")
        elif found[0] == "no":
            many = [m for m in members if m.partition(":")[0] in _MANY]
            cousin = _cousin(account)
            if many and grants:
                found = ("maybe", f"{role} is given to {many[0]}, which may hold {account}")
            elif cousin and f"serviceAccount:{cousin}" in members and grants:
                found = ("maybe", f"{role} is given to {cousin}, another agent of Vertex AI")
    return found


#: Kinds of members that may hold an account unseen. projectEditor and projectOwner are settled by
#: the policy of the project, which is always among those compared.
_MANY = ("group", "domain", "principalSet", "principal")


def _cousin(account: str) -> str:
    """Return the general agent of Vertex AI for the one of custom code."""
    return (
        account.replace("@gcp-sa-aiplatform-cc.", "@gcp-sa-aiplatform.", 1)
        if ("@gcp-sa-aiplatform-cc." in account)
        else ""
    )
