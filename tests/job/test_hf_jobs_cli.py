"""`hf jobs` commands, and our list of options against the real CLI."""

from __future__ import annotations

import pytest
from tests.job.shell_helpers import job, jobs, shown, words

from ftdoctor.job import hf_jobs_cli

SCRIPT = '# /// script\n# requires-python = ">=3.11"\n# dependencies = ["trl==1.16.0"]\n#\n# [tool.hf-jobs]\n# timeout = "3h"\n# flavor = "l4x1"\n# ///\nprint(1)\n'


def test_uv_run() -> None:
    text = """\
    hf jobs uv run --flavor a10g-large --timeout 90m -s HF_TOKEN -e A=1 --env B \\
      --with peft -p 3.12 --namespace team -v hf://datasets/a/b:/data \\
      train.py --lr 1 --epochs=2
    """
    found = job("run.sh", text, {"train.py": SCRIPT})
    assert (found.platform, found.form) == ("hf-jobs", "hf-jobs-cli")
    assert shown(found.flavor) == "a10g-large"
    assert shown(found.timeout) == 5400
    assert shown(found.namespace) == "team"
    assert shown(found.python) == "3.12"
    assert [shown(v) for v in found.volumes] == ["hf://datasets/a/b:/data"]
    assert not found.secrets["HF_TOKEN"].known
    assert shown(found.pools[0].env["A"]) == "1"
    assert not found.pools[0].env["B"].known
    assert [shown(v) for v in found.scripts[0].args] == ["--lr", "1", "--epochs=2"]
    assert [(r.name, r.source) for r in found.requirements] == [
        ("peft", "uv-with"),
        ("trl", "pep723"),
    ]


def test_the_header_fills_what_the_command_leaves_open() -> None:
    found = job("run.sh", "hf jobs uv run --flavor a100-large train.py\n", {"train.py": SCRIPT})
    assert shown(found.flavor) == "a100-large"
    assert shown(found.timeout) == 10800


def test_run_with_an_image() -> None:
    text = "hf jobs run --flavor l4x1 --secrets T=hf_x pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel bash -c 'pip install trl && trl sft --model_name_or_path a/b'\n"
    found = job("run.sh", text)
    assert shown(found.pools[0].image) == "pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel"
    assert [words(s)[0] for s in found.steps] == ["pip", "trl"]
    assert [name for name, _ in found.extra["secrets_in_clear"]] == ["T"]
    assert shown(found.trainings[0].model) == "a/b"


def test_options_behind_the_image_are_taken_by_hf() -> None:
    found = job("run.sh", "hf jobs run img bash -lc 'run me'\n")
    assert [word for word, _ in found.extra["options_after_command"]] == ["-lc"]
    assert words(found.steps[-1]) == ["bash", "run me"]
    found = job("run.sh", "hf jobs run -- img bash -lc 'run me'\n")
    assert words(found.steps[-1]) == ["run", "me"]


def test_unknown_options_before_the_script() -> None:
    found = job("run.sh", "hf jobs uv run --gpu l4x1 train.py\n")
    assert [word for word, _ in found.extra["unknown_options"]] == ["--gpu"]
    assert shown(found.extra["target"]) == "--gpu"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30", 30),
        ("30s", 30),
        ("5m", 300),
        ("1.5h", 5400),
        ("2d", 172800),
        ("two", "?two"),
        ("$T", "?$T"),
    ],
)
def test_timeouts(written: str, seconds: object) -> None:
    assert shown(job("r.sh", f"hf jobs run --timeout {written} img cmd\n").timeout) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "hf jobs ps\n",
        "hf jobs logs abc\n",
        "hf download a/b\n",
        "echo hf jobs run x\n",
        "uv run train.py\n",
        "huggingface-cli login\n",
    ],
)
def test_other_commands_are_no_job(text: str) -> None:
    assert jobs("run.sh", text) == []


@pytest.mark.parametrize(
    "prefix",
    [
        "hf jobs",
        "huggingface-cli jobs",
        "uvx --from huggingface_hub hf jobs",
        "uv run hf jobs",
        "hf jobs scheduled",
    ],
)
def test_ways_to_call_it(prefix: str) -> None:
    schedule = "@daily " if "scheduled" in prefix else ""
    assert (
        shown(job("r.sh", f"{prefix} run --flavor l4x1 {schedule}img cmd\n").pools[0].image)
        == "img"
    )


def test_a_script_at_an_address_of_trl_is_trl() -> None:
    text = 'hf jobs uv run "https://raw.githubusercontent.com/huggingface/trl/main/trl/scripts/sft.py" --model_name_or_path a/b\n'
    assert shown(job("r.sh", text).trainings[0].model) == "a/b"


def test_secrets_of_a_file() -> None:
    text = "hf jobs run --secrets-file .env.secrets --env-file missing.env img cmd\n"
    found = job("r.sh", text, {".env.secrets": "# c\nexport A='x y'\nB=2 # c\n"})
    assert {k: shown(v) for k, v in found.secrets.items()} == {"A": "x y", "B": "2"}
    assert found.pools[0].env_open


def test_our_options_are_those_of_the_real_cli() -> None:
    import click

    hub = pytest.importorskip("huggingface_hub.cli.hf")
    root = next(v for v in vars(hub).values() if isinstance(v, click.Group))
    for path, takes in (
        (("jobs", "run"), hf_jobs_cli._VALUES),
        (("jobs", "uv", "run"), hf_jobs_cli._UV_VALUES),
    ):
        command: click.Command = root
        for name in path:
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), name)
            assert found is not None
            command = found
        options = [p for p in command.params if isinstance(p, click.Option)]
        valued = {
            o
            for p in options
            if not p.is_flag and not p.count
            for o in p.opts
            if o.startswith("--")
        }
        flags = {o for p in options if p.is_flag for o in p.opts if o.startswith("--")}
        assert valued <= set(takes)
        assert flags <= set(hf_jobs_cli._FLAGS)
        short = {o: p.opts for p in options for o in p.opts if not o.startswith("--")}
        for letter, names in short.items():
            if letter != "-p":
                assert hf_jobs_cli._SHORT[letter] in names
