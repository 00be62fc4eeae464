"""One request to the Hub through huggingface_hub's own session, and what came back, sorted.

An answer is the Hub's (`Reply`), or `Unknown` with the reason and what would help: no network, a
certificate that is not accepted, a page of a proxy, a cut connection, a limit, a fault of the Hub.
Headers and error classes: huggingface_hub 2.4.0 utils/_http.py. Works with the sessions of
huggingface_hub 0.x (requests), 1.x (httpx) and 2.x (httpx2).
"""

from __future__ import annotations

import os
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ftdoctor.facts.value import Unknown
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds after which a thread that nobody waits for any more gives up.
_LONGEST = 60.0


@dataclass(frozen=True)
class Reply:
    """An answer that comes from the Hub: `code` is X-Error-Code, `said` its sentence.

    `data` is the JSON of the body, None when the body is none; `text` is its start.
    """

    status: int
    code: str
    said: str
    data: Any
    text: str
    call: str

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300


def endpoint() -> str:
    """Return the Hub's address as huggingface_hub has it: HF_ENDPOINT, or the Hub itself."""
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or str(constants.ENDPOINT)).rstrip("/")


def _host() -> str:
    return urlsplit(endpoint()).hostname or endpoint()


def reachable(timeout: float = 1.2) -> str:
    """Return "" when the Hub's host (or the proxy) takes a connection, else why not.

    Without this a machine with no network would spend the whole deadline on it. The look-up of the
    name knows no time limit of its own, so all of it runs in a thread that is left behind.
    """
    import threading
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(endpoint())
    host = parts.hostname or ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    if proxy and not proxy_bypass(parts.netloc):
        parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return f"{parts.netloc} is no address; look at HF_ENDPOINT"
    through = f" through the proxy {parts.hostname}" if parts.hostname != host else ""
    answer: list[str] = []

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), timeout).close()
            answer.append("")
        except (OSError, UnicodeError) as error:
            answer.append(f"{host} cannot be reached{through} ({error})")

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(timeout)
    return (
        answer[0] if answer else f"{host} cannot be reached{through} (no answer in {timeout:g} s)"
    )


def send(method: str, path: str, token: str) -> Reply | Unknown:
    """Send one request with a token ("" sends none) and sort what comes back."""
    from huggingface_hub.utils import get_session

    call = f"{method} {path.partition('?')[0]}"
    try:
        response = get_session().request(
            method,
            f"{endpoint()}{path}",
            headers=_headers(token),
            timeout=_LONGEST,
        )
    except Exception as error:
        return _not_sent(error, call)
    return _sorted(response, call)


def _headers(token: str) -> dict[str, str]:
    """Return the headers of a request: who asks, and the token.

    Not `build_hf_headers`: for its user agent huggingface_hub 2.4.0 first fetches a registry from
    the Hub and keeps it in a file (utils/_detect_agent.py), which may take 3 s in every thread.
    """
    import huggingface_hub

    from ftdoctor import __version__

    named = {"user-agent": f"ftdoctor/{__version__}; hf_hub/{huggingface_hub.__version__}"}
    return named | ({"authorization": f"Bearer {token}"} if token else {})


def _not_sent(error: Exception, call: str) -> Unknown:
    """Say why a request got no answer; error classes differ with the client, so names count."""
    from ftdoctor.facts.ask import short

    name, said = type(error).__name__, short(error)
    chain = " ".join(
        str(e) for e in (error, error.__cause__, error.__context__) if e is not None
    ).lower()
    if name == "OfflineModeIsEnabled":
        return Unknown("HF_HUB_OFFLINE is set on this machine", call, "HF_HUB_OFFLINE=0")
    if "certificate" in chain:
        why = re.search(r"certificate verify failed: ([^(\]]+)", chain)
        return Unknown(
            f"the certificate of {_host()} is not accepted ({why[1].strip() if why else said})",
            call,
            "a right clock and certificates (where a proxy has its own: SSL_CERT_FILE, or "
            "REQUESTS_CA_BUNDLE with huggingface_hub before 1.0)",
        )
    if "ssl" in chain or "tls" in chain:
        return Unknown(
            f"{_host()} and this machine did not agree on TLS ({said})", call, "a working network"
        )
    if "Proxy" in name:
        return Unknown(f"the proxy gave no way to {_host()} ({said})", call, "a working proxy")
    if "Timeout" in name:
        return Unknown(f"{_host()} gave no answer in time", call, "a network, or trying again")
    if re.search(r"disconnect|reset|closed|incomplete|aborted|broken pipe|peer", chain):
        return Unknown(
            f"{_host()} cut the connection before its answer was whole", call, "trying again"
        )
    if "Decod" in name:
        return Unknown(f"the answer of {_host()} cannot be decoded", call, "a working network")
    if re.search("Connect|Network|Protocol|Request", name):
        return Unknown(f"{_host()} cannot be reached ({said})", call, "a network")
    return Unknown(f"{name}: {said}", call, "trying again")


def _sorted(response: Any, call: str) -> Reply | Unknown:
    status = int(response.status_code)
    headers: Mapping[str, str] = response.headers
    text = str(response.text)[:4000]
    told = headers.get("X-Error-Code") or headers.get("X-Error-Message")
    kind = (headers.get("Content-Type") or "").lower()
    page = "html" in kind or text.lstrip()[:15].lower().startswith(("<!doctype", "<html"))
    if status == 429:
        return Unknown(
            f"the Hub limits the rate of questions (429){_wait(headers)}", call, "a wait"
        )
    if status >= 500:
        return Unknown(
            f"the Hub, or what stands before it, has a fault ({status})", call, "trying again later"
        )
    if status == 407 or (page and not told):
        return Unknown(
            f"a web page came in place of the Hub's answer ({status}): a proxy or a sign-in page "
            "of the network answered",
            call,
            f"a network that lets {_host()} through",
        )
    if 300 <= status < 400:
        return Unknown(f"{_host()} sends us elsewhere ({status})", call, "a look at HF_ENDPOINT")
    try:
        data = response.json()
    except ValueError:
        data = None
    return Reply(
        status, headers.get("X-Error-Code") or "", _sentence(headers, data, text), data, text, call
    )


def _sentence(headers: Mapping[str, str], data: Any, text: str) -> str:
    """Return what the server says of an error: the header, else the body."""
    said = headers.get("X-Error-Message") or ""
    if not said and isinstance(data, dict):
        found = data.get("error") or data.get("message") or data.get("error_description") or ""
        said = str(found.get("message", "")) if isinstance(found, dict) else str(found)
    if not said and data is None:
        said = text
    return " ".join(said.split())[:300]


def _wait(headers: Mapping[str, str]) -> str:
    """Return " for N seconds more" when the answer states it (RateLimit, Retry-After)."""
    found = re.search(r"\bt=(\d+)", headers.get("RateLimit") or "")
    seconds = found[1] if found else (headers.get("Retry-After") or "").strip()
    return f" for {seconds} seconds more" if seconds.isdigit() else ""


def not_told(reply: Reply) -> Unknown:
    """Return the Unknown for an answer whose status decides nothing."""
    said = f": {reply.said[:120]}" if reply.said else ""
    return Unknown(f"the Hub answered {reply.status}{said}", reply.call, "trying again later")


def not_hub_form(reply: Reply) -> Unknown:
    """Return the Unknown for an answer in another shape than the Hub's."""
    return Unknown(
        "the answer is not in the form that the Hub gives", reply.call, "a look at HF_ENDPOINT"
    )


def as_dict(value: object) -> Mapping[str, Any]:
    """Return a part of an answer when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list in an answer; [] when it is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
