"""Runs on Vertex AI with Google's real clients, as processes of their own, against loopback."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.vertex_grpc import VertexGrpc
from tests.emulators.vertex_jobs import PROJECT, VertexJobs, VertexJobsServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"
AGREED = ("--yes", "--max-cost", "0.50")
FAULT = [
    'FTDOCTOR {"stage": "imports", "ok": true, "seconds": 1.0}',
    "Traceback (most recent call last):",
    '  File "ftdoctor_smoke.py", line 250, in train',
    "    args=config_class(**arguments),",
    "TypeError: SFTConfig.__init__() got an unexpected keyword argument 'max_seq_length'",
    'FTDOCTOR {"stage": "train", "ok": false, "error": "TypeError: unexpected keyword"}',
]
STOCKOUT = (
    "Resources are insufficient in region: us-central1. Please try a different region. If you use "
    "K80, please consider using P100 or V100 instead."
)
QUOTA = (
    "The following quota metrics exceed quota limits: "
    "aiplatform.googleapis.com/custom_model_training_nvidia_l4_gpus"
)


class Bench:
    """A folder, a Vertex AI, and the command."""

    def __init__(self, folder: Path, server: VertexJobsServer) -> None:
        self.folder, self.server, self.vertex = folder, server, server.state
        self.endpoint = server.url
        self.state = folder / ".ftdoctor" / "smoke-running.json"

    def start(
        self, *words: str, gpu: str = "l4", stdin: int = subprocess.DEVNULL, token: str = TOKEN
    ) -> subprocess.Popen[str]:
        """Start `ftdoctor smoke`."""
        where = ("--gpu", gpu, "--on", "vertex") if gpu else ()
        environment = {
            **os.environ,
            "FTDOCTOR_VERTEX_ENDPOINT": self.endpoint,
            "FTDOCTOR_LOGGING_ENDPOINT": self.endpoint,
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_AI_REGION": "us-central1",
            "CLOUDSDK_CONFIG": str(self.folder / "gcloud"),
            "HF_HOME": str(self.folder / "hf"),
            **({"HF_TOKEN": token} if token else {}),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "ftdoctor", "smoke", *where, "--poll", "0.05", *words],
            cwd=self.folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, *words: str, gpu: str = "l4", token: str = TOKEN) -> tuple[int, str, str]:
        """Run it to its end: exit code, stdout without line breaks, stderr."""
        process = self.start(*words, gpu=gpu, token=token)
        out, err = process.communicate(timeout=240)
        assert "Traceback" not in err, err
        assert TOKEN not in out + err
        return process.returncode, " ".join(out.split()), err

    def looked(self, times: int = 2) -> None:
        """Wait until a job was looked at."""
        end = time.monotonic() + 60
        while not any(looks > times for looks in self.vertex.looks.values()):
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Return a bench with a Vertex AI that runs every job well."""
    with VertexJobsServer(VertexJobs()) as server:
        yield Bench(tmp_path, server)


def pool(sent: dict[str, Any]) -> dict[str, Any]:
    """Return the chief pool of a job."""
    found: dict[str, Any] = sent["jobSpec"]["workerPoolSpecs"][0]
    return found


def variables(sent: dict[str, Any]) -> dict[str, str]:
    """Return the environment of the chief container."""
    return {e["name"]: e["value"] for e in pool(sent)["containerSpec"]["env"]}


def test_it_works_and_sends_what_the_dry_run_shows(bench: Bench) -> None:
    code, shown, _ = bench.run("--dry-run")
    assert code == 0
    assert bench.vertex.submitted == []
    code, out, err = bench.run(*AGREED)
    assert code == 0, out + err
    assert "smoke: WORKS" in out
    assert not bench.state.exists()
    (sent,) = bench.vertex.submitted
    dry = json.loads(shown)
    key = sent["labels"]["ftdoctor-smoke"]
    assert key != dry["labels"]["ftdoctor-smoke"]
    assert pool(sent) == pool(dry)
    assert pool(sent)["machineSpec"] == {
        "machineType": "g2-standard-4",
        "acceleratorType": "NVIDIA_L4",
        "acceleratorCount": 1,
    }
    scheduling = sent["jobSpec"]["scheduling"]
    assert scheduling["timeout"] == "1200s"
    assert scheduling["disableRetries"] is True
    assert "strategy" not in scheduling
    assert "HF_TOKEN" not in variables(sent)
    assert "no Hugging Face token goes along" in err
    assert "time limit 1200 s, so $0.30 at most" in err
    assert "of at most $0.30" in err
    assert "in the queue" in err
    (kept,) = (bench.folder / ".ftdoctor" / "smoke").glob("*.json")
    document = json.loads(kept.read_text())
    assert document["verdict"] == "WORKS"
    assert document["run"]["machine"] == "g2-standard-4"
    assert document["run"]["usd_per_hour"] > 0.8


def test_the_argument_stays_within_what_linux_allows(bench: Bench) -> None:
    bench.run(*AGREED)
    (sent,) = bench.vertex.submitted
    container = pool(sent)["containerSpec"]
    assert container["command"][0] == "sh"
    assert max(map(len, [*container["command"], *container["args"]])) < 100 * 1024


def test_a_fault_fails_with_its_rule(bench: Bench) -> None:
    bench.vertex.log, bench.vertex.states = FAULT, ["RUNNING", "FAILED"]
    code, out, _ = bench.run(*AGREED)
    assert code == 1
    assert "sftconfig-max-seq-length-renamed" in out


def test_the_job_is_taken_over(bench: Bench) -> None:
    (bench.folder / "job.yaml").write_text(
        """\
workerPoolSpecs:
- machineSpec: {machineType: g2-standard-12, acceleratorType: NVIDIA_L4, acceleratorCount: 1}
  replicaCount: 1
  containerSpec:
    imageUri: us-docker.pkg.dev/some-project/images/train:3
    command: [python, train.py]
    env:
    - {name: HF_TOKEN, value: hf_abcdefghijklmnopqrstuvwxyzABCDEFGH}
    - {name: NCCL_DEBUG, value: INFO}
serviceAccount: trainer@some-project.iam.gserviceaccount.com
network: projects/424242/global/networks/ours
reservedIpRanges: [ours]
"""
    )
    code, out, err = bench.run("job.yaml", "--spot", "--timeout", "600", *AGREED)
    assert code == 0, out + err
    (sent,) = bench.vertex.submitted
    spec = sent["jobSpec"]
    assert (
        pool(sent)["containerSpec"]["imageUri"] == "us-docker.pkg.dev/some-project/images/train:3"
    )
    assert spec["serviceAccount"] == "trainer@some-project.iam.gserviceaccount.com"
    assert spec["network"] == "projects/424242/global/networks/ours"
    assert spec["reservedIpRanges"] == ["ours"]
    assert spec["scheduling"]["strategy"] == "SPOT"
    assert variables(sent)["NCCL_DEBUG"] == "INFO"
    assert "HF_TOKEN" not in variables(sent)
    assert "as spot about" in err


def test_a_job_of_gcloud_keeps_its_encryption_key(bench: Bench) -> None:
    (bench.folder / "submit.sh").write_text(
        "gcloud ai custom-jobs create --region=europe-west4 --display-name=sft "
        "--project=other-project --service-account=a@other-project.iam.gserviceaccount.com "
        "--kms-key=ours --kms-keyring=ring --kms-location=europe-west4 "
        "--worker-pool-spec=machine-type=g2-standard-8,accelerator-type=NVIDIA_L4,"
        "accelerator-count=1,replica-count=1,container-image-uri=ghcr.io/us/train:1\n"
    )
    code, out, err = bench.run("submit.sh", *AGREED)
    assert code == 0, out + err
    (sent,) = bench.vertex.submitted
    key = "projects/other-project/locations/europe-west4/keyRings/ring/cryptoKeys/ours"
    assert sent["encryptionSpec"] == {"kmsKeyName": key}
    assert sent["name"] == "projects/other-project/locations/europe-west4/customJobs"
    assert pool(sent)["containerSpec"]["imageUri"].startswith("pytorch/pytorch:")
    assert "cannot pull ghcr.io/us/train:1" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nobody to ask"),
        (("--yes",), "--yes needs --max-cost"),
        (("--yes", "--max-cost", "0.05"), "more than --max-cost 0.05"),
        ((*AGREED, "--region", "nowhere-1"), "No Vertex AI region"),
        ((*AGREED, "--region", "europe-west1"), "has no GPU 'l4'"),
        ((*AGREED, "--token-secret", "a b"), "no name of a secret"),
    ],
)
def test_without_agreement_nothing_is_submitted(bench: Bench, words: tuple, told: str) -> None:
    code, _, err = bench.run(*words)
    assert code == 2
    assert told in err
    assert bench.vertex.submitted == []
    assert not bench.state.exists()


@pytest.mark.parametrize(
    ("gpu", "on", "words"),
    [
        ("cpu", "local", ("--nodes", "2")),
        ("cpu", "local", ("--spot",)),
        ("l4", "hf-jobs", ("--spot",)),
        ("l4", "hf-jobs", ("--nodes", "2")),
    ],
)
def test_options_that_mean_nothing_there_are_refused(
    bench: Bench, gpu: str, on: str, words: tuple
) -> None:
    code, _, err = bench.run("--gpu", gpu, "--on", on, *words, "--dry-run", gpu="")
    assert code == 2
    assert words[0] in err


def test_without_a_login_nothing_is_begun(bench: Bench) -> None:
    bench.endpoint = ""
    code, _, err = bench.run(*AGREED)
    assert code == 4
    assert "gcloud auth application-default login" in err
    assert not bench.state.exists()


def test_where_nothing_listens_nothing_is_begun(bench: Bench) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        bench.endpoint = f"http://127.0.0.1:{held.getsockname()[1]}"
    code, _, err = bench.run(*AGREED)
    assert code == 4
    assert "could not be reached" in err
    assert not bench.state.exists()


def test_a_machine_without_a_price_needs_one(bench: Bench) -> None:
    code, _, err = bench.run(*AGREED, gpu="8xb200")
    assert code == 2
    assert "--price" in err
    code, out, err = bench.run("--yes", "--max-cost", "100", "--price", "90", gpu="p100")
    assert code == 0, out + err
    assert "$30.00 at most" in err


@pytest.mark.parametrize(("answers", "sent"), [("n\ny\n", False), ("y\ny\n", True)])
def test_the_token_is_asked_about(bench: Bench, answers: str, sent: bool) -> None:
    (bench.folder / "train.py").write_text(
        "from trl import SFTConfig, SFTTrainer\n"
        "SFTTrainer('Qwen/Qwen3-0.6B', train_dataset=None, args=SFTConfig('out')).train()\n"
    )
    ours, theirs = os.openpty()
    process = bench.start("train.py", stdin=theirs)
    os.write(ours, answers.encode())
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    (job,) = bench.vertex.submitted
    assert (variables(job).get("HF_TOKEN") == TOKEN) is sent
    assert TOKEN not in err


GATED = [
    'FTDOCTOR {"stage": "token", "ok": true, "token": "none"}',
    "Traceback (most recent call last):",
    '  File "hub.py", line 40, in download',
    "huggingface_hub.errors.GatedRepoError: 401 Client Error.",
    "Cannot access gated repo for url https://huggingface.co/google/gemma-3-1b-it/resolve/main/"
    "config.json. Access to model google/gemma-3-1b-it is restricted. You must have access to it "
    "and be authenticated to access it. Please log in.",
    'FTDOCTOR {"stage": "download", "ok": false, "error": "GatedRepoError: 401 Client Error."}',
]


@pytest.mark.parametrize("sent", [True, False])
def test_a_gate_without_a_token_says_nothing_about_the_job(bench: Bench, sent: bool) -> None:
    bench.vertex.log, bench.vertex.states = GATED, ["RUNNING", "FAILED"]
    code, out, _ = bench.run(*(["--send-token"] if sent else []), *AGREED)
    assert code == (1 if sent else 4), out
    assert ("--token-secret" in out) is not sent


@pytest.mark.parametrize(
    ("gpu", "nodes", "pools"),
    [
        ("4xl4", "1", [("g2-standard-48", 4, "1")]),
        ("l4", "3", [("g2-standard-4", 1, "1"), ("g2-standard-4", 1, "2")]),
    ],
)
def test_several_gpus_and_machines(
    bench: Bench, gpu: str, nodes: str, pools: list[tuple[str, int, str]]
) -> None:
    code, out, err = bench.run("--nodes", nodes, "--yes", "--max-cost", "5", gpu=gpu)
    assert code == 0, out + err
    (sent,) = bench.vertex.submitted
    found = [
        (p["machineSpec"]["machineType"], p["machineSpec"]["acceleratorCount"], p["replicaCount"])
        for p in sent["jobSpec"]["workerPoolSpecs"]
    ]
    assert found == pools
    plan = json.loads(base64.b64decode(variables(sent)["FTDOCTOR_SMOKE"]))
    assert (plan["processes"], plan["nodes"]) == (pools[0][1], int(nodes))
    assert "allreduce" in plan["stages"]
    hourly = {"4xl4": 4.83, "l4": 0.875}[gpu] * int(nodes)
    told = re.search(r"so \$([0-9.]+) at most", err)
    assert told is not None
    assert float(told[1]) == pytest.approx(hourly / 3, abs=0.02)


def test_a_token_that_is_sent_is_never_shown(bench: Bench) -> None:
    code, out, err = bench.run("--send-token", "--dry-run")
    assert code == 0
    assert "(hidden)" in out
    assert "can read it" in err
    code, out, err = bench.run("--send-token", *AGREED)
    assert code == 0
    (job,) = bench.vertex.submitted
    assert variables(job)["HF_TOKEN"] == TOKEN
    for kept in (bench.folder / ".ftdoctor").rglob("*.json"):
        assert TOKEN not in kept.read_text()


@pytest.mark.parametrize("readable", [True, False])
def test_a_secret_of_secret_manager_is_read_in_the_container(bench: Bench, readable: bool) -> None:
    # What goes in front of the payload really runs: metadata server, Secret Manager, environment.
    from ftdoctor.smoke.token_secret import code as in_front

    name = "projects/some-project/secrets/hf-token/versions/latest"
    code, _, err = bench.run("--token-secret", "hf-token", *AGREED)
    assert code == 0, err
    assert name in err
    (job,) = bench.vertex.submitted
    assert "HF_TOKEN" not in variables(job)
    assert any(name in word for word in pool(job)["containerSpec"]["args"])
    bench.server.secret = base64.b64encode(b"of secret manager\n").decode() if readable else None
    done = subprocess.run(
        [sys.executable, "-c", in_front(name) + "import os; print(os.environ['HF_TOKEN'])"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "GCE_METADATA_HOST": self_host(bench),
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": f"{bench.server.url}/",
        },
    )
    assert (done.stdout == "of secret manager\n") is readable
    if not readable:
        assert done.returncode == 1
        assert "secretmanager.versions.access" in done.stdout
        assert '"stage": "token", "ok": false' in done.stdout


def self_host(bench: Bench) -> str:
    """Return host:port of the server."""
    return bench.server.url.removeprefix("http://")


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ((429, "RESOURCE_EXHAUSTED", QUOTA, ""), "vertex-gpu-quota-exceeded"),
        (
            (
                403,
                "PERMISSION_DENIED",
                "Permission 'aiplatform.customJobs.create' denied on resource "
                "'//aiplatform.googleapis.com/projects/some-project/locations/us-central1' (or it "
                "may not exist).",
                "IAM_PERMISSION_DENIED",
            ),
            "roles/aiplatform.user",
        ),
        (
            (
                400,
                "INVALID_ARGUMENT",
                "You do not have permission to act as service_account: a@b.iam.gserviceaccount.com."
                " (or it may not exist).",
                "",
            ),
            "gcp-service-account-actas-denied",
        ),
        (
            (
                403,
                "PERMISSION_DENIED",
                "Agent Platform API has not been used in project some-project before or it is "
                "disabled.",
                "SERVICE_DISABLED",
            ),
            "gcloud services enable aiplatform.googleapis.com",
        ),
        ((400, "INVALID_ARGUMENT", 'Machine type "g2-standard-4" is not supported.', ""), "g2-st"),
    ],
)
def test_a_refused_job_leaves_nothing_and_says_why(bench: Bench, refusal: Any, told: str) -> None:
    bench.vertex.refuse = refusal
    code, _, err = bench.run(*AGREED)
    assert code == 4
    assert told in err
    assert not bench.state.exists()


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        (STOCKOUT, "vertex-capacity-insufficient"),
        ("Internal error occurred for the current attempt.", "vertex-internal-error"),
        (QUOTA, "vertex-gpu-quota-exceeded"),
    ],
)
def test_what_is_not_the_jobs_fault_is_no_verdict(bench: Bench, message: str, rule: str) -> None:
    bench.vertex.log, bench.vertex.message = [], message
    bench.vertex.states = ["QUEUED", "PENDING", "FAILED"]
    code, out, _ = bench.run(*AGREED)
    assert code == 4
    assert "NO VERDICT" in out
    assert rule in out
    assert len(bench.vertex.submitted) == 1
    assert not bench.state.exists()


@pytest.mark.parametrize(("machine", "exit_code"), [("g2-standard-32", 4), ("g2-standard-4", 1)])
def test_less_host_memory_than_the_jobs_own_says_nothing(
    bench: Bench, machine: str, exit_code: int
) -> None:
    (bench.folder / "job.yaml").write_text(
        "workerPoolSpecs:\n"
        f"- machineSpec: {{machineType: {machine}, acceleratorType: NVIDIA_L4, "
        "acceleratorCount: 1}\n"
        "  replicaCount: 1\n"
        "  containerSpec: {imageUri: us-docker.pkg.dev/p/r/i:1, command: [python, train.py]}\n"
    )
    bench.vertex.log, bench.vertex.states = bench.vertex.log[:1], ["RUNNING", "FAILED"]
    bench.vertex.message = (
        "Replicas low on memory: workerpool0. Specify a machine with larger memory and try again."
    )
    code, out, _ = bench.run("job.yaml", *AGREED)
    assert code == exit_code, out
    assert (f"--gpu {machine}" in out) is (exit_code == 4)


def test_a_preempted_spot_run_is_no_verdict(bench: Bench) -> None:
    bench.vertex.log = bench.vertex.log[:1]
    bench.vertex.message = (
        "Resources are insufficient in region: us-central1 (STOCKOUT). The replica was preempted."
    )
    bench.vertex.states = ["RUNNING", "RUNNING", "FAILED"]
    code, out, _ = bench.run("--spot", *AGREED)
    assert code == 4, out
    assert "NO VERDICT" in out


def test_an_image_that_may_not_be_pulled_fails(bench: Bench) -> None:
    bench.vertex.log, bench.vertex.states = [], ["PENDING", "FAILED"]
    bench.vertex.message = (
        "Vertex AI Service Agent service-424242@gcp-sa-aiplatform-cc.iam.gserviceaccount.com does "
        "not have permission to access Artifact Registry repository "
        "projects/some-project/locations/us/repositories/images."
    )
    code, out, _ = bench.run(*AGREED)
    assert code == 1, out
    assert "FAILS" in out
    assert "image-pull-denied" in out


def test_a_time_limit_of_the_platform_is_no_verdict(bench: Bench) -> None:
    bench.vertex.log = bench.vertex.log[:1]
    bench.vertex.states = ["RUNNING"] * 40 + ["CANCELLED"]
    code, out, _ = bench.run("--timeout", "1", *AGREED)
    assert code == 4
    assert "NO VERDICT" in out
    assert "time limit of 1 s was reached" in out


def test_a_job_cancelled_on_the_console_is_no_verdict(bench: Bench) -> None:
    bench.vertex.log, bench.vertex.states = bench.vertex.log[:1], ["RUNNING", "CANCELLED"]
    code, out, _ = bench.run(*AGREED)
    assert code == 4
    assert "cancelled" in out


def test_late_lines_are_waited_for(bench: Bench) -> None:
    bench.vertex.log_late = 6
    code, out, err = bench.run(*AGREED)
    assert code == 0, out + err


def test_a_job_that_stays_in_the_queue_is_given_up(bench: Bench) -> None:
    bench.vertex.states, bench.vertex.log = ["QUEUED"], []
    code, out, _ = bench.run("--queue-timeout", "1", *AGREED)
    assert code == 4
    assert "not started within 1 s" in out
    assert bench.vertex.alive() == []
    assert not bench.state.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_the_job(bench: Bench, number: signal.Signals) -> None:
    bench.vertex.states, bench.vertex.log = ["PENDING", "RUNNING"], bench.vertex.log[:1]
    process = bench.start(*AGREED)
    bench.looked()
    process.send_signal(number)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "it is cancelled" in err
    assert "NO VERDICT" in out
    assert bench.vertex.alive() == []
    assert not bench.state.exists()


def test_a_signal_before_the_answer_cancels_too(bench: Bench) -> None:
    bench.vertex.states, bench.vertex.slow, bench.vertex.log = ["RUNNING"], 1.0, []
    process = bench.start(*AGREED)
    end = time.monotonic() + 60
    while not bench.vertex.submitted:
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert len(bench.vertex.submitted) == 1
    assert bench.vertex.alive() == []
    assert not bench.state.exists()


@pytest.mark.parametrize("no_labels", [False, True])
def test_a_lost_answer_is_found_and_ended(bench: Bench, no_labels: bool) -> None:
    bench.vertex.lose_answer, bench.vertex.states = True, ["RUNNING"]
    bench.vertex.no_labels = no_labels
    code, _, err = bench.run(*AGREED)
    assert code == 4
    assert "found and is cancelled" in err
    assert len(bench.vertex.submitted) == 1
    assert bench.vertex.alive() == []
    assert not bench.state.exists()


def test_an_error_of_the_server_may_have_made_a_job(bench: Bench) -> None:
    bench.vertex.refuse = (503, "UNAVAILABLE", "The service is currently unavailable.", "")
    code, _, err = bench.run(*AGREED)
    assert code == 4
    assert "no job of this run is seen" in err
    assert bench.state.exists()
    assert bench.vertex.submitted == []
    code, _, err = bench.run("--cancel", gpu="")
    assert code == 0
    assert "no job of this run was ever started" in err
    assert not bench.state.exists()


def test_a_killed_terminal_can_resume_or_cancel(bench: Bench) -> None:
    bench.vertex.states = ["RUNNING"]
    process = bench.start(*AGREED)
    bench.looked()
    process.kill()
    process.communicate()
    assert bench.state.exists()
    code, _, err = bench.run(*AGREED)
    assert code == 2
    assert "--resume" in err
    assert len(bench.vertex.submitted) == 1
    bench.vertex.states = ["SUCCEEDED"]
    code, out, err = bench.run("--resume", gpu="")
    assert code == 0, err
    assert "smoke: WORKS" in out
    assert not bench.state.exists()


def test_a_cut_network_keeps_the_run_for_cancel(bench: Bench) -> None:
    bench.vertex.states, bench.vertex.log = ["RUNNING"], bench.vertex.log[:1]
    process = bench.start(*AGREED)
    bench.looked()
    bench.vertex.cut = True
    out, err = process.communicate(timeout=90)
    assert process.returncode == 4, err
    assert "may still be running" in " ".join(out.split())
    assert bench.state.exists()
    assert bench.run("--cancel", gpu="")[0] == 4
    assert bench.state.exists()
    bench.vertex.cut = False
    code, _, err = bench.run("--cancel", gpu="")
    assert code == 0
    assert "cancelled" in err
    assert bench.vertex.alive() == []
    assert not bench.state.exists()


def test_a_short_cut_is_survived(bench: Bench) -> None:
    bench.vertex.states = ["RUNNING"]
    process = bench.start(*AGREED)
    bench.looked()
    bench.vertex.cut = True
    time.sleep(0.5)
    bench.vertex.states, bench.vertex.cut = ["SUCCEEDED"], False
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "WORKS" in out


def test_a_cancel_that_is_not_done_is_told(bench: Bench) -> None:
    bench.vertex.states, bench.vertex.log, bench.vertex.deaf = ["RUNNING"], [], True
    process = bench.start(*AGREED)
    bench.looked()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "ftdoctor smoke --cancel" in " ".join(out.split())
    assert bench.state.exists()


def test_over_grpc_it_is_the_same(bench: Bench) -> None:
    with VertexGrpc(bench.vertex) as server:
        bench.endpoint = server.target
        code, out, err = bench.run(*AGREED)
        assert code == 0, out + err
        assert "smoke: WORKS" in out
        bench.vertex.refuse = (429, "RESOURCE_EXHAUSTED", QUOTA, "")
        code, _, err = bench.run(*AGREED)
        assert code == 4
        assert "vertex-gpu-quota-exceeded" in err
        assert not bench.state.exists()
        bench.vertex.refuse, bench.vertex.states = None, ["RUNNING"]
        bench.vertex.looks.clear()
        bench.vertex.log = bench.vertex.log[:1]
        process = bench.start(*AGREED)
        bench.looked()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 4, err
        assert bench.vertex.alive() == []
        assert len(bench.vertex.submitted) == 2


#: 200 take minutes; CI takes a sample, FTDOCTOR_INTERRUPTIONS=200 takes them all.
MANY = int(os.environ.get("FTDOCTOR_INTERRUPTIONS", "15"))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("times", [4, pytest.param(MANY, marks=pytest.mark.slow)])
def test_random_interruptions_leave_nothing_running(bench: Bench, times: int) -> None:
    chance = random.Random(7)
    bench.vertex.states, bench.vertex.slow = ["QUEUED", "PENDING", "RUNNING"], 0.2
    for _ in range(times):
        before = len(bench.vertex.submitted)
        process = bench.start(*AGREED)
        time.sleep(chance.uniform(0.3, 4.0))
        process.send_signal(chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
        process.communicate(timeout=90)
        assert len(bench.vertex.submitted) - before <= 1
        assert bench.vertex.alive() == []
        assert not bench.state.exists()
    assert bench.vertex.submitted


@pytest.mark.slow
def test_two_machines_really_run_together(bench: Bench) -> None:
    bench.vertex.execute = True
    code, out, err = bench.run("--nodes", "2", *AGREED, gpu="cpu", token="")
    assert code == 0, out + err
    assert "smoke: WORKS" in out
    assert "allreduce" in out
    assert len(bench.vertex.processes) == 2


@pytest.mark.slow
def test_the_inline_payload_really_runs(bench: Bench) -> None:
    bench.vertex.execute = True
    code, out, err = bench.run(*AGREED, gpu="cpu", token="")
    assert code == 0, out + err
    assert "smoke: WORKS" in out
    assert "train" in out
