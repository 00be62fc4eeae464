"""Which Hugging Face token the job will carry, followed to its source.

Nothing here is sent anywhere and no token is kept: a `JobToken` lives as long as the check.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.token_forms import kind, unusable
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
    value: Value[Any] | None = None
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


def _found(source: str, raw: str, where: str, value: Value[Any] | None = None) -> JobToken:
    """Return the token for a text that was found."""
    text = clean(raw)
    if not text:
        return JobToken(source, raw=raw, value=value, where=where, problem="blank")
    wrong = unusable(raw)
    if wrong:
        return JobToken(source, "", wrong, value, raw, where, "wrong")
    return JobToken(source, text, "", value, raw, where)


def _unknown(source: str, reason: str, value: Value[Any] | None = None) -> JobToken:
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
        return _unknown(
            "the trusted publisher of HF_OIDC_RESOURCE",
            "huggingface_hub exchanges it for a token when it runs, which a check does not do",
        )
    for name in NAMES:
        raw = os.environ.get(name, "")
        if raw:
            if clean(raw):
                return _found(f"environment variable {name} of this machine", raw, "machine")
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
        return _unknown(
            f"the login stored in {path}",
            "it has ended or ends within a day, and huggingface_hub renews it on its next use "
            "(`hf auth whoami` does that)",
        )
    return _found(f"the login stored in {path}", raw, "login")


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


def job_token(job: Job) -> JobToken | None:
    """Return the token that the job will carry, or None when it is given none.

    Secrets win over the environment; of several worker pools the first that has one counts. What
    the code or the command line hands over itself comes after them.
    """
    for name in NAMES:
        found = [job.secrets[name]] if name in job.secrets else []
        found += [pool.env[name] for pool in job.pools if name in pool.env]
        for value in found:
            return _follow(job, name, value)
    written = _written(job)
    if written is not None:
        return written
    if job.platform == "colab":
        return _unknown("the secret HF_TOKEN of Colab", "only Colab can read its secrets")
    if job.platform not in ("local", "unknown"):
        return None
    return _kept_at_home(job) or local_token()


def _kept_at_home(job: Job) -> JobToken | None:
    """Return a token of no text when this machine forbids to send one unasked, and nobody asks."""
    import re

    from ftdoctor.checks.about import code, truthy

    name = "HF_HUB_DISABLE_IMPLICIT_TOKEN"
    if not truthy(os.environ.get(name)) or re.search(r"\btoken\s*=|\blogin\(", code(job)):
        return None
    return JobToken(f"none, as {name} of this machine wants", problem="blank")


def _written(job: Job) -> JobToken | None:
    """Return the token that stands in the code, a command or an argument of the job itself."""
    from ftdoctor.checks.token_forms import filler, placeholder
    from ftdoctor.checks.token_uses import uses

    texts = [
        use
        for use in uses(job)
        if use.family == "hub"
        and use.where in ("code", "argument", "step")
        and kind(use.text.strip()) in ("user", "oauth", "ci")
        and not placeholder(use.text)
        and not filler(use.text.strip())
    ]
    if len({use.text.strip() for use in texts}) != 1:
        return None
    from ftdoctor.job.value import known

    use = texts[0]
    return _found(f"{use.name} as written in the job", use.text, "job", known("", use.place))


def _follow(job: Job, name: str, value: Value[str]) -> JobToken:
    if value.known and value.value is not None:
        shell = _SHELL.match(clean(value.value))
        if shell is None:
            return _found(f"{name} as written in the job", value.value, "job", value)
        if job.form == "hf-jobs-call":
            return _unknown(name, f"{value.value} becomes the token of the agent's session", value)
        if job.extra.get("filled_by"):
            return _from_variable(name, shell[1], value)
        reason = f"the job carries the text {value.value!r}"
        if job.form in ("vertex-yaml", "vertex-json") and "gcloud" not in job.extra:
            return _unknown(name, reason, value)  # something that we do not see may fill it in
        return JobToken(name, reason=reason, value=value, problem="wrong")
    raw = value.raw or value.unknown
    if _GET_TOKEN.search(raw) or "get_token" in value.unknown:
        local = local_token()
        if local is None:
            return _unknown(f"{name} from get_token()", "no login on this machine", value)
        return _borrowed(f"{name} from get_token(), which gives {local.source}", local, value)
    match = _SHELL.match(raw) or _PYTHON.search(raw) or _PYTHON.search(value.unknown)
    variable = match[1] if match else (name if raw in ("", name) else "")
    if not variable:
        return _unknown(name, value.unknown, value)
    if not os.environ.get(variable) and variable in NAMES and raw in ("", name):
        local = local_token()  # `-s HF_TOKEN` is filled by get_token() when the variable is empty
        if local is not None:
            return _borrowed(f"{name}, filled with {local.source}", local, value)
    return _from_variable(name, variable, value)


def _from_variable(name: str, variable: str, value: Value[Any]) -> JobToken:
    raw = os.environ.get(variable, "")
    source = f"${variable}" if name == variable else f"{name} from ${variable}"
    if not clean(raw):
        here = [other for other in held_here() if other != variable]
        hint = f", though {here[0]} is" if here else ""
        return _unknown(source, f"${variable} is not set here{hint}", value)
    return _found(f"{source} of this machine", raw, "machine", value)


def _borrowed(source: str, local: JobToken, value: Value[Any]) -> JobToken:
    """Return this machine's token as the one that the job is given."""
    return JobToken(source, local.text, local.reason, value, local.raw, local.where, local.problem)


def held_here() -> list[str]:
    """Return the variables of this machine that hold a Hub token under a name nobody reads."""
    from ftdoctor.checks.token_forms import unread_name

    return sorted(
        name
        for name, text in os.environ.items()
        if unread_name(name) and kind(clean(text)) in ("user", "oauth")
    )
