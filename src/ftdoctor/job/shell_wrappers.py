"""Commands that only start another one: `exec`, `sudo`, `env`, `timeout`, ..."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.shell_text import as_text

if TYPE_CHECKING:
    from ftdoctor.job.model import Step

_WRAPPERS = frozenset(
    "exec command builtin sudo nohup time env nice ionice stdbuf timeout setsid eval unbuffer"
    " xvfb-run caffeinate".split()
)
#: Options of wrappers that take a value of their own.
_WRAPPER_VALUES = {"sudo": "ugpCHT", "nice": "n", "ionice": "cn", "timeout": "ks", "env": "uCS"}


def unwrap(step: Step) -> None:
    """Take `exec`, `sudo -u x`, `env A=b`, `nohup`, ... off the front of a step."""
    for _ in range(8):
        if not step.argv:
            return
        name = step.argv[0].value
        if name not in _WRAPPERS:
            return
        rest = step.argv[1:]
        takes = _WRAPPER_VALUES.get(name, "")
        while rest:
            text = as_text(rest[0]).body
            if text == "--":
                rest = rest[1:]
                break
            if text.startswith("-") and len(text) > 1:
                rest = rest[2:] if len(text) == 2 and text[1] in takes else rest[1:]
            elif name in ("env", "sudo") and re.match(r"[A-Za-z_]\w*=", text):
                key, _, value = as_text(rest[0]).partition("=")
                step.assignments[key.body] = value
                rest = rest[1:]
            elif name == "timeout" and re.fullmatch(r"[\d.]+[smhd]?|\$.*", text):
                rest = rest[1:]
                break
            else:
                break
        if not rest and name in ("env", "time", "sudo", "exec"):
            return
        step.argv = list(rest)
