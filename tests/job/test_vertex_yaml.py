"""Vertex AI specs in YAML and JSON."""

from __future__ import annotations

import json

import pytest
from tests.job.shell_helpers import job, jobs, shown, words, written_at

from ftdoctor.job.read import read_text

SPEC = """\
workerPoolSpecs:
  - machineSpec:
      machineType: g2-standard-8
      acceleratorType: NVIDIA_L4
      acceleratorCount: "1"
    replicaCount: 1
    diskSpec: {bootDiskType: pd-ssd, bootDiskSizeGb: 200}
    containerSpec:
      imageUri: us-docker.pkg.dev/team/train/img:3
      command: ["bash", "-c"]
      args:
        - |
          set -e
          pip install "trl==1.16.0"

          trl sft --model_name_or_path Qwen/Qwen3-0.6B --output_dir $OUT
      env:
        - name: OUT
          value: '/gcs/b/out'
        - name: STEPS
          value: 10
scheduling:
  timeout: 7200s
  strategy: SPOT
baseOutputDirectory: {outputUriPrefix: "gs://b/o"}
serviceAccount: t@p.iam.gserviceaccount.com
"""


def test_every_value_with_its_place() -> None:
    found = job("job.yaml", SPEC)
    pool = found.pools[0]
    assert (found.platform, found.form) == ("vertex", "vertex-yaml")
    assert shown(pool.machine_type) == "g2-standard-8"
    assert shown(pool.accelerator_count) == 1
    assert written_at(SPEC, pool.accelerator_count and pool.accelerator_count.place) == '"1"'
    assert shown(pool.boot_disk_gb) == 200
    assert shown(found.timeout) == 7200
    assert shown(found.strategy) == "SPOT"
    assert shown(found.base_output_dir) == "gs://b/o"
    assert written_at(SPEC, pool.env["OUT"].place) == "'/gcs/b/out'"
    assert written_at(SPEC, pool.env_places["OUT"]) == "OUT"
    assert [path for path, _, _ in found.extra["not_text"]] == [
        "workerPoolSpecs[0].containerSpec.env[1].value"
    ]
    assert found.unread_keys == []
    assert pool.unread_keys == []


def test_the_script_of_a_container() -> None:
    found = job("job.yaml", SPEC)
    assert [words(s)[0] for s in found.steps] == ["set", "pip", "trl"]
    assert all(s.guarded for s in found.steps[1:])
    assert [(r.name, r.specifier) for r in found.requirements] == [("trl", "==1.16.0")]
    assert written_at(SPEC, found.requirements[0].place) == '"trl==1.16.0"'
    training = found.trainings[0]
    assert shown(training.model) == "Qwen/Qwen3-0.6B"
    # $OUT is the container's own variable, and is followed.
    assert shown(training.arguments["output_dir"]) == "/gcs/b/out"
    assert found.steps[2].place.line == 16


@pytest.mark.parametrize(
    ("text", "nested", "form", "unread"),
    [
        ("displayName: x\njobSpec:\n" + SPEC.replace("\n", "\n  ").replace("workerPool", "  workerPool", 1), "jobSpec", "vertex-yaml", {"displayName", "jobSpec"}),
        ("studySpec: {}\ntrialJobSpec:\n" + SPEC.replace("\n", "\n  ").replace("workerPool", "  workerPool", 1), "trialJobSpec", "tuning", set()),
    ],
)  # fmt: skip
def test_nested_specs(text: str, nested: str, form: str, unread: set[str]) -> None:
    found = job("job.yaml", text)
    assert found.extra["nested"] == nested
    assert found.form == form
    assert {key for key, _ in found.unread_keys} == unread
    assert shown(found.pools[0].machine_type) == "g2-standard-8"


def test_snake_case_is_read_and_listed() -> None:
    text = "worker_pool_specs:\n- machine_spec: {machine_type: a}\n  replica_count: 1\n"
    found = job("job.yaml", text)
    assert [key for key, _ in found.unread_keys] == ["worker_pool_specs"]
    assert [key for key, _ in found.pools[0].unread_keys] == [
        "worker_pool_specs[0].machine_spec",
        "worker_pool_specs[0].replica_count",
        "worker_pool_specs[0].machine_spec.machine_type",
    ]
    assert shown(found.pools[0].machine_type) == "a"


@pytest.mark.parametrize(
    "env",
    ["env: {A: x, B: y}", "env:\n      - A: x\n      - B: y"],
)
def test_env_written_as_mapping(env: str) -> None:
    found = job(
        "j.yaml",
        f"workerPoolSpecs:\n- replicaCount: 1\n  containerSpec:\n    imageUri: i\n    {env}\n",
    )
    assert {name: shown(value) for name, value in found.pools[0].env.items()} == {
        "A": "x",
        "B": "y",
    }
    assert found.extra["env_as_mapping"]


def test_templates_are_tolerated_and_their_values_unknown() -> None:
    text = """\
    {% if gpu %}
    workerPoolSpecs:
      - machineSpec: {machineType: "{{ machine }}", acceleratorCount: ${N}}
        replicaCount: 1
        containerSpec:
          imageUri: REGION-docker.pkg.dev/<YOUR_PROJECT>/r/i
          command: [sh, -c, "echo ${HOME} $X && run"]
          env: [{name: A, value: {{ a }}}, {name: B, value: ${B}}]
    {% endif %}
    """
    pool = job("job.yaml.j2", text).pools[0]
    assert shown(pool.machine_type) == "?{{ machine }}"
    assert shown(pool.accelerator_count) == "?${N}"
    # A placeholder in words is what will be sent unless somebody replaces it.
    assert shown(pool.image) == "REGION-docker.pkg.dev/<YOUR_PROJECT>/r/i"
    assert shown(pool.env["A"]) == "?{{ a }}"
    assert shown(pool.env["B"]) == "?${B}"
    assert written_at(text, pool.env["B"].place) == "${B}"


def test_anchors_and_merges() -> None:
    text = """\
    workerPoolSpecs:
      - &pool
        machineSpec: &m {machineType: n1-standard-4}
        replicaCount: 1
        containerSpec: {imageUri: a}
      - <<: *pool
        replicaCount: 2
    """
    found = job("j.yaml", text)
    assert [shown(p.machine_type) for p in found.pools] == ["n1-standard-4", "n1-standard-4"]
    assert shown(found.pools[1].replica_count) == 2


def test_json() -> None:
    spec = {"displayName": "d", "jobSpec": {"workerPoolSpecs": [{"machineSpec": {"machineType": "x"}, "replicaCount": "1", "containerSpec": {"imageUri": "i"}}]}}  # fmt: skip
    found = job("job.json", json.dumps(spec))
    assert found.form == "vertex-json"
    assert shown(found.display_name) == "d"
    assert found.unread_keys == []


@pytest.mark.parametrize(
    "text",
    ["workerPoolSpecs: [", "workerPoolSpecs:\n  - a: b: c", "workerPoolSpecs:\n- {machineSpec: {"],
)
def test_a_broken_file_is_one_line(text: str) -> None:
    reading = read_text(text, "job.yaml")
    assert reading.jobs == []
    assert [u.what for u in reading.passed_over] == ["broken"]
    assert reading.passed_over[0].place is not None


@pytest.mark.parametrize(
    "text", ["a: 1\n", "- b\n", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: x}]}\n", ""]
)
def test_other_yaml_is_no_job(text: str) -> None:
    assert jobs("x.yaml", text) == []


def test_deep_nesting_ends() -> None:
    for text in (
        "workerPoolSpecs: " + "[" * 100_000,
        "workerPoolSpecs:\n" + "- " * 100_000,
        "workerPoolSpecs: " + "{a: " * 50_000,
    ):
        assert read_text(text, "x.yaml").jobs == []


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ('["sh", "-c", \'exec trl sft "$@"\', "--"]', '["--model_name_or_path=a/b"]', ["trl", "sft", "--model_name_or_path=a/b"]),
        ('["/bin/bash", "-euo", "pipefail", "-c", "run x"]', "[]", ["run", "x"]),
        ('["bash", "-lc"]', '["uv run train.py --lr 1"]', ["uv", "run", "train.py", "--lr", "1"]),
        ("[]", '["python", "-m", "pkg.train"]', ["python", "-m", "pkg.train"]),
        ('["accelerate", "launch", "t.py"]', '["--a"]', ["accelerate", "launch", "t.py", "--a"]),
    ],
)  # fmt: skip
def test_command_and_args(command: str, args: str, expected: list[str]) -> None:
    text = f"workerPoolSpecs:\n- replicaCount: 1\n  containerSpec:\n    imageUri: i/j\n    command: {command}\n    args: {args}\n"
    found = job("j.yaml", text)
    assert words(found.steps[-1]) == expected
