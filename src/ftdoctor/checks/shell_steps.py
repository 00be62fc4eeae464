"""The commands of the container: what hides a failure, is not found, or is ignored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import (
    code,
    gpu_count,
    launched,
    program,
    remote,
    step_text,
    trains,
    words,
)
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Edit, Hit, TextEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Step, WorkerPool


def _container_steps(job: Job) -> list[Step]:
    return [step for step in job.steps if step.where == "container"]


def hidden_failure(context: Context, **_: object) -> Iterator[Hit]:
    """Commands follow the training and end well although it failed: the job ends SUCCEEDED."""
    job = context.job
    if not launched(job):
        return
    steps = _container_steps(job)
    training = [i for i, step in enumerate(steps) if trains(step)]
    if not training:
        return
    last = training[-1]
    step, after = steps[last], steps[last + 1 :]
    if not after or any(_keeps_status(other) for other in after):
        return
    follower = program(after[0])
    if step.joined == "|" and not step.pipefail and follower in _FILTERS:
        how = f"the pipe into {follower} makes the exit code that of {follower}"
        yield Hit(step.place, {"how": how, "mend": "set -o pipefail"}, {"next": follower})
    elif step.joined == "||" and follower in ("true", ":"):
        how = f"'|| {follower}' throws the exit code away"
        yield Hit(step.place, {"how": how, "mend": "set -e"}, {"next": follower})
    elif step.joined in (";", "\n") and not step.guarded and not _in_condition(step):
        if follower in ("wait", "fi", "done", "else") or not any(program(s) for s in after):
            return
        how = f"the exit code is that of '{_short(after[-1])}'"
        yield Hit(step.place, {"how": how, "mend": "set -e"}, {"last": _short(after[-1])})


_FILTERS = frozenset(("tee", "tail", "head", "grep", "cat", "ts", "sed", "awk"))


def _in_condition(step: Step) -> bool:
    """Whether a step is the condition of an if or a while, which looks at its exit code."""
    return "condition" in step.inside


def _keeps_status(step: Step) -> bool:
    text = step_text(step)
    return (
        "$?" in text
        or program(step) in ("exit", "return", "exec")
        or "PIPESTATUS" in text
        or "trap" in text
    )


def _short(step: Step) -> str:
    text = " ".join(step_text(step).split())
    return text if len(text) <= 60 else text[:57] + "..."


_SHELLS = frozenset("sh bash zsh dash ash /bin/sh /bin/bash /bin/zsh /usr/bin/bash".split())


def command_not_executable(context: Context, **_: object) -> Iterator[Hit]:
    """The first item of `command` is no program: a module name, or a whole command line."""
    job = context.job
    if job.form not in ("vertex-yaml", "vertex-gcloud", "vertex-python", "vertex-json"):
        return
    for pool in job.pools:
        first = get(pool.command[0]) if pool.command else None
        if not isinstance(first, str) or not first or "$" in first:
            continue
        wrong = ""
        if (
            re.search(r"\s", first.strip())
            and not first.strip().startswith(("/", "."))
            and "\n" not in first.strip()
        ):
            program_word = first.split()[0]
            if not re.fullmatch(
                r"(?:python[\d.]*|bash|sh|accelerate|torchrun|trl|uv|pip|deepspeed|poetry|conda)",
                program_word,
            ):
                continue
            wrong = f"'{first[:60]}' is one word, taken for the name of a program"
            right = "a list with one item for each word"
        elif re.fullmatch(r"[a-z_]\w*(?:\.[a-z_]\w*)+", first) and not first.endswith(
            (".py", ".sh", ".bin", ".exe", ".pex", ".run")
        ):
            wrong = f"'{first}' is a Python module, not a program"
            right = f'["python", "-m", "{first}"]'
        elif first.endswith(".py") and not first.startswith(("/", "./")):
            wrong = f"'{first}' is a file for Python, not a program on PATH"
            right = f'["python", "{first}"]'
        if wrong:
            yield Hit(
                pool.command[0].place or pool.place,
                {"wrong": wrong, "right": right},
                {"command": first},
                summary="The container's command cannot start: {wrong}.",
            )


def shell_without_c(context: Context, **_: object) -> Iterator[Hit]:
    """`command: [bash]` and no -c: bash takes the command line for the name of a file."""
    for pool in context.job.pools:
        joined = [get(v) or "" for v in (*pool.command, *pool.args)]
        if not pool.command or joined[0] not in _SHELLS or len(joined) < 2:
            continue
        second = joined[1]
        if second.startswith(("-", "+")) or "$" in second or not second:
            continue
        if re.search(r"\s", second.strip()) and re.match(
            r"(?:python|pip|cd|export|echo|git|gsutil|gcloud|uv|apt-get|accelerate|torchrun|trl|set)\b",
            second.strip(),
        ):
            place = (
                pool.args[0].place
                if len(pool.command) == 1 and pool.args
                else pool.command[0].place
            )
            yield Hit(place or pool.place, {"shell": joined[0]}, {"command": joined[:2]})


def args_in_one_text(context: Context, **_: object) -> Iterator[Hit]:
    """Several options in one argument: the program gets them as a single word."""
    job = context.job
    if job.form not in ("vertex-yaml", "vertex-gcloud", "vertex-python", "vertex-json"):
        return
    for pool in job.pools:
        if _shell_reads(pool):
            continue
        for value in pool.args:
            text = get(value)
            if not isinstance(text, str) or "\n" in text or len(pool.args) > 1:
                continue
            if re.match(r"\s*--[a-zA-Z][\w-]*(?:[= ]\S+)?\s+--[a-zA-Z]", text) or (
                len(pool.args) == 1
                and re.fullmatch(r"\s*--[a-zA-Z][\w-]* [^\s,;{}\[\]\"']+\s*", text)
            ):
                yield Hit(
                    value.place or pool.place,
                    {"text": text.strip()[:80]},
                    {"args": text.strip()[:200]},
                )


def _shell_reads(pool: WorkerPool) -> bool:
    head = [get(v) for v in pool.command]
    if any(word is None for word in head):
        return True
    return any(
        (word or "").rsplit("/", 1)[-1] in ("sh", "bash", "zsh", "dash", "env") for word in head
    )


def own_environment(context: Context, **_: object) -> Iterator[Hit]:
    """uv sync, uv run or a venv in an image made for its torch, which they do not see."""
    job = context.job
    if job.platform != "vertex" or not job.pools:
        return
    image = get(job.pools[0].image) or ""
    from ftdoctor.job.images import read_image

    known = read_image(image) if image else None
    if known is None or not known.packages.get("torch"):
        return
    for step in _container_steps(job):
        words_ = words(step)
        tool = program(step)
        text = " ".join(words_)
        if "system-site-packages" in text or "--system" in text:
            return
        how = ""
        if tool == "uv" and len(words_) > 1 and words_[1] in ("sync", "run"):
            how = f"uv {words_[1]}"
        elif (
            (tool == "uv" and words_[1:2] == ["venv"]) or "-m venv" in text or tool == "virtualenv"
        ):
            how = "a virtual environment"
        elif tool == "poetry" and len(words_) > 1 and words_[1] in ("install", "run"):
            if re.search(r"virtualenvs\.create\s+false", code(job)):
                return
            how = f"poetry {words_[1]}"
        if how:
            values = {
                "how": how,
                "torch": known.packages["torch"],
                "image": image.rsplit("/", 1)[-1],
            }
            yield Hit(step.place, values, values)
            return


def more_ranks_than_gpus(context: Context, **_: object) -> Iterator[Hit]:
    """A launcher starts more processes on a machine than it has GPUs, or than it may see."""
    from ftdoctor.checks.about import _processes

    job = context.job
    if re.search(r"CUDA_VISIBLE_DEVICES|--gpu[-_]ids", code(job)) or any(
        "CUDA_VISIBLE_DEVICES" in pool.env for pool in job.pools
    ):
        from ftdoctor.checks.visible_gpus import too_few

        hidden = too_few(job)
        if hidden is not None:
            yield hidden
            return
    here = job.machine is not None
    if not here and not (launched(job) and remote(job)):
        return
    gpus = gpu_count(job)
    if gpus is None or gpus == 0:
        return
    machines = _machines(job)
    for step in _container_steps(job):
        if not trains(step):
            continue
        found = _processes(words(step))
        text = " ".join(words(step))
        if found is None or found <= 1 or "--cpu" in text or "gloo" in text:
            continue
        per_machine = found if "nproc" in text else (found / machines if machines else None)
        if per_machine is not None and per_machine > gpus:
            value = next(
                (v for v in step.argv if re.search(r"nproc|num_processes", get(v) or "")), None
            )
            values = {"ranks": int(per_machine), "gpus": gpus}
            yield Hit(
                value.place if value is not None and value.place else step.place,
                values,
                values,
                summary="{ranks} processes are started on a machine with {gpus} GPU(s).",
            )
            return


def _machines(job: Job) -> int | None:
    total = 0
    for pool in job.pools:
        count = get(pool.replica_count) if pool.replica_count is not None else 1
        if count is None:
            return None
        total += count
    return total or 1


#: A field of an f-string: {name}, {name.attribute}, {name[key]}.
_F_FIELD = r"(?<![{$])\{([A-Za-z_][A-Za-z0-9_.]*(?:\[[^\]{}]*\])?)\}(?!\})"


def forgotten_f(context: Context, **_: object) -> Iterator[Hit]:
    """`"{BUCKET}/out"` without its f: the braces are sent as they stand."""
    job = context.job
    if job.form not in ("vertex-python", "hf-jobs-python", "hf-jobs-call"):
        return
    text = job.source.text
    values = [
        job.base_output_dir,
        job.staging_bucket,
        job.display_name,
        job.region,
        job.project,
        job.service_account,
        job.namespace,
    ]
    for pool in job.pools:
        values += [pool.image, pool.machine_type, *pool.args, *pool.command, *pool.env.values()]
    for value in values:
        known = get(value)
        if (
            value is None
            or not isinstance(known, str)
            or "\n" in known
            or '"' in known
            or known.lstrip().startswith("[")
        ):
            continue
        match = re.search(_F_FIELD, known)
        if not match:
            continue
        name = re.split(r"[.\[]", match[1])[0]
        if not re.search(
            rf"^\s*{re.escape(name)}\s*(?::[^=\n]+)?=[^=]", text, re.M
        ) and not re.search(rf"\bdef \w+\([^)]*\b{re.escape(name)}\b", text):
            continue
        if re.search(r"\.format\(|format_map|Template\(", text):
            continue
        edits = {}
        place = value.place
        if (
            place is not None
            and place.end_line
            and place.path == job.source.path
            and job.source.is_file
        ):
            line = job.source.line_text(place.line)
            if line[place.column - 1 : place.column] in ("'", '"'):
                point = type(place)(
                    place.path, place.line, place.column, place.line, place.column, place.context
                )
                edits["f"] = Edit("Put an f before the string", (TextEdit(point, "f"),))
        yield Hit(
            place or job.place, {"field": match[0], "name": name}, {"text": known[:120]}, edits
        )
