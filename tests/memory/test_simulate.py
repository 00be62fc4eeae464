"""The closed form and the simulation of the real model classes hold together."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tools.memory import hold_together

if TYPE_CHECKING:
    from ftdoctor.memory.shapes import Shape

pytest.importorskip("torch")
pytest.importorskip("peft")

#: Percent by which the two may differ on small models; on real sizes it is less.
LIMIT = 3.0
FAST = [
    ("llama", "lora", "nogc"),
    ("llama", "qlora-kbit", "nogc"),
    ("qwen3", "qlora-amp", "gc-fused"),
    ("gemma3_text", "qlora-amp", "nogc"),
    ("llama", "full", "gc"),
]
FAMILIES = (
    "llama mistral qwen2 qwen3 gemma gemma3_text phi3 granite olmo2 smollm3 cohere starcoder2 "
    "stablelm glm4 exaone4 olmo3 ernie4_5 seed_oss nemotron"
).split()
_shapes: dict[str, Shape] = {}


def shape(model_type: str) -> Shape:
    if model_type not in _shapes:
        _shapes[model_type] = hold_together.small_shape(model_type)
    return _shapes[model_type]


def difference(model_type: str, regime: str, variant: str) -> float:
    settings = hold_together.settings_of(shape(model_type), regime, variant)
    formed, simulated, _ = hold_together.compare(settings)
    return 100 * (formed / simulated - 1)


@pytest.mark.parametrize(("model_type", "regime", "variant"), FAST)
def test_together(model_type: str, regime: str, variant: str) -> None:
    assert abs(difference(model_type, regime, variant)) < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("model_type", FAMILIES)
@pytest.mark.parametrize(("regime", "variant"), [("lora", "nogc"), ("qlora-amp", "gc")])
def test_families(model_type: str, regime: str, variant: str) -> None:
    assert abs(difference(model_type, regime, variant)) < LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("regime", list(hold_together.REGIMES))
@pytest.mark.parametrize(
    "variant", ["gc", "nogc", "nogc-all", "gc-fused", "nogc-mask", "nogc-eager"]
)
def test_regimes(regime: str, variant: str) -> None:
    assert abs(difference("llama", regime, variant)) < 5.0


def test_a_real_model_with_its_allocator() -> None:
    """A published row: 0.5B, QLoRA, 1024 tokens, in one process with the report's path."""
    from tools.memory import validate

    from ftdoctor.memory.settings import GIB
    from ftdoctor.memory.simulate.predict import simulate

    rows = {r["id"]: r for r in validate.rows()}
    settings = validate.settings_of(rows["1"])
    assert settings is not None
    found = simulate(settings)
    assert abs(found.allocated / GIB / float(rows["1"]["measured_gb"]) - 1) < 0.01
    assert abs(found.reserved / GIB / float(rows["2"]["measured_gb"]) - 1) < 0.08
    assert sum(found.parts.values()) == found.allocated
    assert found.method == "simulation"


@pytest.mark.slow
def test_gemma_12b_is_quick_and_small() -> None:
    code = (
        "import json, resource, sys, time; from ftdoctor.cli import run; began = time.process_time();"
        "code = run(['estimate', '--model', 'google/gemma-3-12b-it', '--method', 'qlora', '--seq-len',"
        " '4096', '--batch-size', '1', '--simulate', '--format', 'json']);"
        "print(json.dumps([code, time.process_time() - began,"
        " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code_, seconds, kib = json.loads(done.stderr.strip().splitlines()[-1])
    assert code_ == 0
    assert seconds < 30
    assert kib < 1 << 20
    simulated = json.loads(done.stdout)["peak"]["allocated_bytes"]
    from ftdoctor.memory import resolve, shapes
    from ftdoctor.memory.closed_form import predict

    found = shapes.find("google/gemma-3-12b-it")
    assert found is not None
    settings, _ = resolve.settings_from(
        found, {"method": "qlora", "seq_len": 4096, "batch_size": 1, "lora_rank": 16}
    )
    assert abs(predict(settings).allocated / simulated - 1) < 0.02


def test_what_cannot_be_built_is_told(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from click.testing import CliRunner

    from ftdoctor.commands.estimate import command
    from ftdoctor.errors import UsageError

    path = tmp_path / "config.json"
    path.write_text('{"model_type": "nosuchtype", "hidden_size": 8}')
    rest = ["--method", "lora", "--seq-len", "8", "--batch-size", "1", "--simulate"]
    result = CliRunner().invoke(command, ["--model-config", str(path), *rest])
    assert isinstance(result.exception, UsageError)
