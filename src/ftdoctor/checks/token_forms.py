"""What a text in a token's place is: a token of some kind, a placeholder, or broken.

Shapes as of November 2026: user tokens `hf_` and 34 letters or digits; OAuth access tokens
`hf_oauth_` and a JWT; OAuth refresh tokens `hf_oauth__refresh_`; tokens of trusted publishers
`hf_jwt_` (60 minutes); organisation tokens `api_org_` (refused by `login()`,
huggingface_hub 2.4.0 _login.py:426). https://huggingface.co/docs/hub/security-tokens
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass

USER = lazy(r"hf_[A-Za-z0-9]{34}\Z")
OAUTH = lazy(r"hf_oauth_(?!_refresh_)[\w-]+(?:\.[\w-]*){0,2}\Z")
REFRESH = lazy(r"hf_oauth__refresh_")
CI = lazy(r"hf_jwt_")
ORG = lazy(r"api_org_[A-Za-z0-9]{10,}")

#: Values that someone meant to fill in. Matched on the whole text, quotes and spaces removed.
PLACEHOLDER = lazy(
    r"""(?ix)(?:
      <[^<>\n]{0,80}>                                  # <YOUR_HF_TOKEN>
    | \[\s*(?:your|insert|paste|hf|token)[^\]\n]{0,60}\]
    | (?:hf_|hf-)?[x*•.…]{3,}                          # hf_xxx, ***, ...
    | (?:hf_|wandb_)?(?:your|my)[\s_-].{0,60}          # your_token_here, hf_your_token
    | (?:hf_)?.{0,60}[\s_-](?:goes[\s_-])?here         # token_here, PASTE_TOKEN_HERE
    | (?:hf_)?(?:insert|paste|replace|enter|put|add|set)[\s_-].{1,60}
    | (?:hf_)?(?:yourtoken|yourkey|replaceme|changeme|change[_-]me|todo|fixme
        |placeholder|dummy(?:[_-]token)?|fake(?:[_-]token)?)(?:[_-].{0,40})?
    | hf_(?:x{2,}[a-z0-9x]*|a{4,}|0{4,}|1234\d*|abc123|token|xyz)
    | (?:hf|hugging[_]?face)(?:_(?:hub|api|access))?_token
    | (?:wandb_)?api_key | token
    )\Z"""
)
_QUOTES = "\"'`“”‘’"


def placeholder(text: str) -> bool:
    """Whether a text is something to be filled in rather than a token."""
    return bool(PLACEHOLDER.match(text.strip().strip(_QUOTES).removeprefix("Bearer ").strip()))


def filler(token: str) -> bool:
    """Whether a text of a token's shape is only filler: too few different characters for chance."""
    body = token.rsplit("_", 1)[-1]
    return len(set(body.lower())) < 8 or bool(
        re.search(r"(?i)x{6,}|your|example|redacted|token", body)
    )


def kind(text: str) -> str:
    """Return "user", "oauth", "refresh", "ci", "org", or "" for what is not a Hub token."""
    if REFRESH.match(text):
        return "refresh"
    if CI.match(text):
        return "ci"
    if OAUTH.match(text):
        return "oauth"
    if ORG.match(text):
        return "org"
    return "user" if USER.match(text) else ""


def malformed(text: str) -> str:
    """Return what is wrong with the writing of a token, or "".

    huggingface_hub strips outer spaces and all line ends from the environment's token, not quotes
    nor `Bearer` (utils/_auth.py of 2.4.0, run).
    """
    if not text.strip():
        return "blank"
    inner = text.replace("\r", "").replace("\n", "").strip()
    if inner[0] in _QUOTES and inner[-1] in _QUOTES and len(inner) > 2:
        return "wrapped in quotes, which are sent as part of the token"
    if re.match(r"(?i)bearer\s+\S", inner):
        return "preceded by 'Bearer', which the libraries add themselves"
    if inner.startswith("hf_") and re.search(r"\s", inner):
        return "broken by a space"
    if not (inner.isascii() and inner.isprintable()) and ("hf_" in inner or len(inner) > 20):
        return "written with a character that no HTTP header can carry"
    return ""


def line_end(text: str) -> bool:
    """Whether a token holds a line end, which huggingface_hub removes and other code sends."""
    return bool(text.strip()) and ("\n" in text or "\r" in text)


_VARIABLE = lazy(r"\s*\$(?:\{(\w+)\}|(\w+))\s*\Z")
_WANDB_KEY = lazy(r"(?:wandb_v1_[A-Za-z0-9_]{40,}|[0-9a-f]{40})\Z")


def variable_name(text: str) -> str:
    """Return the name when the text is nothing but `$NAME` or `${NAME}`, else ""."""
    found = _VARIABLE.match(text)
    return (found[1] or found[2]) if found else ""


def service(text: str) -> str:
    """Return whose secret a text is when it is one of another service ("an OpenAI key"), or ""."""
    text = text.strip()
    if text.startswith("hf_"):
        return ""
    for what, needles, shape in OTHER_IN_TEXT:
        if any(needle in text for needle in needles):
            found = shape.match(text)
            if found is not None and found.end() == len(text):
                return f"{'an' if what[0] in 'AO' else 'a'} {what}"
    return "a Weights & Biases key" if _WANDB_KEY.match(text) else ""


def unusable(raw: str) -> str:
    """Return why a text cannot be a Hub token as it stands, so that it is not even sent, or "".

    A shape that is only unusual is no reason: the Hub decides on that.
    """
    wrong = malformed(raw)
    if wrong:
        return f"it is {wrong}"
    if variable_name(raw):
        return "it is the name of a variable that nothing filled in"
    other = service(raw)
    if other:
        return f"it is {other}"
    found = kind(raw.strip())
    return {"refresh": "it is a refresh token", "org": "it is an organisation token"}.get(found, "")


#: Names that people give the token and that no library reads (huggingface_hub 2.4.0
#: utils/_auth.py:147 reads HF_TOKEN and HUGGING_FACE_HUB_TOKEN only).
_UNREAD = lazy(
    r"(?i)(?:HF_(?:API|ACCESS|AUTH|HUB|READ|WRITE|USER)_?(?:TOKEN|KEY)|HF_API_KEY|HF_KEY|HUGGING_?FACE_?(?:HUB_?)?(?:API_?|ACCESS_?|AUTH_?)?(?:TOKEN|KEY)|HF_TOKEN)\Z"
)
_READ = frozenset(("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"))


def unread_name(name: str) -> bool:
    """Whether a variable is named like the Hub token, and no library reads it under that name."""
    return name not in _READ and bool(_UNREAD.match(name))


@dataclass(frozen=True, slots=True)
class Claims:
    """What an OAuth token says of itself. Declared, not proof: nothing was asked of the Hub.

    `expires` are Unix seconds. Keys seen in the payload: scope (list or text), exp, iat, sub, aud,
    oauthApp (https://huggingface.co/docs/hub/oauth).
    """

    scopes: tuple[str, ...]
    expires: int | None


def claims(token: str) -> Claims | None:
    """Return the scopes and the expiry that an `hf_oauth_` or `hf_jwt_` token carries, or None."""
    parts = token.removeprefix("hf_oauth_").removeprefix("hf_jwt_").split(".")
    if len(parts) < 2:
        return None
    try:
        payload = parts[1]
        data: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, UnicodeDecodeError):
        return None
    if not isinstance(data, dict):
        return None
    scope = data.get("scope", data.get("scopes"))
    scopes = (
        scope.split()
        if isinstance(scope, str)
        else [str(s) for s in scope]
        if isinstance(scope, list)
        else []
    )
    expires = data.get("exp")
    if not isinstance(expires, (int, float)) or isinstance(expires, bool):
        expires = None
    return Claims(tuple(scopes), None if expires is None else int(expires))


#: Secrets in running text: (what, texts of which one stands in every such secret, pattern). The
#: pattern's group 0 is the secret. Most files hold none of the texts, so no pattern is compiled.
IN_TEXT: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = (
    (
        "Hugging Face user token",
        ("hf_",),
        lazy(r"(?<![A-Za-z0-9_])hf_[A-Za-z0-9]{34}(?![A-Za-z0-9_])"),
    ),
    (
        "Hugging Face OAuth token",
        ("hf_oauth_",),
        lazy(r"(?<![A-Za-z0-9_])hf_oauth_[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
    ),
    (
        "Hugging Face refresh token",
        ("hf_oauth__refresh_",),
        lazy(r"(?<![A-Za-z0-9_])hf_oauth__refresh_[\w.-]{16,}"),
    ),
    (
        "Hugging Face organisation token",
        ("api_org_",),
        lazy(r"(?<![A-Za-z0-9_])api_org_[A-Za-z]{34}(?![A-Za-z0-9_])"),
    ),
)
OTHER_IN_TEXT: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = (
    (
        "Google API key",
        ("AIza",),
        lazy(r"(?<![A-Za-z0-9_-])AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    ),
    (
        "Google private key",
        ("PRIVATE KEY",),
        lazy(r"-----BEGIN (?:RSA )?PRIVATE KEY-----(?:\\n|\s)+[A-Za-z0-9+/=\\]{40,}"),
    ),
    ("Google access token", ("ya29.",), lazy(r"(?<![A-Za-z0-9_-])ya29\.[0-9A-Za-z_-]{40,}")),
    (
        "Google OAuth client secret",
        ("GOCSPX-",),
        lazy(r"(?<![A-Za-z0-9_-])GOCSPX-[0-9A-Za-z_-]{20,}"),
    ),
    (
        "GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        lazy(
            r"(?<![A-Za-z0-9_])(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})(?![A-Za-z0-9_])"
        ),
    ),
    ("OpenAI key", ("sk-",), lazy(r"(?<![A-Za-z0-9_-])sk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{40,}")),
    ("AWS access key", ("AKIA",), lazy(r"(?<![A-Za-z0-9])AKIA[0-9A-Z]{16}(?![A-Za-z0-9])")),
)
WANDB_IN_TEXT: tuple[re.Pattern[str], ...] = (
    lazy(
        r"""(?i)wandb[^\n]{0,60}?(?:\n\s*(?:-\s*)?value:\s*["']?|["'=:\s])(?P<key>[0-9a-f]{40})(?![0-9a-zA-Z])"""
    ),
    lazy(r"(?P<key>(?<![A-Za-z0-9_])wandb_v1_[A-Za-z0-9_]{40,})"),
)
