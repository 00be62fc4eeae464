"""The install commands of a job: which tool, which options, and what they install unread."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.releases import canonical
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, Requirement, Step

_PIP = r"(?:.*/)?pip(?:3(?:\.\d+)?)?\Z"
_PYTHON = r"(?:.*/)?python(?:3(?:\.\d+)?)?\Z"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
#: Short options written together that hold -U.
_UPGRADE = r"-[qvIU]*U[qvI]*\Z"
_PATH = r"(?:\.{1,2}(?:/|\Z)|/|\.\[)|.*\.(?:whl|tar\.gz)\Z"
#: Options of pip and uv that take a value.
_VALUED = frozenset(
    "-r --requirement -c --constraint -i --index-url --extra-index-url -f --find-links -t --target "
    "--prefix --python -p --platform --index --default-index --torch-backend --trusted-host "
    "--timeout --proxy --cache-dir --global-option --config-settings -C --root --src --no-binary "
    "--only-binary --retries --progress-bar --index-strategy --prerelease --resolution "
    "--exclude-newer --no-build-isolation-package --group --extra --override --build-constraint -b "
    "--upgrade-package -P --python-version".split()
)


_INDEX_OPTIONS = frozenset(
    "-i --index-url --default-index --extra-index-url --index --torch-backend -f "
    "--find-links".split()
)


@dataclass(slots=True)
class Install:
    """One install command."""

    step: Step
    #: "pip" | "uv"
    tool: str
    upgrade: bool = False
    no_deps: bool = False
    system: bool = False
    #: Addresses that replace the default index, and those that come beside it.
    index: str = ""
    #: An index is named by something that is not known here.
    index_unknown: bool = False
    extra_indexes: list[str] = field(default_factory=list)
    no_build_isolation: bool = False
    files: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    #: Positional arguments: packages, paths, addresses.
    items: list[str] = field(default_factory=list)
    target: bool = False
    #: Why something that it installs cannot be told, "" when all is read.
    unread: str = ""


def tail_of(step: Step) -> tuple[str, list[str | None]] | None:
    """Return (tool, words after `install`) of a pip or uv install command, else None."""
    words: list[str | None] = [v.value if v.known else None for v in step.argv]
    words = [w.lstrip("!%") if i == 0 and w else w for i, w in enumerate(words)]
    if not words or words[0] is None:
        return None
    head = words[0]
    if re.match(_PYTHON, head) and words[1:3] == ["-m", "pip"]:
        words, head = words[2:], "pip"
    elif re.match(_PYTHON, head) and words[1:3] == ["-m", "uv"]:
        words, head = ["uv", *words[3:]], "uv"
    if re.match(_PIP, head):
        return ("pip", words[words.index("install") + 1 :]) if "install" in words[1:4] else None
    if posixpath.basename(head) == "uv" and words[1:3] == ["pip", "install"]:
        return "uv", words[3:]
    return None


def read_install(step: Step) -> Install | None:
    """Return the install command of a step, or None when it is none."""
    found = tail_of(step)
    if found is None:
        return None
    tool, words = found
    install = Install(step, tool)
    skip = ""
    for word in words:
        if word is None:
            if skip in ("-r", "--requirement", ""):
                install.unread = "an argument of the install command cannot be told"
            elif skip in _INDEX_OPTIONS:
                install.index_unknown = True
            skip = ""
            continue
        if skip:
            _value(install, skip, word)
            skip = ""
            continue
        if word.startswith("-") and word != "-":
            option, equals, value = word.partition("=")
            if option in _VALUED and not equals:
                skip = option
            elif equals:
                _value(install, option, value)
                if option in _INDEX_OPTIONS and "$" in value:
                    install.index_unknown = True
            else:
                _flag(install, option)
            continue
        install.items.append(word)
    for item in install.items:
        if re.match(_PATH, item):
            install.unread = install.unread or f"what {item!r} requires cannot be told"
        elif "://" in item and not re.match(_NAME, item.partition("@")[0].strip()):
            install.unread = install.unread or f"what {item!r} installs cannot be told"
    return install


def _value(install: Install, option: str, value: str) -> None:
    if option in ("-i", "--index-url", "--default-index", "--torch-backend"):
        install.index = value
    elif option in ("--extra-index-url", "--index", "-f", "--find-links"):
        install.extra_indexes.append(value)
    elif option in ("-r", "--requirement"):
        install.files.append(value)
    elif option in ("-c", "--constraint"):
        install.constraints.append(value)
    elif option in ("-t", "--target", "--prefix", "--root"):
        install.target = True


def _flag(install: Install, option: str) -> None:
    if option in ("--upgrade", "--force-reinstall", "--reinstall") or re.match(_UPGRADE, option):
        install.upgrade = True
    elif option == "--no-deps":
        install.no_deps = True
    elif option == "--system":
        install.system = True
    elif option == "--no-build-isolation":
        install.no_build_isolation = True


def installs(job: Job) -> list[Install]:
    """Return the install commands that run in the job, in order."""
    found = []
    for step in job.steps:
        if step.where == "submit":
            continue
        install = read_install(step)
        if install is not None:
            found.append(install)
    return found


def install_of(requirement: Requirement, found: list[Install]) -> Install | None:
    """Return the install command that a requirement was read from, by place."""
    place = requirement.place
    if place is None:
        return None
    name = canonical(requirement.name)
    best: Install | None = None
    best_named = False
    for install in found:
        at = install.step.place
        inside = at.path == place.path and at.line <= place.line <= max(at.end_line, at.line)
        if not inside:
            continue
        named = False
        for item in install.items:
            head, rest = _split_item(item)
            if canonical(head) != name:
                continue
            if rest == requirement.specifier:
                return install
            named = True
        if named and not best_named:
            best, best_named = install, True
        best = best or install
    return best


def _split_item(item: str) -> tuple[str, str]:
    """Return (name, specifier) of a positional argument such as "trl[peft]>=1"."""
    match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?(.*)", item)
    return (match[1], match[2].replace(" ", "")) if match else (item, "")


_SHELLS = frozenset({"bash", "sh", "source", ".", "make", "zsh"})
_MANAGERS = frozenset("conda mamba micromamba poetry pipenv pdm rye pixi hatch".split())
_MANAGER_VERBS = frozenset({"install", "env", "create", "sync", "update"})
_INSTALLS_IN_CODE = (
    r"pip[\"']?\s*,?\s*[\"']?\s*install|ensurepip|os\.system\(\s*f?[\"'][^\"']*install"
)


def unread_installs(job: Job, found: list[Install]) -> list[str]:
    """Return why packages may be there that were not read; empty when all is read."""
    reasons = [install.unread for install in found if install.unread]
    paths = {posixpath.basename(r.place.path) for r in job.requirements if r.place is not None}
    for install in found:
        for name in install.files:
            if posixpath.basename(name) not in paths:
                reasons.append(f"{name} was not found beside the job")
    for step in job.steps:
        if step.where == "submit" or not step.argv:
            continue
        head = step.argv[0].value if step.argv[0].known else None
        second = step.argv[1].value if len(step.argv) > 1 and step.argv[1].known else ""
        if head is None:
            reasons.append("a command of the job cannot be told")
        elif posixpath.basename(head) in _MANAGERS and second in _MANAGER_VERBS:
            reasons.append(f"what `{head} {second}` installs is not read")
        elif posixpath.basename(head) in _SHELLS and second and not second.startswith("-"):
            if not second.endswith(("/activate", "/env", ".bashrc", ".profile", "/conda.sh")):
                reasons.append(f"{second} runs commands that are not read")
        elif second == "setup.py" or (
            posixpath.basename(head) == "uv" and second in ("add", "tool")
        ):
            reasons.append(f"what `{head} {second}` installs is not read")
    for script in job.scripts:
        if script.role != "submit" and re.search(_INSTALLS_IN_CODE, script.source.text):
            reasons.append(f"{script.source.path} installs packages itself")
    return list(dict.fromkeys(reasons))
