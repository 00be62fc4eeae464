"""Every text that a job hands over as a token: environment, secrets, options, code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from ftdoctor.checks.about import env_place, environments, step_text
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Script
    from ftdoctor.job.source import Place, Source
else:
    ast = lazy_module("ast")

Where = Literal["env", "secret", "argument", "code", "step", "machine"]

#: Environment names that hold a Hub token, read by a library or not.
HUB_NAME = lazy(r"(?i)(?:hf|hugging_?face)[\w]*(?:token|api_?key|access_?key|auth)|hub_token")
TRACKER_NAME = lazy(r"(?i)(?:wandb|comet|neptune|mlflow|clearml)\w*(?:key|token)")
_KEYWORDS = frozenset(
    ("token", "hub_token", "use_auth_token", "hf_token", "api_token", "auth_token")
)
_OPTION = lazy(r"--?(?:hf[-_]|hub[-_])?(?:token|hub[-_]token)\Z")


@dataclass(frozen=True, slots=True)
class TokenUse:
    """A text in a token's place. `name` is the variable, keyword or option that takes it."""

    name: str
    text: str
    where: Where
    place: Place | None
    #: "hub" for a Hugging Face token, "tracker" for the key of an experiment tracker.
    family: Literal["hub", "tracker"] = "hub"


def carried(context: Context) -> Iterator[TokenUse]:
    """Yield what `uses` yields and, in a live check, the token that was followed to this machine.

    That one's `where` is "machine" and its `name` says where it was found. A text that stands in
    the job as well is told once.
    """
    seen = set()
    for use in uses(context.job):
        seen.add(use.text)
        yield use
    token = context.facts.get("token")
    if token is not None and token.where in ("machine", "login") and token.raw not in seen:
        place = token.value.place if token.value is not None else context.job.place
        yield TokenUse(token.source, token.raw, "machine", place or context.job.place)


def family(name: str) -> Literal["hub", "tracker"] | None:
    """Return whose token a variable of this name holds, or None."""
    if HUB_NAME.search(name):
        return "hub"
    return "tracker" if TRACKER_NAME.search(name) else None


def uses(job: Job) -> Iterator[TokenUse]:
    """Yield each token-like text of a job once per place."""
    seen: set[tuple[str, int, int, str]] = set()
    for use in _all(job):
        key = (
            use.place.path if use.place else "",
            use.place.line if use.place else 0,
            use.place.column if use.place else 0,
            use.text,
        )
        if key not in seen:
            seen.add(key)
            yield use


def _all(job: Job) -> Iterator[TokenUse]:
    for index, env in enumerate(environments(job)):
        for name, value in env.items():
            text = get(value)
            kind = family(name)
            if kind and isinstance(text, str):
                where: Where = "secret" if name in job.secrets else "env"
                yield TokenUse(name, text, where, env_place(job, index, name), kind)
    for pool in job.pools:
        yield from _options([*pool.command, *pool.args], "argument")
    for step in (*job.steps, *job.submit_steps):
        for name, value in step.assignments.items():
            text = get(value)
            kind = family(name)
            if kind and isinstance(text, str):
                yield TokenUse(name, text, "step", value.place or step.place, kind)
        if "token" in step_text(step):
            yield from _options(step.argv, "step")
    for script in job.scripts:
        yield from in_code(script)


def _options(values: list, where: Where) -> Iterator[TokenUse]:  # type: ignore[type-arg]
    for index, value in enumerate(values):
        word = get(value)
        if not isinstance(word, str):
            continue
        name, equals, inline = word.partition("=")
        if not _OPTION.match(name):
            continue
        if equals:
            yield TokenUse(name, inline, where, value.place)
        elif index + 1 < len(values):
            text = get(values[index + 1])
            if isinstance(text, str) and not text.startswith("-"):
                yield TokenUse(name, text, where, values[index + 1].place)


def node_place(source: Source, node: ast.expr | ast.stmt) -> Place:
    """Return the place of a syntax node; its byte columns turned into characters."""

    def column(line: int, offset: int) -> int:
        text = source.line_text(line)
        return (
            offset + 1
            if text.isascii()
            else len(text.encode()[:offset].decode("utf-8", "ignore")) + 1
        )

    end = node.end_lineno or node.lineno
    return source.place(
        node.lineno,
        column(node.lineno, node.col_offset),
        end,
        column(end, node.end_col_offset or 0),
    )


def live_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, bodies of `if False:` and `if 0:` left out."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, ast.If) and isinstance(node.test, ast.Constant) and not node.test.value:
            stack.extend(reversed(node.orelse))
        else:
            stack.extend(reversed(list(ast.iter_child_nodes(node))))


def in_code(script: Script) -> Iterator[TokenUse]:
    """Yield literal tokens in Python: `token="..."`, `HF_TOKEN = "..."`, `environ["X"] = "..."`."""
    if not re.search(r"(?i)token|api_?key", script.source.text) or script.tree is None:
        return
    for node in live_nodes(script.tree):
        if isinstance(node, ast.Call):
            yield from _call(script, node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                name = _target(target)
                kind = family(name) if name else None
                if (
                    kind
                    and isinstance(node.value, ast.Constant)
                    and isinstance(node.value.value, str)
                ):
                    yield TokenUse(
                        name, node.value.value, "code", node_place(script.source, node.value), kind
                    )


def _target(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return ""


def _call(script: Script, node: ast.Call) -> Iterator[TokenUse]:
    called = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
    wandb = called in ("wandb.login", "wandb_login")
    for keyword in node.keywords:
        value = keyword.value
        if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            continue
        if keyword.arg in _KEYWORDS:
            yield TokenUse(keyword.arg, value.value, "code", node_place(script.source, value))
        elif wandb and keyword.arg == "key":
            yield TokenUse("key", value.value, "code", node_place(script.source, value), "tracker")
    if (
        called.rsplit(".", 1)[-1] == "login"
        and node.args
        and ("hub" in called or called == "login")
    ):
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield TokenUse("token", first.value, "code", node_place(script.source, first))
