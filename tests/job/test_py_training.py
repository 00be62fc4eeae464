"""Training scripts as a Training."""

from __future__ import annotations

from typing import Any

from ftdoctor.job.model import Script, Training
from ftdoctor.job.py_training import read_training
from ftdoctor.job.readenv import ReadEnv
from ftdoctor.job.source import Source
from ftdoctor.job.value import known


def trainings(
    code: str, argv: list[str] | None = None, env: ReadEnv | None = None
) -> list[Training]:
    script = Script(Source("train.py", code))
    if argv is not None:
        script.args = [known(word) for word in argv]
        script.launched = True
    return read_training(script, env)


def training(code: str, argv: list[str] | None = None) -> Training:
    found = trainings(code, argv)
    assert len(found) == 1, found
    return found[0]


def plain(values: dict[str, Any] | None) -> dict[str, Any]:
    return {k: v.value if v.known else f"?{v.unknown}" for k, v in (values or {}).items()}


IMPORTS = (
    "import os, torch\nfrom datasets import load_dataset\nfrom peft import LoraConfig, get_peft_model, "
    "prepare_model_for_kbit_training\nfrom transformers import (AutoModelForCausalLM, AutoTokenizer, "
    "BitsAndBytesConfig, Trainer, TrainingArguments)\nfrom trl import SFTConfig, SFTTrainer, DPOTrainer, "
    "DPOConfig, GRPOTrainer, GRPOConfig\n"
)


def test_qlora_with_a_loaded_model() -> None:
    found = training(
        IMPORTS
        + "bnb = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)\n"
        "model = AutoModelForCausalLM.from_pretrained('org/base', quantization_config=bnb, "
        "device_map='auto', torch_dtype=torch.float16, revision='v2')\n"
        "model = prepare_model_for_kbit_training(model)\nmodel = get_peft_model(model, LoraConfig(r=8))\n"
        "tok = AutoTokenizer.from_pretrained('org/tok')\ntok.pad_token = tok.eos_token\n"
        "args = TrainingArguments('out', per_device_train_batch_size=4, optim='adamw_8bit')\n"
        "args.report_to = ['wandb']\n"
        "t = Trainer(model, args, train_dataset=load_dataset('json', data_files='a.jsonl')['train'], "
        "tokenizer=tok)\nt.train()\nt.save_model('final')\nmodel.push_to_hub('org/new')\n"
    )
    assert found.method == "trainer"
    assert found.model is not None
    assert found.model.value == "org/base"
    assert not found.model_as_string
    assert plain(found.quantization) == {"load_in_4bit": True, "bnb_4bit_compute_dtype": "bfloat16"}
    assert plain(found.lora) == {"r": 8}
    assert found.kbit_prepared is not None
    assert found.model_revision is not None
    assert found.model_revision.value == "v2"
    assert found.model_kwargs["torch_dtype"].value == "float16"
    assert found.tokenizer is not None
    assert found.tokenizer.value == "org/tok"
    assert plain(found.arguments) == {
        "output_dir": "out",
        "per_device_train_batch_size": 4,
        "optim": "adamw_8bit",
        "report_to": ["wandb"],
    }
    assert found.config_class is not None
    assert found.config_class.value == "transformers.TrainingArguments"
    assert found.datasets[0].id.value == "json"
    assert found.datasets[0].data_files is not None
    assert found.datasets[0].data_files.value == "a.jsonl"
    assert [v.value for v in found.pushes] == ["org/new"]
    assert [v.value for v in found.saves] == ["final"]


def test_model_as_string_with_model_init_kwargs() -> None:
    found = training(
        IMPORTS
        + "SFTTrainer(model='org/m', train_dataset=load_dataset('org/d', split='train'), args=SFTConfig("
        "output_dir='o', packing=True, model_init_kwargs={'load_in_4bit': True, 'dtype': 'bfloat16'}))"
    )
    assert found.model_as_string
    assert found.packing is not None
    assert found.packing.value is True
    assert found.model_kwargs["dtype"].value == "bfloat16"
    assert plain(found.quantization) == {"load_in_4bit": True}
    assert found.datasets[0].split is not None
    assert found.datasets[0].split.value == "train"


def test_a_config_that_is_never_passed_on_does_not_count() -> None:
    found = training(
        IMPORTS + "unused = SFTConfig(output_dir='a', max_length=4096)\n"
        "used = SFTConfig(output_dir='b')\nSFTTrainer('org/m', used)"
    )
    assert plain(found.arguments) == {"output_dir": "b"}


def test_the_other_methods_and_aliases() -> None:
    code = IMPORTS + "import trl as t\n"
    assert (
        training(code + "t.DPOTrainer('m', None, t.DPOConfig('o', beta=0.1))")
        .arguments["beta"]
        .value
        == 0.1
    )
    found = training(
        code + "GRPOTrainer(model='m', reward_funcs=f, args=GRPOConfig(num_generations=8))"
    )
    assert found.method == "grpo"
    assert found.arguments["num_generations"].value == 8
    assert training("from trl import RewardTrainer as R\nR(model='m')").method == "reward"
    assert (
        training(
            "from trl import KTOTrainer\nclass My(KTOTrainer):\n    pass\nMy(model='m')"
        ).method
        == "kto"
    )


def test_a_trainer_of_another_library_is_another_thing() -> None:
    found = trainings(
        "from pytorch_lightning import Trainer\nt = Trainer(max_epochs=1)\nt.fit(net)"
    )
    assert [t.method for t in found] == ["other"]
    assert trainings("from mylib import Trainer\nTrainer(model='x')") == []


def test_subclass_of_the_config() -> None:
    found = training(
        IMPORTS + "from dataclasses import dataclass\n@dataclass\nclass Args(TrainingArguments):\n"
        "    max_steps: int = 10\nTrainer(model='m', args=Args('o', learning_rate=1e-4))"
    )
    assert plain(found.arguments) == {"output_dir": "o", "max_steps": 10, "learning_rate": 1e-4}


def test_conditional_quantisation_is_neither_there_nor_not() -> None:
    found = training(
        IMPORTS + "import sys\nbnb = None\nif '--4bit' in sys.argv:\n"
        "    bnb = BitsAndBytesConfig(load_in_4bit=True)\n"
        "m = AutoModelForCausalLM.from_pretrained('org/m', quantization_config=bnb)\nTrainer(m)"
    )
    assert found.model is not None
    assert found.model.value == "org/m"
    assert found.quantization is not None
    assert not found.quantization["load_in_4bit"].known
    assert found.quantization["load_in_4bit"].default is True


PARSER = (
    "from dataclasses import dataclass, field\nfrom trl import (ModelConfig, ScriptArguments, SFTConfig, "
    "SFTTrainer, TrlParser, get_peft_config, get_quantization_config)\nfrom datasets import load_dataset\n"
    "@dataclass\nclass Extra:\n    note: str = field(default='x')\n"
    "parser = TrlParser((ScriptArguments, SFTConfig, ModelConfig, Extra))\n"
    "script, training, model, extra = parser.parse_args_and_config()\n"
    "data = load_dataset(script.dataset_name)\n"
    "SFTTrainer(model=model.model_name_or_path, args=training, train_dataset=data['train'], "
    "peft_config=get_peft_config(model))\n"
)


def test_trl_parser_with_a_command_line() -> None:
    argv = "--model_name_or_path org/m --dataset_name org/d --max_length 64 --use_peft --lora_r 4".split()
    found = training(PARSER, argv)
    assert found.model is not None
    assert found.model.value == "org/m"
    assert found.arguments["max_length"].value == 64
    assert found.datasets[0].id.value == "org/d"
    assert plain(found.lora) == {"r": 4}
    assert found.open == ""


def test_trl_parser_without_one_is_open() -> None:
    found = training(PARSER)
    assert found.model is not None
    assert not found.model.known
    assert found.open


def test_trl_parser_with_a_yaml_file(tmp_path: Any) -> None:
    (tmp_path / "c.yaml").write_text("model_name_or_path: org/y\nmax_length: 128\n")
    env = ReadEnv.beside(str(tmp_path / "train.py"))
    found = trainings(PARSER, ["--config", "c.yaml", "--max_length", "9"], env)[0]
    assert found.model is not None
    assert found.model.value == "org/y"
    assert found.arguments["max_length"].value == 9


def test_unsloth() -> None:
    found = training(
        "from unsloth import FastLanguageModel\nfrom trl import SFTTrainer, SFTConfig\n"
        "model, tokenizer = FastLanguageModel.from_pretrained(model_name='unsloth/m', max_seq_length=2048)\n"
        "model = FastLanguageModel.get_peft_model(model, r=16, use_gradient_checkpointing='unsloth')\n"
        "SFTTrainer(model=model, tokenizer=tokenizer, max_seq_length=2048, args=SFTConfig(output_dir='o'))"
    )
    assert found.model is not None
    assert found.model.value == "unsloth/m"
    assert plain(found.quantization) == {"load_in_4bit": True}
    assert plain(found.lora) == {"r": 16, "use_gradient_checkpointing": "unsloth"}
    assert found.arguments["max_seq_length"].value == 2048
    assert found.tokenizer is not None
    assert found.tokenizer.value == "unsloth/m"


def test_what_the_script_reads_sets_and_calls() -> None:
    script = Script(
        Source(
            "t.py",
            "import os\nfrom huggingface_hub import login\nlogin(token=os.environ['MY_TOKEN'])\n"
            "os.environ['WANDB_PROJECT'] = 'p'\nfrom transformers import AutoModel\n"
            "AutoModel.from_pretrained('org/m')\n",
        )
    )
    found = read_training(script)
    assert list(script.env_read) == ["MY_TOKEN"]
    assert script.env_set["WANDB_PROJECT"].value == "p"
    assert "huggingface_hub.login" in script.calls
    assert set(script.imports) == {"os", "huggingface_hub", "transformers"}
    assert found[0].method == "other"
    assert found[0].model is not None


def test_environment_of_the_job_reaches_the_script() -> None:
    script = Script(
        Source("t.py", IMPORTS + "SFTTrainer(model=os.environ['MODEL_ID'], args=SFTConfig('o'))")
    )
    found = read_training(script, None, {"MODEL_ID": known("org/env")})
    assert found[0].model is not None
    assert found[0].model.value == "org/env"
    assert found[0].model_as_string


def test_a_broken_script_says_where() -> None:
    script = Script(Source("t.py", "import os\nprint('x'\nimport sys\n"))
    assert read_training(script) == []
    assert script.broken.startswith("line 2")


def test_keywords_filtered_by_signature_keep_their_values() -> None:
    found = training(
        IMPORTS + "import inspect\nkw = {'output_dir': 'o', 'max_length': 5}\n"
        "ok = inspect.signature(SFTConfig).parameters\n"
        "SFTTrainer('org/m', SFTConfig(**{k: v for k, v in kw.items() if k in ok}))"
    )
    assert found.arguments["max_length"].value == 5
    assert found.open


def test_a_helper_that_nobody_calls_is_no_job() -> None:
    from ftdoctor.job.py_job import script_job

    helper = "import torch\n@torch.no_grad()\ndef step(model, loss):\n    model.train()\n    loss.backward()\n"
    assert script_job(Source("helper.py", helper), ReadEnv()) == []
    main = helper + "step(net, net(x))\n"
    assert len(script_job(Source("main.py", main), ReadEnv())) == 1
    entry = "import torch, click\n@click.command()\ndef main(loss):\n    loss.backward()\n"
    assert len(script_job(Source("entry.py", entry), ReadEnv())) == 1


def test_a_script_that_starts_trl() -> None:
    found = training(
        "import subprocess\nMODEL = 'org/m'\nsubprocess.run(['trl', 'sft', '--model_name_or_path', MODEL])"
    )
    assert found.written_as == "trl-cli"
    assert found.model is not None
    assert found.model.value == "org/m"


def test_marimo_cells_share_their_names() -> None:
    found = training(
        "import marimo\napp = marimo.App()\n@app.cell\ndef _():\n    from trl import SFTTrainer\n"
        "    model = 'org/m'\n    return SFTTrainer, model\n@app.cell(hide_code=True)\n"
        "def _(SFTTrainer, model):\n    SFTTrainer(model=model)\n    return\n"
    )
    assert found.model is not None
    assert found.model.value == "org/m"
