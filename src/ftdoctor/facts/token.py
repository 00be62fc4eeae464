"""Which Hugging Face token the job will carry, followed to its source.

Nothing here is sent anywhere and no token is kept: a `JobToken` lives as long as the check.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.value import Value

#: In the order that huggingface_hub reads them (2.4.0 utils/_auth.py:147).
NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_SHELL = lazy(r"\A\s*[\"']?\$\{?(\w+)\}?[\"']?\s*\Z")
_PYTHON = lazy(r"(?:environ(?:\.get)?\s*[\[(]|getenv\()\s*[\"'](\w+)[\"']")
_GET_TOKEN = lazy(r"\bget_token\(\s*\)|HfFolder\.get_token")


@dataclass(frozen=True)
class JobToken:
    """A token with its source. `text` is "" when it is not known here; `reason` says why."""

    source: str
    text: str = field(default="", repr=False)
    reason: str = ""
    #: The value in the job that it came from.
    value: Value[Any] | None = None

    def __post_init__(self) -> None:
        """No text that we follow is ever shown."""
        from ftdoctor.redact import remember

        remember(self.text)

    @property
    def key(self) -> str:
        """A name for dictionaries that gives nothing away."""
        import hashlib

        return hashlib.sha256(self.text.encode()).hexdigest()[:12] if self.text else ""


def clean(text: str) -> str:
    """Return a token as huggingface_hub cleans it: line ends and outer blanks removed."""
    return text.replace("\r", "").replace("\n", "").strip()


def local_token() -> JobToken | None:
    """Return the token that huggingface_hub would send from this machine, or None."""
    for name in NAMES:
        text = clean(os.environ.get(name, ""))
        if text:
            return JobToken(f"environment variable {name} of this machine", text)
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface"
    )
    path = Path(os.environ.get("HF_TOKEN_PATH") or os.path.join(home, "token"))
    try:
        text = clean(path.read_text())
    except (OSError, UnicodeDecodeError):
        return None
    return JobToken(f"the login stored in {path}", text) if text else None


def job_token(job: Job) -> JobToken | None:
    """Return the token that the job will carry, or None when it is given none.

    Secrets win over the environment; of several worker pools the first that has one counts.
    """
    for name in NAMES:
        found = [job.secrets[name]] if name in job.secrets else []
        found += [pool.env[name] for pool in job.pools if name in pool.env]
        for value in found:
            return _follow(name, value)
    return local_token() if job.platform in ("local", "unknown") else None


def _follow(name: str, value: Value[str]) -> JobToken:
    if value.known and value.value is not None:
        text = clean(value.value)
        shell = _SHELL.match(text)
        if shell is None:
            return JobToken(f"{name} as written in the job", text, value=value)
        return JobToken(f"{name}", reason=f"the job carries the text {text!r}", value=value)
    raw = value.raw or value.unknown
    if _GET_TOKEN.search(raw) or "get_token" in value.unknown:
        local = local_token()
        if local is None:
            return JobToken(
                f"{name} from get_token()", reason="no login on this machine", value=value
            )
        return JobToken(
            f"{name} from get_token(), which gives {local.source}", local.text, value=value
        )
    match = _SHELL.match(raw) or _PYTHON.search(raw) or _PYTHON.search(value.unknown)
    variable = match[1] if match else (name if raw in ("", name) else "")
    if variable:
        text = clean(os.environ.get(variable, ""))
        if text:
            return JobToken(f"{name} from ${variable} of this machine", text, value=value)
        local = local_token() if variable in NAMES and raw in ("", name) else None
        if local is not None:  # `-s HF_TOKEN` is filled by get_token() when the variable is empty
            return JobToken(f"{name}, filled with {local.source}", local.text, value=value)
        return JobToken(
            f"{name} from ${variable}", reason=f"${variable} is not set here", value=value
        )
    return JobToken(name, reason=value.unknown, value=value)


def claims(text: str) -> dict[str, Any]:
    """Return the payload of an OAuth or CI token (a JWT), decoded locally; {} when there is none.

    Keys seen: scope (list or text), exp, iat, sub, aud, oauthApp. Declared, never proof.
    """
    body = text.removeprefix("hf_oauth_").removeprefix("hf_jwt_").split(".")
    if len(body) < 2:
        return {}
    try:
        padded = body[1] + "=" * (-len(body[1]) % 4)
        data = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, UnicodeDecodeError):
        return {}
    return data if isinstance(data, dict) else {}


def scopes(text: str) -> frozenset[str]:
    """Return the OAuth scopes that a token declares."""
    stated = claims(text).get("scope", [])
    words = stated.split() if isinstance(stated, str) else stated
    return frozenset(str(word) for word in words) if isinstance(words, list) else frozenset()
