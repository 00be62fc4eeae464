"""Notebooks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.job.notebook import BrokenNotebook, read
from ftdoctor.job.readenv import ReadEnv
from ftdoctor.job.source import Source

if TYPE_CHECKING:
    from ftdoctor.job.model import Job

TRAIN = (
    "from trl import SFTTrainer, SFTConfig\n"
    "trainer = SFTTrainer(model=MODEL, args=SFTConfig(output_dir='o', max_length=64))\n"
    "trainer.train()"
)


def notebook(
    *cells: str, metadata: dict[str, Any] | None = None, outputs: str = "", split: bool = True
) -> str:
    made: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": [outputs]}]
            if outputs
            else [],
            "source": cell.splitlines(True) if split else cell,
        }
        for cell in cells
    ]
    made.insert(0, {"cell_type": "markdown", "metadata": {}, "source": ['# "source": [title]']})
    return json.dumps(
        {"cells": made, "metadata": metadata or {}, "nbformat": 4, "nbformat_minor": 5}, indent=1
    )


def jobs(text: str) -> list[Job]:
    return read(Source("nb.ipynb", text), ReadEnv())


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.split("\n"), 1) if part in line)


def test_training_over_several_cells_with_places_in_the_file() -> None:
    text = notebook(
        "%pip install -q trl==1.0.0 'peft>=0.1'", "MODEL = 'org/m'  # @param {type:'string'}", TRAIN
    )
    found = jobs(text)
    assert len(found) == 1
    job = found[0]
    assert (job.platform, job.form) == ("local", "notebook")
    assert [(r.name, r.specifier) for r in job.requirements] == [
        ("trl", "==1.0.0"),
        ("peft", ">=0.1"),
    ]
    training = job.trainings[0]
    assert training.written_as == "notebook"
    assert training.model is not None
    assert training.model.value == "org/m"
    assert training.model.place is not None
    assert training.model.place.line == line_of(text, "MODEL = 'org/m'")
    assert training.model.place.context == "cell 3"
    assert training.arguments["max_length"].place is not None
    assert training.arguments["max_length"].place.line == line_of(text, "max_length=64")
    assert job.scripts[0].role == "notebook"
    assert job.scripts[0].tree is not None


def test_sources_written_as_one_text_and_version_3() -> None:
    text = notebook("MODEL = 'org/m'\n" + TRAIN, split=False)
    assert jobs(text)[0].trainings[0].model is not None
    old = {
        "nbformat": 3,
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "code", "input": ["MODEL = 'org/m'\n", *TRAIN.splitlines(True)]}
                ]
            }
        ],
    }
    training = jobs(json.dumps(old, indent=1))[0].trainings[0]
    assert training.model is not None
    assert training.model.value == "org/m"


def test_files_that_cells_write_are_found_by_later_commands() -> None:
    text = notebook(
        "%%writefile train.py\nMODEL = 'org/w'\n" + TRAIN,
        "%%writefile -a train.py\nprint('more')",
        "!python train.py --lr 1",
    )
    job = jobs(text)[0]
    assert job.trainings[0].model is not None
    assert job.trainings[0].model.value == "org/w"
    assert job.trainings[0].model.place is not None
    assert job.trainings[0].model.place.line == line_of(text, "org/w")
    assert job.scripts[1].launched
    assert job.scripts[1].source.text.endswith("print('more')\n")


def test_python_values_in_commands() -> None:
    spec = (
        "%%writefile job.yaml\nworkerPoolSpecs:\n- machineSpec:\n    machineType: g2-standard-4\n"
        "  replicaCount: 1\n  containerSpec:\n    imageUri: gcr.io/p/i\n    command: [python, x.py]"
    )
    text = notebook(
        "REGION = 'us-central1'\nNAME = 'n'",
        spec,
        "!gcloud ai custom-jobs create --region={REGION} --display-name=$NAME-{'v' + str(2)} \\\n"
        "   --config=job.yaml",
    )
    found = [job for job in jobs(text) if job.platform == "vertex"]
    assert len(found) == 1
    job = found[0]
    assert job.region is not None
    assert job.region.value == "us-central1"
    assert job.display_name is not None
    assert job.display_name.value == "n-v2"
    assert job.pools[0].machine_type is not None


def test_submitting_notebooks() -> None:
    text = notebook(
        "from google.cloud import aiplatform\naiplatform.init(project='p', location='us-central1')",
        "job = aiplatform.CustomContainerTrainingJob(display_name='d', container_uri='gcr.io/p/i')",
        "job.run(machine_type='g2-standard-8', accelerator_type='NVIDIA_L4', accelerator_count=1)",
    )
    found = jobs(text)
    assert [job.form for job in found] == ["vertex-python"]
    assert found[0].pools[0].accelerator_type is not None
    assert found[0].place.line == line_of(text, "CustomContainerTrainingJob")


def test_magics_that_are_no_python() -> None:
    text = notebook(
        "%load_ext autoreload\n%autoreload 2\n%env HF_HOME=/tmp/hf\n?help\nMODEL = 'org/m'\nx = !ls\n"
        "if True:\n    !pip install trl\n    %time y = 1\ns = '''\n!not a command\n'''\nprint('a' % 1)",
        "%%html\n<b>x</b>",
        "%%capture\nimport os\nHOME = os.environ['HF_HOME']",
        "%%bash\nset -e\npip install peft==0.17.0\n",
        TRAIN,
    )
    job = jobs(text)[0]
    assert [r.name for r in job.requirements] == ["trl", "peft"]
    assert job.unread == []
    assert job.trainings[0].model is not None
    assert job.trainings[0].model.value == "org/m"


def test_a_cell_that_does_not_parse_is_noted_and_the_others_are_read() -> None:
    job = jobs(notebook("this is no python\n!pip install trl", "MODEL = 'org/m'\n" + TRAIN))[0]
    assert job.unread[0].what == "cell 2"
    assert job.trainings[0].model is not None
    assert job.requirements[0].name == "trl"


def test_colab_and_its_evidence() -> None:
    text = notebook(
        "from google.colab import userdata\nTOKEN = userdata.get('HF_TOKEN')\nMODEL = 'org/m'\n"
        + TRAIN,
        metadata={"colab": {"gpuType": "T4"}, "accelerator": "GPU"},
        outputs="Successfully installed trl-0.9.6 flash_attn-2.8.3\n",
    )
    job = jobs(text)[0]
    assert job.platform == "colab"
    assert job.extra["colab_gpu"] == "T4"
    assert job.extra["installed_in_outputs"] == {"trl": "0.9.6", "flash-attn": "2.8.3"}
    workbench = notebook(
        "MODEL = 'm'\n" + TRAIN, metadata={"environment": {"uri": "gcr.io/x/pytorch-gpu.2-4"}}
    )
    assert jobs(workbench)[0].extra["workbench_image"] == "gcr.io/x/pytorch-gpu.2-4"


def test_notebooks_without_a_job() -> None:
    assert jobs(notebook("print(1)")) == []
    assert jobs(notebook()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ('{"cells": [{"a": 1]}', "no JSON"),
        ('{"a": 1}', "no list of cells"),
        ("[]", "no JSON"),
        ("", "no JSON"),
    ],
)
def test_broken_files_say_so(text: str, words: str) -> None:
    with pytest.raises(BrokenNotebook, match=words):
        jobs(text)


def test_branches_for_colab_and_for_elsewhere() -> None:
    cell = (
        "import os\nif 'COLAB_' not in ''.join(os.environ.keys()):\n    !pip install unsloth\n"
        "else:\n    !pip install --no-deps trl==0.9.6\nif False:\n    !pip install never\n"
    )
    colab = jobs(notebook(cell, "MODEL = 'm'\n" + TRAIN, metadata={"colab": {}}))[0]
    assert [r.name for r in colab.requirements] == ["trl"]
    elsewhere = jobs(notebook(cell, "MODEL = 'm'\n" + TRAIN))[0]
    assert [r.name for r in elsewhere.requirements] == ["unsloth", "trl"]
    assert all("if" in step.inside for step in elsewhere.steps)
    assert len(colab.scripts[0].dead) == 2
