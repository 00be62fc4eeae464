"""The one door from text to a report: secrets are replaced before anything is shown or kept.

What is kept of a secret: its kind or prefix and its length, so that a reader can tell two apart.
Shapes: Hugging Face (huggingface.co/docs/hub/security-tokens; gitleaks' rule for `hf_`), Google
(`ya29.` access tokens, `AIza` API keys, service-account keys), GitHub, OpenAI-like, AWS, JWT,
Weights & Biases (40 hex digits after a WANDB name), basic authentication in URLs, PEM keys.
"""

from __future__ import annotations

import re

from ftdoctor.lazy import lazy

_NAME = (
    r"[A-Za-z0-9_.-]*"
    r"(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)"
    r"(?:_?\d{1,3}|_(?:READ|WRITE|RO|RW|PROD|DEV|OLD|NEW|VALUE|STRING))?"  # HF_TOKEN_2, ..._READ
)
#: Words that stand where a secret would, and are none.
_HARMLESS = lazy(
    r"""(?ix) \A (?: \$ .* | \{.* | <.* | %.* | true | false | none | null | yes | no
    | \*+ | x{3,} | \.{3} | os\.(?:environ|getenv).* | get_token\(.* | userdata\..* | args\..*
    | .*_here | your[_-].* | hf_x{2,}.* | [a-z_.]+\( .* | self\..* ) \Z"""
)

#: The start of a word: also right after an escaped line end (JSON) or a colour sequence.
_EDGE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=\[\d[mK])|(?<=\[\d\dm))"

#: (kind, texts of which one stands in every secret of the kind, its shape)
_SHAPES: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = (
    (
        "PEM private key",
        ("PRIVATE KEY",),
        lazy(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
    ),
    ("hf_oauth__refresh_", ("hf_oauth__refresh_",), lazy(r"hf_oauth__refresh_[\w.\-]{8,}")),
    ("hf_oauth_", ("hf_oauth_",), lazy(r"hf_oauth_[\w\-]{6,}(?:\.[\w\-]+){0,2}")),
    ("hf_jwt_", ("hf_jwt_",), lazy(r"hf_jwt_[\w\-]{6,}(?:\.[\w\-]+){0,2}")),
    ("api_org_", ("api_org_",), lazy(r"api_org_[A-Za-z0-9]{16,}")),
    ("hf_", ("hf_",), lazy(r"hf_(?!x{4,}|X{4,})[A-Za-z0-9]{20,}")),
    ("ya29.", ("ya29.",), lazy(r"ya29\.[\w\-.]{20,}")),
    ("1//", ("1//0",), lazy(_EDGE + r"1//0[\w\-]{20,}")),
    ("GOCSPX-", ("GOCSPX-",), lazy(r"GOCSPX-[\w\-]{10,}")),
    ("AIza", ("AIza",), lazy(r"AIza[\w\-]{30,}")),
    (
        "gh",
        ("ghp_", "gho_", "ghu_", "ghr_", "ghs_", "github_pat_"),
        lazy(_EDGE + r"(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,})"),
    ),
    ("sk-", ("sk-",), lazy(_EDGE + r"sk-[A-Za-z0-9_\-]{20,}")),
    ("AKIA", ("AKIA", "ASIA"), lazy(_EDGE + r"(?:AKIA|ASIA)[A-Z0-9]{16}")),
    ("wandb_v1_", ("wandb_v1_",), lazy(_EDGE + r"wandb_v1_[\w\-]{20,}")),
    ("JWT", ("eyJ",), lazy(_EDGE + r"eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*")),
)
_BEARER = lazy(r"(?i)\b(bearer|basic)(\s+)([A-Za-z0-9._~+/\-]{12,}=*)")
_USERINFO = lazy(r"(?i)\b([a-z][a-z0-9+.\-]{1,15}://)([^\s/@:'\"]{1,200}):([^\s/@'\"]{1,400})@")
_ASSIGNED = lazy(
    rf"""(?i)(?P<head>["']?\b{_NAME}["']?\s*(?:=>|[:=])\s*(?:[rbfu]{{0,2}}["'])?)(?P<value>[^\s"',;}}\])]{{8,}})"""
)
_FLAG = lazy(
    r"""(?i)(?P<head>--(?:hub_|hf_|hf-|hub-)?(?:token|api[-_]key|password)[ =]["']?)"""
    r"""(?P<value>[^\s"',;]{8,})"""
)
#: A pass phrase may hold blanks; for these two names a quoted text is masked whole.
_PHRASE = lazy(
    r"""(?i)(?P<head>["']?\b[\w.-]*(?:PASSWORD|PASSWD|SECRET)["']?\s*[:=]\s*["'])"""
    r"""(?P<value>[^"'\n]{8,})(?=["'])"""
)
_WANDB = lazy(r"(?i)(wandb[^\n]{0,60}?)\b([0-9a-f]{40})\b")
_TRIGGERS = re.compile(
    r"hf_|api_org_|ya29|AIza|1//0|GOCSPX|gh[pousr]_|github_pat|sk-|AKIA|ASIA|eyJ|PRIVATE KEY"
    r"|://[^\s/]*@|(?i:bearer|basic |wandb|token|secret|passw|api_?-?key|access_?key|credential)"
    r"|(?i:private_?key)"
)


def _mask(kind: str, secret: str) -> str:
    return f"[{kind}… redacted, {len(secret)} characters]"


def _assigned(match: re.Match[str]) -> str:
    value = match["value"]
    if _HARMLESS.match(value) or value.startswith("[") or not _looks_secret(value):
        return match[0]
    return match["head"] + _mask("", value)


def _looks_secret(value: str) -> bool:
    """Whether an assigned value can be a secret: not a path, a plain word or a class name."""
    if "/" in value and not re.search(r"[+=]", value):
        return False
    return bool(re.search(r"\d", value)) or len(value) >= 20 or bool(re.search(r"[^\w.\-]", value))


#: Secrets of this run whose shape alone does not give them away (a value of WANDB_API_KEY).
_KNOWN: set[str] = set()
_SECRET_NAME = lazy(rf"(?i){_NAME}\Z")


def remember(text: str) -> None:
    """Mask this very text from now on, wherever it stands; short or harmless texts are left."""
    text = text.strip().strip("\"'")
    if len(text) >= 8 and not _HARMLESS.match(text) and _looks_secret(text):
        _KNOWN.add(text)


def names_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret (HF_TOKEN, WANDB_API_KEY, ...)."""
    return bool(_SECRET_NAME.match(name))


def redact(text: str) -> str:
    """Return `text` with every secret that we know the shape of replaced."""
    for known in _KNOWN:
        if known in text:
            text = text.replace(known, _mask("", known))
    if not _TRIGGERS.search(text):
        return text
    for kind, needles, shape in _SHAPES:
        if any(needle in text for needle in needles):
            text = shape.sub(lambda match, kind=kind: _mask(kind, match[0]), text)  # type: ignore[misc]
    lower = text.lower()
    if "bearer" in lower or "basic" in lower:
        text = _BEARER.sub(lambda m: f"{m[1]}{m[2]}{_mask('', m[3])}", text)
    if "://" in text and "@" in text:
        text = _USERINFO.sub(lambda m: f"{m[1]}{m[2]}:{_mask('', m[3])}@", text)
    if "wandb" in lower:
        text = _WANDB.sub(lambda m: f"{m[1]}{_mask('', m[2])}", text)
    if "--" in text:
        text = _FLAG.sub(_assigned, text)
    if "passw" in lower or "secret" in lower:
        text = _PHRASE.sub(_assigned, text)
    return _ASSIGNED.sub(_assigned, text)


def redact_tree(value: object) -> object:
    """Return a copy of nested dicts, lists and texts with every text redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(k)): redact_tree(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_tree(v) for v in value]
    return value
