"""Access tokens for questions to Google: one refresh for all of them, by google-auth.

A token and what it is made of are registered with the redactor; neither is kept or shown.
"""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING, Any

from ftdoctor.facts.google_endpoint import Endpoint, read_setting, session, unreachable
from ftdoctor.facts.google_refusal import Refused
from ftdoctor.facts.value import Unknown
from ftdoctor.lazy import lazy
from ftdoctor.platforms import gcloud_defaults
from ftdoctor.records import replace

if TYPE_CHECKING:
    from ftdoctor.facts.google_login import GoogleLogin

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TOKEN_HOST = "https://oauth2.googleapis.com/token"
_REFUSED = lazy(
    r"[Rr]eauth|invalid_rapt|rapt_required|invalid_grant|(?:deleted|disabled|invalid)_client"
    r"|account_disabled"
)
_KEY = lazy(r"(?i)could not deserialize key|no key could be detected|unable to load pem")


def anonymous() -> bool:
    """Whether gcloud's own switch says that no credentials are to be sent."""
    return os.environ.get("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "").lower() in ("1", "true", "yes")


class Signer:
    """Gives the access token of a login; safe to use from many threads."""

    def __init__(self, login: GoogleLogin) -> None:
        self.login = login
        self._lock = threading.Lock()
        self._answer: str | Refused | Unknown | None = None

    def token(self) -> str | Refused | Unknown:
        """Return an access token, or why there is none; asks Google once."""
        with self._lock:
            if self._answer is None:
                self._answer = self._fetch()
                if isinstance(self._answer, str):
                    from ftdoctor.redact import remember

                    remember(self._answer)
            return self._answer

    def _fetch(self) -> str | Refused | Unknown:
        login = self.login
        if login.token and not login.impersonates:
            return login.token
        if login.problem:
            return Unknown(f"no Google login ({login.said})", "", "a Google login")
        if _runs_a_program(login.info):
            reason = "the login asks a program for its token, and no program is run here"
            return Unknown(reason, login.path, "a login that runs nothing")
        call = f"POST {_token_host(login)}"
        from ftdoctor.errors import MissingExtra

        try:
            from google.auth import exceptions
            from google.auth.transport.requests import Request
        except ImportError:
            raise MissingExtra("vertex", "Asking Google Cloud") from None
        _remember(login.info)
        try:
            credentials = _credentials(login)
        except (exceptions.GoogleAuthError, ValueError) as error:
            damaged = _KEY.search(str(error))
            return Refused("broken", "its private key is damaged" if damaged else _said(error))
        if login.kind != "metadata":
            place = read_setting("oauth2", _token_host(login))
            if not place.may_sign:
                return Unknown(f"{place.url} is not encrypted; nothing is sent to it", call)
            problem = unreachable(place)
            if problem:
                return Unknown(problem, call, "a network")
        try:
            with session(token_endpoint(login)) as link:
                link.auth = None
                credentials.refresh(_Limited(Request(link)))
        except exceptions.GoogleAuthError as error:
            return _failed(login, error, call)
        except Exception as error:  # an answer that is none of a token endpoint breaks its reader
            reason = f"the token endpoint did not answer as one ({type(error).__name__})"
            return Unknown(reason, call, "a network without a sign-in page")
        return str(credentials.token)


def _runs_a_program(info: dict[str, Any]) -> bool:
    """Whether a workload identity takes its token from a program."""
    source = info.get("credential_source")
    return isinstance(source, dict) and "executable" in source


class _Limited:
    """google-auth's transport with a timeout that its callers do not give."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self.session = request.session

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._request(*args, **{**options, "timeout": 8})


def _token_host(login: GoogleLogin) -> str:
    """Return where the login is exchanged for a token.

    google-auth overrides the `token_uri` of a person's login (oauth2/credentials.py
    from_authorized_user_info); one on this machine, which only a test server can be, is taken.
    gcloud has the property auth/token_host.
    """
    if login.of == "gcloud":
        host = os.environ.get("CLOUDSDK_AUTH_TOKEN_HOST", "") or gcloud_defaults.setting(
            "auth", "token_host"
        )
        if host and login.kind in ("authorized_user", "service_account"):
            return host
    info = login.info
    named = str(info.get("token_uri") or info.get("token_url") or "")
    if login.kind == "authorized_user" and named and not read_setting("oauth2", named).loopback:
        return _TOKEN_HOST
    return named or _TOKEN_HOST


def _credentials(login: GoogleLogin) -> Any:
    """Return google-auth's credentials for a login.

    Raises:
        GoogleAuthError, ValueError: the file is broken.
    """
    from google.oauth2.credentials import Credentials

    if login.token:
        found: Any = Credentials(login.token)
    elif login.kind == "metadata":
        from google.auth import compute_engine

        found = compute_engine.Credentials()
    else:
        found = _loaded(login.info)
        host = _token_host(login)
        own = login.info.get("token_uri") if login.kind == "service_account" else _TOKEN_HOST
        if login.kind in ("authorized_user", "service_account") and host != own:
            found = found.with_token_uri(host)
    if login.impersonates and "service_account_impersonation_url" not in login.info:
        from google.auth import impersonated_credentials

        *delegates, target = [name.strip() for name in login.impersonates.split(",")]
        found = impersonated_credentials.Credentials(
            source_credentials=found,
            target_principal=target,
            target_scopes=[_SCOPE],
            delegates=delegates or None,
        )
    return found


def _loaded(info: dict[str, Any]) -> Any:
    """Return google-auth's credentials for the content of a file; asks nobody.

    `load_credentials_from_dict` would ask for the project of a workload identity at once.
    """
    import warnings

    import google.auth

    if info.get("type") == "external_account":
        from google.auth import aws, identity_pool

        amazon = info.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request"
        kind: Any = aws.Credentials if amazon else identity_pool.Credentials
        return kind.from_info(info, scopes=[_SCOPE])
    # A person's login has its scopes already; asking for others is an error.
    scopes = None if info.get("type") == "authorized_user" else [_SCOPE]
    load: Any = google.auth.load_credentials_from_dict
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, _ = load(info, scopes=scopes)
    return found


def _failed(login: GoogleLogin, error: Exception, call: str) -> Refused | Unknown:
    """Read why a token was not given."""
    from google.auth import exceptions

    text = str(error)
    if isinstance(error, exceptions.TransportError) or getattr(error, "retryable", False):
        first = text.splitlines()[0] if text else type(error).__name__
        return Unknown(f"the login could not be renewed: {first[:160]}", call, "a network")
    if re.search(r"impersonat|getAccessToken|iamcredentials", text, re.I):
        return Refused("impersonation", _said(error), call, account=login.name)
    if _REFUSED.search(text):
        return Refused("reauth", _said(error), call, account=login.name)
    return Unknown(f"signing failed: {_said(error)}", call, "a working Google login")


def _said(error: Exception) -> str:
    """Return the endpoint's own sentence, without the raw answer around it."""
    first = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    if len(error.args) > 1 and isinstance(error.args[1], str):
        import json
        from contextlib import suppress

        with suppress(ValueError, KeyError, TypeError):
            first = str(json.loads(error.args[1])["error"]["message"])
    lines = [line.strip() for line in first.splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]


def _remember(info: dict[str, Any]) -> None:
    from ftdoctor.redact import remember

    for value in info.values():
        if isinstance(value, dict):
            _remember(value)
    for name in ("refresh_token", "client_secret", "private_key", "rapt_token"):
        if isinstance(info.get(name), str):
            remember(info[name])


def token_endpoint(login: GoogleLogin) -> Endpoint:
    """Return where the login is exchanged, for questions about the token itself."""
    return read_setting("oauth2", _token_host(login))


def client_credentials() -> Any:
    """Return credentials for Google's own clients: the libraries' login, else gcloud's.

    `google.auth.default()` would start gcloud to learn a project (google-auth 2.62, _default.py),
    which takes a second or two, and does not know gcloud's own login.

    Raises:
        UnreadableInput: there is no login, or its file is broken.
    """
    from google.auth import exceptions

    from ftdoctor.errors import UnreadableInput
    from ftdoctor.facts.gcloud_login import read_gcloud_login
    from ftdoctor.facts.google_login import read_login

    todo = "Log in:  gcloud auth application-default login"
    library = read_login()
    login = library
    if library.problem == "absent":
        own = read_gcloud_login()
        login = library if own.problem else own
    if login.problem == "absent":
        raise UnreadableInput("There are no Google credentials here.", todo)
    if login.problem:
        raise UnreadableInput(f"The Google credentials cannot be used: {login.said}.", todo)
    _remember(login.info)
    # A ready token would run out under a job that is followed for hours.
    lasting = replace(login, token="") if login.info else login
    try:
        found = _credentials(lasting)
    except (exceptions.GoogleAuthError, ValueError) as error:
        said = _said(error)
        raise UnreadableInput(f"The Google credentials cannot be used: {said}", todo) from None
    if login.quota_project and hasattr(found, "with_quota_project"):
        found = found.with_quota_project(login.quota_project)
    return found
