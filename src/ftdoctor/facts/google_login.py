"""Google credentials as the submitter's code will find them, read from the files alone.

The client libraries: GOOGLE_APPLICATION_CREDENTIALS, gcloud's application-default file, the
metadata server of a Google machine (google-auth 2.62, `_default.py`). gcloud's commands have a
login of their own: `ftdoctor.facts.gcloud_login`. No gcloud process is started:
`google.auth.default()` would start one, which takes over a second.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ftdoctor.platforms import gcloud_defaults
from ftdoctor.records import dataclass, field


@dataclass(frozen=True)
class GoogleLogin:
    """What the files say. `problem` is "" when the credentials can be used."""

    path: str = ""
    #: authorized_user, service_account, external_account, ..., metadata, access_token.
    kind: str = ""
    account: str = ""
    project: str = ""
    quota_project: str = ""
    #: The service account that it stands in for ("" for none): an address, or the URL of the file.
    impersonates: str = ""
    #: gcloud's own login, which may be another account.
    gcloud_account: str = ""
    gcloud_project: str = ""
    #: One of `PROBLEMS`, or "".
    problem: str = ""
    #: More on the problem: the fields that lack, the file that is not there.
    detail: str = ""
    #: "environment", "file", "metadata", "gcloud", "override", "token", "script".
    source: str = ""
    #: Whose login it is: "library" (Application Default Credentials) or "gcloud".
    of: str = "library"
    #: The credentials themselves and a ready access token: secrets, in no report.
    info: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    token: str = field(default="", repr=False, compare=False)

    @property
    def name(self) -> str:
        """The account that Google will see, "" when the files do not say."""
        last = self.impersonates.rpartition("/")[2].rpartition(",")[2]
        return last.partition(":")[0].strip() or self.account

    @property
    def said(self) -> str:
        """The problem in words, "" when there is none."""
        return PROBLEMS.get(self.problem, "").format(
            path=self.path, detail=self.detail, account=self.gcloud_account
        )


PROBLEMS = {
    "absent": "{path} does not exist",
    "named-absent": "GOOGLE_APPLICATION_CREDENTIALS names {path}, which does not exist",
    "unreadable": "{path} cannot be read",
    "not-json": "{path} is not JSON",
    "no-type": "{path} has no valid type",
    "client-file": "{path} is the file of an OAuth client, not a login or a key",
    "missing-fields": "{path} lacks {detail}",
    "subject-absent": "{path} takes its token from {detail}, which does not exist",
    "elsewhere": "{detail}",
    "own": "{detail}",
    "no-account": "gcloud has no active account",
    "no-credentials": "gcloud has no credentials for its active account {account}",
}
#: Type -> fields without which google-auth refuses the file (2.62: oauth2/credentials.py
#: from_authorized_user_info, _service_account_info.py, external_account.py,
#: external_account_authorized_user.py, impersonated_credentials.py).
_FIELDS = {
    "authorized_user": ("refresh_token", "client_id", "client_secret"),
    "service_account": ("client_email", "token_uri", "private_key"),
    "external_account": ("audience", "subject_token_type", "token_url", "credential_source"),
    "external_account_authorized_user": (),
    "impersonated_service_account": ("source_credentials", "service_account_impersonation_url"),
    "gdch_service_account": (),
}


def read_login() -> GoogleLogin:
    """Read what the client libraries will find. Never raises, never asks the network."""
    account = "" if _overridden() else gcloud_defaults.account()
    project = os.environ.get("CLOUDSDK_CORE_PROJECT") or gcloud_defaults.setting("core", "project")
    known: dict[str, Any] = {
        "gcloud_account": account,
        "gcloud_project": project,
        "quota_project": os.environ.get("GOOGLE_CLOUD_QUOTA_PROJECT", ""),
        "project": os.environ.get("GOOGLE_CLOUD_PROJECT", ""),
    }
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    if named:
        found = read_credentials(Path(named), known, source="environment")
        if found.problem == "absent":
            return GoogleLogin(**known, path=named, source="environment", problem="named-absent")
        return found
    path = gcloud_defaults.folder() / "application_default_credentials.json"
    found = read_credentials(path, {**known, "project": known["project"] or project}, source="file")
    if found.problem == "absent" and on_google_machine():
        return GoogleLogin(**known, source="metadata", kind="metadata")
    return found


def _overridden() -> bool:
    """Whether gcloud is told to use a file or a token instead of its active account."""
    names = ("ACCESS_TOKEN", "ACCESS_TOKEN_FILE", "CREDENTIAL_FILE_OVERRIDE")
    return any(os.environ.get(f"CLOUDSDK_AUTH_{name}") for name in names)


def read_credentials(path: Path, known: dict[str, Any], *, source: str) -> GoogleLogin:
    """Read one credential file; `known` are the fields of GoogleLogin that it does not hold."""

    def bad(problem: str, detail: str = "", kind: str = "", account: str = "") -> GoogleLogin:
        return GoogleLogin(
            **known,
            path=str(path),
            source=source,
            problem=problem,
            detail=detail,
            kind=kind,
            account=account,
        )

    try:
        data = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return bad("absent")
    except (OSError, UnicodeDecodeError):
        return bad("unreadable")
    except (ValueError, RecursionError):
        return bad("not-json")
    kind = data.get("type") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        client = isinstance(data, dict) and bool({"installed", "web"} & data.keys())
        return bad("client-file" if client else "no-type")
    lacking = [name for name in _FIELDS[kind] if not data.get(name)]
    account = str(data.get("client_email") or data.get("account") or "")
    if lacking:
        return bad("missing-fields", ", ".join(lacking), kind, account)
    subject = _subject_file(data)
    if subject and not Path(subject).exists():
        return bad("subject-absent", subject, kind, account)
    inner = data.get("source_credentials")
    pays = data.get("quota_project_id") or (
        inner.get("quota_project_id") if isinstance(inner, dict) else ""
    )
    fields = {
        **known,
        "project": known.get("project") or str(data.get("project_id") or ""),
        "quota_project": known.get("quota_project") or str(pays or ""),
    }
    return GoogleLogin(
        **fields,
        path=str(path),
        source=source,
        kind=kind,
        account=account,
        impersonates=impersonated(data),
        info=data,
    )


def impersonated(data: dict[str, Any]) -> str:
    """Return the URL of the service account that credentials stand in for, "" for none."""
    return str(data.get("service_account_impersonation_url") or "")


def _subject_file(data: dict[str, Any]) -> str:
    """Return the file from which a workload identity takes its token, "" for none."""
    source = data.get("credential_source")
    return str(source.get("file") or "") if isinstance(source, dict) else ""


def on_google_machine() -> bool:
    """Whether this is a Google machine, by its firmware (google-auth `_metadata.py`)."""
    if os.environ.get("NO_GCE_CHECK") == "true":
        return False
    if os.environ.get("GCE_METADATA_HOST"):
        return True
    try:
        with open("/sys/class/dmi/id/product_name", encoding="utf-8") as file:
            return file.read().strip().startswith("Google")
    except (OSError, UnicodeDecodeError):
        return False
