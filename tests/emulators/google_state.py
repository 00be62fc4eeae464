"""What the emulated Google Cloud holds and grants, and the named states of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PROJECT = "my-project-1"
NUMBER = "4242424242"
ACCOUNT = f"trainer@{PROJECT}.iam.gserviceaccount.com"
AGENT = f"service-{NUMBER}@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"
SUBMITTER = "ada@example.com"
BUCKET = "my-bucket-1"
L4 = ("custom_model_training_nvidia_l4_gpus", "us-central1")
SPOT_L4 = ("custom_model_training_preemptible_nvidia_l4_gpus", "us-central1")
CPUS = ("custom_model_training_cpus", "us-central1")
SPOT_CPUS = ("custom_model_training_preemptible_cpus", "us-central1")
#: Metric -> quota id of Cloud Quotas.
QUOTA_IDS = {
    "custom_model_training_nvidia_l4_gpus": "CustomModelTrainingL4GPUsPerProjectPerRegion",
    "custom_model_training_preemptible_nvidia_l4_gpus": (
        "CustomModelTrainingPreemptibleL4GPUsPerProjectPerRegion"
    ),
    "custom_model_training_cpus": "CustomModelTrainingCPUsPerProjectPerRegion",
    "custom_model_training_preemptible_cpus": (
        "CustomModelTrainingPreemptibleCPUsPerProjectPerRegion"
    ),
}
#: The access token that the emulated token endpoint gives.
TOKEN = "ya29." + "emulated-access-token-of-the-tests"
JOB = f"projects/{PROJECT}/locations/us-central1/customJobs/1234567890123"
FAULTS = ("429", "500", "cut", "garbage", "proxy", "redirect", "list")
SCENARIOS = (
    "good", "no-create", "no-logs", "api-disabled", "vpc", "billing", "project", "quota-project",
    "scopes", "region", "no-act-as", "no-bucket", "no-bucket-role", "no-image", "image-elsewhere",
    "no-quota", "no-cpus", "secret-denied", "expired", "invalid-grant", "invalid-rapt",
    "invalid-key", "no-impersonation", "slow", *FAULTS,
)  # fmt: skip

Policy = dict[str, Any]


@dataclass
class GoogleState:
    """What this Google grants."""

    permissions: set[str] = field(default_factory=set)
    #: Why aiplatform refuses every call: "", disabled, vpc, billing, project, quota-project,
    #: scopes, region.
    refuses: str = ""
    buckets: dict[str, set[str]] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    #: Repository -> mode; others are standard ones.
    modes: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, set[str]] = field(default_factory=dict)
    #: (metric, region) -> limit. None as region: for every other one.
    quotas: dict[tuple[str, str | None], int] = field(default_factory=dict)
    #: Services besides aiplatform that are not enabled.
    disabled: set[str] = field(default_factory=set)
    #: "projects/p", "b/bucket", "projects/p/locations/l/repositories/r", "projects/p/secrets/s" ->
    #: policy; None: the caller may not read it.
    policies: dict[str, Policy | None] = field(default_factory=dict)
    #: Project id -> number; `parents` gives those in an organisation.
    projects: dict[str, str] = field(default_factory=dict)
    parents: dict[str, Policy] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    #: Bucket -> number of its project.
    homes: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    locations: tuple[str, ...] = ("us-central1", "us-east4", "europe-west4")
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)
    entries_denied: bool = False
    #: Access tokens are refused (401).
    token_expired: bool = False
    #: Whether a call without a token is refused.
    wants_token: bool = False
    #: What the token endpoint answers: "" (a token), or the error: invalid_grant, invalid_rapt,
    #: invalid_key.
    grant: str = ""
    #: Whose login the token is, for tokeninfo.
    email: str = SUBMITTER
    may_impersonate: bool = True
    fault: str = ""
    delay: float = 0.0
    seen: list[str] = field(default_factory=list)
    #: Authorization header of each call.
    signed: list[str] = field(default_factory=list)


def bindings(*pairs: tuple[str, str]) -> Policy:
    """A policy that gives roles to members."""
    return {"version": 1, "bindings": [{"role": role, "members": [who]} for role, who in pairs]}


def good() -> GoogleState:
    """A Google on which a job of PROJECT can be submitted."""
    image = f"projects/{PROJECT}/locations/us-central1/repositories/images/packages/train/tags/1"
    return GoogleState(
        permissions={
            "aiplatform.customJobs.create",
            "aiplatform.customJobs.get",
            "aiplatform.customJobs.list",
            "logging.logEntries.list",
        },
        buckets={BUCKET: {"storage.objects.create", "storage.objects.get", "storage.objects.list"}},
        images={image},
        accounts={ACCOUNT: {"iam.serviceAccounts.actAs"}},
        quotas={L4: 4, SPOT_L4: 4, CPUS: 100, SPOT_CPUS: 100},
        policies={
            f"projects/{PROJECT}": bindings(
                ("roles/aiplatform.user", f"user:{SUBMITTER}"),
                ("roles/aiplatform.customCodeServiceAgent", f"serviceAccount:{AGENT}"),
            ),
            f"b/{BUCKET}": bindings(("roles/storage.objectAdmin", f"serviceAccount:{ACCOUNT}")),
        },
        projects={PROJECT: NUMBER},
        homes={BUCKET: NUMBER},
        jobs={
            JOB: {
                "name": JOB,
                "displayName": "tune",
                "state": "JOB_STATE_FAILED",
                "createTime": "2026-05-10T02:20:00Z",
                "jobSpec": {"workerPoolSpecs": [{"replicaCount": "1"}]},
            }
        },
    )


def shared_image(state: GoogleState) -> None:
    """Put the image of IMAGE_ELSEWHERE into another project, which the agent may not read."""
    other = "shared-images-1"
    repository = f"projects/{other}/locations/us-central1/repositories/images"
    state.images.add(f"{repository}/packages/train/tags/1")
    state.projects[other] = "777"
    state.policies[repository] = bindings(
        ("roles/artifactregistry.reader", "serviceAccount:somebody@else.iam.gserviceaccount.com")
    )
    state.policies[f"projects/{other}"] = bindings(("roles/owner", "user:boss@example.com"))


def scenario(name: str) -> GoogleState:
    """Return a named state, for rule fixtures and for use by hand."""
    state = good()
    if name in ("no-create", "no-logs"):
        lost = "aiplatform.customJobs.create" if name == "no-create" else "logging.logEntries.list"
        state.permissions.discard(lost)
    elif name in ("vpc", "billing", "project", "quota-project", "scopes", "region"):
        state.refuses = name
    elif name == "api-disabled":
        state.refuses = "disabled"
    elif name == "no-act-as":
        state.accounts[ACCOUNT] = set()
    elif name == "no-bucket":
        state.buckets = {}
    elif name == "no-bucket-role":
        state.policies[f"b/{BUCKET}"] = bindings()
    elif name == "no-image":
        state.images = set()
    elif name == "image-elsewhere":
        shared_image(state)
    elif name == "no-quota":
        state.quotas |= {L4: 1}
    elif name == "no-cpus":
        state.quotas |= {CPUS: 8}
    elif name == "secret-denied":
        path = f"projects/{PROJECT}/secrets/hf-token"
        state.secrets.add(path)
        state.policies[path] = bindings()
    elif name == "expired":
        state.token_expired = True
    elif name in ("invalid-grant", "invalid-rapt", "invalid-key"):
        state.grant = name.replace("-", "_")
        state.wants_token = True
    elif name == "no-impersonation":
        state.may_impersonate = False
    elif name in FAULTS:
        state.fault = name
    elif name == "slow":
        state.delay = 5.0
    elif name != "good":
        raise SystemExit(f"no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    return state
