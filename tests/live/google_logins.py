"""Logins for the tests of Google's answers: files as gcloud and the libraries keep them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.emulators.google import GoogleServer
from tests.emulators.google_state import PROJECT, GoogleState

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import Inspection, inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    import pytest

REFRESH = "1//0" + "emulated-refresh-token-of-the-tests"
PERSON = {
    "type": "authorized_user",
    "account": "",
    "client_id": "id.apps.googleusercontent.com",
    "client_secret": "GOCSPX-" + "emulated-client-secret",
    "refresh_token": REFRESH,
    "quota_project_id": PROJECT,
    "universe_domain": "googleapis.com",
}
SPEC = f"""\
worker_pool_specs = [
    {{
        "machine_spec": {{
            "machine_type": "g2-standard-24",
            "accelerator_type": "NVIDIA_L4",
            "accelerator_count": 2,
        }},
        "replica_count": 1,
        "container_spec": {{
            "image_uri": "us-central1-docker.pkg.dev/{PROJECT}/images/train:1"
        }},
    }}
]
"""
PYTHON = f"""\
from google.cloud import aiplatform

{SPEC}
aiplatform.init(project="{PROJECT}", location="us-central1", staging_bucket="gs://my-bucket-1")
job = aiplatform.CustomJob(display_name="tune", worker_pool_specs=worker_pool_specs)
job.submit(service_account="trainer@{PROJECT}.iam.gserviceaccount.com")
"""
SHELL = f"""\
gcloud ai custom-jobs create --project={PROJECT} --region=us-central1 --display-name=tune \\
  --worker-pool-spec=machine-type=g2-standard-8,accelerator-type=NVIDIA_L4,accelerator-count=1,\\
container-image-uri=us-central1-docker.pkg.dev/{PROJECT}/images/train:1
"""


def adc(home: Path, data: Any) -> Path:
    """Write the file of Application Default Credentials."""
    path = home / "application_default_credentials.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def configure(home: Path, **properties: str) -> None:
    """Write gcloud's active configuration; `core_account` is core/account."""
    rows: dict[str, list[str]] = {}
    for name, value in properties.items():
        section, _, key = name.partition("_")
        rows.setdefault(section, []).append(f"{key} = {value}")
    text = "".join(f"[{s}]\n" + "\n".join(lines) + "\n" for s, lines in rows.items())
    (home / "configurations" / "config_default").write_text(text)


def gcloud_store(home: Path, account: str, info: dict[str, Any], **cached: Any) -> None:
    """Make the databases as gcloud makes them (googlecloudsdk 528, core/credentials/creds.py)."""
    with sqlite3.connect(home / "credentials.db") as link:
        link.execute(
            'CREATE TABLE IF NOT EXISTS "credentials" (account_id TEXT PRIMARY KEY, value BLOB)'
        )
        link.execute("REPLACE INTO credentials VALUES (?, ?)", (account, json.dumps(info)))
    with sqlite3.connect(home / "access_tokens.db") as link:
        link.execute(
            'CREATE TABLE IF NOT EXISTS "access_tokens" (account_id TEXT PRIMARY KEY, '
            "access_token TEXT, token_expiry TIMESTAMP, rapt_token TEXT, id_token TEXT)"
        )
        row = (account, cached.get("token"), cached.get("expiry"), cached.get("rapt"), None)
        link.execute("REPLACE INTO access_tokens VALUES (?, ?, ?, ?, ?)", row)


def key(url: str) -> dict[str, str]:
    """A service account key made for this test."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "0",
        "private_key": text,
        "client_email": f"ci@{PROJECT}.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
    }


def check(
    state: GoogleState, monkeypatch: pytest.MonkeyPatch, text: str, before: Any
) -> Inspection:
    """Check one script against a server, with the login that `before(url)` puts there."""
    name = "submit.py" if "import" in text else "submit.sh"
    Path(name).write_text(text)
    with GoogleServer(state) as server:
        for variable, value in server.variables(signed=True).items():
            monkeypatch.setenv(variable, value)
        before(server.url)
        return inspect(
            read([name]).jobs,
            load(),
            Config(select=("FT-GCP",)),
            gather=gatherer(online=False, deadline=10),
        )


def codes(inspection: Inspection) -> list[str]:
    assert not [c for report in inspection.jobs for c in report.crashed]
    return sorted(f.code for _, f in inspection.findings())
