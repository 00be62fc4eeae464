"""gcloud's own login, as its commands will find it, read from its files alone.

Order of googlecloudsdk 528, core/credentials/store.py `_Load`: CLOUDSDK_AUTH_ACCESS_TOKEN,
auth/access_token_file, auth/credential_file_override, then the active account (core/account) in
credentials.db (table credentials: account_id, value as JSON; creds.py), and the metadata server of
a Google machine. access_tokens.db holds the last access token and the proof of a
reauthentication (rapt_token). GOOGLE_APPLICATION_CREDENTIALS means nothing to gcloud.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ftdoctor.facts.google_login import (
    GoogleLogin,
    impersonated,
    on_google_machine,
    read_credentials,
)
from ftdoctor.platforms import gcloud_defaults
from ftdoctor.records import replace


def _property(section: str, key: str) -> str:
    """A property as gcloud reads it: the environment, then the active configuration."""
    named = os.environ.get(f"CLOUDSDK_{section}_{key}".upper(), "")
    return named or gcloud_defaults.setting(section, key)


def read_gcloud_login(account: str = "", impersonate: str = "") -> GoogleLogin:
    """Read gcloud's login. `account` and `impersonate` are the flags of the command.

    Never raises, never asks the network, starts no gcloud.
    """
    account = account or gcloud_defaults.account()
    project = os.environ.get("CLOUDSDK_CORE_PROJECT") or gcloud_defaults.setting("core", "project")
    pays = _property("billing", "quota_project")
    known: dict[str, Any] = {
        "of": "gcloud",
        "gcloud_account": account,
        "gcloud_project": project,
        "quota_project": "" if pays in ("LEGACY", "CURRENT_PROJECT") else pays,
    }
    found = _read(account, known)
    target = impersonate or _property("auth", "impersonate_service_account")
    return replace(found, impersonates=target or found.impersonates)


def _read(account: str, known: dict[str, Any]) -> GoogleLogin:
    token = os.environ.get("CLOUDSDK_AUTH_ACCESS_TOKEN", "")
    if token:
        return GoogleLogin(**known, source="token", kind="access_token", token=token.strip())
    path = _property("auth", "access_token_file")
    if path:
        try:
            token = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return GoogleLogin(**known, source="token", path=path, problem="unreadable")
        return GoogleLogin(**known, source="token", path=path, kind="access_token", token=token)
    path = _property("auth", "credential_file_override")
    if path:
        return read_credentials(Path(path), known, source="override")
    root = gcloud_defaults.folder()
    path = str(root / "credentials.db")
    if not account:
        return GoogleLogin(**known, source="gcloud", path=path, problem="no-account")
    query = "SELECT value FROM credentials WHERE account_id = ?"
    row = _row(root / "credentials.db", query, account)
    if row is None:
        if on_google_machine():
            return GoogleLogin(**known, source="metadata", kind="metadata", account=account)
        return GoogleLogin(**known, source="gcloud", path=path, problem="no-credentials")
    try:
        info = json.loads(row[0])
        kind = str(info["type"])
    except (ValueError, TypeError, KeyError):
        return GoogleLogin(**known, source="gcloud", path=path, problem="not-json")
    if kind == "gce":
        return GoogleLogin(**known, source="metadata", kind="metadata", account=account)
    cached = _cached(root / "access_tokens.db", account)
    if cached.get("rapt_token"):
        info["rapt_token"] = cached["rapt_token"]
    return GoogleLogin(
        **known,
        source="gcloud",
        path=path,
        kind=kind,
        account=account,
        impersonates=impersonated(info),
        info=info,
        token=cached.get("token", ""),
    )


def _row(path: Path, query: str, account: str) -> tuple[Any, ...] | None:
    """Return one row of a database of gcloud, None when there is none or it cannot be read."""
    if not path.is_file():
        return None
    import sqlite3

    try:
        link = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.5)
    except sqlite3.Error:
        return None
    try:
        found: tuple[Any, ...] | None = link.execute(query, (account,)).fetchone()
    except sqlite3.Error:
        return None
    finally:
        link.close()
    return found


def _cached(path: Path, account: str) -> dict[str, str]:
    """Return the last access token, when it has two minutes left, and the proof of reauth."""
    query = "SELECT access_token, token_expiry, rapt_token FROM access_tokens WHERE account_id = ?"
    row = _row(path, query, account)
    if row is None:
        return {}
    from datetime import UTC, datetime

    found = {"rapt_token": str(row[2] or "")}
    try:
        ends = datetime.fromisoformat(str(row[1])).replace(tzinfo=UTC)
    except ValueError:
        return found
    if row[0] and (ends - datetime.now(tz=UTC)).total_seconds() > 120:
        found["token"] = str(row[0])
    return found
