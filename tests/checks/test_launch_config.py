"""The config of `accelerate launch`, against the accelerate that is really installed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from ftdoctor.job.pep440 import at_least, matches
from ftdoctor.job.read import read, read_text
from ftdoctor.tables import table

if TYPE_CHECKING:
    from pathlib import Path

    from ftdoctor.job.model import Job


def test_table_agrees_with_the_installed_accelerate() -> None:
    accelerate = pytest.importorskip("accelerate")
    from accelerate.commands.config.config_args import ClusterConfig
    from accelerate.utils.dataclasses import DistributedType, PrecisionType

    facts, here = table("accelerate_config"), accelerate.__version__
    if not at_least(facts["newest"], here):
        pytest.skip("the installed accelerate is newer than the table")

    def there(kind: str) -> set[str]:
        return {
            name
            for name, (first, last) in facts[kind].items()
            if matches(here, f">={first}" + (f",<={last}" if last else ""))
        }

    fields = {field.name for field in dataclasses.fields(ClusterConfig)}
    assert there("keys") == fields | {"fp16", "dynamo_backend"}
    assert there("distributed_type") == {member.value for member in DistributedType}
    assert there("mixed_precision") == {member.value for member in PrecisionType}


def _jobs(folder: Path, command: str) -> list[Job]:
    (folder / "train.py").write_text("from transformers import Trainer\n")
    (folder / "run.sh").write_text(f"#!/bin/bash\n{command}\n")
    return read([folder / "run.sh"]).jobs


@pytest.mark.parametrize(
    "command",
    [
        "accelerate launch --config_file acc.yaml train.py",
        "trl sft --config_file acc.yaml --model_name_or_path Qwen/Qwen3-0.6B",
        "trl sft --accelerate_config acc.yaml --model_name_or_path Qwen/Qwen3-0.6B",
        "python -m accelerate.commands.launch --config_file=acc.yaml train.py",
    ],
)
def test_the_file_is_attached(tmp_path: Path, command: str) -> None:
    (tmp_path / "acc.yaml").write_text("distributed_type: FSDP\nnum_processes: 2\n")
    (job,) = _jobs(tmp_path, command)
    (config,) = job.extra["launch_configs"]
    assert config.source.path.endswith("acc.yaml")
    assert config.source in job.sources


def test_a_named_config_of_trl_is_no_file(tmp_path: Path) -> None:
    (job,) = _jobs(tmp_path, "trl sft --accelerate_config zero3 --model_name_or_path x/y")
    assert "launch_configs" not in job.extra


def test_a_file_of_a_document_is_read_from_its_fence() -> None:
    text = (
        "# Training\n\n```yaml\n# acc.yaml\ndistributed_type: FSDP\nnum_processes: 2\n```\n\n"
        "```bash\naccelerate launch --config_file acc.yaml train.py\n```\n"
    )
    jobs = read_text(text, "README.md").jobs
    found = [c for job in jobs for c in job.extra.get("launch_configs", [])]
    assert found
    assert found[0].source is not None
    assert found[0].source.text.lstrip().startswith(("# acc.yaml", "distributed_type"))


def test_a_missing_file_is_certain_only_beside_the_script(tmp_path: Path) -> None:
    (job,) = _jobs(tmp_path, "accelerate launch --config_file acc.yaml train.py")
    assert job.extra["launch_configs"][0].missing_in is not None
    (job,) = _jobs(tmp_path, "accelerate launch --config_file acc.yaml src/other.py")
    assert job.extra["launch_configs"][0].missing_in is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "distributed_type: [MULTI",
        "- a\n- b\n",
        "distributed_type: MULTI_GPU\n1: 2\n",
        "? {a: 1}\n: b\n",
        "distributed_type: {{ kind }}\nlearning_rate: 1\n",
        "num_processes: many\nmixed_precision: [bf16]\n",
    ],
)
def test_a_strange_file_is_no_crash_and_no_guess(tmp_path: Path, text: str) -> None:
    from ftdoctor.checks import launch_config
    from ftdoctor.checks.context import Context

    (tmp_path / "acc.yaml").write_text(text)
    (job,) = _jobs(tmp_path, "accelerate launch --config_file acc.yaml train.py")
    context = Context(job)
    for check in (
        launch_config.unknown_keys,
        launch_config.wrong_values,
        launch_config.processes,
        launch_config.missing,
    ):
        assert not list(check(context))
