"""One rule: from the mapping that a file holds to a `Rule`, with errors that name the place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import RuleError
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import SEVERITIES, After, Before, FixTemplate, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

CODE = lazy(r"FT-[A-Z]{2,8}-\d{3}\Z")
NAME = lazy(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
KEYS = frozenset(
    (
        "code name parent severity since platforms summary before after explain fixes "
        "verify references"
    ).split()
)
ROLES = ("cause", "consequence", "wrapper")
Where = "Callable[[str], str]"


def _fail(where: str, message: str) -> RuleError:
    return RuleError(
        f"{where}: {message}", "See CONTRIBUTING.md, 'A new rule in five minutes', for the format."
    )


def _strings(where: str, key: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
        raise _fail(where, f"'{key}' must be a list of texts")
    return tuple(value)


def _text(where: str, data: Mapping[str, Any], key: str, *, needed: bool = True) -> str:
    value = data.get(key)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or not value.strip():
        raise _fail(where, f"'{key}' is missing or is not a text")
    return value.strip()


def _mapping(where: str, key: str, value: object, allowed: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _fail(where, f"'{key}' must be a mapping")
    unknown = set(value) - set(allowed.split())
    if unknown:
        raise _fail(where, f"'{key}' has no field {sorted(unknown)[0]!r}; it has {allowed}")
    return value


def _pattern(where: str, text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise _fail(where, f"not a regular expression: {text!r} ({error})") from None
    return text


def _before(where: str, value: object) -> Before:
    data = _mapping(where, "before", value, "check params")
    check = _text(where, data, "check")
    if not re.fullmatch(r"[a-z_0-9]+\.[a-z_0-9]+", check):
        raise _fail(where, f"'before.check' must be module.function, not {check!r}")
    params = data.get("params") or {}
    if not isinstance(params, dict):
        raise _fail(where, "'before.params' must be a mapping")
    return Before(check, params)


def _after(where: str, value: object, *, trusted: bool) -> After:
    data = _mapping(where, "after", value, "any unless role near decide")
    patterns = {
        key: _strings(where, f"after.{key}", data.get(key)) for key in ("any", "unless", "near")
    }
    if not patterns["any"]:
        raise _fail(where, "'after.any' needs at least one pattern")
    if not trusted:
        for key, texts in patterns.items():
            for text in texts:
                _pattern(f"{where}: after.{key}", text)
    role = data.get("role", "cause")
    if role not in ROLES:
        raise _fail(where, f"'after.role' must be one of {', '.join(ROLES)}, not {role!r}")
    return After(
        patterns["any"], patterns["unless"], role, patterns["near"], str(data.get("decide") or "")
    )


def _fix(where: str, value: object) -> FixTemplate:
    data = _mapping(where, "fixes", value, "text command edit safe")
    edit = data.get("edit")
    if edit is not None and not isinstance(edit, dict):
        raise _fail(where, "'edit' must be a mapping")
    return FixTemplate(
        _text(where, data, "text"),
        _text(where, data, "command", needed=False),
        edit,
        bool(data.get("safe", False)),
    )


def parse_rule(data: object, where: str, *, trusted: bool = False) -> Rule:
    """Return the rule that a mapping states.

    `where` names the file (and line) for errors. `trusted` skips the costly validation of
    patterns, for the compiled rulebook, which was validated when it was built.

    Raises:
        RuleError: something is missing, unknown or of the wrong type.
    """
    if not isinstance(data, dict):
        raise _fail(where, "a rule file holds one mapping")
    unknown = set(data) - KEYS
    if unknown:
        raise _fail(
            where,
            f"no field {sorted(map(str, unknown))[0]!r}; fields are {', '.join(sorted(KEYS))}",
        )
    code = _text(where, data, "code")
    if not CODE.match(code):
        raise _fail(where, f"'code' must look like FT-JOB-004, not {code!r}")
    name = _text(where, data, "name")
    if not NAME.match(name):
        raise _fail(where, f"'name' must be lower-case words joined by '-', not {name!r}")
    severity: Any = data.get("severity")
    if severity not in SEVERITIES:
        raise _fail(where, f"'severity' must be error, warning or note, not {severity!r}")
    before = _before(where, data["before"]) if data.get("before") is not None else None
    after = _after(where, data["after"], trusted=trusted) if data.get("after") is not None else None
    if before is None and after is None:
        raise _fail(where, "a rule needs 'before', 'after' or both")
    fixes = data.get("fixes") or []
    if not isinstance(fixes, list):
        raise _fail(where, "'fixes' must be a list")
    verify = _strings(where, "verify", data.get("verify"))
    if verify and not trusted:
        from ftdoctor.rulebook.verify import WORDS
        from ftdoctor.rulebook.verify import unknown as stranger

        if word := stranger(verify):
            raise _fail(where, f"'verify' has no word {word!r}; it has {', '.join(sorted(WORDS))}")
    return Rule(
        code=code,
        name=name,
        severity=severity,
        since=str(data.get("since") or "0.1.0"),
        summary=_text(where, data, "summary"),
        explain=_text(where, data, "explain"),
        parent=_text(where, data, "parent", needed=False),
        platforms=_strings(where, "platforms", data.get("platforms")),
        before=before,
        after=after,
        fixes=tuple(_fix(where, fix) for fix in fixes),
        verify=verify,
        references=_strings(where, "references", data.get("references")),
        path=where,
    )
