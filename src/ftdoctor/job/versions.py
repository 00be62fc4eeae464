"""Fill `job.packages`: what will really be installed where the training code runs.

From weak to strong: the image, what builds it (Dockerfile), requirement files and lock, the PEP 723
header, the commands that run before the script, `--with`. A range resolves as pip would on the day
of the release tables, and is marked as floating.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.closure import close
from ftdoctor.job.installs import Install, install_of, installs, unread_installs
from ftdoctor.job.model import Requirement, Resolved
from ftdoctor.job.pep440 import exact_pin
from ftdoctor.job.releases import canonical, parse_need, tables_date
from ftdoctor.job.resolver import Ask, Plan, resolve
from ftdoctor.job.surroundings import environment_of
from ftdoctor.job.torch_index import torch_indexes, torch_offer
from ftdoctor.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.environment import Environment
    from ftdoctor.job.model import Job

#: Order of the sources of one environment, weak to strong; commands come last, in their order.
_RANK = {
    "image": 0,
    "dockerfile": 1,
    "setup.py": 2,
    "pyproject": 3,
    "requirements": 4,
    "lock": 5,
    "pep723": 6,
    "uv-with": 6,
    "step": 7,
    "notebook": 7,
}
_COMMAND = 7
_TORCH = frozenset({"torch", "torchvision", "torchaudio", "triton"})
#: Why the packages of a job that runs on some machine are not all known.
_MORE_HERE = "the machine may have packages that the job does not name"
_DOCUMENTS = (".md", ".mdx", ".rst", ".txt", ".qmd")
#: What a uv environment made from a header or a project is built from.
_UV_SCRIPT = frozenset({"pep723", "uv-with"})
_UV_PROJECT = frozenset({"pyproject", "lock", "setup.py", "uv-with", "requirements"})


def resolve_job(job: Job, with_: Mapping[str, str]) -> None:
    """Fill `job.packages` and `job.environment`; `with_` maps packages to versions to assume."""
    forced = {canonical(name): version for name, version in with_.items()}
    environment = environment_of(job)
    environment.as_of = tables_date()
    job.environment = environment
    commands = installs(job)
    indexes = torch_indexes(job)
    state: dict[str, Resolved] = {}
    if not environment.isolated and environment.image is not None:
        image = environment.image
        floats = image.family == "colab"
        for name, version in image.packages.items():
            reason = "" if version else f"the version in {image.name} is not known"
            state[name] = Resolved(name, version, "image", floats, reason=reason)
        environment.absent = image.absent
    here = _installed_here(job, environment)
    state.update(here)
    for batch in _batches(job, environment, commands):
        _install(state, batch, environment, commands, forced, indexes)
    for name, version in forced.items():
        state[name] = Resolved(name, version, "with", specifier=f"=={version}")
    unread = _unread(job, environment, commands)
    if "torch" in here:
        unread = [reason for reason in unread if reason != _MORE_HERE]
    unknown_content = close(state, environment)
    reasons = [*unread, *unknown_content]
    environment.open_reason = environment.open_reason or "; ".join(reasons[:2])
    known_base = (
        "torch" in here
        or environment.isolated
        or bool(environment.image and environment.image.whole)
    )
    environment.whole = known_base and not environment.open_reason
    if reasons:
        environment.absent = frozenset()
    job.packages = state


def _installed_here(job: Job, environment: Environment) -> dict[str, Resolved]:
    """Return what is installed on this machine, for a job said to run here and in no own env."""
    machine = job.machine
    if machine is None or not machine.meant or machine.installed is None:
        return {}
    if environment.kind != "local":
        return {}
    environment.python = environment.python or machine.installed.python
    environment.python_source = environment.python_source or machine.installed.prefix
    return {
        name: Resolved(name, version, "installed")
        for name, version in machine.installed.packages.items()
    }


def _batches(
    job: Job, environment: Environment, commands: list[Install]
) -> list[list[Requirement]]:
    """Return the requirements that are installed together, in the order of installation."""
    kinds: frozenset[str] | None = None
    if environment.kind == "uv-script":
        kinds = _UV_SCRIPT
        if not any(r.source in kinds for r in job.requirements):
            kinds = None
    elif environment.kind == "uv-project":
        kinds = _UV_PROJECT
        if any(r.source == "lock" for r in job.requirements):
            kinds = frozenset({"lock", "uv-with"})
    groups: dict[tuple[int, int, str], list[Requirement]] = {}
    for requirement in job.requirements:
        if kinds is None or requirement.source in kinds:
            key = _position(requirement, commands)
            groups.setdefault(key, []).append(requirement)
    return [groups[key] for key in sorted(groups)]


def _position(requirement: Requirement, commands: list[Install]) -> tuple[int, int, str]:
    """Return when a requirement is installed; those of one command or one file share it."""
    place = requirement.place
    path = place.path if place else ""
    rank = _RANK.get(requirement.source, 4)
    if rank >= _COMMAND:
        command = install_of(requirement, commands)
        if command is not None:
            return _COMMAND, commands.index(command), ""
        return _COMMAND, len(commands) + requirement.order, ""
    for index, command in enumerate(commands):
        if any(path.endswith(posixpath.basename(name)) for name in command.files if name):
            return _COMMAND, index, ""
    return rank, 0, "" if rank == _RANK["pep723"] else path


def _install(
    state: dict[str, Resolved],
    batch: list[Requirement],
    environment: Environment,
    commands: list[Install],
    forced: Mapping[str, str],
    indexes: Mapping[str, str],
) -> None:
    """Run one install command on the state."""
    asks: list[Ask] = []
    by_name: dict[str, Requirement] = {}
    doubt = ""
    offer: tuple[str, ...] | None = None
    for requirement in batch:
        if not _applies(requirement, environment):
            continue
        name = canonical(requirement.name)
        environment.taken.append(requirement)
        command = install_of(requirement, commands) if _by_command(requirement) else None
        if command is not None and _conditional(command):
            doubt = "it is installed under a condition only"
        if command is not None and command.index_unknown and name in _TORCH:
            reason = "it comes from an index that is not known here"
            source, place = requirement.source, requirement.place
            state[name] = Resolved(name, None, source, True, requirement.specifier, place, reason)
            continue
        if requirement.url:
            by_name[name] = requirement
            state[name] = _from_url(requirement, name)
            continue
        lock = requirement.source == "lock"
        if name in by_name and lock:
            continue
        by_name[name] = requirement
        specifier = f"=={forced[name]}" if name in forced else requirement.specifier.strip()
        upgrade = requirement.upgrade or bool(command and command.upgrade)
        no_deps = requirement.no_deps or lock or bool(command and command.no_deps)
        asks.append(Ask(name, specifier, requirement.extras, upgrade, no_deps, requirement.place))
        path = requirement.place.path if requirement.place else ""
        own = "" if requirement.source in _UV_SCRIPT else path
        index = requirement.index or indexes.get(own, "")
        offer = offer or torch_offer(index, command, environment)
    if not asks:
        return
    installed = {name: resolved.version for name, resolved in state.items()}
    offers = {"torch": offer} if offer else {}
    # A version given with --with binds what the rest resolves to, where that is possible at all.
    bound = [
        Ask(name, f"=={version}", (), False, False, None)
        for name, version in forced.items()
        if name not in by_name
    ]
    plan = resolve([*asks, *bound], installed, environment.python, environment.arch, offers)
    if bound and (plan.conflict is not None or plan.gave_up):
        plan = resolve(asks, installed, environment.python, environment.arch, offers)
    if plan.gave_up:
        environment.open_reason = "which versions fit together could not be worked out"
    if plan.conflict is not None:
        environment.conflicts.append(plan.conflict)
    _apply(state, plan, {ask.name: ask for ask in asks}, by_name, environment)
    if doubt:
        for name, before in installed.items():
            if state[name].version != before:
                state[name] = replace(state[name], reason=state[name].reason or doubt)
        for name in state.keys() - installed.keys():
            state[name] = replace(state[name], reason=state[name].reason or doubt)


def _by_command(requirement: Requirement) -> bool:
    return requirement.source in ("step", "notebook", "requirements", "lock", "dockerfile")


def _conditional(command: Install) -> bool:
    """Whether a command may be left out: it stands in an if, a case or a function."""
    inside = command.step.inside
    return any(part in ("if", "condition", "case", "loop") or "function" in part for part in inside)


def _applies(requirement: Requirement, environment: Environment) -> bool:
    if not requirement.marker:
        return True
    line = f"{requirement.name}; {requirement.marker}"
    return parse_need(line, environment.python, environment.arch) is not None


def _from_url(requirement: Requirement, name: str) -> Resolved:
    tag = re.search(r"@v?(\d+\.\d+(?:\.\d+)?(?:\.post\d+)?)(?:#|\Z)", requirement.url)
    version = exact_pin(requirement.specifier) or (tag[1] if tag else None)
    reason = "" if version else f"it is installed from {requirement.url}, which names no version"
    return Resolved(
        name, version, requirement.source, version is None, "", requirement.place, reason
    )


def _apply(
    state: dict[str, Resolved],
    plan: Plan,
    asks: Mapping[str, Ask],
    by_name: Mapping[str, Requirement],
    environment: Environment,
) -> None:
    """Write a plan into the state."""
    image_unknown = not environment.isolated and not _base_known(environment)
    for name, by in plan.asked_by.items():
        version = plan.versions[name]
        before = state.get(name)
        requirement = by_name.get(name)
        pinned = requirement is not None and bool(exact_pin(requirement.specifier))
        if before is not None and before.version == version and not pinned:
            continue
        if requirement is None:
            reason = "" if version else "the tables do not list its releases"
            machine = environment.kind in ("local", "unknown") and name == "torch"
            if image_unknown or machine:
                version, reason = None, "what is there already may satisfy what asks for it"
            state[name] = Resolved(name, version, f"required by {by}", True, "", None, reason)
            continue
        specifier = asks[name].specifier if name in asks else requirement.specifier
        reason = ""
        if version is None:
            reason = (
                "the requests of the job contradict each other"
                if plan.conflict
                else "it is there already, in a version that is not known"
                if before is not None
                else "the tables do not list its releases"
            )
        elif image_unknown and not pinned:
            reason = "unless the image has it already"
        floating = not exact_pin(specifier)
        place = requirement.place
        state[name] = Resolved(
            name, version, requirement.source, floating, specifier, place, reason
        )


def _base_known(environment: Environment) -> bool:
    """Whether it is known what is there before the job installs anything."""
    if environment.kind in ("local", "unknown"):
        return True  # taken as a fresh environment
    return environment.image is not None and environment.image.known


def _unread(job: Job, environment: Environment, commands: list[Install]) -> list[str]:
    """Return why packages may be there that are not in the state."""
    if job.extra.get("open"):
        return [str(job.extra["open"])]
    if environment.kind == "uv-script":
        found = [f"{r.name} is installed from an address" for r in environment.taken if r.url]
        pool = job.pool
        header = job.extra.get("header")
        if header is not None and header.broken:
            found.append("the header of the script cannot be read")
        if pool and "PYTHONPATH" in pool.env:
            found.append("PYTHONPATH adds packages of the image")
        own = [s for s in job.scripts if s.role != "submit"]
        headed = any(r.source == "pep723" for r in job.requirements)
        if not own and not headed:
            found.append("the script was not found")
        elif not headed and any(s.source.path.endswith(_DOCUMENTS) for s in own):
            found.append("the document may show another version of the script")
        return found
    reasons = unread_installs(job, commands)
    reasons += _package_reasons(job)
    if environment.kind == "uv-project" and not any(
        r.source in _UV_PROJECT for r in job.requirements
    ):
        reasons.append("the project file that uv installs was not found")
    if environment.kind in ("local", "unknown"):
        reasons.append(_MORE_HERE)
    if environment.kind == "colab":
        reasons.append("Colab has many packages installed")
    elif environment.image is not None and not environment.isolated:
        if not environment.image.known:
            reasons.append(environment.image.reason)
    elif environment.kind == "image":
        reasons.append("the image is not known")
    reasons += [f"{r.name} is installed from an address" for r in environment.taken if r.url]
    return reasons


def _package_reasons(job: Job) -> list[str]:
    """Return why a Python package that Vertex AI installs may bring requirements of its own."""
    pool = job.pool
    if pool is None or not (pool.package_uris or pool.python_module):
        return []
    if any(r.source in ("setup.py", "pyproject", "requirements") for r in job.requirements):
        return []
    return ["what the training package requires was not found"]
