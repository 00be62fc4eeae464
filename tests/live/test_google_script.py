"""Logins that the submitting script, a workflow or the machine brings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.emulators.google import GoogleServer
from tests.emulators.google_state import PROJECT, TOKEN, good, scenario
from tests.live.google_logins import (
    PERSON,
    PYTHON,
    SHELL,
    adc,
    check,
    codes,
    configure,
    gcloud_store,
    key,
)

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.facts.gcloud_login import read_gcloud_login
from ftdoctor.facts.google_call import Answer, Caller
from ftdoctor.facts.google_login import GoogleLogin, read_login
from ftdoctor.facts.google_script import logins
from ftdoctor.facts.google_things import project_of
from ftdoctor.inspection import inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

# -- what the script says of its login -------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "problem", "name"),
    [
        ("", "", "ada@example.com"),
        ('import os\nos.environ["GOOGLE_APPLICATION_CREDENTIALS"] = "key.json"', "", "ci@"),
        ('import os\nos.environ["GOOGLE_APPLICATION_CREDENTIALS"] = "/content/k.json"', "own", ""),
        (
            "from google.oauth2 import service_account as s\n"
            'credentials = s.Credentials.from_service_account_file("key.json")',
            "",
            "ci@",
        ),
        ("import mine\ncredentials = mine.credentials()", "own", ""),
    ],
)
def test_a_python_script_may_bring_its_own_login(
    home: Path, line: str, problem: str, name: str
) -> None:
    adc(home, {**PERSON, "account": "ada@example.com"})
    Path("key.json").write_text(json.dumps(key("https://oauth2.googleapis.com")))
    Path("submit.py").write_text(f"{line}\n{PYTHON}")
    found = logins(read(["submit.py"]).jobs[0])
    assert found.submitter.problem == problem
    assert found.submitter.name.startswith(name)
    assert found.same is not bool(problem)


@pytest.mark.parametrize(
    ("line", "problem", "name"),
    [
        ("gcloud auth activate-service-account --key-file=key.json", "", "ci@"),
        ("gcloud auth activate-service-account ci@x --key-file key.json", "", "ci@"),
        ("gcloud auth activate-service-account --key-file=$KEY", "own", ""),
        ("gcloud config set account eve@example.com", "", "eve@example.com"),
        ("gcloud auth login", "", "grace@example.com"),
    ],
)
def test_a_shell_script_may_bring_its_own_login(
    home: Path, line: str, problem: str, name: str
) -> None:
    configure(home, core_account="grace@example.com")
    gcloud_store(home, "grace@example.com", PERSON)
    gcloud_store(home, "eve@example.com", PERSON)
    Path("key.json").write_text(json.dumps(key("https://oauth2.googleapis.com")))
    Path("submit.sh").write_text(f"{line}\n{SHELL}")
    found = logins(read(["submit.sh"]).jobs[0])
    assert found.submitter.problem == problem
    assert found.submitter.name.startswith(name)


def test_the_project_that_the_script_sets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = scenario("no-create")
    text = f"gcloud config set project {PROJECT}\n" + SHELL.replace(f" --project={PROJECT}", "")

    def login(url: str) -> None:
        configure(home, core_account="grace@example.com", core_project="another-project-1")
        gcloud_store(home, "grace@example.com", PERSON)
        monkeypatch.setenv("CLOUDSDK_AUTH_TOKEN_HOST", f"{url}/token")

    ((_, finding),) = check(state, monkeypatch, text, login).findings()
    assert finding.code == "FT-GCP-004"
    assert finding.evidence["project"] == PROJECT
    assert not [line for line in state.seen if "another-project-1" in line]


WORKFLOW = f"""\
on: push
jobs:
  train:
    runs-on: ubuntu-latest
    steps:
      - run: |
{"".join(f"          {line}" for line in SHELL.splitlines(keepends=True))}"""


@pytest.mark.parametrize("here", [False, True])
def test_a_workflow_submits_with_a_login_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)  # these tests run there, too
    if here:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    configure(home, core_account="grace@example.com")
    gcloud_store(home, "grace@example.com", PERSON)
    path = Path(".github/workflows/train.yml")
    path.parent.mkdir(parents=True)
    path.write_text(WORKFLOW)
    state = scenario("no-create")
    with GoogleServer(state) as server:
        for variable, value in server.variables(signed=True).items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setenv("CLOUDSDK_AUTH_TOKEN_HOST", f"{server.url}/token")
        inspection = inspect(
            read([str(path)]).jobs,
            load(),
            Config(select=("FT-GCP",)),
            gather=gatherer(online=False, deadline=10),
        )
    skipped = {s.code for report in inspection.jobs for s in report.skipped}
    if here:
        assert codes(inspection) == ["FT-GCP-004"]
    else:
        assert codes(inspection) == []
        assert "FT-GCP-004" in skipped
        assert not [line for line in state.seen if line.endswith(":testIamPermissions")]


def test_the_login_of_a_google_machine(home: Path) -> None:
    state = scenario("no-create")
    state.wants_token = True
    state.email = f"vm@{PROJECT}.iam.gserviceaccount.com"
    Path("submit.py").write_text(PYTHON)
    with GoogleServer(state) as server:
        environment = {
            **{name: value for name, value in os.environ.items() if name != "NO_GCE_CHECK"},
            **server.variables(signed=True),
            "GCE_METADATA_HOST": server.url.removeprefix("http://"),
            "PYTHONPATH": str(ROOT / "src"),
        }
        done = subprocess.run(
            [sys.executable, "-m", "ftdoctor", "check", "--format", "json", "submit.py"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    found = {f["code"]: f for f in json.loads(done.stdout)["findings"]}
    command = found["FT-GCP-004"]["fixes"][0]["command"]
    assert f"--member=serviceAccount:{state.email}" in command
    assert TOKEN not in done.stdout + done.stderr


def test_the_certificates_that_the_environment_names_are_used(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/projects/{PROJECT}/locations/us-central1/customJobs"
    login = GoogleLogin(kind="access_token", token="ya29.x")
    with GoogleServer(good(), tls="valid") as server:
        monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", server.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", server.authority)
        assert isinstance(Caller(login).ask("GET", "aiplatform", path), Answer)


def test_a_certificate_that_is_not_trusted_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = good()
    with GoogleServer(state, tls="expired") as server:
        monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", server.url)
        path = f"/v1/projects/{PROJECT}/locations/us-central1/customJobs"
        answer = Caller(GoogleLogin(kind="access_token", token="ya29.x")).ask(
            "GET", "aiplatform", path
        )
    assert "certificate" in getattr(answer, "reason", "")
    assert state.signed == []


@pytest.mark.parametrize(
    ("text", "environment", "project"),
    [
        ('--project="$PROJECT_ID"', {"PROJECT_ID": "from-the-shell-1"}, "from-the-shell-1"),
        ("--project=$PROJECT_ID", {}, ""),
        ("--project=${PROJECT_ID:-default-1}", {}, "default-1"),
        ("--project=${PROJECT_ID:-default-1}", {"PROJECT_ID": "shell-1"}, "shell-1"),
        ("--project=$(gcloud config get-value project)", {}, "of-gcloud-1"),
        ("--project=acme-$STAGE", {"STAGE": "dev"}, ""),
        ("--project=$(cat project.txt)", {}, ""),
    ],
)
def test_a_variable_of_this_shell_is_looked_up(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    environment: dict[str, str],
    project: str,
) -> None:
    configure(home, core_project="of-gcloud-1")
    monkeypatch.delenv("PROJECT_ID", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    Path("submit.sh").write_text(SHELL.replace(f"--project={PROJECT}", text))
    (job,) = read(["submit.sh"]).jobs
    assert project_of(job, read_gcloud_login()) == project


@pytest.mark.parametrize(
    ("text", "project"),
    [
        ('os.environ["PROJECT_ID"]', "shell-1"),
        ('os.getenv("PROJECT_ID", "default-1")', "shell-1"),
        ('os.getenv("OTHER_ID", "default-1")', "default-1"),
        ('"acme-" + os.environ["PROJECT_ID"]', ""),
        ("mine.project()", ""),
    ],
)
def test_a_variable_that_python_reads(
    home: Path, monkeypatch: pytest.MonkeyPatch, text: str, project: str
) -> None:
    monkeypatch.setenv("PROJECT_ID", "shell-1")
    script = PYTHON.replace(f'project="{PROJECT}"', f"project={text}")
    Path("submit.py").write_text(f"import os\nimport mine\n{script}")
    (job,) = read(["submit.py"]).jobs
    assert project_of(job, read_login()) == project


def test_of_two_accounts_neither_counts_where_the_script_brings_a_third(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def login(url: str) -> None:
        configure(home, core_account="grace@example.com")
        gcloud_store(home, "grace@example.com", PERSON)
        adc(home, {**PERSON, "account": "ada@example.com", "token_uri": f"{url}/token"})
        Path("key.json").write_text(json.dumps(key(url)))

    text = f"gcloud auth activate-service-account --key-file=key.json\n{SHELL}"
    # The key is written when the server is up; the script is read before, and names it only.
    assert codes(check(good(), monkeypatch, text, login)) == []
    assert codes(check(good(), monkeypatch, SHELL, login)) == ["FT-GCP-251"]
