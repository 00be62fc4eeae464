"""How runs on Vertex AI end, with Google's real clients, as processes of their own."""

from __future__ import annotations

import signal
import socket
import time
from typing import Any

import pytest
from tests.emulators.vertex_grpc import VertexGrpc
from tests.smoke.vertex_bench import AGREED, Bench, bench

__all__ = ["bench"]

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


def test_a_fault_fails_with_its_rule(bench: Bench) -> None:
    bench.vertex.log, bench.vertex.states = FAULT, ["RUNNING", "FAILED"]
    code, out, _ = bench.run(*AGREED)
    assert code == 1
    assert "sftconfig-max-seq-length-renamed" in out


def test_without_a_login_nothing_is_begun(bench: Bench) -> None:
    bench.endpoint = ""
    code, _, err = bench.run(*AGREED)
    assert code == 4
    assert "gcloud auth application-default login" in err
    assert not bench.state.exists()


def test_a_log_that_may_not_be_read_is_not_paid_for(bench: Bench) -> None:
    bench.vertex.no_logs = True
    code, _, err = bench.run(*AGREED)
    assert code == 4
    assert "roles/logging.viewer" in err
    assert bench.vertex.submitted == []
    assert not bench.state.exists()


def test_where_nothing_listens_nothing_is_begun(bench: Bench) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        bench.endpoint = f"http://127.0.0.1:{held.getsockname()[1]}"
    code, _, err = bench.run(*AGREED)
    assert code == 4
    assert "could not be reached" in err
    assert not bench.state.exists()


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


@pytest.mark.parametrize(
    ("status", "words", "exit_code"),
    [(143, (), 4), (137, ("--spot",), 4), (137, (), 1), (1, (), 4), (139, (), 1)],
)
def test_a_process_that_ends_without_a_word(
    bench: Bench, status: int, words: tuple, exit_code: int
) -> None:
    # Asked to end: nothing. Killed: the job, but for a spot machine. 1: its log did not come.
    bench.vertex.log = bench.vertex.log[:1]
    bench.vertex.message = (
        f"The replica workerpool0-0 exited with a non-zero status of {status}. "
        "Termination reason: Error."
    )
    bench.vertex.states = ["RUNNING", "FAILED"]
    code, out, _ = bench.run(*words, *AGREED)
    assert code == exit_code, out


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
