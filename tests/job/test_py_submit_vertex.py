"""Python that submits Vertex AI jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job.py_submit import read
from ftdoctor.job.readenv import ReadEnv
from ftdoctor.job.source import Source

if TYPE_CHECKING:
    from ftdoctor.job.model import Job

INIT = (
    "import os\nfrom google.cloud import aiplatform\n"
    "aiplatform.init(project='p', location='us-central1', staging_bucket='gs://b')\n"
)


def jobs(code: str, folder: Any = None) -> list[Job]:
    path = str(folder / "submit.py") if folder is not None else "submit.py"
    return read(Source(path, code), ReadEnv.beside(path))


def job(code: str, folder: Any = None) -> Job:
    found = jobs(code, folder)
    assert len(found) == 1, found
    return found[0]


SPEC = """
specs = [{
    "machine_spec": {"machine_type": "g2-standard-12", "accelerator_type": "NVIDIA_L4",
                     "accelerator_count": 1},
    "replica_count": 1,
    "disk_spec": {"boot_disk_type": "pd-ssd", "boot_disk_size_gb": 300},
    "container_spec": {
        "image_uri": "gcr.io/p/i:1",
        "command": ["trl", "sft"],
        "args": ["--model_name_or_path=org/m", "--max_length=64"],
        "env": [{"name": "HF_TOKEN", "value": os.environ["HF_TOKEN"]}],
    },
}]
"""


def test_custom_job() -> None:
    found = job(
        INIT
        + SPEC
        + "j = aiplatform.CustomJob(display_name='n', worker_pool_specs=specs, labels={'a': 'b'})\n"
        "j.run(service_account='s@p', timeout=3600, restart_job_on_worker_restart=True,\n"
        "      scheduling_strategy=aiplatform.compat.types.custom_job.Scheduling.Strategy.SPOT)\n"
    )
    assert (found.platform, found.form, found.name) == ("vertex", "vertex-python", "n")
    assert found.region is not None
    assert found.region.value == "us-central1"
    assert found.timeout is not None
    assert found.timeout.value == 3600
    assert found.strategy is not None
    assert found.strategy.value == "SPOT"
    assert found.service_account is not None
    assert found.restart_on_worker_restart is not None
    assert found.labels["a"].value == "b"
    pool = found.pools[0]
    assert pool.machine_type is not None
    assert pool.machine_type.value == "g2-standard-12"
    assert pool.accelerator_count is not None
    assert pool.accelerator_count.value == 1
    assert pool.boot_disk_gb is not None
    assert pool.boot_disk_gb.value == 300
    assert not pool.env["HF_TOKEN"].known
    place = pool.env_places["HF_TOKEN"]
    assert place.line == 14
    assert found.trainings[0].model is not None
    assert found.trainings[0].model.value == "org/m"
    assert found.unread_keys == []
    assert pool.unread_keys == []


def test_container_training_job_with_workers() -> None:
    found = job(
        INIT
        + "job = aiplatform.CustomContainerTrainingJob(display_name='t', container_uri='gcr.io/p/i',\n"
        "    command=['sh', '-c', 'exec trl sft \"$@\"', '--'])\n"
        "args = ['--model_name_or_path=org/m']\n"
        "job.submit(args=args, replica_count=3, machine_type='a2-highgpu-1g',\n"
        "    accelerator_type='NVIDIA_TESLA_A100', accelerator_count=1, base_output_dir='gs://b/o',\n"
        "    environment_variables={'HF_TOKEN': 'x', 'N': 1})\n"
    )
    assert [p.replica_count.value for p in found.pools if p.replica_count] == [1, 2]
    assert found.pools[1].env.keys() == {"HF_TOKEN", "N"}
    assert found.base_output_dir is not None
    assert [item[0] for item in found.extra["not_text"]] == ["environment_variables.N"]
    assert found.trainings[0].model is not None
    assert found.trainings[0].model.value == "org/m"


def test_local_script_and_its_requirements(tmp_path: Any) -> None:
    (tmp_path / "task.py").write_text(
        "from trl import SFTTrainer, SFTConfig\nSFTTrainer(model='org/m', args=SFTConfig('o'))\n"
    )
    code = (
        INIT + "aiplatform.CustomJob.from_local_script(display_name='d', script_path='task.py',\n"
        "  container_uri='gcr.io/p/i', requirements=['trl==0.9.6'], args=['--x', '1'],\n"
        "  machine_type='n1-standard-8', accelerator_type='NVIDIA_TESLA_T4', accelerator_count=1).run()"
    )
    found = job(code, tmp_path)
    assert [(r.name, r.specifier) for r in found.requirements] == [("trl", "==0.9.6")]
    assert found.trainings[0].model is not None
    assert found.trainings[0].model.value == "org/m"
    assert not found.unread


def test_python_package_job() -> None:
    found = job(
        INIT
        + "aiplatform.CustomPythonPackageTrainingJob('d', 'gs://b/p.tar.gz', 'trainer.task', 'gcr.io/i')"
        ".run(machine_type='n1-standard-4')"
    )
    pool = found.pools[0]
    assert pool.python_module is not None
    assert pool.python_module.value == "trainer.task"
    assert pool.package_uris[0].value == "gs://b/p.tar.gz"
    assert pool.image is not None
    assert pool.image.value == "gcr.io/i"


def test_generated_client_with_dicts_and_messages() -> None:
    spec = SPEC.replace("specs = ", "pools = ")
    dicts = (
        "import os\nfrom google.cloud import aiplatform_v1\n"
        + spec
        + "c = aiplatform_v1.JobServiceClient(\n"
        "  client_options={'api_endpoint': 'x'})\nLOCATION = 'europe-west4'\n"
        "c.create_custom_job(parent=f'projects/{os.environ[\"P\"]}/locations/{LOCATION}', custom_job={\n"
        "  'display_name': 'd', 'job_spec': {'worker_pool_specs': pools,\n"
        "  'scheduling': {'timeout': {'seconds': 60}, 'strategy': 'FLEX_START'}}})\n"
    )
    found = job(dicts)
    assert found.region is not None
    assert found.region.value == "europe-west4"
    assert found.project is None
    assert found.timeout is not None
    assert found.timeout.value == 60
    assert found.strategy is not None
    assert found.strategy.value == "FLEX_START"
    messages = (
        "from google.cloud.aiplatform import gapic as g\n"
        "m = g.MachineSpec(machine_type='a3-highgpu-8g', accelerator_type=g.AcceleratorType.NVIDIA_H100_80GB,"
        " accelerator_count=8)\n"
        "w = g.WorkerPoolSpec(machine_spec=m, replica_count=1, container_spec=g.ContainerSpec("
        "image_uri='i', env=[g.EnvVar(name='A', value='b')]))\n"
        "g.JobServiceClient().create_custom_job(parent='projects/p/locations/us-east4', "
        "custom_job=g.CustomJob(display_name='d', job_spec=g.CustomJobSpec(worker_pool_specs=[w])))"
    )
    found = job(messages)
    pool = found.pools[0]
    assert pool.accelerator_type is not None
    assert pool.accelerator_type.value == "NVIDIA_H100_80GB"
    assert pool.env["A"].value == "b"


def test_tuning_job_is_one_job() -> None:
    found = job(
        INIT + SPEC + "cj = aiplatform.CustomJob(display_name='c', worker_pool_specs=specs)\n"
        "h = aiplatform.HyperparameterTuningJob(display_name='h', custom_job=cj, metric_spec={},\n"
        "    parameter_spec={}, max_trial_count=2, parallel_trial_count=1)\nh.run()"
    )
    assert found.form == "tuning"
    assert found.pools[0].machine_type is not None
    assert found.display_name is not None
    assert found.display_name.value == "h"


def test_unknown_parts_say_why() -> None:
    found = job(
        INIT
        + "import argparse\np = argparse.ArgumentParser()\np.add_argument('--machine', default='g2-standard-4')\n"
        "a = p.parse_args()\n"
        "def pool(kind):\n    return {'machine_spec': {'machine_type': kind}, 'replica_count': 1,\n"
        "            'container_spec': {'image_uri': 'i', 'env': [{'name': k, 'value': v} for k, v in extra().items()]}}\n"
        "aiplatform.CustomJob(display_name=f'x-{a.machine}', worker_pool_specs=[pool(a.machine)]).run()"
    )
    pool = found.pools[0]
    assert pool.machine_type is not None
    assert not pool.machine_type.known
    assert pool.machine_type.default == "g2-standard-4"
    assert pool.env_open
    assert found.display_name is not None
    assert found.display_name.raw == "x-{a.machine}"


def test_accelerators_chosen_by_a_table() -> None:
    found = job(
        INIT
        + "T = {'l4': ('g2-standard-12', 'NVIDIA_L4'), 'h100': ('a3-highgpu-1g', 'NVIDIA_H100_80GB')}\n"
        "GPU = 'h100'\nm, acc = T[GPU]\n"
        "aiplatform.CustomJob('d', [{'machine_spec': {'machine_type': m, 'accelerator_type':\n"
        "  getattr(aiplatform.gapic.AcceleratorType, acc), 'accelerator_count': 1}, 'container_spec': {'image_uri': 'i'}}])"
    )
    pool = found.pools[0]
    assert pool.machine_type is not None
    assert pool.machine_type.value == "a3-highgpu-1g"
    assert pool.accelerator_type is not None
    assert pool.accelerator_type.value == "NVIDIA_H100_80GB"


def test_a_list_of_regions_that_are_tried_is_one_job() -> None:
    found = job(
        INIT + "for region in ['us-central1', 'europe-west4']:\n    try:\n"
        "        aiplatform.CustomJob(display_name='d', worker_pool_specs=[], location=region).run()\n"
        "        break\n    except Exception:\n        pass\n"
    )
    assert found.region is not None
    assert not found.region.known


def test_a_function_called_for_each_model_gives_each_job() -> None:
    found = jobs(
        INIT
        + "def go(model):\n    aiplatform.CustomJob(display_name=f'ft-{model}', worker_pool_specs=[])\n"
        "for m in ['a', 'b']:\n    go(m)\n"
    )
    assert [j.name for j in found] == ["ft-a", "ft-b"]


def test_gcloud_in_a_subprocess() -> None:
    found = job(
        "import subprocess\nREGION = 'us-east1'\nsubprocess.run(['gcloud', 'ai', 'custom-jobs', 'create',\n"
        " f'--region={REGION}', '--display-name=d', '--worker-pool-spec=machine-type=n1-standard-4,'\n"
        " 'replica-count=1,container-image-uri=gcr.io/p/i'], check=True)"
    )
    assert found.form == "vertex-gcloud"
    assert found.region is not None
    assert found.region.value == "us-east1"
    assert found.pools[0].machine_type is not None


def test_code_that_submits_nothing_gives_nothing() -> None:
    assert jobs("from google.cloud import aiplatform\nprint(aiplatform.CustomJob.list())") == []
    assert jobs("class CustomJob:\n    pass\nCustomJob()") == []
    assert jobs("not python at all (") == []
    assert (
        jobs(
            "from vertexai.tuning import sft\nsft.train(source_model='gemini', train_dataset='gs://x')"
        )
        == []
    )


def test_a_line_that_is_no_python_costs_only_itself() -> None:
    found = job(INIT + "n = int(3):04d\n" + SPEC + "aiplatform.CustomJob('d', specs)\nprint 'x'\n")
    assert found.pools[0].machine_type is not None
    assert found.scripts[-1].broken.startswith("line 4")
    half = INIT + "aiplatform.CustomJob('d', [], labels={'a': 'b'}\nx = 1\n"
    assert jobs(half) is not None


def test_a_command_put_together_from_lines_keeps_their_places() -> None:
    code = (
        "from huggingface_hub import run_job\nimport sys\nREPO = sys.stdin.readline()\nCMD = '\\n'.join([\n"
        "    'set -e',\n    f'git clone {REPO} /w',\n    'pip install ' + 'trl==1.0.0',\n])\n"
        "run_job(image='python:3.12', command=['bash', '-c', CMD], flavor='l4x1')\n"
    )
    found = job(code)
    assert [step.place.line for step in found.steps] == [5, 6, 7]
    assert [(r.name, r.specifier) for r in found.requirements] == [("trl", "==1.0.0")]
    assert found.steps[0].argv[0].value == "set"


def test_pipeline_components() -> None:
    found = jobs(
        "from kfp import dsl\n"
        "from google_cloud_pipeline_components.v1.custom_job import "
        "create_custom_training_job_from_component\n"
        "@dsl.component(base_image='gcr.io/p/i', packages_to_install=['trl==0.9.6'])\n"
        "def train(model_id: str):\n    from trl import SFTTrainer, SFTConfig\n"
        "    SFTTrainer(model=model_id, args=SFTConfig('o')).train()\n"
        "@dsl.component\ndef prepare():\n    print(1)\n"
        "custom = create_custom_training_job_from_component(train, machine_type='g2-standard-8',\n"
        "    accelerator_type='NVIDIA_L4', accelerator_count=1)\n"
        "@dsl.pipeline(name='p')\ndef pipeline():\n    prepare()\n    custom(model_id='org/m')\n"
    )
    assert [j.form for j in found] == ["kfp"]
    pool = found[0].pools[0]
    assert pool.image is not None
    assert pool.image.value == "gcr.io/p/i"
    assert pool.machine_type is not None
    assert pool.machine_type.value == "g2-standard-8"
    assert found[0].requirements[0].specifier == "==0.9.6"
    assert found[0].trainings[0].model is not None
    assert found[0].trainings[0].model.value == "org/m"


def test_airflow_and_rest() -> None:
    operator = job(
        "from airflow.providers.google.cloud.operators.vertex_ai.custom_job import (\n"
        "    CreateCustomContainerTrainingJobOperator)\n"
        "CreateCustomContainerTrainingJobOperator(task_id='t', display_name='d', container_uri='gcr.io/i',\n"
        "  machine_type='n1-standard-4', accelerator_type='NVIDIA_TESLA_T4', accelerator_count=1)"
    )
    assert operator.pools[0].accelerator_type is not None
    rest = job(
        "import requests\nR = 'us-east1'\nrequests.post(f'https://{R}-aiplatform.googleapis.com/v1/projects/p/'\n"
        "  f'locations/{R}/customJobs', json={'displayName': 'd', 'jobSpec': {'workerPoolSpecs': [\n"
        "  {'machineSpec': {'machineType': 'n1-standard-4'}, 'containerSpec': {'imageUri': 'i'}}]}})"
    )
    assert rest.region is not None
    assert rest.region.value == "us-east1"
    assert rest.pools[0].machine_type is not None
    assert "camel_keys" not in rest.extra
