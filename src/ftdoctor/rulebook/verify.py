"""What `verify:` of a rule may say: which parts of a smoke run prove that its cause is gone.

Stages are named as the payload names them. The other words say what the run must have:

- `job`: the job itself (a rule on the token alone can do without)
- `image`: the job's own packages and network, so it runs where the job runs
- `architecture`: a model of the job's own architecture, however small
- `real`: the model's own tokenizer and configuration, not stand-ins
- `shape`: the job's full size, so that its memory is the job's

The stage `gpu` means a GPU; `push` writes to the output repository and is asked for with `--push`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: In the order in which a run has them.
STAGES = (
    "imports",
    "gpu",
    "allreduce",
    "token",
    "download",
    "tokenizer",
    "data",
    "model",
    "train",
    "checkpoint",
    "push",
)
CONDITIONS = ("job", "image", "architecture", "real", "shape")
WORDS = frozenset((*STAGES, *CONDITIONS))


def unknown(words: Iterable[str]) -> str:
    """Return the first word that is none of the vocabulary, "" when all are."""
    return next((word for word in words if word not in WORDS), "")


def command(code: str, words: Iterable[str], path: str = "JOB", line: int = 0) -> str:
    """Return the command that proves the fix of a rule, "" where no smoke run can.

    Where it runs and on which GPU is taken from the rule and the job (docs/smoke.md).
    """
    held = set(words)
    if not held & set(STAGES):
        return ""
    push = " --push" if "push" in held else ""
    if not held - {"token", "imports", "push"} and path == "JOB":
        return f"ftdoctor smoke --confirm {code}{push}"
    return f"ftdoctor smoke --confirm {code}{push} {_quoted(path)}{f':{line}' if line > 1 else ''}"


def _quoted(path: str) -> str:
    plain = path.replace("/", "").replace(".", "").replace("_", "").replace("-", "")
    return path if plain.isalnum() and plain.isascii() else "'" + path.replace("'", "'\\''") + "'"
