"""What runs inside a container: its command and arguments as steps, installs, scripts, training."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.model import Step, Unread
from ftdoctor.job.shell_text import as_text
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftdoctor.job.model import Job, WorkerPool
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.shell_follow import Written
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value

_SHELL = lazy(r"(?:.*/)?(?:ba|z|da|k|a)?sh\Z")
_OWNER = "the container's environment variable"


def attach_command(job: Job, pool: WorkerPool, env: ReadEnv) -> None:
    """Read what a worker pool runs into the job: steps, requirements, scripts and trainings.

    Pools of the same job often run the same thing; a script or training that is already there is
    not added twice. A pool with neither command nor arguments runs its image's entry point, which
    the files may not show.
    """
    if pool.python_module is not None:
        _module(job, pool, env)
        return
    from ftdoctor.job.attached import attach_dockerfile

    attach_dockerfile(job, pool, env)
    argv = [*pool.command, *pool.args]
    if not argv:
        _entry_point(job, pool, [], env)
        return
    if not pool.command and not _is_program(argv[0]):
        _entry_point(job, pool, argv, env)
        return
    attach_argv(job, argv, env, pool.env, pool.place)


def attach_argv(
    job: Job,
    argv: Sequence[Value[str]],
    env: ReadEnv,
    variables: dict[str, Value[str]] | None = None,
    place: Place | None = None,
    where: str = "container",
) -> None:
    """Read a command line that runs in the job (exec form: no shell unless it names one)."""
    from ftdoctor.job.steps import run_steps

    run_steps(job, exec_steps(list(argv), env, variables or {}, place, where), env, variables)


def exec_steps(
    argv: list[Value[str]],
    env: ReadEnv,
    variables: dict[str, Value[str]],
    place: Place | None,
    where: str = "container",
    inside: tuple[str, ...] = (),
) -> list[Step]:
    """Return the steps of an exec-form command; `bash -c SCRIPT` is read as that script."""
    script = shell_script(argv)
    if script is not None:
        return _script_steps(argv, script, env, variables, where, inside)
    spot = next((value.place for value in argv if value.place is not None), place)
    if spot is None:
        from ftdoctor.job.source import Place as _Place

        spot = _Place("", 1)
    return [Step(argv=argv, place=spot, where=where, inside=inside, text=_shown(argv))]


def _shown(argv: list[Value[str]]) -> str:
    return " ".join(as_text(value).body for value in argv)


def shell_script(argv: Sequence[Value[str]]) -> int | None:
    """Return the index of the script of a `bash -c SCRIPT` command line, or None."""
    if not argv or not _SHELL.match(as_text(argv[0]).body):
        return None
    for at in range(1, len(argv)):
        word = as_text(argv[at]).body
        if re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", word):
            after = at + 1
            # `bash -c -- SCRIPT`
            if after < len(argv) and as_text(argv[after]).body == "--":
                after += 1
            # `bash -ce -x SCRIPT` and `-c -e SCRIPT`: options may follow.
            while after < len(argv) and re.fullmatch(r"-[a-zA-Z]{1,5}", as_text(argv[after]).body):
                after += 1
            if after < len(argv) and as_text(argv[after]).body in ("-o", "pipefail"):
                after += 1
            return after if after < len(argv) else None
        if word in ("-o", "+o", "--rcfile", "--init-file"):
            continue
        before = as_text(argv[at - 1]).body
        if not word.startswith(("-", "+")) and not re.fullmatch(r"[-+][a-zA-Z]*o", before):
            return None
    return None


def _script_steps(
    argv: list[Value[str]],
    at: int,
    env: ReadEnv,
    variables: dict[str, Value[str]],
    where: str,
    inside: tuple[str, ...],
) -> list[Step]:
    from ftdoctor.job.shell import read_script

    value = argv[at]
    source = source_of(value, env)
    if source is None:
        place = value.place or argv[0].place
        return [Step(argv=argv, place=place, where=where, text=_shown(argv))] if place else []
    options = [as_text(word).body for word in argv[1:at]]
    guarded = any(re.fullmatch(r"-[a-zA-Z]*e[a-zA-Z]*", o) for o in options) or "errexit" in options
    script = read_script(
        source,
        variables,
        positional=argv[at + 2 :],
        where=where,
        owner=_OWNER if where == "container" else "shell variable",
        guarded=guarded,
    )
    for step in script.steps:
        step.inside = (*inside, *step.inside)
        step.pipefail = step.pipefail or "pipefail" in options
    _remember_files(env, script.written)
    return script.steps


def _remember_files(env: ReadEnv, written: dict[str, Written]) -> None:
    for path, entry in written.items():
        if entry.source is not None:
            env.written[path] = entry.source


def source_of(value: Value[str], env: ReadEnv) -> Source | None:
    """Return the text of a value as a fragment with places; unknown parts stay as written."""
    from ftdoctor.job.shell_text import ShellText
    from ftdoctor.job.value import known

    if isinstance(value, ShellText) and value.source is not None:
        return value.as_source("")
    if value.known:
        return env.fragment(value)
    if not value.raw:
        return None
    return env.fragment(known(value.raw, value.place))


def _is_program(value: Value[str]) -> bool:
    """Whether a container's first argument is a program rather than an argument of its entry point.

    Vertex AI gives `args` to the image's ENTRYPOINT; images without one (or with a shell that
    execs its arguments) run them.
    """
    word = posixpath.basename(as_text(value).body)
    return bool(
        _SHELL.match(word)
        or re.fullmatch(r"python[\d.]*|uv|uvx|trl|accelerate|torchrun|deepspeed|poetry|conda", word)
    )


def _module(job: Job, pool: WorkerPool, env: ReadEnv) -> None:
    """pythonPackageSpec: `python -m MODULE args` in the executor image, packages from buckets."""
    from ftdoctor.job.steps import add_script

    assert pool.python_module is not None
    module = pool.python_module
    name = module.value if module.known else None
    source = env.find_module(name) if name else None
    if source is not None:
        add_script(job, source, pool.args, env)
        return
    uris = ", ".join(as_text(uri).body for uri in pool.package_uris[:2])
    where = f" from {uris}" if uris else ""
    what = f"module {as_text(module).body}"
    job.unread.append(Unread(what, f"its code{where} is not among these files", module.place))


def _entry_point(job: Job, pool: WorkerPool, args: list[Value[str]], env: ReadEnv) -> None:
    """The image's own entry point runs: read the Dockerfile beside the job when it builds it."""
    from ftdoctor.job.attached import entry_point

    entry, command = entry_point(job, pool, env)
    if entry or command:
        attach_argv(job, [*entry, *(args or command)], env, pool.env, pool.place)
        return
    place = pool.image.place if pool.image is not None else pool.place
    if job.extra.get("entry_point_unread"):
        return
    job.extra["entry_point_unread"] = True
    job.unread.append(
        Unread(
            "entry point",
            "the image runs its own entry point, which these files do not show",
            place,
        )
    )
