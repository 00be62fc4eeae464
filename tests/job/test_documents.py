"""Documents, docstrings, and the other places where a job stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.job.shell_helpers import job, jobs, shown, words, written_at

from ftdoctor.job.read import read

DOCUMENTS = Path(__file__).resolve().parents[2] / "fixtures" / "jobs" / "documents"


def test_yaml_and_command_of_a_course_are_one_job() -> None:
    found = read([DOCUMENTS / "course-vertex-yaml.md"]).jobs
    assert [j.form for j in found] == ["vertex-yaml"]
    lesson = found[0]
    text = (DOCUMENTS / "course-vertex-yaml.md").read_text()
    assert shown(lesson.region) == "europe-west4"
    assert shown(lesson.pools[0].machine_type) == "g2-standard-4"
    assert written_at(text, lesson.pools[0].env["HF_TOKEN"].place) == "<YOUR_HF_TOKEN>"
    # The training is not tied to the copy behind it.
    assert (words(lesson.steps[-2])[:2], lesson.steps[-2].joined) == (["uv", "run"], "\n")
    assert written_at(text, lesson.steps[-1].argv[0].place) == "gsutil"
    assert {u.what for u in lesson.unread} == {"cloned code", "module lab.train"}


def test_indented_python_of_an_answer() -> None:
    found = read([DOCUMENTS / "answer-vertex-python.txt"]).jobs
    assert [shown(j.display_name) for j in found] == ["mistral-sft", "medical-sft"]
    assert shown(found[1].trainings[0].model) == "google/txgemma-2b-predict"
    assert shown(found[1].pools[0].env["HF_TOKEN"]) == "hf_xxx"


def test_a_call_gets_the_script_that_the_notes_show() -> None:
    found = read([DOCUMENTS / "notes-hf-jobs.md"]).jobs
    assert [j.form for j in found] == ["hf-jobs-call"]
    assert shown(found[0].flavor) == "a10g-large"
    assert shown(found[0].trainings[0].model) == "google/gemma-3-12b-it"
    assert {r.name for r in found[0].requirements} == {"trl", "peft", "bitsandbytes"}


def test_a_list_of_packages() -> None:
    found = read([DOCUMENTS / "question-workbench.md"]).jobs
    assert [(r.name, r.specifier) for r in found[0].requirements] == [
        ("transformers", "==4.29.2"),
        ("torch", "==2.0.1+cu118"),
        ("datasets", "==2.14.4"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Run `hf jobs ps` to see them.\n",
        "Run `hf jobs uv run` with a flavor.\n",
        "```diff\n- hf jobs uv run a.py\n+ hf jobs uv run b.py\n```\n",
        "```text\ntrl sft is running\n```\n",
        "```\ntrl sft has finished\n```\n",
        "Don't do this:\n\n```bash\nhf jobs uv run --flavor l4 a.py\n```\n",
        "```bash\n# WRONG\nhf jobs uv run --flavor l4 a.py\n```\n",
        "```bash\npip install trl\npython train.py\n```\n",
        "```yaml\nworkerPoolSpecs: ...\n  - {...\n```\n",
        "```python\nconfig = SFTConfig(max_length=10, ...)\n```\n",
        "```console\n$ gcloud ai custom-jobs list\nID: 1\n```\n",
    ],
)
def test_what_is_no_job(text: str) -> None:
    assert jobs("README.md", text) == []


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("```bash", "```"),
        ("~~~sh", "~~~"),
        ("```{code-block} bash\n:linenos:", "```"),
        ("```", "```"),
    ],
)
def test_fences(opening: str, closing: str) -> None:
    text = f"# T\n\n{opening}\nhf jobs run --flavor l4x1 \\\n  img cmd\n{closing}\n"
    found = job("README.md", text)
    assert written_at(text, found.flavor and found.flavor.place) == "l4x1"


def test_blocks_in_lists_prompts_and_directives() -> None:
    text = "1. Go\n\n   ```console\n   $ hf jobs run --flavor l4x1 \\\n   >   img cmd\n   Job started\n   $ hf jobs ps\n   ```\n"
    found = job("README.md", text)
    assert written_at(text, found.flavor and found.flavor.place) == "l4x1"
    assert words(found.steps[0]) == ["cmd"]
    rst = "Title\n=====\n\n.. code-block:: bash\n\n   hf jobs run --flavor l4x1 img cmd\n\nText\n"
    assert shown(job("doc.rst", rst).flavor) == "l4x1"


def test_variables_hold_across_blocks() -> None:
    text = "```bash\nexport F=l4x1\n```\n\ntext\n\n```bash\nhf jobs run --flavor $F img cmd\n```\n"
    assert shown(job("README.md", text).flavor) == "l4x1"


def test_a_file_that_is_there_is_read_instead_of_its_picture() -> None:
    spec = "workerPoolSpecs:\n- machineSpec: {machineType: MACHINE}\n  replicaCount: 1\n  containerSpec: {imageUri: i/j, args: [a]}\n"
    text = f"`job.yaml`:\n\n```yaml\n{spec.replace('MACHINE', 'old')}```\n\n```sh\ngcloud ai custom-jobs create --region=r --config=job.yaml\n```\n"
    assert shown(job("README.md", text).pools[0].machine_type) == "old"
    with_file = job("README.md", text, {"job.yaml": spec.replace("MACHINE", "new")})
    assert shown(with_file.pools[0].machine_type) == "new"


def test_a_docstring_launches_its_script() -> None:
    text = '''\
    # /// script
    # dependencies = ["trl"]
    # ///
    """Train.

        hf jobs uv run --flavor l4x1 --timeout 2h \\\\
            -s HF_TOKEN \\\\
            https://huggingface.co/x/raw/main/train.py --lr 1
    """
    from trl import SFTConfig, SFTTrainer

    SFTTrainer(model="a/b", args=SFTConfig(output_dir="o")).train()
    '''
    found = job("train.py", text)
    assert found.form == "hf-jobs-cli"
    assert shown(found.flavor) == "l4x1"
    assert shown(found.timeout) == 7200
    assert shown(found.trainings[0].model) == "a/b"
    assert [r.name for r in found.requirements] == ["trl"]
    assert [shown(v) for v in found.scripts[0].args] == ["--lr", "1"]


def test_a_docstring_about_another_script_is_not_ours() -> None:
    text = '"""See hf jobs uv run --flavor l4x1 other.py\n\nhf jobs uv run --flavor l4x1 other.py\n"""\nprint(1)\n'
    assert jobs("train.py", text) == []


def test_cells_and_calls_shown_in_a_document() -> None:
    text = "```python\n%pip install -q trl\n!hf jobs run --flavor l4x1 img cmd\n# hf jobs run --flavor t4-small img cmd\n```\n"
    assert shown(job("README.md", text).flavor) == "l4x1"
    text = '```json\nhf_jobs("uv", {"script": "https://x.y/z.py", "flavor": "l4x1"})\n```\n'
    assert job("README.md", text).form == "hf-jobs-call"


def test_actions() -> None:
    text = """\
    on: push
    env: {REGION: us-central1}
    jobs:
      go:
        runs-on: ubuntu-latest
        steps:
          - uses: actions/checkout@v4
          - run: |
              cat > j.yaml <<E
              workerPoolSpecs:
              - machineSpec: {machineType: g2-standard-4}
                replicaCount: 1
                containerSpec: {imageUri: "${{ secrets.IMAGE }}", args: [a]}
              E
          - env: {N: "${{ github.sha }}"}
            run: gcloud ai custom-jobs create --region=$REGION --display-name=$N --config=j.yaml
    """
    found = job(".github/workflows/train.yml", text)
    assert shown(found.region) == "us-central1"
    assert found.display_name is not None
    assert "github.sha" in found.display_name.unknown
    assert shown(found.pools[0].machine_type) == "g2-standard-4"
    assert found.pools[0].image is not None
    assert not found.pools[0].image.known


def test_makefile() -> None:
    text = "R := us-central1\nM ?= a/b\n\nsubmit:\n\t@gcloud ai custom-jobs create \\\n\t  --region=$(R) --worker-pool-spec=machine-type=m,container-image-uri=i/j\nlocal:\n\ttrl sft --model_name_or_path $(M) --output_dir $$HOME/o\n"
    cloud, local = jobs("Makefile", text)
    assert shown(cloud.region) == "us-central1"
    model = local.trainings[0].model
    assert model is not None
    assert model.default == "a/b"


def test_powershell() -> None:
    text = '$Region = "us-central1"\n@"\nworkerPoolSpecs:\n- machineSpec: {machineType: m}\n  replicaCount: 1\n  containerSpec: {imageUri: i/j, args: [a]}\n"@ | Out-File -FilePath j.yaml\ngcloud ai custom-jobs create `\n  --region=$Region `\n  --config=j.yaml\n'
    found = job("run.ps1", text)
    assert shown(found.region) == "us-central1"
    assert shown(found.pools[0].machine_type) == "m"


def test_terraform() -> None:
    text = """\
    variable "region" { default = "us-central1" }
    locals { image = "i/j" }
    resource "google_vertex_ai_custom_job" "x" {
      region = var.region
      job_spec {
        worker_pool_specs {
          machine_spec {
            machine_type = "g2-standard-4" # cheap
            accelerator_type = "NVIDIA_L4"
            accelerator_count = 1
          }
          container_spec {
            image_uri = local.image
            env {
              name = "A"
              value = "1"
            }
          }
        }
      }
    }
    """
    found = job("main.tf", text)
    pool = found.pools[0]
    assert found.region is not None
    assert (found.region.known, found.region.default) == (False, "us-central1")
    assert shown(pool.image) == "i/j"
    assert shown(pool.accelerator_count) == 1
    assert {k: shown(v) for k, v in pool.env.items()} == {"A": "1"}
    assert written_at(text, pool.machine_type and pool.machine_type.place) == '"g2-standard-4"'


def test_compiled_pipeline() -> None:
    text = """\
    deploymentSpec:
      executors:
        exec-train:
          container:
            image: python:3.10
            command: [sh, -c, 'pip install trl==0.9.6 && "$0" "$@"', python3]
            args: [--x, "1"]
            resources: {accelerator: {count: '1', type: NVIDIA_L4}}
        exec-other:
          container: {image: python:3.10, command: [echo, hi]}
    root: {dag: {tasks: {}}}
    schemaVersion: 2.1.0
    """
    found = job("pipeline.yaml", text)
    assert found.form == "kfp"
    assert shown(found.pools[0].accelerator_type) == "NVIDIA_L4"
    assert [(r.name, r.specifier) for r in found.requirements] == [("trl", "==0.9.6")]
