"""Hugging Face Jobs from Python, and the hf_jobs tool call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.job.py_abstract import Const
from ftdoctor.job.py_hf import read_tool_json
from ftdoctor.job.py_hf_fields import seconds
from ftdoctor.job.py_submit import read
from ftdoctor.job.readenv import ReadEnv
from ftdoctor.job.source import Source

if TYPE_CHECKING:
    from ftdoctor.job.model import Job

SCRIPT = (
    '# /// script\n# dependencies = ["trl>=1.0", "peft"]\n# ///\n'
    "from trl import SFTTrainer, SFTConfig\nSFTTrainer(model='org/m', args=SFTConfig('o')).train()\n"
)


def jobs(code: str, folder: Any = None) -> list[Job]:
    path = str(folder / "launch.py") if folder is not None else "launch.py"
    return read(Source(path, code), ReadEnv.beside(path))


def test_uv_job_with_a_script_beside_it(tmp_path: Any) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    found = jobs(
        "from huggingface_hub import run_uv_job, get_token\nrun_uv_job('train.py', script_args=['--lr', '1'],\n"
        "  dependencies=['bitsandbytes==0.50.2'], flavor='l4x1', timeout='2h', python='3.11',\n"
        "  secrets={'HF_TOKEN': get_token()}, env={'A': 'b'}, namespace='org', volumes=[])",
        tmp_path,
    )[0]
    assert (found.platform, found.form) == ("hf-jobs", "hf-jobs-python")
    assert found.flavor is not None
    assert found.flavor.value == "l4x1"
    assert found.timeout is not None
    assert found.timeout.value == 7200
    assert not found.secrets["HF_TOKEN"].known
    assert found.pools[0].env["A"].value == "b"
    assert {r.name for r in found.requirements} == {"bitsandbytes", "trl", "peft"}
    assert found.trainings[0].model is not None
    assert found.trainings[0].model.value == "org/m"
    assert found.scripts[0].launched
    assert found.scripts[-1].role == "submit"


def test_run_job_and_the_api_object() -> None:
    found = jobs(
        "from huggingface_hub import HfApi, Volume\napi = HfApi(token='x')\n"
        "api.run_job(image='pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel', command=['bash', '-c',\n"
        "  'pip install trl && trl sft --model_name_or_path org/m --dataset_name org/d'],\n"
        "  flavor='a10g-small', secrets={'HF_TOKEN': '$HF_TOKEN'},\n"
        "  volumes=[Volume(type='bucket', source='me/b', mount_path='/out')])"
    )[0]
    assert found.pools[0].image is not None
    assert found.secrets["HF_TOKEN"].value == "$HF_TOKEN"
    assert [v.value for v in found.volumes] == ["hf://buckets/me/b:/out"]
    assert found.trainings[0].method == "sft"
    assert found.requirements[0].name == "trl"


def test_tool_call_with_the_script_inside() -> None:
    code = (
        f'hf_jobs("uv", {{\n  "script": """{SCRIPT}""",\n  "flavor": "a10g-large", "timeout": "4h",\n'
        '  "secrets": {"HF_TOKEN": "$HF_TOKEN"}})\n'
    )
    found = jobs(code)[0]
    assert found.form == "hf-jobs-call"
    assert found.trainings[0].model is not None
    place = found.trainings[0].model.place
    assert place is not None
    assert (place.line, place.column) == (6, 18)
    first = found.requirements[0].place
    assert first is not None
    assert first.line == 3


@pytest.mark.parametrize(
    "data",
    [
        {"operation": "uv", "args": {"script": SCRIPT, "flavor": "t4-small"}},
        {"script": SCRIPT, "flavor": "t4-small"},
        {
            "name": "hf_jobs",
            "arguments": {"operation": "uv", "args": {"script": SCRIPT, "flavor": "t4-small"}},
        },
        {"operation": "run", "script": SCRIPT, "hardware_flavor": "t4-small"},
    ],
)
def test_bare_json(data: dict[str, Any]) -> None:
    text = json.dumps(data, indent=2)
    found = read_tool_json(Source("call.json", text), ReadEnv())
    assert len(found) == 1
    assert found[0].flavor is not None
    assert found[0].flavor.value == "t4-small"
    assert found[0].trainings[0].model is not None


@pytest.mark.parametrize(
    "text", ['{"a": 1}', "[1, 2]", '{"operation": "ps"}', "{", '{"image": "x"}']
)
def test_json_that_is_no_job(text: str) -> None:
    assert read_tool_json(Source("x.json", text), ReadEnv()) == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2h", 7200),
        ("1.5h", 5400),
        ("90m", 5400),
        (300, 300),
        ("300", 300),
        ("1d", 86400),
        ("2 hours", None),
    ],
)
def test_timeouts(written: object, expected: int | None) -> None:
    assert seconds(Const(written)).value == expected


def test_left_out_parts_are_not_taken_for_values() -> None:
    found = jobs('hf_jobs("uv", {"script": "...", "secrets": {"HF_TOKEN": "hf_xxx"}})')[0]
    assert found.trainings == []
    assert [item.what for item in found.unread] == ["script"]


def test_other_operations_are_no_jobs() -> None:
    assert jobs('hf_jobs("logs", {"job_id": "1"})\nhf_jobs("ps")') == []
    assert jobs("from dagster import run_job\nrun_job(config={})") == []


def test_a_loop_over_flavors_is_unrolled() -> None:
    found = jobs(
        "from huggingface_hub import run_uv_job\nfor f in ('t4-small', 'l4x1'):\n    run_uv_job('x.py', flavor=f)"
    )
    assert [j.flavor.value for j in found if j.flavor] == ["t4-small", "l4x1"]


def test_a_script_that_submits_itself(tmp_path: Any) -> None:
    code = SCRIPT + "from huggingface_hub import run_uv_job\nrun_uv_job(__file__, flavor='l4x1')\n"
    found = jobs(code, tmp_path)[0]
    assert {r.name for r in found.requirements} == {"trl", "peft"}
    assert found.trainings[0].model is not None
