"""Configuration: `[tool.ftdoctor]` in pyproject.toml, or `ftdoctor.toml`, found upwards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import UsageError
from ftdoctor.records import dataclass, field
from ftdoctor.rulebook.model import SEVERITIES

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ("select", "ignore", "fail-on", "rules", "with", "offline", "require-smoke")


@dataclass(frozen=True)
class Config:
    """What the project asks for. `ignore` maps a code, name or prefix to the reason given."""

    path: str = ""
    select: tuple[str, ...] = ()
    ignore: dict[str, str] = field(default_factory=dict)
    fail_on: str = "error"
    rules: tuple[Path, ...] = ()
    with_: tuple[str, ...] = ()
    offline: bool = False
    require_smoke: str = ""


def _fail(path: Path, message: str) -> UsageError:
    return UsageError(
        f"{path}: {message}", f"Keys are {', '.join(KEYS)}; see the README, 'Configuration'."
    )


def _texts(path: Path, key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise _fail(path, f"'{key}' must be a list of texts")


def parse(data: dict[str, Any], path: Path) -> Config:
    """Return the configuration that a table states.

    Raises:
        UsageError: an unknown key or a value of the wrong type.
    """
    unknown = set(data) - set(KEYS)
    if unknown:
        raise _fail(path, f"unknown key '{sorted(unknown)[0]}'")
    ignore = data.get("ignore", [])
    if isinstance(ignore, dict):
        if not all(isinstance(v, str) for v in ignore.values()):
            raise _fail(path, "'ignore' as a table maps a code to the reason, a text")
        ignores = dict(ignore)
    else:
        ignores = dict.fromkeys(_texts(path, "ignore", ignore), "")
    fail_on = data.get("fail-on", "error")
    if fail_on not in (*SEVERITIES, "never"):
        raise _fail(path, "'fail-on' must be error, warning, note or never")
    return Config(
        path=str(path),
        select=_texts(path, "select", data.get("select", [])),
        ignore=ignores,
        fail_on=fail_on,
        rules=tuple(path.parent / p for p in _texts(path, "rules", data.get("rules", []))),
        with_=_texts(path, "with", data.get("with", [])),
        offline=bool(data.get("offline", False)),
        require_smoke=str(data.get("require-smoke", "")),
    )


def find(start: Path | None = None) -> Config:
    """Return the nearest configuration at or above a folder, or the defaults.

    Raises:
        UsageError: the file is broken.
    """
    folder = os.path.realpath(start or os.getcwd())
    while True:
        for name in ("ftdoctor.toml", "pyproject.toml"):
            path = os.path.join(folder, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                text = file.read()
            if name == "pyproject.toml" and b"tool.ftdoctor" not in text:
                continue
            return _parsed(path, text)
        above = os.path.dirname(folder)
        if above == folder or os.path.exists(os.path.join(folder, ".git")):
            return Config()
        folder = above


def _parsed(name: str, text: bytes) -> Config:
    from pathlib import Path

    path = Path(name)
    data = _load(path, text)
    if path.name == "pyproject.toml":
        data = data.get("tool", {}).get("ftdoctor", {})
    return parse(data, path)


def _load(path: Path, text: bytes) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}", "Mend the TOML of this file.") from None
