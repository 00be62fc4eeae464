"""Every `before` rule fires on its firing fixtures and stays silent on the look-alikes.

A case is a file, or a folder when a job needs several. A first comment line
`# ftdoctor-test: --with trl==1.16.0` gives options of the command line; `--tracked` counts its
files as tracked by git; `--hub NAME` and `--google NAME` start a server of tests/emulators in that
state and ask it, with the Google login that is there when `--signed` is given; `--machine NAME` is
the machine of fixtures/machines on which it is checked (with `--local`: on which it runs);
`--write PATH TEXT` puts a file into the home folder (GOOGLE_URL stands for that server);
`--env NAME VALUE` sets a variable; `--also CODE` runs another rule beside.
"""

from __future__ import annotations

import re
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import FIXTURES

from ftdoctor.commands.options import pins
from ftdoctor.config import Config
from ftdoctor.inspection import Inspection, inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

BOOK = load()
FOLDER = FIXTURES / "before"
CASES = sorted(p for p in FOLDER.glob("*/*") if p.name.startswith(("fires", "silent")))
_OPTIONS = re.compile(r"ftdoctor-test:\s*(.*?)\s*(?:-->)?$", re.M)


def options(path: Path) -> list[str]:
    """Return the options that a case asks for in its first line."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        head = file.read_text("utf-8", "replace")[:2000].split("\n")[:3]
        match = _OPTIONS.search("\n".join(head))
        if match:
            return shlex.split(match[1])
    return []


def run(path: Path, monkeypatch: pytest.MonkeyPatch, code: str = "") -> Inspection:
    """Check one case as the command line would, from its own folder."""
    given = options(path)
    with_ = [given[i + 1] for i, word in enumerate(given) if word == "--with"]
    tracked: frozenset[str] | None = None
    monkeypatch.chdir(path if path.is_dir() else path.parent)
    target = Path() if path.is_dir() else Path(path.name)
    if "--tracked" in given:
        tracked = frozenset(str(p) for p in Path().rglob("*"))
    reading = read([target])
    also = tuple(given[i + 1] for i, word in enumerate(given) if word == "--also")
    config = Config(select=(code, *also) if code else ())
    smoke = given[given.index("--require-smoke") + 1] if "--require-smoke" in given else ""
    with ExitStack() as stack:
        gather = _world(given, stack, monkeypatch)
        for number, word in enumerate(given):
            if word == "--env":
                monkeypatch.setenv(given[number + 1], given[number + 2])
        return inspect(
            reading.jobs,
            BOOK,
            config,
            with_=pins(with_),
            tracked=tracked,
            gather=gather,
            look=_machine(given),
            require_smoke=smoke,
        )


def _machine(given: list[str]) -> Any:
    if "--machine" not in given:
        return None
    from tests.checks.machines import recorded

    return recorded(given[given.index("--machine") + 1], local="--local" in given)


def _world(given: list[str], stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Start what a case asks for and return what gathers facts there, or None for offline."""
    asked = {word: given[i + 1] for i, word in enumerate(given) if word in ("--hub", "--google")}
    if not asked and "--write" not in given:
        return None
    from tests.emulators import google, hub

    from ftdoctor.facts.gather import gatherer

    url = ""
    if "--hub" in asked:
        from huggingface_hub import constants

        server = stack.enter_context(hub.HubServer(hub.scenario(asked["--hub"])))
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        if "--anonymous" not in given:
            monkeypatch.setenv("HF_TOKEN", hub.TOKEN)
    if "--google" in asked:
        servant = stack.enter_context(google.GoogleServer(google.scenario(asked["--google"])))
        for name, value in servant.variables(signed="--signed" in given).items():
            monkeypatch.setenv(name, value)
        url = servant.url
    for number, word in enumerate(given):
        if word == "--write":
            path = Path.home() / given[number + 1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(given[number + 2].replace("%", "\n").replace("GOOGLE_URL", url))
            stack.callback(path.unlink)
    return gatherer(online=True, deadline=10)


def ident(path: Any) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", CASES, ids=ident)
def test_case(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = path.parent.name
    inspection = run(path, monkeypatch, code)
    found = {f.code for _, f in inspection.findings()}
    crashed = [c.error for report in inspection.jobs for c in report.crashed]
    assert not crashed
    if path.name.startswith("fires-skip"):
        assert code in {s.code for report in inspection.jobs for s in report.skipped}
    elif path.name.startswith("fires"):
        assert code in found, f"{code} did not fire; jobs: {[j.job.form for j in inspection.jobs]}"
        for _, finding in inspection.findings():
            assert "{" not in re.sub(
                r"\$?\{[A-Z_@*#]+[^}]*\}|\{\}|\{['\"].*?\}", "", finding.summary
            ), f"a placeholder was left in: {finding.summary}"
    else:
        assert code not in found, [f.summary for _, f in inspection.findings()]
        assert inspection.jobs, "a look-alike must be a job that is read"


EDITS = (
    [
        p
        for p in CASES
        if p.name.startswith("fires")
        and p.is_file()
        and any(fix.edit for fix in BOOK.rule(p.parent.name).fixes)
    ]
    if CASES
    else []
)


@pytest.mark.parametrize("path", EDITS, ids=ident)
def test_edit_mends_what_was_found(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit that a rule offers is applied, and the rule then finds nothing more."""
    import shutil

    from ftdoctor.fix import apply, plan

    case = tmp_path / path.name
    shutil.copy(path, case)
    code = path.parent.name
    inspection = run(case, monkeypatch, code)
    made = plan((f for _, f in inspection.findings()), unsafe=True)
    if not made.changes:
        pytest.skip("no edit can be made in this form")
    apply(made.changes)
    after = run(case, monkeypatch, code)
    mended = {finding.place.line for finding, _ in made.made if finding.place}
    left = [str(f.place) for _, f in after.findings() if f.place and f.place.line in mended]
    assert not left or len(after.findings()) < len(inspection.findings())
