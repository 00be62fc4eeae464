"""Which Google login counts by the files, and what is wrong with it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.emulators.google_state import PROJECT
from tests.live.google_logins import (
    PERSON,
    PYTHON,
    REFRESH,
    SHELL,
    adc,
    configure,
    gcloud_store,
    key,
)

from ftdoctor.errors import UnreadableInput
from ftdoctor.facts.gcloud_login import read_gcloud_login
from ftdoctor.facts.google_login import read_login
from ftdoctor.facts.google_script import logins
from ftdoctor.facts.google_sign import Signer, client_credentials
from ftdoctor.facts.google_things import placeholder, read_registry
from ftdoctor.job.read import read

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


KEY = key("https://oauth2.googleapis.com")


@pytest.mark.parametrize(
    "data",
    [
        "{",
        [],
        {"type": "foo"},
        {"installed": {"client_id": "x"}},
        PERSON,
        {name: value for name, value in PERSON.items() if name != "client_id"},
        KEY,
        {name: value for name, value in KEY.items() if name != "token_uri"},
        {name: value for name, value in KEY.items() if name != "client_email"},
        {**KEY, "project_id": None},
    ],
)
def test_the_same_files_are_refused_as_by_google_auth(home: Path, data: Any) -> None:
    """A file that google-auth loads is none that we find fault with, and the other way round."""
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    path = adc(home, data)
    try:
        google.auth.load_credentials_from_file(str(path))
        loads = True
    except (DefaultCredentialsError, ValueError, AttributeError, TypeError):
        loads = False
    assert (read_login().problem == "") is loads


@pytest.mark.parametrize(
    ("name", "stands_for_one"),
    [
        ("your-project-id", True),
        ("my-project", True),
        ("gcp-project-id", True),
        ("project-id", True),
        ("my-project-1", False),
        ("acme-bucket", False),
        ("staging-bucket", True),
        ("projectile-42", False),
    ],
)
def test_names_that_a_reader_is_to_fill_in_are_not_asked_about(
    name: str, stands_for_one: bool
) -> None:
    assert placeholder(name) is stands_for_one


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("us-docker.pkg.dev/acme-1234/images/train:1", "tags/1"),
        ("us-docker.pkg.dev/acme-1234/images/a/b", "tags/latest"),
        ("us-docker.pkg.dev/acme-1234/images/train:1@sha256:abc", "versions/sha256:abc"),
        ("eu.gcr.io/acme-1234/train:2", "tags/2"),
        ("gcr.io/acme-1234/train", "tags/latest"),
        ("us-docker.pkg.dev/acme-1234/images/train:${TAG}", ""),
        ("us-docker.pkg.dev/your-project/images/train:1", ""),
        ("us-docker.pkg.dev/vertex-ai/training/pytorch-gpu.2-4.py310:latest", ""),
        ("python:3.12", ""),
        ("ghcr.io/acme/train:1", ""),
    ],
)
def test_which_images_can_be_asked_about(name: str, tag: str) -> None:
    found = read_registry(name)
    assert (found.leaf if found else "") == tag
    if found is not None and "gcr.io" in name:
        assert (found.location, found.repository) == (
            ("europe", "eu.gcr.io") if "eu." in name else ("us", "gcr.io")
        )
