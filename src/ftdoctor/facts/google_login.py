"""Google credentials as the submitter's code will find them, read from the files alone.

Order of google-auth 2.x `_default.py`: GOOGLE_APPLICATION_CREDENTIALS, then gcloud's
application-default file. No gcloud process is started: `google.auth.default()` would start one,
which takes over a second.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from ftdoctor.platforms import gcloud_defaults
from ftdoctor.records import dataclass


@dataclass(frozen=True)
class GoogleLogin:
    """What the files say. `problem` is "" when the credentials can be used."""

    path: str = ""
    kind: str = ""
    account: str = ""
    project: str = ""
    quota_project: str = ""
    impersonates: str = ""
    #: gcloud's own login, which may be another account.
    gcloud_account: str = ""
    gcloud_project: str = ""
    #: "absent", "unreadable", "not-json", "no-type" or "".
    problem: str = ""


_KINDS = frozenset(
    "authorized_user service_account external_account external_account_authorized_user "
    "impersonated_service_account gdch_service_account".split()
)


def read_login() -> GoogleLogin:
    """Read the credential files. Never raises, never asks the network."""
    root = Path(os.environ.get("CLOUDSDK_CONFIG") or os.path.expanduser("~/.config/gcloud"))
    account, project = gcloud_defaults.account(), gcloud_defaults.setting("core", "project")
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    path = Path(named) if named else root / "application_default_credentials.json"
    known = {"gcloud_account": account, "gcloud_project": project, "path": str(path)}
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return GoogleLogin(**known, problem="absent")
    except (OSError, UnicodeDecodeError):
        return GoogleLogin(**known, problem="unreadable")
    except ValueError:
        return GoogleLogin(**known, problem="not-json")
    if not isinstance(data, dict) or data.get("type") not in _KINDS:
        return GoogleLogin(**known, problem="no-type")
    source = data.get("source_credentials")
    return GoogleLogin(
        **known,
        kind=str(data["type"]),
        account=str(data.get("client_email") or data.get("account") or ""),
        project=os.environ.get("GOOGLE_CLOUD_PROJECT") or str(data.get("project_id") or project),
        quota_project=str(
            data.get("quota_project_id")
            or (source.get("quota_project_id", "") if isinstance(source, dict) else "")
        ),
        impersonates=str(data.get("service_account_impersonation_url") or ""),
    )
