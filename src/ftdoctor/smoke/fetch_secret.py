"""Read a secret of Google's Secret Manager into the environment; runs in the job's container.

Sent as text in front of the payload, so it imports nothing of ftdoctor and nothing that is not in
Python. The token is that of the job's service account, from the metadata server
(https://cloud.google.com/compute/docs/metadata/querying-metadata), and the secret is asked by
REST (https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access).
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any


def _ask(url: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def fetch(name: str, variable: str) -> None:
    """Set a variable to the value of projects/P/secrets/S/versions/V; ends the run when refused."""
    host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
    base = os.environ.get(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "https://secretmanager.googleapis.com/"
    )
    try:
        path = "/computeMetadata/v1/instance/service-accounts/default/token"
        login = _ask("http://" + host + path, {"Metadata-Flavor": "Google"})
        bearer = {"Authorization": "Bearer " + login["access_token"]}
        answer = _ask(base.rstrip("/") + "/v1/" + name + ":access", bearer)
        os.environ[variable] = base64.b64decode(answer["payload"]["data"]).decode().strip()
    except Exception as error:
        text = str(error)
        if isinstance(error, urllib.error.HTTPError):
            text += " " + error.read().decode("utf-8", "replace")[:800]
        print("Secret Manager did not give " + name + ": " + text)
        said = "the secret " + name + " cannot be read by the job's service account: " + text[:300]
        print("FTDOCTOR " + json.dumps({"stage": "token", "ok": False, "error": said}), flush=True)
        sys.exit(1)
