"""Situations at Google and what `check` says of each; docs/google-answers.md is made of this table.

python -m tests.live.test_google_table > docs/google-answers.md
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import ROOT
from tests.emulators.google import GoogleServer
from tests.emulators.google_state import (
    ACCOUNT,
    BUCKET,
    CPUS,
    L4,
    PROJECT,
    SPOT_CPUS,
    SPOT_L4,
    GoogleState,
    bindings,
    good,
    scenario,
)

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIVE = (
    "FT-GCP", "FT-JOB-006", "FT-JOB-017", "FT-JOB-018", "FT-JOB-201", "FT-JOB-252", "FT-AUTH-255",
)  # fmt: skip
IMAGE = f"us-central1-docker.pkg.dev/{PROJECT}/images/train:1"
ELSEWHERE = IMAGE.replace(PROJECT, "shared-images-1")
REPOSITORY = "projects/shared-images-1/locations/us-central1/repositories/images"
SECRET = f"projects/{PROJECT}/secrets/hf-token"


@dataclass
class Case:
    """A situation; `code` is the only finding, "" for none; `open` are rules that cannot tell."""

    what: str
    state: Callable[[], GoogleState]
    code: str = ""
    severity: str = "error"
    open: dict[str, str] = field(default_factory=dict)
    image: str = IMAGE
    spot: bool = False
    secret: bool = False
    region: str = "us-central1"


def changed(base: str = "good", **changes: Any) -> Callable[[], GoogleState]:
    """A state with some things changed; sets named `no_x` are taken away from x."""

    def make() -> GoogleState:
        state = scenario(base)
        for name, value in changes.items():
            if name == "policies":
                state.policies |= value
            elif name == "quotas":
                state.quotas |= value
            elif name == "lost":
                state.permissions -= value
            else:
                setattr(state, name, value)
        return state

    return make


NO_PROJECT_POLICY = {f"projects/{PROJECT}": None}
CASES = [
    Case("everything is there", good),
    # the project
    Case("the Vertex AI API is off", changed("api-disabled"), "FT-GCP-002"),
    Case("billing is off", changed("billing"), "FT-GCP-202"),
    Case("Google does not know the project", changed("project"), "FT-GCP-007"),
    Case(
        "the project is being deleted",
        changed(states={PROJECT: "DELETE_REQUESTED"}),
        "FT-GCP-007",
    ),
    Case("a perimeter (VPC-SC) refuses", changed("vpc"), "FT-GCP-201"),
    Case("no quota project pays", changed("quota-project"), "FT-GCP-252"),
    # the login
    Case("the token has run out", changed("expired"), "FT-GCP-003"),
    Case("the token lacks the scope", changed("scopes"), "FT-GCP-005"),
    # the submitter
    Case("may not create jobs", changed("no-create"), "FT-GCP-004"),
    Case(
        "may create jobs, not look at them",
        changed(lost={"aiplatform.customJobs.get"}),
        "FT-GCP-004",
        "warning",
    ),
    Case("may not read logs", changed("no-logs"), "FT-GCP-006", "warning"),
    Case(
        "permissions may not be asked",
        changed(disabled={"cloudresourcemanager"}),
        open={"FT-GCP-004": "gcloud services enable cloudresourcemanager.googleapis.com"},
    ),
    Case(
        "permissions may not be asked, listing jobs is denied",
        changed(disabled={"cloudresourcemanager"}, lost={"aiplatform.customJobs.list"}),
        "FT-GCP-004",
    ),
    Case("may not act as the service account", changed("no-act-as"), "FT-GCP-008"),
    Case("no such service account", changed(accounts={}), "FT-GCP-008"),
    # the region
    Case("no such region", changed(), "FT-JOB-252", region="us-north9"),
    # buckets
    Case("no such bucket", changed("no-bucket"), "FT-GCP-009"),
    Case("no role on the bucket for the job's account", changed("no-bucket-role"), "FT-GCP-009"),
    Case(
        "the same, project in an organisation",
        changed("no-bucket-role", parents={PROJECT: {"type": "folder", "id": "1"}}),
        "FT-GCP-009",
        "warning",
    ),
    Case(
        "a role on the project, none on the bucket",
        changed(
            policies={
                f"b/{BUCKET}": bindings(),
                f"projects/{PROJECT}": bindings(
                    ("roles/storage.admin", f"serviceAccount:{ACCOUNT}")
                ),
            }
        ),
    ),
    Case(
        "only a group has a role on the bucket",
        changed(
            policies={
                f"b/{BUCKET}": bindings(("roles/storage.objectAdmin", "group:ml@example.com"))
            }
        ),
        open={"FT-GCP-009": "an administrator"},
    ),
    Case(
        "the policies of bucket and project may not be read",
        changed(policies={f"b/{BUCKET}": None, **NO_PROJECT_POLICY}),
        open={"FT-GCP-009": "roles/iam.securityReviewer"},
    ),
    # images
    Case("no such image or tag", changed("no-image"), "FT-JOB-201"),
    Case(
        "not in a remote repository (a cache of another registry)",
        changed(
            "no-image",
            modes={
                f"projects/{PROJECT}/locations/us-central1/repositories/images": "REMOTE_REPOSITORY"
            },
        ),
        open={"FT-JOB-201": "a pull of the image"},
    ),
    Case(
        "an image of gcr.io, and no repository of that name",
        changed("no-image", modes={f"projects/{PROJECT}/locations/us/repositories/gcr.io": ""}),
        open={"FT-JOB-201": "roles/artifactregistry.reader"},
        image=f"gcr.io/{PROJECT}/train:1",
    ),
    Case(
        "Artifact Registry may not be asked",
        changed(disabled={"artifactregistry"}),
        open={"FT-JOB-201": "gcloud services enable artifactregistry.googleapis.com"},
    ),
    Case(
        "image of another project, the agent may not pull it",
        changed("image-elsewhere"),
        "FT-JOB-006",
        image=ELSEWHERE,
    ),
    Case(
        "image of another project, its policy may not be read",
        changed("image-elsewhere", policies={REPOSITORY: None}),
        open={"FT-JOB-006": "roles/iam.securityReviewer"},
        image=ELSEWHERE,
    ),
    # secrets
    Case("no such secret", changed(), "FT-GCP-254", secret=True),
    Case(
        "the job's account may not read the secret",
        changed("secret-denied"),
        "FT-GCP-254",
        secret=True,
    ),
    Case(
        "the job's account may read the secret",
        changed(
            "secret-denied",
            policies={
                SECRET: bindings(
                    ("roles/secretmanager.secretAccessor", f"serviceAccount:{ACCOUNT}")
                )
            },
        ),
        secret=True,
    ),
    # quota
    Case("GPU quota too small", changed(quotas={L4: 1}), "FT-JOB-018"),
    Case("vCPU quota too small", changed(quotas={CPUS: 8}), "FT-JOB-017"),
    Case("SPOT: preemptible GPU quota zero", changed(quotas={SPOT_L4: 0}), "FT-JOB-018", spot=True),
    Case("SPOT: preemptible vCPUs one", changed(quotas={SPOT_CPUS: 1}), "FT-JOB-017", spot=True),
    Case("SPOT: only the standard quota is zero", changed(quotas={L4: 0, CPUS: 0}), spot=True),
    Case(
        "neither quota service may be asked",
        changed(disabled={"cloudquotas", "serviceusage"}),
        open={
            "FT-JOB-017": "gcloud services enable cloudquotas.googleapis.com",
            "FT-JOB-018": "gcloud services enable cloudquotas.googleapis.com",
        },
    ),
    # broken answers
    *(
        Case(f"{text}", changed(fault), open={"FT-AUTH-255": ""})
        for fault, text in (
            ("429", "429 to all"),
            ("500", "500 to all"),
            ("cut", "connections are cut"),
            ("garbage", "JSON that is none"),
            ("proxy", "the page of a proxy"),
            ("redirect", "a redirect to a sign-in page"),
        )
    ),
]


def run(case: Case, folder: Path, setenv: Any, chdir: Any) -> tuple[list[Any], dict[str, str]]:
    """Check the job of a case; returns (findings, rule -> what would let it tell)."""
    step = (
        "gcloud secrets versions access latest --secret=hf-token" if case.secret else "python x.py"
    )
    (folder / "job.yaml").write_text(
        "workerPoolSpecs:\n"
        "  - machineSpec:\n"
        "      {machineType: g2-standard-24, acceleratorType: NVIDIA_L4, acceleratorCount: 2}\n"
        "    replicaCount: 1\n"
        f"    containerSpec: {{imageUri: '{case.image}', command: [bash, -c], args: ['{step}']}}\n"
        f"baseOutputDirectory: {{outputUriPrefix: 'gs://{BUCKET}/out'}}\n"
        + ("scheduling: {strategy: SPOT}\n" if case.spot else "")
    )
    (folder / "submit.sh").write_text(
        f"gcloud ai custom-jobs create --project={PROJECT} --region={case.region} "
        f"--display-name=t --service-account={ACCOUNT} --config=job.yaml\n"
    )
    chdir(folder)
    with GoogleServer(case.state()) as server:
        for name, value in server.variables().items():
            setenv(name, value)
        inspection = inspect(
            read(["submit.sh"]).jobs,
            load(),
            Config(select=LIVE),
            gather=gatherer(online=True, deadline=10),
        )
    (report,) = inspection.jobs
    assert not report.crashed
    skipped: dict[str, str] = {}
    for skip in report.skipped:
        skipped[skip.code] = "; ".join(filter(None, (skipped.get(skip.code), skip.needs)))
    return report.findings, skipped


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_each_situation_has_one_finding(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings, skipped = run(case, tmp_path, monkeypatch.setenv, monkeypatch.chdir)
    found = [(f.code, f.severity) for f in findings]
    # A region that is not there has no quota to tell of.
    skipped = {} if case.region != "us-central1" else skipped
    assert found == ([(case.code, case.severity)] if case.code else [])
    assert set(skipped) == set(case.open) or case.code
    for code, needs in case.open.items():
        assert needs in skipped[code]
    for finding in findings:
        assert "{" not in finding.summary
        assert finding.fixes


INTRODUCTION = """\
# Questions to Google

A job for Vertex AI is checked against Google's own answers: side by side, one deadline
(`--deadline`, 10 s), nothing created or changed. Which login submits the job is read from files;
no gcloud is started for it.

## Whose login counts

| the job is submitted by | login |
|---|---|
| Python (google-cloud-aiplatform, kfp), Terraform | GOOGLE_APPLICATION_CREDENTIALS, else `gcloud auth application-default login`, else the account of the Google machine |
| a gcloud command | gcloud's own: CLOUDSDK_AUTH_ACCESS_TOKEN, access_token_file, credential_file_override, else the active account, or `--account`; `--impersonate-service-account` |
| a script that names a key (`from_service_account_file`, `activate-service-account`, `os.environ[...]`) | that key, when it lies here |
| a script with credentials of its own, a workflow of GitHub Actions | not known here: the login of this machine asks about project, images and buckets, and permissions are not told |

A project or region that the shell gives (`$PROJECT_ID`, `os.environ[...]`, `$(gcloud config
get-value project)`) is looked up in this shell. A token goes over TLS or within this machine, never else; redirects are not followed.

## Endpoints

FTDOCTOR_VERTEX_ENDPOINT and FTDOCTOR_LOGGING_ENDPOINT, then gcloud's
CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM, _LOGGING, _CLOUDRESOURCEMANAGER, _IAM, _STORAGE,
_ARTIFACTREGISTRY, _CLOUDQUOTAS, _SERVICEUSAGE, _SECRETMANAGER (or the same in gcloud's
configuration). `http://...` and `https://...` are REST, `host` is REST over TLS, `host:port` is
gRPC. A server on this machine may need no login; with CLOUDSDK_AUTH_DISABLE_CREDENTIALS=1 nothing
is signed. The server of the tests runs by hand (`--list` names its scenarios):

```
python -m tests.emulators.google --scenario no-create
```

## What `check` says

Each row is one run of `ftdoctor check --online` against a server that speaks the protocol of
Google's services, and the only finding that it gives; `–` is none. What could not be told
makes the exit code 4 with `--online` (1 when there is an error besides), and names what would
let it be told. Verified by `tests/live/test_google_table.py`.
"""


def page() -> str:
    """Return docs/google-answers.md. Every row is what the test above asserts."""
    names = {rule.code: rule.name for rule in load()}
    rows = [*INTRODUCTION.splitlines(), ""]
    rows += [
        "| situation | finding | severity | could not be told: what is needed |",
        "|---|---|---|---|",
    ]
    for case in CASES:
        found = f"{case.code} {names[case.code]}" if case.code else "–"
        needs = "; ".join(
            needs
            if needs.startswith(("roles", "an ", "a "))
            else f"`{needs}`"
            if needs
            else "a later try"
            for needs in dict.fromkeys(case.open.values())
        )
        rows.append(f"| {case.what} | {found} | {case.severity if case.code else ''} | {needs} |")
    return "\n".join(rows) + "\n"


def test_the_page_is_the_table() -> None:
    text = (ROOT / "docs" / "google-answers.md").read_text()
    assert text == page(), "run: python -m tests.live.test_google_table > docs/google-answers.md"


if __name__ == "__main__":
    print(page(), end="")
