"""Questions to the Hugging Face Hub, through huggingface_hub; nothing is created or changed.

Wire cases: https://huggingface.co/docs/hub/api and huggingface_hub 2.4.0 utils/_http.py. A gated
repository answers metadata to everybody, so `auth-check` is asked, never `model_info`.
"""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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
    (r"Invalid credentials in Authorization header|Invalid user token", "invalid-token"),
    (r"read access but not the required permissions|don't have the rights", "read-only"),
    (r"Access to this resource is disabled", "disabled"),
)


def endpoint() -> str:
    """Return the Hub's address as huggingface_hub has it."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT).rstrip("/")


def reachable(timeout: float = 1.5) -> str:
    """Return "" when the Hub's host (or the proxy) takes a connection, else why not.

    Without this a machine with no network would spend the whole deadline on name look-ups.
    """
    parts = urlsplit(endpoint())
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or ""
    if parts.scheme == "https" and proxy:
        parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout).close()
    except (OSError, UnicodeError) as error:
        return f"{parts.hostname} cannot be reached ({error})"
    return ""


def _server(error: Any) -> tuple[int, str, str]:
    """Return (status, X-Error-Code, the server's sentence) of a Hub error."""
    response = getattr(error, "response", None)
    if response is None:
        return 0, "", str(error)
    headers = response.headers
    said = headers.get("X-Error-Message") or getattr(error, "server_message", None) or ""
    if not said:
        try:
            body = response.json()
            said = str(body.get("error", "")) if isinstance(body, dict) else ""
        except ValueError:
            said = response.text[:300]
    return int(response.status_code), headers.get("X-Error-Code") or "", str(said)


def classify(status: int, code: str, said: str, *, with_token: bool) -> str:
    """Return the kind of an answer (see `Access`), or "" when it decides nothing."""
    for pattern, kind in _SAID:
        if re.search(pattern, said, re.I):
            if kind == "not-signed-in" and with_token and status == 403:
                continue
            return kind
    if code == "GatedRepo":
        return "not-signed-in" if status == 401 else "not-requested"
    if code == "DisabledRepo":
        return "disabled"
    if code == "RepoNotFound" or status == 404:
        return "missing-or-private"
    if status == 401:
        # Anonymous: the Hub hides what does not exist. With a token: the token itself is refused.
        return "invalid-token" if with_token else "missing-or-private"
    return ""


def access(repo: str, repo_type: str, token: str, *, write: bool = False) -> Access | Unknown:
    """Ask whether a repository can be read (or written) with a token ("" asks as nobody)."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    path = f"GET /api/{repo_type}s/{repo}/auth-check{'/write' if write else ''}"
    api = HfApi(token=token or False)
    try:
        if write:
            _auth_check_write(api, repo, repo_type)
        else:
            api.auth_check(repo, repo_type=repo_type)
    except HfHubHTTPError as error:
        status, code, said = _server(error)
        kind = classify(status, code, said, with_token=bool(token))
        if write and status == 403 and kind in ("", "not-requested"):
            kind = "read-only"
        if kind:
            return Access(repo, kind, repo_type, said, path)
        return _unknown(status, said, path)
    return Access(repo, "open", repo_type, call=path)


def _auth_check_write(api: Any, repo: str, repo_type: str) -> None:
    """`auth_check(write=True)` came with huggingface_hub 1.6; older clients get the URL."""
    import inspect

    if "write" in inspect.signature(api.auth_check).parameters:
        api.auth_check(repo, repo_type=repo_type, write=True)
        return
    from huggingface_hub.utils import get_session, hf_raise_for_status

    url = f"{endpoint()}/api/{repo_type}s/{repo}/auth-check/write"
    hf_raise_for_status(get_session().get(url, headers=api._build_hf_headers()))


def _unknown(status: int, said: str, call: str) -> Unknown:
    if status == 429:
        return Unknown("the Hub limits the rate of questions (429)", call, "waiting a few minutes")
    if status >= 500:
        return Unknown(f"the Hub has a fault of its own ({status})", call, "trying again later")
    return Unknown(f"the Hub answered {status}: {said[:120]}", call)


def whoami(token: str) -> Account | TokenRefused | Unknown:
    """Ask once who a token belongs to. The endpoint is rate limited, so it is never asked twice."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    call = "GET /api/whoami-v2"
    try:
        data = HfApi(token=token).whoami()
    except HfHubHTTPError as error:
        status, _, said = _server(error)
        if status in (401, 403):
            return TokenRefused(said or f"status {status}", call)
        return _unknown(status, said, call)
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        return Unknown("the answer is not in the form that the Hub gives", call)
    return _account(data, call)


def _account(data: Mapping[str, Any], call: str) -> Account:
    auth = data.get("auth") if isinstance(data.get("auth"), dict) else {}
    assert isinstance(auth, dict)
    stated = auth.get("accessToken") if isinstance(auth.get("accessToken"), dict) else {}
    assert isinstance(stated, dict)
    fine = stated.get("fineGrained")
    permissions: dict[str, frozenset[str]] | None = None
    gated: bool | None = None
    if isinstance(fine, dict):
        permissions = {"": frozenset(map(str, fine.get("global") or ()))}
        for scoped in fine.get("scoped") or ():
            entity = scoped.get("entity") or {}
            name = f"{entity.get('type', '')}:{entity.get('name', '')}"
            old = permissions.get(name, frozenset())
            permissions[name] = old | frozenset(map(str, scoped.get("permissions") or ()))
        gated = bool(fine.get("canReadGatedRepos", False))
    organisations = [org for org in data.get("orgs") or () if isinstance(org, dict)]
    return Account(
        name=str(data["name"]),
        kind=str(auth.get("type") or data.get("type") or ""),
        role=str(stated.get("role") or ""),
        permissions=permissions,
        can_read_gated=gated,
        expires=str(auth.get("expiresAt") or ""),
        organisations={str(o.get("name")): str(o.get("roleInOrg") or "") for o in organisations},
        restrictions={
            str(o.get("name")): tuple(map(str, o["securityRestrictions"]))
            for o in organisations
            if o.get("securityRestrictions")
        },
        call=call,
    )


def jobs_permission(namespace: str, token: str) -> Access | Unknown:
    """Ask whether a token may start Jobs in a namespace (POST auth-check starts nothing)."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    path = f"/api/jobs/{namespace}/auth-check/write"
    call = f"POST {path}"
    response = get_session().post(f"{endpoint()}{path}", headers=build_hf_headers(token=token))
    try:
        hf_raise_for_status(response)
    except HfHubHTTPError as error:
        status, code, said = _server(error)
        kind = classify(status, code, said, with_token=True)
        if status == 403:
            kind = kind if kind in ("org-policy", "invalid-token") else "read-only"
        if kind:
            return Access(namespace, kind, "namespace", said, call)
        return _unknown(status, said, call)
    return Access(namespace, "open", "namespace", call=call)


def hardware(token: str) -> dict[str, dict[str, Any]] | Unknown:
    """Return the flavors that HF Jobs offers now, by name, as the endpoint states them."""
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    call = "GET /api/jobs/hardware"
    response = get_session().get(
        f"{endpoint()}/api/jobs/hardware", headers=build_hf_headers(token=token or False)
    )
    try:
        hf_raise_for_status(response)
        rows = response.json()
        return {str(row["name"]): row for row in rows}
    except HfHubHTTPError as error:
        status, _, said = _server(error)
        return _unknown(status, said, call)
    except (ValueError, TypeError, KeyError):
        return Unknown("the answer is not in the form that the Hub gives", call)
