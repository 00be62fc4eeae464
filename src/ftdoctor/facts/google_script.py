"""What the submitting script itself says of its Google login, and which login that makes.

A key that it names, a project or account that it sets, credentials that it builds, or a workflow
that runs on another machine: then the login lying here is not the one that submits.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftdoctor.facts.google_login import GoogleLogin, read_credentials, read_login
from ftdoctor.facts.google_things import by_gcloud
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, Step

_KEY_CALL = lazy(
    r"from_service_account_(?:file|json)\(\s*(?:filename\s*=\s*)?[rf]?['\"]([^'\"]+)['\"]"
)
_OWN = lazy(r"\bcredentials\s*=\s*(?!None\b)[A-Za-z_]|from_service_account_info\(")
_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"


@dataclass(frozen=True)
class Logins:
    """`submitter` submits the job, `library` is what the client libraries find on this machine,
    `asker` is what Google can be asked with here."""

    submitter: GoogleLogin
    library: GoogleLogin
    asker: GoogleLogin

    @property
    def same(self) -> bool:
        """Whether the answers are about the account that submits."""
        return self.submitter is self.asker


def logins(job: Job) -> Logins:
    """Return whose login submits a job and whose asks. Never raises, asks nobody.

    A gcloud command uses gcloud's own login. Where gcloud has none on this machine, the libraries'
    is taken for it: it is then the only account here.
    """
    library = read_login()
    own = _gcloud(job) if by_gcloud(job) else library
    if own.problem in ("no-account", "no-credentials") and not library.problem:
        own = library
    named = _elsewhere(job) or (_of_shell(job) if by_gcloud(job) else _of_python(job))
    if named is None:
        return Logins(own, library, own)
    if named.problem:
        return Logins(named, library, own)
    return Logins(named, library, named)


def project_set(job: Job) -> str:
    """Return the project that `gcloud config set project` sets before the job is submitted."""
    found = ""
    for step in _before(job):
        words = _words(step)
        if words[:3] == ["gcloud", "config", "set"] and words[3:4] in (
            ["project"],
            ["core/project"],
        ):
            found = words[4] if len(words) > 4 else ""
    return found


def _gcloud(job: Job) -> GoogleLogin:
    from ftdoctor.facts.gcloud_login import read_gcloud_login

    command = job.extra.get("gcloud")
    flags = ("--account", "--impersonate-service-account")
    values = [get(command.one(flag)) or "" if command is not None else "" for flag in flags]
    account = values[0] or _account_set(job)
    return read_gcloud_login(account, values[1])


def _account_set(job: Job) -> str:
    found = ""
    for step in _before(job):
        words = _words(step)
        if words[:3] == ["gcloud", "config", "set"] and words[3:4] in (
            ["account"],
            ["core/account"],
        ):
            found = words[4] if len(words) > 4 else ""
    return found


def _unknown(problem: str, detail: str) -> GoogleLogin:
    return GoogleLogin(problem=problem, detail=detail, source="script")


def _elsewhere(job: Job) -> GoogleLogin | None:
    """A workflow runs on a machine of its own, unless this is that machine."""
    if "workflow" in job.extra and os.environ.get("GITHUB_ACTIONS") != "true":
        return _unknown("elsewhere", "a workflow submits the job, with a login of its own")
    return None


def _words(step: Step) -> list[str]:
    return [str(word.value) for word in step.argv if word.known]


def _before(job: Job) -> list[Step]:
    """Return the steps of the shell script up to the command that submits."""
    command = job.extra.get("gcloud")
    found: list[Step] = []
    for step in job.submit_steps:
        if command is not None and step is command.step:
            break
        found.append(step)
    return found


def _of_shell(job: Job) -> GoogleLogin | None:
    """The key that the script activates for gcloud, or another configuration that it takes."""
    command = job.extra.get("gcloud")
    if command is not None and command.one("--configuration") is not None:
        return _unknown("own", "the command takes another configuration of gcloud")
    for step in reversed(_before(job)):
        words = _words(step)
        if words[:4] == ["gcloud", "config", "configurations", "activate"]:
            return _unknown("own", "the script takes another configuration of gcloud")
        if words[:2] != ["gcloud", "auth"]:
            continue
        if words[2:3] == ["login"]:
            return None
        if words[2:3] == ["activate-service-account"]:
            for index, word in enumerate(words):
                if word.startswith("--key-file"):
                    name = word.partition("=")[2] or (words[index + 1 : index + 2] or [""])[0]
                    return _key(job, name)
            return _unknown("own", "the script activates a service account of its own")
    return None


def _of_python(job: Job) -> GoogleLogin | None:
    """The key or the credentials that the script names."""
    scripts = [script for script in job.scripts if script.role == "submit"]
    for script in scripts:
        if _VARIABLE in script.env_set:
            return _key(job, get(script.env_set[_VARIABLE]) or "")
    for text in dict.fromkeys([*(s.source.text for s in scripts), job.source.text]):
        if "credentials" not in text and "from_service_account" not in text:
            continue
        named = _KEY_CALL.search(text)
        if named:
            return _key(job, named[1])
        if _OWN.search(text):
            return _unknown("own", "the script gives credentials of its own")
    return None


def _key(job: Job, name: str) -> GoogleLogin:
    """Read a key that the script names; one that is not here is not known, and no fault."""
    if not name or re.search(r"[${}]", name):
        return _unknown("own", "the script names a key that is not known from the files")
    for folder in ("", os.path.dirname(job.source.path)):
        path = Path(os.path.expanduser(os.path.join(folder, name)))
        known: dict[str, Any] = {}
        found = read_credentials(path, known, source="script")
        if found.problem != "absent":
            return found if not found.problem else _unknown("own", f"of {name}: {found.said}")
    return _unknown("own", f"the script names the key {name}, which is not on this machine")
