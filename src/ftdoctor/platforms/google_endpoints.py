"""Where Google's services are asked: their own addresses, or those that the environment names.

FTDOCTOR_VERTEX_ENDPOINT, FTDOCTOR_LOGGING_ENDPOINT, ... (ours) come before gcloud's
CLOUDSDK_API_ENDPOINT_OVERRIDES_* (https://cloud.google.com/sdk/docs/properties). A URL
(`https://host`, `http://host:port`) is asked over REST. A bare `host:port` is asked over gRPC.
No credentials are sent without encryption: `http://` and gRPC to loopback go unsigned.
"""

from __future__ import annotations

import os

from ftdoctor.records import dataclass

#: Our own variables, by service; one for each service that is asked.
OURS = {"aiplatform": "FTDOCTOR_VERTEX_ENDPOINT", "logging": "FTDOCTOR_LOGGING_ENDPOINT"}
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address. `grpc` is True for `host:port`; `signed` is False where no login is needed."""

    address: str
    grpc: bool = False
    signed: bool = True
    #: True when the environment named it.
    named: bool = False


def named(service: str) -> str:
    """Return the address that the environment names for a service, "" for none."""
    for name in (OURS.get(service, ""), f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}"):
        address = os.environ.get(name, "").strip().rstrip("/") if name else ""
        if address:
            return address
    return ""


def endpoint(service: str, region: str = "") -> Endpoint:
    """Return where a service is asked; Vertex AI has an address for each region."""
    anonymous = os.environ.get("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "").lower() in ("1", "true")
    address = named(service)
    if not address:
        host = f"{region}-{service}" if service == "aiplatform" and region else service
        return Endpoint(f"https://{host}.googleapis.com", signed=not anonymous)
    if "://" in address:
        signed = address.startswith("https://") and not anonymous
        return Endpoint(address, signed=signed, named=True)
    local = address.rsplit(":", 1)[0] in _LOOPBACK
    return Endpoint(address, grpc=True, signed=not local and not anonymous, named=True)
