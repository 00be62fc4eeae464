"""Where Google's services are asked, and in which protocol.

Settings, first wins: FTDOCTOR_VERTEX_ENDPOINT and FTDOCTOR_LOGGING_ENDPOINT, gcloud's
CLOUDSDK_API_ENDPOINT_OVERRIDES_<SERVICE>, gcloud's property api_endpoint_overrides/<service>
(https://cloud.google.com/sdk/gcloud/reference/config/set), Google's own hosts.

How a setting is read: `http://...` and `https://...` are REST; `host` is REST over TLS, as in the
`api_endpoint` of the client libraries; `host:port` is gRPC, over TLS unless the host is this
machine. A `host:port` on this machine is itself asked which of the two it speaks (by the first
bytes that it sends to an HTTP/2 greeting): test servers of both kinds are named that way.
"""

from __future__ import annotations

import os
import socket
from typing import Any
from urllib.parse import urlsplit

from ftdoctor.lazy import lazy
from ftdoctor.platforms import gcloud_defaults
from ftdoctor.records import dataclass

_OURS = {"aiplatform": "FTDOCTOR_VERTEX_ENDPOINT", "logging": "FTDOCTOR_LOGGING_ENDPOINT"}
_LOOPBACK = lazy(r"(?:localhost|.*\.localhost|127(?:\.\d{1,3}){3}|::1)\Z")
#: Paths that gcloud's overrides may carry and that stand in our requests again.
_API_PATHS = ("/storage/v1", "/v1", "/v2", "/v1beta1")
#: The HTTP/2 connection preface and an empty SETTINGS frame (RFC 9113, sections 3.4 and 6.5).
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"


@dataclass(frozen=True)
class Endpoint:
    """One service: `url` for REST, `target` (host:port) for gRPC."""

    service: str
    url: str
    target: str = ""
    #: "rest" or "grpc".
    protocol: str = "rest"
    #: Named by a setting, not Google's own host.
    given: bool = False
    loopback: bool = False
    #: Encrypted.
    tls: bool = True

    @property
    def may_sign(self) -> bool:
        """Whether a token may travel there: over TLS, or within this machine."""
        return self.tls or self.loopback


def endpoint(service: str, region: str = "") -> Endpoint:
    """Return where a service ("aiplatform", "storage", ...) is asked; asks only this machine."""
    setting = ""
    if service in _OURS:
        setting = os.environ.get(_OURS[service], "")
    setting = (
        setting
        or os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{service.upper()}", "")
        or gcloud_defaults.setting("api_endpoint_overrides", service)
    ).strip()
    if setting:
        return read_setting(service, setting)
    host = f"{region}-{service}" if service == "aiplatform" and region else service
    name = f"{host}.googleapis.com"
    return Endpoint(service, f"https://{name}", f"{name}:443")


def read_setting(service: str, setting: str) -> Endpoint:
    """Return the endpoint that a setting names."""
    scheme, _, rest = setting.rpartition("://")
    parts = urlsplit(f"//{rest}")
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:  # a port that is no number: what asks there will say that it cannot
        host, port = parts.netloc, None
    loopback = bool(_LOOPBACK.match(host))
    if scheme in ("http", "https", ""):
        tls = scheme == "https" or (not scheme and not loopback)
    else:
        tls = not loopback  # grpc://host:port
    path = parts.path.rstrip("/")
    for known in _API_PATHS:
        path = path.removesuffix(known)
    shown = f"[{host}]" if ":" in host else host
    target = f"{shown}:{port or (443 if tls else 80)}"
    url = f"{'https' if tls else 'http'}://{shown}{f':{port}' if port else ''}{path}"
    protocol = "rest"
    if scheme not in ("http", "https", ""):
        protocol = "grpc"
    elif not scheme and loopback:
        protocol = spoken(host, port or 80) or "grpc"
    elif not scheme and port not in (None, 443):
        protocol = "grpc"
    return Endpoint(service, url, target, protocol, True, loopback, tls)


#: (host, port) -> protocol; a server does not change what it speaks.
_SPOKEN: dict[tuple[str, int], str] = {}


def spoken(host: str, port: int, timeout: float = 1.0) -> str:
    """Return "grpc" or "rest" for a server on this machine, "" when it does not say."""
    key = (host, port)
    if key not in _SPOKEN:
        found = _ask_protocol(host, port, timeout)
        if not found:
            return ""
        _SPOKEN[key] = found
    return _SPOKEN[key]


def _ask_protocol(host: str, port: int, timeout: float) -> str:
    try:
        with socket.create_connection((host, port), timeout) as link:
            link.settimeout(timeout)
            link.sendall(_GREETING)
            answer = b""
            while len(answer) < 9:
                piece = link.recv(64)
                if not piece:
                    break
                answer += piece
    except OSError:
        return ""
    # A frame header: length (3 bytes), type 4 = SETTINGS. HTTP/1.1 answers with text or hangs up.
    if len(answer) >= 9 and answer[3] == 4:
        return "grpc"
    return "rest"


def unreachable(place: Endpoint, timeout: float = 1.5) -> str:
    """Return "" when the host of an endpoint (or the proxy) takes a connection, else why not.

    Without this a machine with no network would spend the whole deadline on name look-ups and
    retries.
    """
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or ""
    parts = urlsplit(f"//{place.target}")
    if place.tls and proxy and not place.loopback and place.protocol == "rest":
        parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    try:
        port = parts.port or 443
        socket.create_connection((parts.hostname or "", port), timeout).close()
    except (OSError, UnicodeError, ValueError) as error:
        who = place.target if place.given else "Google"
        return f"{who} cannot be reached ({error})"
    return ""


def session(place: Endpoint) -> Any:
    """Return a requests session for an endpoint; use as a context manager.

    Within this machine no proxy is used, but the certificates that the environment names are.

    Raises:
        MissingExtra: requests, which google-auth signs with, is not installed.
    """
    try:
        import requests
    except ImportError:
        from ftdoctor.errors import MissingExtra

        raise MissingExtra("vertex", "Asking Google Cloud") from None
    found = requests.Session()
    found.auth = _no_password  # requests would add one of ~/.netrc
    if place.loopback:
        found.trust_env = False
        named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        found.verify = named or True
    return found


def _no_password(request: Any) -> Any:
    return request
