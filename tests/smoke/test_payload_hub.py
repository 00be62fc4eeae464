"""The whole run with a Hub on loopback: gate, tokenizer, data, real weights, training, push."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.hub import DATA, GATED, TOKEN, scenario
from tests.emulators.hub_push import PushServer
from tests.smoke.payload_runs import plan_of

from ftdoctor.smoke import run_local
from ftdoctor.smoke.verdict import judge

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SCRIPT = f"""\
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

model = AutoModelForCausalLM.from_pretrained(
    "{GATED}", quantization_config=BitsAndBytesConfig(load_in_4bit=True)
)
trainer = SFTTrainer(
    model=model,
    processing_class=AutoTokenizer.from_pretrained("{GATED}"),
    train_dataset=load_dataset("{DATA}", split="train"),
    args=SFTConfig(output_dir="out", max_length=96, push_to_hub=True, hub_model_id="ada/out"),
    peft_config=LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"),
)
trainer.train()
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small real model with its tokenizer, as a repository holds them."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from ftdoctor.smoke.payload.tokenizer import small
    from ftdoctor.smoke.plan_model import small_shape

    folder = tmp_path_factory.mktemp("model")
    shape, _ = small_shape("")
    tokenizer = small(chat_template=True)
    config = AutoConfig.for_model(shape.pop("model_type"), **shape, vocab_size=len(tokenizer))
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def served(files: dict[str, bytes], name: str) -> PushServer:
    """Return a Hub in the state of a scenario that holds the model and conversations."""
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello to you"}]
    rows = "".join(json.dumps({"messages": said}) + "\n" for _ in range(12)).encode()
    held = {GATED: {"main": dict(files)}, f"datasets/{DATA}": {"main": {"train.jsonl": rows}}}
    return PushServer(scenario(name), held)


def run(server: PushServer, plan: dict[str, Any], folder: Path) -> Any:
    """Run a plan with the real client pointed at the server; return the verdict."""
    environment = {
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
    }
    log, code, _ = run_local.run(plan, timeout=200, environment=environment)
    verdict = judge(log, exit_code=code)
    verdict.block += log[-4000:]
    return verdict


def plan(folder: Path, monkeypatch: pytest.MonkeyPatch, **wishes: Any) -> dict[str, Any]:
    """Return the plan that asks the Hub; the weights of so small a model are real on a CPU too."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    made = plan_of(SCRIPT, folder, monkeypatch, hub=True, **wishes)
    made["weights"] = "real"
    made["stages"].insert(made["stages"].index("model"), "weights")
    return made


def test_from_the_gate_to_the_push(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(files, "gated-accepted") as server:
        verdict = run(server, plan(tmp_path, monkeypatch, push=True), tmp_path)
    assert verdict.word == "works", verdict.block
    found = {s["stage"]: s for s in verdict.stages}
    assert found["token"]["account"] == "ada"
    assert found["download"]["weight_bytes"] == len(files["model.safetensors"])
    assert found["tokenizer"]["real"]
    assert found["data"]["source"] == DATA
    assert found["data"]["form"] == "messages"
    assert found["template"]["conversations"] == 8
    assert found["weights"]["bytes"] == len(files["model.safetensors"])
    assert found["train"]["quant_type"] == "nf4"
    assert found["train"]["length"] == 96
    assert found["push"]["removed"]
    assert TOKEN not in verdict.block


def test_a_closed_gate_fails_with_its_rule(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(files, "gated-pending") as server:
        verdict = run(server, plan(tmp_path, monkeypatch), tmp_path)
    assert verdict.word == "fails"
    assert "stage download" in verdict.reason
    assert verdict.cause is not None
    assert "gated" in verdict.cause["name"]


def test_a_download_that_takes_too_long_is_left_out(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan(tmp_path, monkeypatch)
    made["most_weight_bytes"] = 1000
    with served(files, "gated-accepted") as server:
        verdict = run(server, made, tmp_path)
        assert not [s for s in server.state.seen if s.startswith("GET") and "safetensors" in s]
    assert verdict.word == "works", verdict.block
    found = {s["stage"]: s for s in verdict.stages}
    assert "too long" in found["download"]["weights"]
    assert found["model"]["weights"] == "random, of the real sizes"
    assert found["train"]["quantized"]
