"""Questions to the Hugging Face Hub, through huggingface_hub; nothing is created or changed.

Wire cases: https://huggingface.co/docs/hub/api and huggingface_hub 2.4.0 utils/_http.py. A gated
repository answers metadata to everybody, so `auth-check` is asked for access, never the metadata.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ftdoctor.facts.hub_http import Reply, as_dict, as_list, not_hub_form, not_told, send
from ftdoctor.facts.value import Access, Account, TokenRefused, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

#: (what the server says, kind); first match wins. Old and new wording.
_SAID = (
    (r"enable access to public gated repositories", "fine-grained-no-gated"),
    (r"awaiting a review", "pending"),
    (r"has been rejected", "rejected"),
    (r"has been reset", "reset"),
    (r"not in the authorized list", "not-requested"),
    (r"must (?:have access to it and )?be authenticated|Please log in", "not-signed-in"),
    (r"organization token policy|revoked by the organization|security restrictions", "org-policy"),
    (
        r"Invalid credentials in Authorization header|Invalid user token|User Access Token \S+ is "
        r"expired|token (?:is|has) (?:been )?(?:invalid|expired|revoked)",
        "invalid-token",
    ),
    (
        r"read access but not the required permissions|don't have the (?:rights|required perm)",
        "read-only",
    ),
    (r"Access to this resource is disabled", "disabled"),
    (r"Repository not found", "missing-or-private"),
)
#: What servers say of an address that they do not know, rather than of a repository.
_NO_ADDRESS = r"\bpage\b|cannot (?:get|post)|no route"


def classify(status: int, code: str, said: str, *, with_token: bool) -> str:
    """Return the kind of an answer (see `Access`), or "" when it decides nothing."""
    code = code.lower()
    for pattern, kind in _SAID:
        if re.search(pattern, said, re.I):
            if kind == "not-signed-in" and with_token:
                return "not-requested" if status == 403 else ""
            return kind
    if code == "gatedrepo":
        if status == 401:
            return "" if with_token else "not-signed-in"
        return "not-requested"
    if code == "disabledrepo" or status == 451:
        return "disabled"
    if code == "reponotfound":
        return "missing-or-private"
    if status == 404:
        return "unclear"  # the repository, or the question? See `_by_metadata`.
    if status == 401:
        # Anonymous: the Hub hides what does not exist. With a token: the token itself is refused.
        return "invalid-token" if with_token else "missing-or-private"
    return ""


def access(repo: str, repo_type: str, token: str, *, write: bool = False) -> Access | Unknown:
    """Ask whether a repository can be read (or written) with a token ("" asks as nobody).

    The question is `HfApi.auth_check`'s (huggingface_hub 2.4.0 hf_api.py:12116); it is sent by
    hand because that method also takes the page of a proxy for a yes.
    """
    path = f"/api/{repo_type}s/{quote(repo)}/auth-check{'/write' if write else ''}"
    reply = send("GET", path, token)
    if isinstance(reply, Unknown):
        return reply
    nobody = not token
    if reply.ok:
        if reply.data is None and reply.text.strip().strip('"').lower() not in ("", "ok"):
            return not_hub_form(reply)
        return Access(repo, "open", repo_type, "", reply.call, nobody)
    kind = classify(reply.status, reply.code, reply.said, with_token=bool(token))
    if kind == "unclear":
        return _by_metadata(repo, repo_type, token, reply, write=write)
    if write and reply.status == 403 and kind in ("", "not-requested"):
        kind = "read-only"
    if not kind and reply.status == 403 and isinstance(reply.data, dict) and reply.said:
        kind = "refused"
    if kind:
        return Access(repo, kind, repo_type, reply.said, reply.call, nobody)
    return not_told(reply)


def _by_metadata(
    repo: str, repo_type: str, token: str, reply: Reply, *, write: bool
) -> Access | Unknown:
    """Tell what a bare 404 means, which names neither the repository nor the question.

    A mirror may not know `auth-check`. Metadata of a repository that is not gated then shows that
    it can be read; of a gated one they show nothing.
    """
    found = send("GET", f"/api/{repo_type}s/{quote(repo)}", token)
    if isinstance(found, Unknown):
        return found
    if found.ok and isinstance(found.data, dict):
        if not write and found.data.get("gated") is False:
            return Access(repo, "open", repo_type, "", found.call, not token)
        return Unknown(
            "this server does not answer the question on access",
            reply.call,
            "the Hub itself as HF_ENDPOINT",
        )
    kind = classify(found.status, found.code, found.said, with_token=bool(token))
    bare = isinstance(reply.data, dict) and not re.search(_NO_ADDRESS, reply.said, re.I)
    if kind == "missing-or-private" or (kind == "unclear" and bare):
        return Access(repo, "missing-or-private", repo_type, reply.said, reply.call, not token)
    return not_told(reply)


def whoami(token: str) -> Account | TokenRefused | Unknown:
    """Ask once who a token belongs to. The endpoint is rate limited, so it is never asked twice."""
    reply = send("GET", "/api/whoami-v2", token)
    if isinstance(reply, Unknown):
        return reply
    if reply.status == 401 or (
        not reply.ok and classify(0, "", reply.said, with_token=True) == "invalid-token"
    ):
        return TokenRefused(reply.said or f"status {reply.status}", reply.call)
    if not reply.ok:
        return not_told(reply)
    if not isinstance(reply.data, dict) or not isinstance(reply.data.get("name"), str):
        return not_hub_form(reply)
    return account(reply.data, reply.call)


def account(data: Mapping[str, Any], call: str = "") -> Account:
    """Return the account that a body of /api/whoami-v2 states; a part left out is not known."""
    auth = as_dict(data.get("auth"))
    stated = as_dict(auth.get("accessToken"))
    role = stated.get("role") or as_dict(data.get("scope")).get("role") or ""
    fine = stated.get("fineGrained")
    orgs = [o for o in as_list(data.get("orgs")) if isinstance(o.get("name"), str)]
    gated = as_dict(fine).get("canReadGatedRepos")
    return Account(
        name=str(data["name"]),
        kind=str(auth.get("type") or data.get("type") or ""),
        role=str(role),
        permissions=_permissions(fine, data, orgs) if isinstance(fine, dict) else None,
        can_read_gated=gated if isinstance(gated, bool) else None,
        expires=str(auth.get("expiresAt") or stated.get("expiresAt") or ""),
        organisations=(
            {o["name"]: str(o.get("roleInOrg") or "") for o in orgs}
            if isinstance(data.get("orgs"), list)
            else None
        ),
        restrictions={
            o["name"]: tuple(map(str, o["securityRestrictions"]))
            for o in orgs
            if isinstance(o.get("securityRestrictions"), list) and o["securityRestrictions"]
        },
        call=call,
    )


def _permissions(
    fine: Mapping[str, Any], data: Mapping[str, Any], orgs: list[Mapping[str, Any]]
) -> dict[str, frozenset[str]]:
    """Return the permissions by entity; an entity without a name is found by its id."""
    names = {str(row.get("id")): str(row["name"]) for row in [*orgs, data] if row.get("id")}
    found: dict[str, frozenset[str]] = {}
    everywhere = fine.get("global")
    if isinstance(everywhere, list):
        found[""] = frozenset(str(p) for p in everywhere)
    for item in as_list(fine.get("scoped")):
        entity, held = as_dict(item.get("entity")), item.get("permissions")
        name = entity.get("name") or names.get(str(entity.get("_id") or entity.get("id"))) or "?"
        key = f"{entity.get('type', 'user')}:{name}"
        if isinstance(held, list):
            found[key] = found.get(key, frozenset()) | {str(p) for p in held}
    return found


def jobs_permission(namespace: str, token: str) -> Access | Unknown:
    """Ask whether a token may start Jobs in a namespace (POST auth-check starts nothing)."""
    reply = send("POST", f"/api/jobs/{quote(namespace)}/auth-check/write", token)
    if isinstance(reply, Unknown):
        return reply
    if reply.ok:
        return Access(namespace, "open", "namespace", call=reply.call)
    kind = classify(reply.status, reply.code, reply.said, with_token=True)
    if reply.status == 403:
        kind = kind if kind in ("org-policy", "invalid-token") else "read-only"
    if kind == "unclear":
        unknown_address = re.search(_NO_ADDRESS, reply.said, re.I) or not isinstance(
            reply.data, dict
        )
        kind = "" if unknown_address else "missing-or-private"
    if kind:
        return Access(namespace, kind, "namespace", reply.said, reply.call)
    return not_told(reply)


def hardware(token: str) -> dict[str, dict[str, Any]] | Unknown:
    """Return the flavors that HF Jobs offers now, by name, as the endpoint states them."""
    reply = send("GET", "/api/jobs/hardware", token)
    if isinstance(reply, Unknown):
        return reply
    if not reply.ok:
        return not_told(reply)
    rows = reply.data if isinstance(reply.data, list) else as_dict(reply.data).get("hardware")
    found = {str(row["name"]): dict(row) for row in as_list(rows) if row.get("name")}
    return found or not_hub_form(reply)
