"""What a run on Vertex AI asks for: the job, its price, its token; nothing without a yes."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys

import pytest
from tests.smoke.vertex_bench import AGREED, TOKEN, Bench, bench, pool, variables

__all__ = ["bench"]


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


def test_the_job_is_taken_over(bench: Bench) -> None:
    (bench.folder / "job.yaml").write_text(
        """\
workerPoolSpecs:
- machineSpec: {machineType: g2-standard-12, acceleratorType: NVIDIA_L4, acceleratorCount: 1}
  replicaCount: 1
  diskSpec: {bootDiskType: pd-ssd, bootDiskSizeGb: 1100}
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
    assert pool(sent)["diskSpec"] == {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 1100}
    assert "$0.20 at most" in err  # ten minutes, with 1000 GB of disk more
    assert spec["scheduling"]["strategy"] == "SPOT"
    assert variables(sent)["NCCL_DEBUG"] == "INFO"
    assert "HF_TOKEN" not in variables(sent)
    assert "as spot about" in err


def test_without_a_name_the_gpu_is_the_jobs_own(bench: Bench) -> None:
    (bench.folder / "job.yaml").write_text(
        "workerPoolSpecs:\n"
        "- machineSpec: {machineType: g2-standard-24, acceleratorType: NVIDIA_L4, "
        "acceleratorCount: 2}\n"
        "  replicaCount: 1\n"
        "  containerSpec: {imageUri: us-docker.pkg.dev/p/r/i:1, command: [python, train.py]}\n"
        "scheduling: {strategy: SPOT}\n"
    )
    code, shown, err = bench.run("job.yaml", "--on", "vertex", "--dry-run", gpu="")
    assert code == 0, err
    assert pool(json.loads(shown))["machineSpec"] == {
        "machineType": "g2-standard-4",
        "acceleratorType": "NVIDIA_L4",
        "acceleratorCount": 1,
    }
    assert "the job is SPOT" in err


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
        ((*AGREED, "--price", "nan"), "--price nan"),
        ((*AGREED, "--price", "0"), "--price 0"),
        ((*AGREED, "--queue-timeout", "inf"), "--queue-timeout inf"),
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


def test_a_machine_without_a_price_needs_one(bench: Bench) -> None:
    code, _, err = bench.run(*AGREED, gpu="8xb200")
    assert code == 2
    assert "--price" in err
    code, _, err = bench.run(*AGREED, "--region", "us-south9")
    assert code == 2
    assert "us-south9 is not among the regions" in err
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


@pytest.mark.parametrize("own", [True, False])
def test_a_login_goes_to_this_machine_only_when_it_is_of_this_machine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    login = {
        "type": "authorized_user",
        "client_id": "a",
        "client_secret": "b",
        "refresh_token": "c",
        "token_uri": f"{bench.server.url}/token" if own else "https://oauth2.googleapis.com/token",
    }
    (bench.folder / "login.json").write_text(json.dumps(login))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(bench.folder / "login.json"))
    code, out, err = bench.run(*AGREED)
    assert code == 0, out + err
    assert bench.vertex.logins == ({"Bearer of-the-caller"} if own else {""})
