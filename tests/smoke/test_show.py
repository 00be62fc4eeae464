"""What a person sees of a result, byte for byte, and that the JSON is what its schema says."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from tests.conftest import FIXTURES, ROOT

from ftdoctor.smoke import show
from ftdoctor.smoke.verdict import Verdict

GIB = 2**30
CAUSE = {
    "code": "FT-API-014",
    "name": "sftconfig-max-seq-length-renamed",
    "summary": "SFTConfig(max_seq_length=...) is called max_length now.",
    "explain": "trl renamed max_seq_length to max_length in SFTConfig.",
    "fixes": [{"text": "Write SFTConfig(max_length=...).", "command": "sed -i s/a/b/ train.py"}],
    "prove": "ftdoctor smoke --confirm FT-API-014 train.py",
}
ON_A_GPU = {
    "schema_version": 1,
    "verdict": "WORKS",
    "reason": "",
    "stages": [
        {
            "stage": "imports",
            "ok": True,
            "seconds": 21.3,
            "versions": {"python": "3.12.4", "trl": "1.16.0", "torch": "2.15.0+cu126"},
        },
        {
            "stage": "gpu",
            "ok": True,
            "seconds": 0.9,
            "device": "NVIDIA L4",
            "memory_bytes": 23655350272,
            "bf16": True,
            "driver": "",
        },
        {
            "stage": "train",
            "ok": True,
            "seconds": 14.2,
            "losses": [2.12345, 2.1, 2.05],
            "seconds_per_step": 4.1,
            "step_seconds": [6.0, 4.1, 4.0],
            "batch": [1, 2048],
            "quantized": True,
            "layers_quantized": 196,
            "quant_type": "nf4",
            "double_quant": True,
            "trainable": 5046272,
            "peak_allocated_bytes": 9 * GIB,
        },
        {"stage": "end", "ok": True},
    ],
    "cause": None,
    "error_block": "",
    "confirm": None,
    "evidence": {
        "versions": {"trl": "1.16.0"},
        "version_differences": [
            {"package": "trl", "installed": "1.16.0", "expected": "1.15.0", "pinned": True},
            {"package": "peft", "installed": "0.21.2", "expected": "0.20.0", "pinned": False},
        ],
        "memory": {
            "outcome": "fits",
            "date": "2026-11-21T10:00:00Z",
            "card": "l4",
            "allocated_bytes": 9 * GIB,
            "reserved_bytes": 10 * GIB,
            "gpu_bytes": 22 * GIB,
            "predicted_allocated_bytes": int(9.1 * GIB),
            "predicted_reserved_bytes": int(9.6 * GIB),
            "allocated_error_percent": 1.1,
            "reserved_error_percent": -4.0,
            "of_the_job": True,
            "own_shape": True,
            "not_of_the_job": [],
        },
        "speed": {
            "seconds_per_step": 4.1,
            "real_job": {
                "steps": 500,
                "steps_from": "4000 rows, 1 epochs, batch 1 x 8",
                "per_steps": 500,
                "seconds_low": 1050.0,
                "seconds_high": 6255.0,
                "usd_per_hour": 0.8,
                "priced": "l4x1 of the job",
                "usd_low": 0.2333,
                "usd_high": 1.39,
            },
        },
    },
    "plan": {"notes": ["weights random, of the real sizes, stand for Qwen/Qwen2.5-7B-Instruct"]},
    "run": {
        "platform": "hf-jobs",
        "job": "ada/1234",
        "machine": "l4x1",
        "running_seconds": 61.5,
        "usd": 0.0267,
    },
}
FAILED: dict[str, Any] = {
    **ON_A_GPU,
    "verdict": "FAILS",
    "reason": "the stage train failed with TypeError: unexpected keyword 'max_seq_length'",
    "stages": [{"stage": "train", "ok": False, "error": "TypeError: unexpected keyword"}],
    "cause": CAUSE,
    "evidence": {},
    "confirm": {
        "code": "FT-API-014",
        "name": "sftconfig-max-seq-length-renamed",
        "stages": ["train"],
        "outcome": "still there",
        "told": "FT-API-014 sftconfig-max-seq-length-renamed is still there.",
    },
    "plan": {},
}
del FAILED["run"]
UNKNOWN: dict[str, Any] = {
    **FAILED,
    "cause": None,
    "confirm": None,
    "error_block": "ValueError: a new way to fail",
}

TERMINAL = """\
smoke: WORKS

  imports     ok        21.3 s  torch 2.15.0+cu126, trl 1.16.0, python 3.12.4
  gpu         ok         0.9 s  device NVIDIA L4, memory 22.0 GiB, bf16 yes
  train       ok        14.2 s  loss 2.123 2.1 2.05, 4.1 s a step, batch 1 x 2048 tokens, \
196 layers in nf4, double quantisation, 5046272 parameters trained

  versions    not those of the job: trl 1.16.0 (check expects 1.15.0), peft 0.21.2 (check expects
              0.20.0, which floats)
  memory      peak 9.0 GiB allocated, 10.0 GiB reserved, of 22.0 GiB; predicted 9.1 GiB and 9.6 GiB
              (+1.1 %, -4.0 %); later checks of this job go by it
  speed       4.1 s a step
  real job    500 steps (4000 rows, 1 epochs, batch 1 x 8): 18 min to 1.7 h, $0.23 to $1.39 at $0.80
              an hour (l4x1 of the job)
  run         hf-jobs job ada/1234 on l4x1: 61.5 s, about $0.03

  note: weights random, of the real sizes, stand for Qwen/Qwen2.5-7B-Instruct"""
FAILS = """\
smoke: FAILS
the stage train failed with TypeError: unexpected keyword 'max_seq_length'
FT-API-014 sftconfig-max-seq-length-renamed is still there.

  train       FAILED

FT-API-014 sftconfig-max-seq-length-renamed: SFTConfig(max_seq_length=...) is called max_length now.
  trl renamed max_seq_length to max_length in SFTConfig.
  fix: Write SFTConfig(max_length=...).
       $ sed -i s/a/b/ train.py
  prove the fix:  ftdoctor smoke --confirm FT-API-014 train.py"""
MARKDOWN = """\
## ftdoctor smoke: WORKS

- **versions**: not those of the job: trl 1.16.0 (check expects 1.15.0), peft 0.21.2 (check expects \
0.20.0, which floats)
- **memory**: peak 9.0 GiB allocated, 10.0 GiB reserved, of 22.0 GiB; predicted 9.1 GiB and 9.6 GiB \
(+1.1 %, -4.0 %); later checks of this job go by it
- **speed**: 4.1 s a step
- **real job**: 500 steps (4000 rows, 1 epochs, batch 1 x 8): 18 min to 1.7 h, $0.23 to $1.39 at \
$0.80 an hour (l4x1 of the job)
- **run**: hf-jobs job ada/1234 on l4x1: 61.5 s, about $0.03

| stage | | seconds | |
|---|---|---|---|
| imports | ok | 21.3 | torch 2.15.0+cu126, trl 1.16.0, python 3.12.4 |
| gpu | ok | 0.9 | device NVIDIA L4, memory 22.0 GiB, bf16 yes |
| train | ok | 14.2 | loss 2.123 2.1 2.05, 4.1 s a step, batch 1 x 2048 tokens, 196 layers in nf4, \
double quantisation, 5046272 parameters trained |

<details><summary>Notes</summary>

- weights random, of the real sizes, stand for Qwen/Qwen2.5-7B-Instruct

</details>"""


def test_on_a_terminal() -> None:
    assert show.terminal(ON_A_GPU) == TERMINAL
    assert show.terminal(FAILED) == FAILS


def test_as_markdown() -> None:
    assert show.markdown(ON_A_GPU) == MARKDOWN
    failed = show.markdown(FAILED)
    assert "**FT-API-014 sftconfig-max-seq-length-renamed**" in failed
    assert "| train | **failed** |  |  |" in failed


def test_a_failure_that_no_rule_knows_shows_the_block() -> None:
    text = show.terminal(UNKNOWN)
    assert "not one that the rulebook knows:\nValueError: a new way to fail" in text
    assert "```text\nValueError: a new way to fail\n```" in show.markdown(UNKNOWN)
    none = show.terminal({**UNKNOWN, "verdict": "NO VERDICT"})
    assert "What it said last:\nValueError: a new way to fail" in none


@pytest.mark.parametrize(
    ("seconds", "words"), [(40.2, "40 s"), (89, "89 s"), (1500, "25 min"), (12600, "3.5 h")]
)
def test_durations(seconds: float, words: str) -> None:
    assert show.duration(seconds) == words


def schema() -> Any:
    return json.loads((ROOT / "docs" / "smoke.schema.json").read_text())


@pytest.mark.parametrize("document", [ON_A_GPU, FAILED, UNKNOWN], ids=["works", "fails", "unknown"])
def test_the_documents_of_these_tests_follow_the_schema(document: dict[str, Any]) -> None:
    jsonschema.validate(document, schema())


@pytest.mark.parametrize("path", sorted((FIXTURES / "smoke").glob("*.json")), ids=lambda p: p.name)
def test_the_kept_results_of_the_fixtures_follow_the_schema(path: Any) -> None:
    jsonschema.validate(json.loads(path.read_text()), schema())


def test_a_verdict_gives_what_the_schema_says() -> None:
    from tests.smoke.test_evidence import PLAN, stages

    from ftdoctor.smoke.evidence import gather

    verdict = Verdict("works", stages(peak_allocated_bytes=9 * GIB, peak_reserved_bytes=9 * GIB))
    verdict.evidence = gather(verdict, PLAN, None)
    document = verdict.document(PLAN)
    jsonschema.validate(document, schema())
    assert json.loads(json.dumps(document)) == document
