"""One request to Google: signed once, to a host that is there, its answer read with suspicion.

REST rather than the clients: exact error bodies, and no second of importing. A token travels over
TLS or within this machine, never else; redirects are not followed.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ftdoctor.facts.google_endpoint import Endpoint, endpoint, session, unreachable
from ftdoctor.facts.google_refusal import Refused, refused
from ftdoctor.facts.google_sign import Signer, anonymous
from ftdoctor.facts.value import Unknown
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.facts.google_login import GoogleLogin

#: Seconds to connect and to wait for bytes; the deadline for all questions is another.
_TIMEOUT = (3, 9)
#: Host -> (why it cannot be reached, when that was seen); many jobs share one run.
_AWAY: dict[str, tuple[str, float]] = {}
_LOCKS: dict[str, threading.Lock] = {}
_LOCK = threading.Lock()
#: Seconds.
_REMEMBERED = 30.0


@dataclass(frozen=True)
class Answer:
    """The JSON object of a good answer, and the call that gave it."""

    data: dict[str, Any]
    call: str


class Caller:
    """Asks Google with one login; made anew for each job, so that nothing is remembered."""

    def __init__(self, login: GoogleLogin) -> None:
        self.login = login
        self.signer = Signer(login)
        self._lock = threading.Lock()

    def ask(
        self,
        method: str,
        service: str,
        path: str,
        body: Any = None,
        *,
        region: str = "",
        pays: str = "",
    ) -> Answer | Refused | Unknown:
        """Send one request; returns the answer, Refused, or Unknown. Raises nothing of its own.

        `path` starts with a slash and holds the query. `pays` is the project to bill a question
        of ours to, when the login of a person names none.
        """
        place = endpoint(service, region)
        call = f"{method} {place.url}{path.split('?')[0]}"
        if place.protocol == "grpc":
            if service == "aiplatform":
                from ftdoctor.facts.google_grpc import list_jobs

                return list_jobs(self, place, path)
            return Unknown(f"{place.target} speaks gRPC only, and this question is REST", call)
        ready = self.headers(place, pays)
        if not isinstance(ready, dict):
            return ready
        return self._send(method, place, path, body, ready, call)

    def headers(self, place: Endpoint, pays: str = "") -> dict[str, str] | Refused | Unknown:
        """Return the headers that sign a request, or why it cannot be sent."""
        if anonymous():
            problem = self._away(place)
            return Unknown(problem, place.url, "a network") if problem else {}
        if not place.may_sign:
            problem = self._away(place)
            return Unknown(problem, place.url, "a network") if problem else {}
        if self.login.problem and not place.loopback:
            return Unknown(f"no Google login ({self.login.said})", place.url, "a Google login")
        problem = self._away(place)
        if problem:
            return Unknown(problem, place.url, "a network")
        if self.login.problem:
            return {}  # a server on this machine may need no login
        token = self.signer.token()
        if isinstance(token, Unknown) and place.loopback:
            return {}
        if not isinstance(token, str):
            return token
        found = {"Authorization": f"Bearer {token}"}
        payer = self.login.quota_project or (
            pays if self.login.of == "library" and self.login.kind == "authorized_user" else ""
        )
        if payer:
            found["x-goog-user-project"] = payer
        return found

    def _away(self, place: Endpoint) -> str:
        """Return why a host cannot be reached; each host is tried once for all jobs of a run.

        On this machine a refused connection is told at once, so nothing is tried before.
        """
        if place.loopback:
            return ""
        with _LOCK:
            lock = _LOCKS.setdefault(place.target, threading.Lock())
        with lock:
            found, at = _AWAY.get(place.target, ("", 0.0))
            if not at or time.monotonic() - at > _REMEMBERED:
                found = unreachable(place)
                _AWAY[place.target] = (found, time.monotonic())
            return found

    def _pace(self, place: Endpoint) -> None:
        """Keep a few milliseconds between connections to a server on this machine.

        A small test server queues five connections; the sixth at once waits a second.
        """
        if place.loopback:
            with self._lock:
                time.sleep(0.004)

    def _send(
        self,
        method: str,
        place: Endpoint,
        path: str,
        body: Any,
        headers: dict[str, str],
        call: str,
    ) -> Answer | Refused | Unknown:
        from ftdoctor.redact import redact

        self._pace(place)
        with session(place) as link:
            import requests

            for attempt in (1, 2):
                try:
                    response = link.request(
                        method,
                        f"{place.url}{path}",
                        json=body,
                        headers=headers,
                        timeout=_TIMEOUT,
                        allow_redirects=False,
                    )
                except requests.exceptions.Timeout:
                    return Unknown(f"{place.target} did not answer in time", call, "a network")
                except requests.exceptions.SSLError:
                    return Unknown(
                        f"the certificate of {place.target} is not trusted here", call, "a network"
                    )
                except requests.exceptions.RequestException as error:
                    if attempt == 1 and isinstance(error, requests.exceptions.ConnectionError):
                        continue  # an idle connection that was closed looks the same
                    if "refused" in str(error):
                        return Unknown(f"{place.target} refuses connections", call, "a network")
                    kind = type(error).__name__
                    return Unknown(f"the connection to {place.target} broke ({kind})", call)
                break
        if 300 <= response.status_code < 400:
            return Unknown(
                f"{place.target} sends elsewhere ({response.status_code}): a proxy or sign-in page",
                call,
                "a network without a sign-in page",
            )
        try:
            data = response.json()
        except ValueError:
            return Unknown(
                f"the answer of {place.target} ({response.status_code}) is not JSON: "
                "a proxy, or no Google API",
                call,
            )
        if response.status_code < 400:
            if not isinstance(data, dict):
                return Unknown(f"the answer of {place.target} is no JSON object", call)
            return Answer(data, call)
        return refused(response.status_code, data, redact(call))


@dataclass(frozen=True)
class Closed:
    """A question that this caller may not ask: `needs` is the role or API that would let it.

    Apart from `Unknown`, which is a call that failed: the check that wanted to know tells of it.
    """

    reason: str
    call: str = ""
    needs: str = ""


def closed(answer: Any, what: str, role: str) -> Any:
    """Turn the refusal of a question of ours into Closed: the job itself does not ask it.

    `what` is what was asked ("the IAM policy of gs://b"), `role` the role that may ask it. Refusals
    that hold for every call (login, perimeter) are left as they are.
    """
    if not isinstance(answer, Refused):
        return answer
    if answer.kind == "permission":
        return Closed(f"{what} is not yours to ask", answer.call, role)
    if answer.kind in ("api-disabled", "quota-project"):
        service = answer.service.removesuffix(".googleapis.com")
        needs = f"gcloud services enable {service}.googleapis.com" if service else role
        return Closed(f"{what}: the API that would tell is not enabled", answer.call, needs)
    if answer.kind == "not-found":
        return Closed(f"{what} was not found", answer.call, role)
    if answer.kind == "project":
        return Closed(f"{what}: {answer.said[:120]}", answer.call, "the id of the project")
    return answer
