"""The commands of a job, one by one: nested shells opened, installs and programs recognised."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.launch import launch_of
from ftdoctor.job.model import Script, Unread
from ftdoctor.job.shell_text import as_text
from ftdoctor.job.value import known
from ftdoctor.lazy import lazy
from ftdoctor.records import replace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftdoctor.job.launch import Launch
    from ftdoctor.job.model import Job, Step
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value

#: Scripts that call scripts are followed so far.
_DEEPEST = 4
_MOST_STEPS = 3000
#: The scripts behind `trl sft` and its kin, at their addresses in the repository of trl.
_TRL_SCRIPT = lazy(
    r"(?:/trl/[^\s]*(?:trl|examples)/scripts/|\btrl/scripts/)(sft|dpo|grpo|kto|reward|rloo|orpo|cpo)\.py"
)


def run_steps(
    job: Job,
    steps: Iterable[Step],
    env: ReadEnv,
    variables: dict[str, Value[str]] | None = None,
) -> None:
    """Add steps to the job, and what they install and start.

    A command that is already there at the same place (a second worker pool that shares the text) is
    added once.
    """
    seen = {(step.place, step.text) for step in job.steps}
    folder = ""
    for step in _opened(list(steps), env, variables or {}, 0):
        if (step.place, step.text) in seen or len(job.steps) > _MOST_STEPS:
            continue
        job.steps.append(step)
        folder = _folder(step, folder)
        _read_step(job, step, env, folder)


def install_steps(job: Job, steps: Iterable[Step], env: ReadEnv) -> None:
    """Add the commands of a Dockerfile: what they install counts, what they start does not."""
    for step in _opened(list(steps), env, {}, 0):
        job.steps.append(step)
        if step.argv:
            _install(job, step, env, "") or _clone(job, step)


def _opened(
    steps: list[Step], env: ReadEnv, variables: dict[str, Value[str]], depth: int
) -> list[Step]:
    """Replace `bash -c SCRIPT` and calls of local shell scripts by the steps inside."""
    found: list[Step] = []
    exported: dict[str, Value[str]] = dict(variables)
    for step in steps:
        exported.update(step.assignments)
        inner = _inner(step, env, exported) if depth < _DEEPEST else None
        if inner is None:
            found.append(step)
            continue
        if not inner:
            continue
        for item in inner:
            item.inside = (*step.inside, *item.inside)
        if step.joined and not inner[-1].joined:
            inner[-1].joined = step.joined
        found.extend(_opened(inner, env, exported, depth + 1))
    return found


def _inner(step: Step, env: ReadEnv, variables: dict[str, Value[str]]) -> list[Step] | None:
    from ftdoctor.job.container import exec_steps, shell_script

    if not step.argv:
        return None
    if shell_script(step.argv) is not None:
        return exec_steps(list(step.argv), env, variables, step.place, step.where) or None
    found = _called_script(step, env)
    if found is None:
        return None
    source, args = found
    from ftdoctor.job.shell import read_script

    script = read_script(source, variables, positional=args, where=step.where)
    for inner in script.steps:
        inner.inside = (f"script:{source.path}", *inner.inside)
    return script.steps or None


def _called_script(step: Step, env: ReadEnv) -> tuple[Source, list[Value[str]]] | None:
    """Return the local shell script that a step runs, with its arguments."""
    name = posixpath.basename(as_text(step.argv[0]).body)
    args = list(step.argv[1:])
    target = step.argv[0]
    if name in ("bash", "sh", "zsh", "dash", "source", "."):
        if name not in ("source", ".") and step.stdin is not None and not args:
            return step.stdin, []
        while args and re.fullmatch(r"[-+][a-zA-Z]+", as_text(args[0]).body):
            taken = as_text(args[0]).body
            args = args[2:] if taken.endswith("o") else args[1:]
        if not args:
            return None
        target, args = args[0], args[1:]
    elif not name.endswith((".sh", ".bash")):
        return None
    path = target.value if target.known else None
    if not path or any(mark in path for mark in (".env", "activate", ".bashrc", ".profile")):
        return None
    source = env.find(path)
    if source is None or any(source.path in item for item in step.inside):
        return None
    return source, args


def _folder(step: Step, folder: str) -> str:
    """Follow `cd`: the folder relative to the start, or "" when it cannot be told."""
    if as_text(step.argv[0]).body != "cd" if step.argv else True:
        return folder
    if len(step.argv) < 2 or not step.argv[1].known:
        return ""
    path = step.argv[1].value or ""
    return (
        "" if path.startswith(("/", "~", "-")) else posixpath.normpath(posixpath.join(folder, path))
    )


def _read_step(job: Job, step: Step, env: ReadEnv, folder: str) -> None:
    if not step.argv:
        return
    if _install(job, step, env, folder) or _clone(job, step):
        return
    launch = launch_of(step)
    if launch is None:
        return
    _uv_packages(job, launch, env, step)
    before = len(job.trainings)
    _start(job, launch, env, folder)
    if launch.kind == "trl" or "accelerate" in launch.launchers:
        from ftdoctor.job.launch_config import attach

        attach(job, launch, job.trainings[before:], env, folder)


def _install(job: Job, step: Step, env: ReadEnv, folder: str) -> bool:
    """Read a pip or uv install command into requirements."""
    from ftdoctor.job.installs import read_install
    from ftdoctor.job.requirements import parse_requirement

    install = read_install(step)
    if install is None:
        return _project_install(job, step, env, folder)
    order = len(job.steps)
    index = install.index or next(iter(install.extra_indexes), "")
    for item in install.items:
        place = next((v.place for v in step.argv if v.value == item), step.place)
        if re.match(r"(?:\.{1,2}|/)(?:/|\[|\Z)", item):
            _project(job, env, folder)
            continue
        requirement = parse_requirement(item, "step", place, install.upgrade, order)
        if requirement is not None:
            job.requirements.append(replace(requirement, index=index, no_deps=install.no_deps))
    for name in install.files:
        _requirements_file(job, name, env, folder, order, index)
    return True


def _requirements_file(
    job: Job, name: str, env: ReadEnv, folder: str, order: int, index: str = ""
) -> None:
    from ftdoctor.job.requirements import read_requirements

    source = (env.read_file(f"{folder}/{name}") if folder else None) or env.find(name)
    if source is None:
        return
    if all(known_.path != source.path for known_ in job.sources):
        job.sources.append(source)
    for requirement in read_requirements(source, env):
        job.requirements.append(
            replace(requirement, source="step", order=order, index=requirement.index or index)
        )


def _project_install(job: Job, step: Step, env: ReadEnv, folder: str) -> bool:
    """`uv sync`, `poetry install`, `pipenv install`: the project file beside the job decides."""
    words = [as_text(value).body for value in step.argv[:3]]
    tool = posixpath.basename(words[0])
    verb = words[1] if len(words) > 1 else ""
    if (tool, verb) in (
        ("uv", "sync"),
        ("poetry", "install"),
        ("pdm", "install"),
        ("pipenv", "install"),
        ("pipenv", "sync"),
    ):
        _project(job, env, folder)
        return True
    return False


def _project(job: Job, env: ReadEnv, folder: str) -> None:
    from ftdoctor.job.attached import attach_project

    attach_project(job, env, folder)


def _clone(job: Job, step: Step) -> bool:
    words = [as_text(value).body for value in step.argv]
    if posixpath.basename(words[0]) != "git" or "clone" not in words[1:4]:
        return False
    url = next((w for w in words[2:] if "://" in w or w.startswith("git@")), "a repository")
    job.unread.append(Unread("cloned code", f"it comes from {url} when the job starts", step.place))
    return True


def _uv_packages(job: Job, launch: Launch, env: ReadEnv, step: Step) -> None:
    from ftdoctor.job.requirements import parse_requirement

    order = len(job.steps)
    for value in launch.with_:
        text = value.value if value.known else None
        requirement = parse_requirement(text, "uv-with", value.place, order=order) if text else None
        if requirement is not None:
            job.requirements.append(requirement)
    for value in launch.with_files:
        if value.known and value.value:
            _requirements_file(job, value.value, env, "", order)
    if launch.python is not None and job.python is None:
        job.python = launch.python


def _start(job: Job, launch: Launch, env: ReadEnv, folder: str) -> None:
    if launch.launchers or launch.kind in ("trl", "python", "module", "code"):
        job.extra.setdefault("launches", []).append(launch)
    if launch.kind == "trl":
        _trl(job, launch, env, launch.args)
    elif launch.kind == "python":
        _python(job, launch, env, folder)
    elif launch.kind == "module":
        _module(job, launch, env, folder)
    elif launch.kind == "code":
        _code(job, launch, env)
    elif launch.kind == "other":
        place = launch.step.place
        job.unread.append(Unread(launch.stack, "its settings are not read", place))


def _trl(job: Job, launch: Launch, env: ReadEnv, args: list[Value[str]]) -> None:
    from ftdoctor.job.trl_args import read_trl

    training = read_trl(args, launch.step.place, env)
    for key, value in launch.options.items():
        training.launch.setdefault(key, value if value is not None else known("true"))
    job.trainings.append(training)


def _python(job: Job, launch: Launch, env: ReadEnv, folder: str) -> None:
    assert launch.target is not None
    target = launch.target
    text = as_text(target).body
    method = _TRL_SCRIPT.search(text)
    if not target.known:
        what = f"script {text}"
        job.unread.append(Unread(what, target.unknown, target.place or launch.step.place))
        return
    source = _own(text, env)
    if source is None and folder not in ("", "."):
        source = env.read_file(f"{folder}/{text}")
    source = source or env.find(text)
    if source is None and method is not None:
        _trl(job, launch, env, [known(method.group(1), target.place), *launch.args])
        return
    if source is None:
        _missing(job, f"script {text}", launch)
        return
    add_script(job, source, launch.args, env, launch)


def _own(text: str, env: ReadEnv) -> Source | None:
    """Return the script whose own docstring shows the command, by its name or address."""
    own: Source | None = env.state.get("self")
    if own is not None and posixpath.basename(text.split("?")[0]) == posixpath.basename(own.path):
        return own
    return None


def _module(job: Job, launch: Launch, env: ReadEnv, folder: str) -> None:
    assert launch.target is not None
    name = launch.target.value if launch.target.known else None
    if not name or name.split(".")[0] in (
        "pip",
        "venv",
        "ensurepip",
        "http",
        "json",
        "nltk",
        "spacy",
    ):
        return
    if re.fullmatch(r"trl\.scripts\.\w+", name):
        _trl(job, launch, env, [known(name.rsplit(".", 1)[1], launch.target.place), *launch.args])
        return
    inner = f"{folder}/{name.replace('.', '/')}.py" if folder and folder != "." else ""
    source = (env.read_file(inner) if inner else None) or env.find_module(name)
    if source is None:
        _missing(job, f"module {name}", launch)
        return
    add_script(job, source, launch.args, env, launch)


def _missing(job: Job, what: str, launch: Launch) -> None:
    place = launch.target.place if launch.target is not None else None
    text = as_text(launch.target).body if launch.target is not None else ""
    if text.startswith(("http://", "https://")):
        reason = "it is fetched from its address when the job starts"
    elif any(item.what == "cloned code" for item in job.unread):
        reason = "it is part of the code that the job clones"
    else:
        reason = "it is not among these files"
    job.unread.append(Unread(what, reason, place or launch.step.place))


def _code(job: Job, launch: Launch, env: ReadEnv) -> None:
    source: Source | None = launch.step.stdin
    if launch.target is not None:
        from ftdoctor.job.container import source_of

        source = source_of(launch.target, env)
    if source is not None and source.text.strip():
        add_script(job, source, launch.args, env, launch)


def add_script(
    job: Job, source: Source, args: list[Value[str]], env: ReadEnv, launch: Launch | None = None
) -> Script | None:
    """Add Python that runs in the job: its header's packages and its trainings too."""
    from ftdoctor.job.py_training import read_training

    for script in job.scripts:
        if script.source == source and script.args == args:
            return None
    script = Script(source, "training", list(args), launched=True)
    job.scripts.append(script)
    if all(item.path != source.path or item.text != source.text for item in job.sources):
        job.sources.append(source)
    if launch is not None and {"uv run", "uvx"} & set(launch.launchers):
        read_script_header(job, source)
        if "header" not in job.extra and "uv run" in launch.launchers and job.platform != "hf-jobs":
            _project(job, env, "")
    trainings = read_training(script, env, job.pool.env if job.pool is not None else None)
    for training in trainings:
        if launch is not None:
            for key, value in launch.options.items():
                training.launch.setdefault(key, value if value is not None else known("true"))
    job.trainings.extend(trainings)
    _siblings(job, script, env)
    return script


def _siblings(job: Job, script: Script, env: ReadEnv) -> None:
    """Note the modules of a script that are files beside it: Jobs ships the script alone."""
    if job.platform != "hf-jobs" or not script.source.path:
        return
    from ftdoctor.job.readenv import ReadEnv

    beside = ReadEnv.beside(script.source.path, env.files)
    for module, place in script.imports.items():
        if beside.read_file(f"{module}.py") or beside.read_file(f"{module}/__init__.py"):
            job.extra.setdefault("local_modules", []).append((module, place))


def read_script_header(job: Job, source: Source) -> None:
    """Read the PEP 723 header of a script that uv runs."""
    from ftdoctor.job.pep723 import read_header

    header = read_header(source)
    if header is None:
        return
    job.extra.setdefault("header", header)
    if header.broken:
        job.unread.append(Unread("script header", header.broken, header.place))
    job.requirements.extend(header.requirements)
    if header.requires_python is not None and job.python is None:
        job.python = header.requires_python
