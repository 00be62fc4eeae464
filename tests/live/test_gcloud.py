"""The real gcloud, where it is installed: it speaks with the emulator, and it takes our commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.google import GoogleServer
from tests.emulators.google_state import BUCKET, JOB, PROJECT, good, scenario, shared_image

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    from tests.emulators.google_state import GoogleState

    from ftdoctor.inspection import Inspection
    from ftdoctor.rulebook.model import Finding

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed"),
]
#: Parses command lines with gcloud's own parser, without running them; prints those it refuses.
PARSE = """\
import contextlib, io, json, shlex, sys
root = sys.argv[1]
sys.path[:0] = [root + "/lib", root + "/lib/third_party"]
from googlecloudsdk import gcloud_main
cli = gcloud_main.CreateCLI([])
refused = {}
for line in json.load(sys.stdin):
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            cli._CLI__parser.parse_args(shlex.split(line)[1:])
    except SystemExit as error:
        if error.code:
            refused[line] = said.getvalue()[:300]
    except Exception as error:
        refused[line] = str(error)[:300]
json.dump(refused, sys.stdout)
"""


@pytest.fixture
def gcloud(tmp_path: Path):
    """Run gcloud with a configuration of its own."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["gcloud", *arguments],
            env={
                **os.environ,
                "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
                "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
                "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
                "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
                "CLOUDSDK_CORE_CHECK_GCE_METADATA": "0",
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


def test_gcloud_reads_jobs_from_the_emulator(gcloud: Any) -> None:
    with GoogleServer(good()) as server:
        place = ("--region=us-central1", f"--project={PROJECT}", "--format=json")
        listed = gcloud("ai", "custom-jobs", "list", *place, **server.variables())
        told = gcloud(
            "ai", "custom-jobs", "describe", JOB.rsplit("/", 1)[-1], *place, **server.variables()
        )
    assert [job["name"] for job in json.loads(listed.stdout)] == [JOB], listed.stderr
    assert json.loads(told.stdout)["state"] == "JOB_STATE_FAILED"


@pytest.mark.parametrize("name", ["api-disabled", "vpc", "billing"])
def test_gcloud_reads_the_same_refusals(gcloud: Any, name: str) -> None:
    with GoogleServer(scenario(name)) as server:
        place = ("--region=us-central1", f"--project={PROJECT}")
        ran = gcloud("ai", "custom-jobs", "list", *place, **server.variables())
    reason = {
        "api-disabled": "SERVICE_DISABLED",
        "vpc": "SECURITY_POLICY_VIOLATED",
        "billing": "BILLING_DISABLED",
    }[name]
    assert ran.returncode == 1
    assert reason in ran.stderr


def test_gclouds_login_is_read_as_gcloud_wrote_it(
    gcloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.live.google_logins import key

    from ftdoctor.facts.gcloud_login import read_gcloud_login

    with GoogleServer(good()) as server:
        path = tmp_path / "key.json"
        path.write_text(json.dumps(key(server.url)))
        ran = gcloud(
            "auth",
            "activate-service-account",
            f"--key-file={path}",
            f"--project={PROJECT}",
            CLOUDSDK_AUTH_TOKEN_HOST=f"{server.url}/token",
        )
    assert ran.returncode == 0, ran.stderr
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    login = read_gcloud_login()
    assert (login.problem, login.kind) == ("", "service_account")
    assert login.name == f"ci@{PROJECT}.iam.gserviceaccount.com"
    assert login.gcloud_project == PROJECT
    # gcloud says the same of itself
    said = gcloud("config", "get", "account").stdout.strip()
    assert said == login.name


def _from_rules() -> set[str]:
    found = {fix.command for rule in load() for fix in rule.fixes}
    return {
        _filled(command)
        for command in found
        if command.startswith("gcloud ") and not command.endswith(" --help")
    }


def _filled(command: str) -> str:
    """A command with its placeholders filled with something of the right shape."""
    command = re.sub(r"\bPROJECT\b", PROJECT, command)
    command = re.sub(r"\{member\}", "user:ada@example.com", command)
    command = re.sub(r"\{account\}", f"trainer@{PROJECT}.iam.gserviceaccount.com", command)
    return re.sub(r"\{[a-z_]+\}", PROJECT, command)


SCENARIOS = (
    "no-create", "no-logs", "api-disabled", "no-act-as", "no-bucket-role", "no-image",
    "image-elsewhere", "secret-denied", "quota-project", "project",
)  # fmt: skip


def _check(state: GoogleState, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Inspection:
    """Check two jobs that name all that Google can be asked about."""
    monkeypatch.chdir(folder)
    image = "us-central1-docker.pkg.dev/{}/images/train:1"
    for name, project in (("own", PROJECT), ("other", "shared-images-1")):
        Path(f"{name}.yaml").write_text(
            "workerPoolSpecs:\n"
            "  - machineSpec: {machineType: n1-standard-8}\n"
            "    replicaCount: 1\n"
            "    containerSpec:\n"
            f"      imageUri: {image.format(project)}\n"
            "      command: [bash, -c]\n"
            "      args: ['gcloud secrets versions access latest --secret=hf-token']\n"
            "baseOutputDirectory: {outputUriPrefix: gs://my-bucket-1/out}\n"
        )
        Path(f"{name}.sh").write_text(
            f"gcloud ai custom-jobs create --project={PROJECT} --region=us-central1 "
            f"--service-account=trainer@{PROJECT}.iam.gserviceaccount.com "
            f"--display-name=t --config={name}.yaml\n"
        )
    with GoogleServer(state) as server:
        for variable, value in server.variables().items():
            monkeypatch.setenv(variable, value)
        return inspect(
            read(["own.sh", "other.sh"]).jobs,
            load(),
            Config(select=("FT-GCP", "FT-JOB-006", "FT-JOB-201")),
            gather=gatherer(online=False, deadline=10),
        )


def _from_findings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> set[str]:
    """The commands that live checks make up, over states in which each has something to say."""
    found: list[Finding] = []
    for name in SCENARIOS:
        inspection = _check(scenario(name), monkeypatch, folder)
        found += [finding for _, finding in inspection.findings()]
    commands = {fix.command for finding in found for fix in finding.fixes}
    return {command for command in commands if command.startswith("gcloud ")}


def test_every_gcloud_command_that_we_give_is_one_that_gcloud_takes(
    gcloud: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = gcloud("info", "--format=value(basic.python_location,installation.sdk_root)")
    python, root = told.stdout.split()
    commands = sorted(_from_rules() | _from_findings(monkeypatch, tmp_path))
    assert len(commands) > 25
    assert any("secretAccessor" in command for command in commands)
    commands.append("gcloud ai custom-jobs create --no-such-flag=1")
    done = subprocess.run(
        [python if Path(python).exists() else sys.executable, "-c", PARSE, root],
        input=json.dumps(commands),
        env={**os.environ, "CLOUDSDK_CONFIG": str(tmp_path / "gcloud")},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.stdout, done.stderr[-2000:]
    refused = json.loads(done.stdout)
    # The last line proves that a wrong command would be seen.
    assert list(refused) == ["gcloud ai custom-jobs create --no-such-flag=1"]


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (f"projects describe {PROJECT}", f"GET /v1/projects/{PROJECT}"),
        (f"projects get-iam-policy {PROJECT}", f"POST /v1/projects/{PROJECT}:getIamPolicy"),
        (f"storage buckets get-iam-policy gs://{BUCKET}", f"GET /storage/v1/b/{BUCKET}/iam"),
        (
            "artifacts repositories get-iam-policy images --location=us-central1 "
            "--project=shared-images-1",
            "GET /v1/projects/shared-images-1/locations/us-central1/repositories/images"
            ":getIamPolicy",
        ),
        (
            f"secrets get-iam-policy hf-token --project={PROJECT}",
            f"GET /v1/projects/{PROJECT}/secrets/hf-token:getIamPolicy",
        ),
    ],
)
def test_gcloud_asks_in_the_same_places(gcloud: Any, command: str, asked: str) -> None:
    """What we ask over REST is what gcloud asks: same paths, answers that it can read."""
    state = scenario("secret-denied")
    shared_image(state)
    with GoogleServer(state) as server:
        ran = gcloud(*shlex.split(command), "--format=json", **server.variables())
    assert ran.returncode == 0, ran.stderr
    assert isinstance(json.loads(ran.stdout), dict)
    assert asked in state.seen


#: Folders of gcloud's generated clients, and what stands before their paths.
CLIENTS = {
    "cloudresourcemanager/v1": "/",
    "iam/v1": "/",
    "storage/v1": "/storage/v1/",
    "artifactregistry/v1": "/",
    "serviceusage/v1": "/",
    "serviceusage/v1beta1": "/",
    "secretmanager/v1": "/",
    "cloudquotas/v1": "/",
    "aiplatform/v1": "/",
    "logging/v2": "/",
}


def _methods(root: Path) -> list[tuple[str, str]]:
    """(HTTP method, pattern of the path) of the services' methods, from gcloud's own clients."""
    found = []
    for client, before in CLIENTS.items():
        folder = root / "lib/googlecloudsdk/generated_clients/apis" / client
        for file in folder.glob("*_client.py"):
            for info in re.findall(r"ApiMethodInfo\((.*?)\n    \)", file.read_text(), re.S):
                verb = re.search(r"http_method='(\w+)'", info)
                path = re.search(r"flat_path='([^']+)'", info)
                path = path or re.search(r"relative_path='([^']+)'", info)
                if verb and path:
                    parts = re.split(r"\{[^}]*\}", path[1])
                    pattern = "[^/:]+".join(map(re.escape, parts))
                    found.append((verb[1], before + pattern))
    return found


def test_every_question_is_a_method_of_googles_apis(
    gcloud: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = gcloud("info", "--format=value(installation.sdk_root)")
    methods = _methods(Path(told.stdout.strip()))
    assert len(methods) > 500
    seen: set[str] = set()
    for name in ("good", "no-image", "image-elsewhere", "secret-denied", "no-quota"):
        state = scenario(name)
        state.disabled = {"cloudquotas"} if name == "no-quota" else set()
        _check(state, monkeypatch, tmp_path)
        seen |= set(state.seen)
    assert len(seen) > 12
    wrong = f"GET /v1/projects/{PROJECT}:testIamPermissions"
    unknown = {
        line
        for line in (*seen, wrong)
        if not any(
            verb == line.split()[0] and re.fullmatch(pattern, line.split()[1])
            for verb, pattern in methods
        )
    }
    assert unknown == {wrong}
