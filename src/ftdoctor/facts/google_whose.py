"""Whose login it is, where the files do not say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ftdoctor.facts.google_endpoint import session
from ftdoctor.facts.google_sign import token_endpoint

if TYPE_CHECKING:
    from ftdoctor.facts.google_call import Caller

_TIMEOUT = (3, 9)


def person(caller: Caller) -> str:
    """Return the address of the person behind an access token, "" when it is not told.

    A login that is refused is told where it is used; here it only leaves the account open.

    https://developers.google.com/identity/protocols/oauth2: `tokeninfo` beside the token endpoint;
    the token goes in the body, so that no log of addresses keeps it.
    """
    import requests

    token = caller.signer.token()
    if not isinstance(token, str):
        return ""
    place = token_endpoint(caller.login)
    url = f"{place.url.removesuffix('/token')}/tokeninfo"
    with session(place) as link:
        try:
            response = link.post(
                url, data={"access_token": token}, timeout=_TIMEOUT, allow_redirects=False
            )
            email = response.json().get("email", "")
        except (requests.exceptions.RequestException, ValueError, AttributeError):
            return ""
    return email if isinstance(email, str) else ""


def machine_account(_caller: Caller) -> str:
    """Return the service account of a Google machine, by its metadata server, or "".

    https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys
    """
    import requests

    host = os.environ.get("GCE_METADATA_HOST") or "metadata.google.internal"
    url = f"http://{host}/computeMetadata/v1/instance/service-accounts/default/email"
    with requests.Session() as link:
        link.trust_env = False
        try:
            response = link.get(url, headers={"Metadata-Flavor": "Google"}, timeout=_TIMEOUT)
        except requests.exceptions.RequestException:
            return ""
    text = response.text.strip()
    found = response.status_code == 200 and "@" in text and len(text) < 200
    return text if found else ""
