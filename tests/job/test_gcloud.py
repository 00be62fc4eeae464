"""gcloud commands in shell scripts, and the files that they name."""

from __future__ import annotations

import json

import pytest
from tests.job.shell_helpers import job, jobs, shown, words, written_at

from ftdoctor.paths import tables_dir

POOL = (
    "machine-type=g2-standard-4,replica-count=1,accelerator-type=NVIDIA_L4,container-image-uri=i/j"
)
SPEC = "workerPoolSpecs:\n- machineSpec: {machineType: a2-highgpu-1g}\n  replicaCount: 1\n  containerSpec: {imageUri: i/j, args: [a]}\n"


def test_flags_and_pools() -> None:
    text = f"""\
    IMAGE=i/j
    gcloud ai custom-jobs create \\
      --region=us-central1 --project my-project --display-name="a b" \\
      --worker-pool-spec={POOL} \\
      --worker-pool-spec=machine-type=n1-standard-4,\\
    replica-count=3,container-image-uri=$IMAGE \\
      --command=trl,sft --args=--model_name_or_path=a/b,--lr=1e-4 \\
      --labels=team=x --service-account=s@p.iam.gserviceaccount.com
    """
    found = job("run.sh", text)
    assert (found.platform, found.form) == ("vertex", "vertex-gcloud")
    assert shown(found.region) == "us-central1"
    assert shown(found.project) == "my-project"
    assert shown(found.display_name) == "a b"
    assert [shown(p.replica_count) for p in found.pools] == [1, 3]
    assert (
        written_at(text, found.pools[0].machine_type and found.pools[0].machine_type.place)
        == "g2-standard-4"
    )
    assert (
        written_at(text, found.pools[1].replica_count and found.pools[1].replica_count.place) == "3"
    )
    # One GPU is what gcloud sends when only the type is given.
    assert shown(found.pools[0].accelerator_count) == 1
    assert shown(found.pools[1].image) == "i/j"
    assert words(found.steps[-1]) == ["trl", "sft", "--model_name_or_path=a/b", "--lr=1e-4"]
    assert shown(found.trainings[0].model) == "a/b"
    assert {k: shown(v) for k, v in found.labels.items()} == {"team": "x"}
    assert found.extra["gcloud"].unknown == []


def test_what_gcloud_does_not_know() -> None:
    text = f"gcloud ai custom-jobs create --region=r --display-name=d --worker-pool-spec={POOL},env=A --env-vars=A=1 stray\n"
    command = job("run.sh", text).extra["gcloud"]
    assert [name for name, _ in command.unknown] == ["--env-vars"]
    assert [name for name, _ in command.pool_keys] == ["env"]
    assert [name for name, _ in command.stray] == ["stray"]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ("--args=a,b", ["a", "b"]),
        ("--args='^;^a,b;c'", ["a,b", "c"]),
        ('--args="--x 1 --y 2"', ["--x 1 --y 2"]),
        ('--args="$A"', ["?$A"]),
        ("--args=a --args=b", ["a", "b"]),
    ],
)
def test_lists(args: str, expected: list[str]) -> None:
    found = job("run.sh", f"gcloud ai custom-jobs create --worker-pool-spec={POOL} {args}\n")
    assert [shown(v) for v in found.pools[0].args] == expected


def test_the_file_of_config() -> None:
    text = "REGION=us-east4\ngcloud ai custom-jobs create --region=$REGION --config=job.yaml --args=b\n"
    found = job("run.sh", text, {"job.yaml": SPEC})
    assert found.form == "vertex-yaml"
    assert shown(found.region) == "us-east4"
    assert found.source.path == "job.yaml"
    # Flags win over the file.
    assert [shown(v) for v in found.pools[0].args] == ["b"]


def test_a_heredoc_is_the_file_and_the_shell_fills_it_in() -> None:
    text = """\
    MACHINE=a2-highgpu-1g
    cat <<EOF > /tmp/job.yaml
    workerPoolSpecs:
      - machineSpec: {machineType: $MACHINE, acceleratorType: ${GPU}}
        replicaCount: 1
        containerSpec:
          imageUri: i/j
          command: [bash, -c]
          args:
            - |
              pip install trl
              run --token \\$HF_TOKEN
    EOF
    JOB=$(gcloud ai custom-jobs create --config=/tmp/job.yaml --format='value(name)')
    """
    found = job("run.sh", text)
    pool = found.pools[0]
    assert shown(pool.machine_type) == "a2-highgpu-1g"
    assert shown(pool.accelerator_type) == "?${GPU}"
    assert pool.machine_type is not None
    assert pool.machine_type.place is not None
    assert pool.machine_type.place.line == 4
    assert words(found.steps[1]) == ["run", "--token", "?$HF_TOKEN"]
    assert found.steps[0].place.line == 11


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ("envsubst < t.yaml > job.yaml", "envsubst"),
        ("sed -e 's/MACHINE/x/' t.yaml > job.yaml", "sed"),
        (
            "cp t.yaml job.yaml; sed -i 's/MACHINE/x/g' t.yaml; envsubst < t.yaml > job.yaml",
            "envsubst",
        ),
    ],
)
def test_a_template_is_filled_in_later(made: str, reason: str) -> None:
    template = SPEC.replace("a2-highgpu-1g", "MACHINE" if "envsubst" not in made else "${MACHINE}")
    text = f"{made}\ngcloud ai custom-jobs create --region=r --config=job.yaml\n"
    pool = job("run.sh", text, {"t.yaml": template}).pools[0]
    assert pool.machine_type is not None
    assert not pool.machine_type.known
    assert reason in pool.machine_type.unknown


def test_what_is_appended_later_leaves_the_environment_open() -> None:
    text = f"cat > j.yaml <<'E'\n{SPEC}E\nprintf 'x' >> j.yaml\ngcloud ai custom-jobs create --config=j.yaml\n"
    assert job("run.sh", text).pools[0].env_open


@pytest.mark.parametrize("config", ["missing.yaml", "$CONFIG", "<(cat x | y)"])
def test_a_config_that_is_not_here_is_told(config: str) -> None:
    found = job("run.sh", f"gcloud ai custom-jobs create --region=r --config={config}\n")
    assert [u.what for u in found.unread] == ["job spec"]
    assert found.pools == []


@pytest.mark.parametrize(
    "text",
    [
        "gcloud ai custom-jobs list --region=r\n",
        "gcloud ai custom-jobs stream-logs 1\n",
        "gcloud ai models upload --region=r\n",
        "gcloud config set project x\n",
        "echo gcloud ai custom-jobs create\n",
        "# gcloud ai custom-jobs create --region=r\n",
    ],
)
def test_other_commands_are_no_job(text: str) -> None:
    assert jobs("run.sh", text) == []


def test_the_retired_service_is_seen_and_not_read() -> None:
    found = job("run.sh", "gcloud ai-platform jobs submit training x --region r\n")
    assert found.form == "other"
    assert found.unread


def test_a_local_package() -> None:
    text = "gcloud ai custom-jobs create --region=r --display-name=d --worker-pool-spec=machine-type=m,executor-image-uri=i,local-package-path=code,script=train.py,requirements='trl==1.0.0;peft' --args=--lr,1\n"
    found = job("run.sh", text, {"code/train.py": "print(1)\n"})
    assert [(r.name, r.specifier) for r in found.requirements] == [("trl", "==1.0.0"), ("peft", "")]
    assert [s.source.path for s in found.scripts] == ["code/train.py"]
    assert [shown(v) for v in found.scripts[0].args] == ["--lr", "1"]


def test_the_table_is_that_of_the_installed_gcloud() -> None:
    """Held against the real one where it is installed; its own form otherwise."""
    import shutil
    import subprocess
    import sys
    from pathlib import Path

    data = json.loads((tables_dir() / "gcloud_custom_jobs.json").read_text())
    assert data["commands"]["ai custom-jobs create"]["--worker-pool-spec"] == "value"
    assert data["worker_pool_spec"]["replica-count"] == "int"
    found = shutil.which("gcloud")
    root = Path(found).resolve().parents[1] if found else Path("/nonexistent")
    if not (root / "data/cli/gcloud_completions.py").exists():
        return
    tool = Path(__file__).resolve().parents[2] / "tools" / "gcloud_flags.py"
    code = f"import runpy, json; m = runpy.run_path({str(tool)!r}); r = m['root_of']({str(root)!r}); t = m['completion_tree'](r); print(json.dumps([m['flags_of'](t, m['COMMANDS']['ai custom-jobs create']), m['pool_keys'](r)]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    flags, keys = json.loads(done.stdout)
    assert flags == data["commands"]["ai custom-jobs create"]
    assert keys == data["worker_pool_spec"]
