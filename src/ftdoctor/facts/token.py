"""The Hugging Face token of this machine, and what a followed token is.

Nothing here is sent anywhere and no token is kept: a `JobToken` lives as long as the check.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.token_forms import kind, unusable
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.value import Value

#: In the order that huggingface_hub reads them (2.4.0 utils/_auth.py:147).
NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
#: A stored OAuth token with less than this many seconds left is renewed when it is used
#: (huggingface_hub 2.4.0 utils/_auth.py, _OAUTH_REFRESH_MARGIN).
_RENEWED = 24 * 3600


@dataclass(frozen=True)
class JobToken:
    """A token with its source.

    `text` is what may be sent to the Hub: "" when it is not known here (`reason` says why), when
    its writing forbids it, or when there is nothing in it. `raw` is the text as it stands, before
    huggingface_hub strips it. `where` is "job" (written in the job's files), "machine" (a variable
    of this machine) or "login" (the stored login). `problem` is "", "unknown", "unreadable" (the
    file of the login), "wrong" (cannot be a Hub token as it is written) or "blank" (the job sends
    none).
    """

    source: str
    text: str = field(default="", repr=False)
    reason: str = ""
    #: The value in the job that it came from.
    value: Value[Any] | None = field(default=None, repr=False)
    raw: str = field(default="", repr=False)
    where: str = "job"
    problem: str = ""

    def __post_init__(self) -> None:
        """No text that we follow is ever shown."""
        from ftdoctor.redact import remember

        remember(self.text)
        remember(self.raw)

    @property
    def key(self) -> str:
        """A name for dictionaries that gives nothing away."""
        import hashlib

        return hashlib.sha256(self.text.encode()).hexdigest()[:12] if self.text else ""

    @property
    def hidden(self) -> bool:
        """Whether the job carries a token and its text is not known here."""
        return self.problem in ("unknown", "unreadable")


def clean(text: str) -> str:
    """Return a token as huggingface_hub cleans it: line ends and outer blanks removed."""
    return text.replace("\r", "").replace("\n", "").strip()


def found_token(source: str, raw: str, where: str, value: Value[Any] | None = None) -> JobToken:
    """Return the token for a text that was found."""
    text = clean(raw)
    if not text:
        return JobToken(source, raw=raw, value=value, where=where, problem="blank")
    wrong = unusable(raw)
    if wrong:
        return JobToken(source, "", wrong, value, raw, where, "wrong")
    return JobToken(source, text, "", value, raw, where)


def unknown_token(source: str, reason: str, value: Value[Any] | None = None) -> JobToken:
    """Return a token that the job carries and whose text is not known here."""
    return JobToken(source, reason=reason, value=value, problem="unknown")


def token_path() -> Path:
    """Return the file in which huggingface_hub keeps the login of this machine."""
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"
    )
    given = os.environ.get("HF_TOKEN_PATH") or os.path.join(home, "token")
    return Path(os.path.expandvars(os.path.expanduser(given)))


def local_token() -> JobToken | None:
    """Return the token that huggingface_hub would send from this machine, or None.

    The order is that of `get_token()` (huggingface_hub 2.4.0 utils/_auth.py:60).
    """
    if os.environ.get("HF_OIDC_RESOURCE"):
        return unknown_token(
            "the trusted publisher of HF_OIDC_RESOURCE",
            "huggingface_hub exchanges it for a token when it runs, which a check does not do",
        )
    for name in NAMES:
        raw = os.environ.get(name, "")
        if raw:
            if clean(raw):
                return found_token(f"{name} of this machine", raw, "machine")
            break  # a blank one hides the next name
    path = token_path()
    try:
        raw = path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return JobToken(
            f"the login stored in {path}", reason="it is not text", where="login",
            problem="unreadable",
        )  # fmt: skip
    except OSError as error:
        return JobToken(
            f"the login stored in {path}", reason=error.strerror or str(error), where="login",
            problem="unreadable",
        )  # fmt: skip
    if not clean(raw):
        return None
    if _renewed_on_use(path, clean(raw)):
        return unknown_token(
            f"the login stored in {path}",
            "it has ended or ends within a day, and huggingface_hub renews it on its next use "
            "(`hf auth whoami` does that)",
        )
    return found_token(f"the login stored in {path}", raw, "login")


def _renewed_on_use(path: Path, text: str) -> bool:
    """Whether the stored login is an OAuth token that huggingface_hub is about to renew."""
    if kind(text) != "oauth":
        return False
    import configparser

    stored = configparser.ConfigParser(interpolation=None)
    try:
        stored.read(path.parent / "stored_tokens")
        for name in stored.sections():
            row = stored[name]
            if row.get("hf_token") == text and row.get("refresh_token"):
                return float(row.get("expires_at", "inf")) - _RENEWED <= time.time()
    except (configparser.Error, OSError, ValueError):
        return False
    return False


def held_here() -> list[str]:
    """Return the variables of this machine that hold a Hub token under a name nobody reads."""
    from ftdoctor.checks.token_forms import unread_name

    return sorted(
        name
        for name, text in os.environ.items()
        if unread_name(name) and kind(clean(text)) in ("user", "oauth")
    )
