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

    huggingface_hub strips spaces and line ends from the environment's token, not quotes nor
    `Bearer` (utils/_auth.py of 2.4.0, run).
    """
    if not text.strip():
        return "blank"
    inner = text.strip()
    if inner[0] in _QUOTES and inner[-1] in _QUOTES and len(inner) > 2:
        return "wrapped in quotes, which are sent as part of the token"
    if re.match(r"(?i)bearer\s+\S", inner):
        return "preceded by 'Bearer', which the libraries add themselves"
    if inner.startswith("hf_") and re.search(r"\s", inner):
        return "broken by a space or a line end"
    return ""


@dataclass(frozen=True, slots=True)
class Claims:
    """What an OAuth token says of itself. Declared, not proof: nothing was asked of the Hub."""

    scopes: tuple[str, ...]
    expires: int | None


def claims(token: str) -> Claims | None:
    """Return the scopes and the expiry (Unix seconds) that an `hf_oauth_` JWT carries, or None."""
    parts = token.removeprefix("hf_oauth_").split(".")
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
    return Claims(tuple(scopes), int(expires) if isinstance(expires, (int, float)) else None)


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
