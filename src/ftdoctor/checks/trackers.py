"""Experiment trackers and logins: what asks for a key, a terminal or a Space that the job lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import (
    code,
    code_gap,
    env_open,
    env_texts,
    environments,
    has_token,
    launched,
    own_token,
    remote,
    report_targets,
)
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Edit, Hit, Severity, TextEdit, Unsure

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Script
    from ftdoctor.job.source import Place
else:
    ast = lazy_module("ast")

_KEYS = {
    "wandb": ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"),
    "comet_ml": ("COMET_API_KEY",),
    "neptune": ("NEPTUNE_API_TOKEN",),
}
_OFF = lazy(
    r"WANDB_(?:MODE|DISABLED)|mode\s*=\s*[\"'](?:offline|disabled)|wandb\s+(?:offline|disabled)|anonymous\s*="
)


def key_missing(context: Context, tracker: str = "wandb", **_: object) -> Iterator[Hit | Unsure]:
    """`report_to` names a tracker whose key does not reach the container."""
    job = context.job
    if not launched(job) or not remote(job):
        return
    place, flagged = _asked(job, tracker)
    if not flagged:
        return
    names = _KEYS[tracker]
    envs = environments(job)
    if envs and all(any(n in env for n in names) for env in envs):
        return
    if (
        any(re.match(r"WANDB_(?:MODE|DISABLED)\Z", n) for env in envs for n in env)
        and tracker == "wandb"
    ):
        return
    text = code(job)
    if (
        any(n in text for n in names)
        or _OFF.search(text)
        or re.search(rf"{tracker}[.\s]*login|netrc|secret", text, re.I)
    ):
        return
    if own_token(job) and "environ" in text:
        return
    why = env_open(job)
    if why:
        yield Unsure(
            f"whether {names[0]} reaches the container is not known: {why}",
            "the environment as it is sent",
        )
        return
    severity: Severity | None = "warning" if code_gap(job) else None
    edits = {}
    if place is not None and place.end_line:
        edits["none"] = Edit("Report to nothing", (TextEdit(place, "\0none\0"),))
    values = {"tracker": tracker, "key": names[0]}
    yield Hit(
        place or job.place,
        values,
        values,
        edits,
        severity=severity,
        summary="The training reports to {tracker}, and {key} does not reach the container.",
    )


def _asked(job: Job, tracker: str) -> tuple[Place | None, bool]:
    for training in job.trainings:
        targets, value = report_targets(training)
        if tracker in targets:
            return (value.place if value is not None else None), True
    for script in job.scripts:
        if script.role == "submit" or f"{tracker}.init" not in script.calls:
            continue
        for node in certain_statements(script):
            for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
                if ast.unparse(call.func) == f"{tracker}.init":
                    from ftdoctor.checks.token_uses import node_place

                    return node_place(script.source, call), True
    return None, False


def trackio_local(context: Context, **_: object) -> Iterator[Hit]:
    """Trackio without a Space keeps its data in the container, which is thrown away."""
    job = context.job
    if not launched(job) or not remote(job):
        return
    for training in job.trainings:
        targets, value = report_targets(training)
        if "trackio" not in targets:
            continue
        if training.arguments.get("trackio_space_id") or training.arguments.get(
            "trackio_bucket_id"
        ):
            continue
        if re.search(r"TRACKIO_|trackio_space_id|space_id|trackio\.(?:init|sync)", code(job)):
            continue
        if any(name.startswith("TRACKIO_") for env in environments(job) for name in env):
            continue
        yield Hit(value.place if value else job.place, {}, {"report_to": "trackio"})
        return


def trackio_without_token(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """Trackio writes to a Space and no token reaches the container."""
    job = context.job
    if not job.trainings or not launched(job) or not remote(job):
        return
    if has_token(job) or own_token(job):
        return
    for training in job.trainings:
        space = training.arguments.get("trackio_space_id")
        targets, _value = report_targets(training)
        if space is None or "trackio" not in targets or get(space) is None:
            continue
        why = env_open(job)
        if why:
            yield Unsure(
                f"whether a token reaches the container is not known: {why}",
                "the environment as it is sent",
            )
            return
        yield Hit(space.place or job.place, {"space": str(get(space))}, {"space": str(get(space))})
        return


def login_prompt(context: Context, **_: object) -> Iterator[Hit]:
    """`login()` or `notebook_login()` in a container, where nobody can answer."""
    job = context.job
    if not remote(job):
        return
    for script in job.scripts:
        if script.role == "submit":
            continue
        for call, name in _login_calls(script):
            old = _hub_major(job) == 0
            if not launched(job) or env_open(job) or (has_token(job) and not old):
                continue  # the launch may give a token, and with one the call returns at once
            if sets_token(script):
                continue
            from ftdoctor.checks.token_uses import node_place

            yield Hit(
                node_place(script.source, call),
                {"call": f"{name}()", "what": _what_happens(job, name)},
                {"call": name, "huggingface_hub": job.version("huggingface-hub")},
                summary="{call} in a container, where nobody can answer: {what}.",
            )
            return


def _hub_major(job: Job) -> int | None:
    version = job.version("huggingface-hub")
    match = re.match(r"\d+", version or "")
    return int(match[0]) if match else None


def _what_happens(job: Job, name: str) -> str:
    if _hub_major(job) == 0:
        return "it asks for a token on standard input and dies with EOFError"
    return "it prints a web address and waits up to 15 minutes for someone to open it"


def sets_token(script: Script) -> bool:
    """Whether the code sets the token itself, so that a login call finds one."""
    return bool(
        re.search(
            r"environ\s*\[\s*[\"']HF_TOKEN[\"']\s*\]\s*=|HfFolder\.save_token", script.source.text
        )
    )


def _login_calls(script: Script) -> Iterator[tuple[ast.Call, str]]:
    """Yield bare login calls of huggingface_hub that run whenever the script does."""
    text = script.source.text
    if "login" not in text or script.tree is None or "huggingface_hub" not in text:
        return
    imported = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(script.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("huggingface_hub")
        for alias in node.names
    }
    for node in _certain(script.tree.body):
        for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
            name = ""
            if isinstance(call.func, ast.Name):
                name = imported.get(call.func.id, "")
            elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
                name = call.func.attr if call.func.value.id in ("huggingface_hub", "hf_hub") else ""
            given = call.args or any(k.arg in ("token", None) for k in call.keywords)
            if name in ("login", "notebook_login", "interpreter_login") and not given:
                yield call, name


def _certain(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module that run in any case, those of main() too."""
    functions = {n.name: n for n in body if isinstance(n, ast.FunctionDef)}
    for node in body:
        if isinstance(node, (ast.Expr, ast.Assign, ast.With)):
            yield node
            call = node.value if isinstance(node, ast.Expr) else None
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id in functions
            ):
                yield from _simple(functions[call.func.id].body)
        elif isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            for inner in node.body:
                yield inner
                if isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call):
                    func = inner.value.func
                    if isinstance(func, ast.Name) and func.id in functions:
                        yield from _simple(functions[func.id].body)


def _simple(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    return (n for n in body if isinstance(n, (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return)))


def certain_statements(script: Script) -> list[ast.stmt]:
    """Return the statements of a script that run whenever it is started."""
    return list(_certain(script.tree.body)) if script.tree is not None else []


def terminal_input(context: Context, **_: object) -> Iterator[Hit]:
    """`input()` or `getpass()` in a container: there is no terminal to answer from."""
    job = context.job
    if not remote(job):
        return
    for script in job.scripts:
        text = script.source.text
        if (
            script.role == "submit"
            or ("input(" not in text and "getpass(" not in text)
            or "isatty" in text
        ):
            continue
        if re.search(r"def input\(|import input|input\s*=", text):
            continue
        for node in certain_statements(script):
            for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
                called = ast.unparse(call.func)
                if called in ("input", "getpass", "getpass.getpass"):
                    from ftdoctor.checks.token_uses import node_place

                    yield Hit(
                        node_place(script.source, call),
                        {"call": f"{called}()"},
                        {"call": called},
                        summary="{call} in a job: there is no terminal to answer from.",
                    )
                    return


def oauth_login_old_hub(context: Context, **_: object) -> Iterator[Hit]:
    """login(token=...) with an OAuth token on huggingface_hub below 1.20: KeyError 'accessToken'.

    Run on 0.36.2 and 1.19.0 (KeyError) and on 1.20.1 and 2.4.0 (fine).
    """
    job = context.job
    match = re.match(r"(\d+)\.(\d+)", job.version("huggingface-hub") or "")
    if (
        match is None
        or (int(match[1]), int(match[2])) >= (1, 20)
        or (int(match[1]) == 0 and int(match[2]) < 26)
    ):
        return
    if job.form != "hf-jobs-call" or not any(
        text in ("$HF_TOKEN", "${HF_TOKEN}") for _index, _name, text in env_texts(job)
    ):
        return
    for script in job.scripts:
        places = script.calls.get("huggingface_hub.login") if script.role != "submit" else None
        if places and re.search(r"login\(\s*(?:token\s*=|os\.)", script.source.text):
            version = job.version("huggingface-hub")
            summary = "login() breaks on an OAuth token with huggingface_hub {version}."
            yield Hit(
                places[0],
                {"version": version},
                {"version": version},
                severity="warning",
                summary=summary,
            )
            return
