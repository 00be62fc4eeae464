"""Which Google login counts, what is wrong with it, and that it is used and never shown."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.emulators.google import GoogleServer
from tests.emulators.google_state import PROJECT, TOKEN, GoogleState, good, scenario

from ftdoctor.config import Config
from ftdoctor.errors import UnreadableInput
from ftdoctor.facts.gather import gatherer
from ftdoctor.facts.gcloud_login import read_gcloud_login
from ftdoctor.facts.google_call import Answer, Caller
from ftdoctor.facts.google_endpoint import read_setting
from ftdoctor.facts.google_login import GoogleLogin, read_login
from ftdoctor.facts.google_script import logins
from ftdoctor.facts.google_sign import Signer, client_credentials
from ftdoctor.inspection import Inspection, inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

REFRESH = "1//0" + "emulated-refresh-token-of-the-tests"
PERSON = {
    "type": "authorized_user",
    "account": "",
    "client_id": "id.apps.googleusercontent.com",
    "client_secret": "GOCSPX-" + "emulated-client-secret",
    "refresh_token": REFRESH,
    "quota_project_id": PROJECT,
    "universe_domain": "googleapis.com",
}
SPEC = f"""\
worker_pool_specs = [
    {{
        "machine_spec": {{
            "machine_type": "g2-standard-24",
            "accelerator_type": "NVIDIA_L4",
            "accelerator_count": 2,
        }},
        "replica_count": 1,
        "container_spec": {{
            "image_uri": "us-central1-docker.pkg.dev/{PROJECT}/images/train:1"
        }},
    }}
]
"""
PYTHON = f"""\
from google.cloud import aiplatform

{SPEC}
aiplatform.init(project="{PROJECT}", location="us-central1", staging_bucket="gs://my-bucket-1")
job = aiplatform.CustomJob(display_name="tune", worker_pool_specs=worker_pool_specs)
job.submit(service_account="trainer@{PROJECT}.iam.gserviceaccount.com")
"""
SHELL = f"""\
gcloud ai custom-jobs create --project={PROJECT} --region=us-central1 --display-name=tune \\
  --worker-pool-spec=machine-type=g2-standard-8,accelerator-type=NVIDIA_L4,accelerator-count=1,\\
container-image-uri=us-central1-docker.pkg.dev/{PROJECT}/images/train:1
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """gcloud's folder, empty, and a folder to work in."""
    folder = tmp_path / "gcloud"
    (folder / "configurations").mkdir(parents=True)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return folder


def adc(home: Path, data: Any) -> Path:
    """Write the file of Application Default Credentials."""
    path = home / "application_default_credentials.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def configure(home: Path, **properties: str) -> None:
    """Write gcloud's active configuration; `core_account` is core/account."""
    rows: dict[str, list[str]] = {}
    for name, value in properties.items():
        section, _, key = name.partition("_")
        rows.setdefault(section, []).append(f"{key} = {value}")
    text = "".join(f"[{s}]\n" + "\n".join(lines) + "\n" for s, lines in rows.items())
    (home / "configurations" / "config_default").write_text(text)


def gcloud_store(home: Path, account: str, info: dict[str, Any], **cached: Any) -> None:
    """Make the databases as gcloud makes them (googlecloudsdk 528, core/credentials/creds.py)."""
    with sqlite3.connect(home / "credentials.db") as link:
        link.execute(
            'CREATE TABLE IF NOT EXISTS "credentials" (account_id TEXT PRIMARY KEY, value BLOB)'
        )
        link.execute("REPLACE INTO credentials VALUES (?, ?)", (account, json.dumps(info)))
    with sqlite3.connect(home / "access_tokens.db") as link:
        link.execute(
            'CREATE TABLE IF NOT EXISTS "access_tokens" (account_id TEXT PRIMARY KEY, '
            "access_token TEXT, token_expiry TIMESTAMP, rapt_token TEXT, id_token TEXT)"
        )
        row = (account, cached.get("token"), cached.get("expiry"), cached.get("rapt"), None)
        link.execute("REPLACE INTO access_tokens VALUES (?, ?, ?, ?, ?)", row)


def key(url: str) -> dict[str, str]:
    """A service account key made for this test."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "0",
        "private_key": text,
        "client_email": f"ci@{PROJECT}.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
    }


def check(
    state: GoogleState, monkeypatch: pytest.MonkeyPatch, text: str, before: Any
) -> Inspection:
    """Check one script against a server, with the login that `before(url)` puts there."""
    name = "submit.py" if "import" in text else "submit.sh"
    Path(name).write_text(text)
    with GoogleServer(state) as server:
        for variable, value in server.variables(signed=True).items():
            monkeypatch.setenv(variable, value)
        before(server.url)
        return inspect(
            read([name]).jobs,
            load(),
            Config(select=("FT-GCP",)),
            gather=gatherer(online=False, deadline=10),
        )


def codes(inspection: Inspection) -> list[str]:
    assert not [c for report in inspection.jobs for c in report.crashed]
    return sorted(f.code for _, f in inspection.findings())


# -- what the files say ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not-json"),
        ('{"type": "foo"}', "no-type"),
        ("[]", "no-type"),
        ('{"type": ["authorized_user"]}', "no-type"),
        ('{"installed": {"client_id": "x"}}', "client-file"),
        ('{"type": "authorized_user"}', "missing-fields"),
        ('{"type": "service_account", "client_email": "a@b"}', "missing-fields"),
        (json.dumps(PERSON), ""),
    ],
)
def test_the_file_of_the_libraries(home: Path, text: str, problem: str) -> None:
    adc(home, text)
    login = read_login()
    assert login.problem == problem
    assert bool(login.said) == bool(problem)
    assert REFRESH not in repr(login)


def test_no_file_and_a_named_file_that_is_not_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_login().problem == "absent"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "nope.json"))
    login = read_login()
    assert (login.problem, login.source) == ("named-absent", "environment")
    assert "GOOGLE_APPLICATION_CREDENTIALS names" in login.said


def test_the_named_file_wins_and_the_environment_names_the_projects(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adc(home, PERSON)
    other = home / "key.json"
    other.write_text(json.dumps({**PERSON, "quota_project_id": "from-the-file"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(other))
    assert read_login().quota_project == "from-the-file"
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "from-the-shell")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "project-of-the-shell")
    assert read_login().quota_project == "from-the-shell"
    assert read_login().project == "project-of-the-shell"


def test_a_workload_identity_without_its_token_file(home: Path) -> None:
    data = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(home / "oidc-token")},
        "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/"
        f"serviceAccounts/deploy@{PROJECT}.iam.gserviceaccount.com:generateAccessToken",
    }
    adc(home, data)
    assert read_login().problem == "subject-absent"
    (home / "oidc-token").write_text("eyJ")
    login = read_login()
    assert (login.problem, login.name) == ("", f"deploy@{PROJECT}.iam.gserviceaccount.com")


def test_gclouds_own_login(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_gcloud_login().problem == "no-account"
    configure(home, core_account="grace@example.com", core_project=PROJECT)
    assert read_gcloud_login().problem == "no-credentials"
    later = (datetime.now(tz=UTC) + timedelta(minutes=30)).replace(tzinfo=None)
    gcloud_store(home, "grace@example.com", PERSON, token="ya29.cached", expiry=str(later))
    login = read_gcloud_login()
    assert (login.problem, login.name, login.token) == ("", "grace@example.com", "ya29.cached")
    assert login.gcloud_project == PROJECT
    soon = (datetime.now(tz=UTC) + timedelta(seconds=5)).replace(tzinfo=None)
    gcloud_store(home, "grace@example.com", PERSON, token="ya29.old", expiry=str(soon), rapt="R")
    login = read_gcloud_login()
    assert (login.token, login.info["rapt_token"]) == ("", "R")
    assert read_gcloud_login(account="ada@example.com").problem == "no-credentials"
    target = f"deploy@{PROJECT}.iam.gserviceaccount.com"
    assert read_gcloud_login(impersonate=target).name == target
    override = home / "override.json"
    override.write_text(json.dumps({**PERSON, "account": "robot@example.com"}))
    monkeypatch.setenv("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", str(override))
    assert read_gcloud_login().name == "robot@example.com"
    monkeypatch.setenv("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.given")
    assert read_gcloud_login().token == "ya29.given"


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be one" * 40])
def test_a_damaged_database_is_no_crash(home: Path, content: bytes) -> None:
    configure(home, core_account="grace@example.com")
    (home / "credentials.db").write_bytes(content)
    assert read_gcloud_login().problem == "no-credentials"


def test_the_form_of_the_job_decides_whose_login_counts(home: Path) -> None:
    adc(home, {**PERSON, "account": "ada@example.com"})
    configure(home, core_account="grace@example.com")
    Path("submit.py").write_text(PYTHON)
    Path("submit.sh").write_text(SHELL)
    (python,) = read(["submit.py"]).jobs
    (shell,) = read(["submit.sh"]).jobs
    assert logins(python).submitter.name == "ada@example.com"
    # gcloud has no credentials here, so the libraries' login is the only one to ask with
    assert logins(shell).submitter.name == "ada@example.com"
    gcloud_store(home, "grace@example.com", PERSON)
    assert logins(shell).submitter.name == "grace@example.com"
    Path("submit.sh").write_text(SHELL.replace("create ", "create --account=eve@example.com "))
    gcloud_store(home, "eve@example.com", PERSON)
    (shell,) = read(["submit.sh"]).jobs
    assert logins(shell).submitter.name == "eve@example.com"


# -- signed, and refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["person", "key"])
def test_questions_are_signed_with_the_login(
    home: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    state = good()
    state.wants_token = True

    def login(url: str) -> None:
        adc(home, {**PERSON, "token_uri": f"{url}/token"} if kind == "person" else key(url))

    assert codes(check(state, monkeypatch, PYTHON, login)) == []
    assert state.seen.count("POST /token") == 1
    assert f"Bearer {TOKEN}" in state.signed


def test_a_gcloud_job_is_asked_about_with_gclouds_login(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = good()
    state.wants_token = True

    def login(url: str) -> None:
        configure(home, core_account="grace@example.com")
        gcloud_store(home, "grace@example.com", PERSON)
        monkeypatch.setenv("CLOUDSDK_AUTH_TOKEN_HOST", f"{url}/token")

    assert codes(check(state, monkeypatch, SHELL, login)) == []
    assert f"Bearer {TOKEN}" in state.signed


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("invalid-grant", "expired or revoked"),
        ("invalid-rapt", "Reauthentication is needed"),
        ("invalid-key", "Invalid JWT Signature"),
    ],
)
def test_a_refused_login_is_the_only_finding(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    state = scenario(name)

    def login(url: str) -> None:
        whose = key(url) if name == "invalid-key" else {**PERSON, "token_uri": f"{url}/token"}
        adc(home, whose)

    inspection = check(state, monkeypatch, PYTHON, login)
    assert codes(inspection) == ["FT-GCP-003"]
    ((_, finding),) = inspection.findings()
    assert said in finding.evidence["said"]
    command = "keys list" if name == "invalid-key" else "application-default login"
    assert command in finding.fixes[0].command


def test_gclouds_expired_login_is_renewed_by_gcloud(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def login(url: str) -> None:
        configure(home, core_account="grace@example.com")
        gcloud_store(home, "grace@example.com", PERSON)
        monkeypatch.setenv("CLOUDSDK_AUTH_TOKEN_HOST", f"{url}/token")

    inspection = check(scenario("invalid-grant"), monkeypatch, SHELL, login)
    ((_, finding),) = inspection.findings()
    assert (finding.code, finding.fixes[0].command) == ("FT-GCP-003", "gcloud auth login")


def test_a_damaged_key_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def login(url: str) -> None:
        text = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        adc(home, {**key(url), "private_key": text})

    inspection = check(good(), monkeypatch, PYTHON, login)
    assert codes(inspection) == ["FT-GCP-003"]


def test_two_accounts_and_which_one_counts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = good()

    def login(url: str) -> None:
        configure(home, core_account="grace@example.com")
        gcloud_store(home, "grace@example.com", {**PERSON})
        monkeypatch.setenv("CLOUDSDK_AUTH_TOKEN_HOST", f"{url}/token")
        # The file of a person's login does not name the account: Google tells it.
        adc(home, {**PERSON, "token_uri": f"{url}/token"})

    inspection = check(state, monkeypatch, PYTHON, login)
    ((_, finding),) = inspection.findings()
    assert (finding.code, finding.severity) == ("FT-GCP-251", "warning")
    assert "Python submits this job, so ada@example.com counts" in finding.summary
    inspection = check(good(), monkeypatch, SHELL, login)
    ((_, finding),) = inspection.findings()
    assert (finding.code, finding.severity) == ("FT-GCP-251", "note")
    assert "gcloud submits this job, so grace@example.com counts" in finding.summary


def test_what_lacks_is_granted_to_the_account_that_asks(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = scenario("no-create")
    inspection = check(state, monkeypatch, PYTHON, lambda url: adc(home, key(url)))
    ((_, finding),) = inspection.findings()
    assert finding.code == "FT-GCP-004"
    who = f"serviceAccount:ci@{PROJECT}.iam.gserviceaccount.com"
    assert f"{PROJECT} --member={who} --role=roles/aiplatform.user" in finding.fixes[0].command


# -- where a token may go --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "signs"),
    [
        ("http://127.0.0.1:9", True),
        ("http://localhost:9", True),
        ("https://proxy.example.com", True),
        ("proxy.example.com:8443", True),
        ("http://10.1.2.3:9", False),
        ("http://localhost.example.com:9", False),
        ("http://127.0.0.1.example.com", False),
    ],
)
def test_a_token_goes_over_tls_or_within_this_machine(setting: str, signs: bool) -> None:
    assert read_setting("aiplatform", setting).may_sign is signs


def test_no_token_in_the_clear_on_a_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no network address")
    if address.startswith("127."):
        pytest.skip("this machine has no network address")
    state = good()
    with GoogleServer(state, host="0.0.0.0") as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        adc(home, {**PERSON, "token_uri": f"{url}/token"})
        port = server.server_address[1]
        monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", f"http://{address}:{port}")
        path = f"/v1/projects/{PROJECT}/locations/us-central1/customJobs"
        Caller(read_login()).ask("GET", "aiplatform", path)
    assert state.signed == [""]


def test_a_foreign_token_endpoint_is_not_given_a_persons_login(home: Path) -> None:
    adc(home, {**PERSON, "token_uri": "https://tokens.example.com/token"})
    from ftdoctor.facts.google_sign import _token_host

    assert _token_host(read_login()) == "https://oauth2.googleapis.com/token"
    adc(home, {**key("http://192.0.2.7"), "token_uri": "http://192.0.2.7/token"})
    answer = Signer(read_login()).token()
    assert "not encrypted" in getattr(answer, "reason", "")


@pytest.mark.parametrize("fmt", ["terminal", "json", "sarif", "markdown"])
def test_no_secret_in_any_output(
    home: Path, monkeypatch: pytest.MonkeyPatch, cli: Any, fmt: str
) -> None:
    Path("submit.py").write_text(PYTHON)
    for name in ("good", "no-create", "invalid-grant", "expired"):
        state = scenario(name)
        with GoogleServer(state) as server:
            for variable, value in server.variables(signed=True).items():
                monkeypatch.setenv(variable, value)
            adc(home, {**PERSON, "token_uri": f"{server.url}/token"})
            ran = cli("check", "--verbose", "--format", fmt, "submit.py")
        text = ran.out + ran.err
        for secret in (TOKEN, REFRESH, PERSON["client_secret"]):
            assert secret not in text
            assert secret[6:20] not in text


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


# -- Google's own clients --------------------------------------------------------------------------


def test_the_clients_take_gclouds_login_where_there_is_no_other(home: Path) -> None:
    with pytest.raises(UnreadableInput, match="no Google credentials"):
        client_credentials()
    configure(home, core_account="grace@example.com")
    later = (datetime.now(tz=UTC) + timedelta(minutes=30)).replace(tzinfo=None)
    gcloud_store(home, "grace@example.com", PERSON, token="ya29.cached", expiry=str(later))
    assert client_credentials().refresh_token == REFRESH
    adc(home, {**PERSON, "refresh_token": "1//0" + "the-login-of-the-libraries"})
    assert client_credentials().refresh_token.endswith("libraries")
    assert client_credentials().quota_project_id == PROJECT
    adc(home, "{")
    with pytest.raises(UnreadableInput, match="is not JSON"):
        client_credentials()


def test_a_login_that_runs_a_program_is_not_used(home: Path) -> None:
    source = {"executable": {"command": "/bin/touch ran"}}
    data = {"audience": "//x", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}
    adc(
        home,
        {
            "type": "external_account",
            **data,
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": source,
        },
    )
    answer = Signer(read_login()).token()
    assert "no program is run here" in getattr(answer, "reason", "")
