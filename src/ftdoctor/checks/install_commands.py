"""Checks of the install commands themselves: index, environment, and command-line programs."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.checks.installed import present, shown, true, version
from ftdoctor.job.installs import Install, install_of, installs
from ftdoctor.job.pep440 import at_least, exact_pin, local_label, public
from ftdoctor.job.releases import canonical
from ftdoctor.job.surroundings import header_of, job_steps
from ftdoctor.job.torch_build import index_label, offered
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Edit, Hit, TextEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Requirement, Step
    from ftdoctor.job.source import Place

#: Packages that the torch indexes (download.pytorch.org/whl/...) do not hold.
_NOT_THERE = frozenset(
    "accelerate bitsandbytes datasets deepspeed evaluate flash-attn gcsfs google-cloud-storage "
    "liger-kernel peft sentence-transformers trackio transformers trl unsloth wandb".split()
)
_NAME = lazy(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: Variables that name another index to pip or uv.
_INDEX_VARIABLES = (
    "PIP_EXTRA_INDEX_URL",
    "PIP_INDEX_URL",
    "PIP_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_FIND_LINKS",
    "UV_TORCH_BACKEND",
)


def _items(install: Install) -> Iterator[tuple[str, str, Place]]:
    """Yield (package, specifier, place) of the packages named in an install command."""
    for value in install.step.argv:
        word = value.value if value.known else None
        if not word or word not in install.items or "://" in word:
            continue
        match = _NAME.match(word)
        if match:
            rest = re.sub(r"^\[[^\]]*\]", "", word[match.end() :])
            yield canonical(match[0]), rest, value.place or install.step.place


def not_on_torch_index(context: Context) -> Iterator[Hit]:
    """`--index-url` of torch replaces the default index for packages that are not on it."""
    for install in installs(context.job):
        label = index_label(install.index)
        if not label or "/" not in install.index or install.extra_indexes:
            continue
        missing = [(name, place) for name, _, place in _items(install) if name in _NOT_THERE]
        if not missing:
            continue
        names = ", ".join(dict.fromkeys(name for name, _ in missing))
        if all(present_before(context.job, install, name) for name, _ in missing):
            continue
        yield Hit(
            missing[0][1],
            {"packages": names, "index": install.index, "label": label},
            summary=f"{names} cannot be found: --index-url replaces the default index, and "
            f"{install.index} holds torch and its kin only",
        )


def present_before(job: Job, install: Install, name: str) -> bool:
    """Whether the image has a package already, so that pip need not look for it."""
    image = job.environment.image if job.environment else None
    return bool(image and name in image.packages and not install.upgrade)


def torch_not_on_index(context: Context) -> Iterator[Hit]:
    """A pinned torch that the index named in the command does not have."""
    job = context.job
    python = job.environment.python if job.environment else ""
    arch = job.environment.arch if job.environment else "x86_64"
    for install in installs(job):
        label = index_label(install.index)
        if not label or label.startswith(("rocm", "xpu")) or install.extra_indexes:
            continue
        builds = {public(version) for version in offered(label, "", arch)}
        for name, specifier, place in _items(install):
            pin = public(exact_pin(specifier)) if name == "torch" else ""
            if not pin or pin in builds or pin.count(".") < 2 or not builds:
                continue
            if not at_least(pin, "2.0.0") or at_least(pin, "2.15.1"):
                continue
            newest = next(iter(offered(label, python, arch)), "")
            yield Hit(
                place,
                {"torch": pin, "index": install.index, "label": label, "newest": newest},
                summary=f"torch {pin} was not built for {label}; the newest there is {newest}",
            )


def build_without_index(context: Context) -> Iterator[Hit]:
    """A pin such as torch==2.4.1+cu121 with no index that has builds of that label."""
    job = context.job
    environment = job.environment
    if environment is None or environment.kind in ("colab", "unknown"):
        return
    commands = installs(job)
    for requirement in environment.taken:
        pin = exact_pin(requirement.specifier)
        label = local_label(pin)
        if requirement.url or not re.fullmatch(r"cu\d{2,3}|cpu|rocm[\d.]+", label):
            continue
        if _index_known(job, requirement, install_of(requirement, commands)):
            continue
        image = environment.image
        here = (image.packages.get(requirement.name) or "") if image else ""
        if here == pin or (not environment.isolated and not (image and image.known)):
            continue
        yield Hit(
            requirement.place,
            {"package": requirement.name, "pin": pin, "label": label},
            summary=f"{requirement.name}=={pin} is not on the default index, which has no "
            f"+{label} builds",
        )
        return


def _index_known(job: Job, requirement: Requirement, command: Install | None) -> bool:
    """Whether an index or folder of wheels besides the default one is in play."""
    if requirement.index or (command and (command.index or command.extra_indexes)):
        return True
    if any(name in pool.env for pool in job.pools for name in _INDEX_VARIABLES):
        return True
    marks = ("index-url", "find-links", "[[tool.uv.index]]", "[tool.uv.sources]", "torch-backend")
    texts = [header_of(s.source.text) for s in job.scripts]
    path = requirement.place.path if requirement.place else ""
    texts += [s.text for s in job.sources if s.path == path or s.path.endswith("pyproject.toml")]
    texts += [step.text for step in job.steps if "config" in step.text or "export" in step.text]
    return any(mark in text for text in texts for mark in (*marks, *_INDEX_VARIABLES))


def uv_without_environment(context: Context) -> Iterator[Hit]:
    """`uv pip install` where uv finds no virtual environment and is not told to use the system."""
    job = context.job
    environment = job.environment
    image = environment.image if environment else None
    if environment is None or image is None or environment.kind != "image":
        return
    if image.family not in ("python", "uv", "cuda", "os", "pytorch") or image.user:
        return
    names = {"UV_SYSTEM_PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON"}
    if any(name in pool.env for pool in job.pools for name in names):
        return
    for step, words in job_steps(job):
        line = " ".join(words)
        if re.search(r"uv venv|-m venv|virtualenv|conda (?:create|activate)|/activate\b", line):
            return
        if names & set(step.assignments) or (words[0] == "export" and names & _exported(words)):
            return
        if words[0].endswith("uv") and words[1:3] == ["pip", "install"]:
            options = {"--system", "--python", "-p", "--target", "--prefix"}
            if any(word.split("=")[0] in options for word in words):
                continue
            severity = "error" if image.family in ("python", "cuda", "os") else "warning"
            yield Hit(
                step.place,
                {"image": image.name},
                severity=severity,  # type: ignore[arg-type]
                edits=_system_edit(step),
            )
            return


def _exported(words: list[str]) -> set[str]:
    return {word.split("=")[0] for word in words[1:]}


def _system_edit(step: Step) -> dict[str, Edit]:
    for value in step.argv[1:3]:
        if value.known and value.value == "install" and value.place and value.place.end_line:
            change = TextEdit(value.place, "install --system")
            return {"system": Edit("Add --system", (change,))}
    return {}


def old_cli(context: Context) -> Iterator[Hit]:
    """`huggingface-cli`, which huggingface_hub 1.0 and later no longer provide."""
    job = context.job
    hub = _hub_of_today(job)
    if not hub:
        return
    for step, words in job_steps(job):
        if posixpath.basename(words[0]) != "huggingface-cli":
            continue
        verb = " ".join(words[1:2])
        new = {"login": "hf auth login", "whoami": "hf auth whoami"}.get(verb, f"hf {verb}".strip())
        yield Hit(
            step.argv[0].place or step.place,
            {"hub": hub, "old": f"huggingface-cli {verb}".strip(), "new": new},
            {"hub_from": shown(job, "huggingface-hub")},
            edits=_cli_edit(step, verb),
            summary=f"`huggingface-cli {verb}`".replace(" `", "`")
            + f" does not work with huggingface_hub {hub}: the command is `hf` since 1.0",
        )


def _hub_of_today(job: Job) -> str:
    """Return the version of huggingface_hub when it is known to be 1.0 or later, else ""."""
    hub = version(job, "huggingface-hub")
    resolved = job.packages.get("huggingface-hub")
    if resolved is None:
        return ""
    if hub:
        local = job.environment is not None and job.environment.kind in ("local", "unknown")
        guessed = resolved.reason or (local and resolved.source.startswith("required by"))
        return hub if at_least(hub, "1.0") and not guessed else ""
    # transformers 5 requires huggingface_hub 1.3 or later.
    transformers = job.packages.get("transformers")
    if transformers is None or not transformers.version or transformers.reason:
        return ""
    in_image = resolved.source == "image" and transformers.source == "image"
    return "1.x" if in_image and at_least(transformers.version, "5.0") else ""


def _cli_edit(step: Step, verb: str) -> dict[str, Edit]:
    place = step.argv[0].place
    if place is None or not place.end_line or verb not in ("download", "upload", "login", "whoami"):
        return {}
    text = "hf auth" if verb in ("login", "whoami") else "hf"
    return {"rename": Edit("Call hf", (TextEdit(place, text),))}


def new_cli(context: Context) -> Iterator[Hit]:
    """`hf` in an environment whose huggingface_hub is older than 0.34, which brought it."""
    job = context.job
    hub = version(job, "huggingface-hub")
    if not hub or at_least(hub, "0.34"):
        return
    for step, words in job_steps(job):
        if words[0] == "hf" and words[1:2] and re.fullmatch(r"[a-z-]+", words[1]):
            yield Hit(
                step.argv[0].place or step.place,
                {"hub": hub, "command": " ".join(words[:2])},
                {"hub_from": shown(job, "huggingface-hub")},
            )
            return


def trl_command(context: Context) -> Iterator[Hit]:
    """`trl`, `accelerate` or `deepspeed` is called and its package is not installed."""
    job = context.job
    for step, words in job_steps(job):
        name = words[0]
        if name in ("trl", "accelerate", "deepspeed") and present(job, name) is False:
            if true(step.assignments.get("PATH")) or job.environment is None:
                continue
            yield Hit(
                step.argv[0].place or step.place,
                {"program": name},
                summary=f"`{name}` is called, and nothing that is installed provides it",
            )
            return
