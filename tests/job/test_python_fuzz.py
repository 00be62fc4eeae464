"""No text makes a Python reader raise."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftdoctor.job import (
    dockerfile,
    locks,
    notebook,
    pep723,
    py_hf,
    py_job,
    py_submit,
    pyproject,
    requirements,
)
from ftdoctor.job.model import Script
from ftdoctor.job.py_training import read_training
from ftdoctor.job.readenv import ReadEnv
from ftdoctor.job.source import Place, Source
from ftdoctor.job.trl_args import read_trl
from ftdoctor.job.value import known, unknown

#: Pieces that lead the readers into their own code.
PIECES = [
    "import os\n", "from trl import SFTTrainer, SFTConfig\n", "from google.cloud import aiplatform\n",
    "x = {'a': [1, 2], **y}\n", "x['a'][0] += 'b'\n", "for k, v in x.items():\n    z.append(f'{k}={v!r:>3}')\n",
    "def f(a, *b, c=1, **d):\n    return f(a, *b, **d)\n", "f(*x, **x)\n", "class C(SFTTrainer):\n    a: int = f()\n",
    "C(1, args=SFTConfig('o', **x)).train()\n", "aiplatform.CustomJob('d', [x, *z]).run(timeout='a', **x)\n",
    "run_uv_job(f'{x}.py', flavor=x, secrets=x, env=[1], timeout={}, script_args=3)\n", "hf_jobs('uv', {'script': x})\n",
    "hf_jobs(x, x)\n", "try:\n    g()\nexcept Exception as e:\n    raise\nelse:\n    w = 1\nfinally:\n    del w\n",
    "if os.environ.get('A'):\n    x = 1\nelif x:\n    x = [x]\nelse:\n    pass\n", "while x:\n    x = x[1:]\n    break\n",
    "import argparse\np = argparse.ArgumentParser()\np.add_argument('--x', type=int, default=[1])\nx = p.parse_args().x\n",
    "import subprocess\nsubprocess.run(['gcloud', 'ai', 'custom-jobs', 'create', x, f'--region={x}'])\n",
    "'%s %(a)d' % x\n", "'{0!r:{1}} {a.b[c]}'.format(1, 2, a=3)\n", "x = (yield)\n", "lambda *a: a[0](a)\n",
    "match x:\n    case {'a': 1, **r}:\n        x = r\n", "(x := [i for i in x if i][::-1])\n", "global x\n",
    "!pip install {x} $y\n", "%env A=$x\n", "%%bash\necho ${x\n", "%%writefile a.py\n", "# /// script\n", "# ///\n",
    "# dependencies = ['trl']\n", "from . import a\n", "import json\njson.loads('{\"a\": [}')\n", "x = '\\u00e9' 'b' b'c'\n",
    "SFTTrainer(model=AutoModelForCausalLM.from_pretrained(**x), args=x, peft_config=x)\n", "\t\x00", "\u2028π = 1\n",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=8).map("".join),
)
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@SETTINGS
@given(TEXTS)
def test_python_readers(text: str) -> None:
    source = Source("a.py", text)
    env = ReadEnv(root="/nonexistent")
    py_submit.read(source, env)
    py_job.script_job(source, env)
    read_training(
        Script(source, args=[known("--x"), unknown("no", None, "${A}")], launched=True), env
    )
    pep723.read_header(source)
    pyproject.read_setup(source)


@SETTINGS
@given(st.lists(TEXTS, max_size=4), st.booleans())
def test_notebooks(cells: list[str], joined: bool) -> None:
    made = [{"cell_type": "code", "source": c if joined else c.splitlines(True)} for c in cells]
    text = json.dumps({"cells": made}, ensure_ascii=False, indent=1)
    notebook.read(Source("a.ipynb", text), ReadEnv(root="/nonexistent"))


@SETTINGS
@given(st.one_of(TEXTS, st.text(alphabet='{}[]":,cells0 \n', max_size=60)))
def test_texts_that_are_no_notebook(text: str) -> None:
    try:
        notebook.read(Source("a.ipynb", text), ReadEnv(root="/nonexistent"))
    except notebook.BrokenNotebook as error:
        assert str(error)


@SETTINGS
@given(TEXTS)
def test_other_files(text: str) -> None:
    for name in ("uv.lock", "Pipfile.lock", "requirements-lock.txt"):
        locks.read_lock(Source(name, text))
    requirements.read_requirements(Source("requirements.txt", text), ReadEnv(root="/nonexistent"))
    pyproject.read_pyproject(Source("pyproject.toml", text))
    dockerfile.read_dockerfile(Source("Dockerfile", "FROM a\nRUN " + text))
    py_hf.read_tool_json(Source("a.json", text), ReadEnv(root="/nonexistent"))
    requirements.parse_requirement(text, "step")


@SETTINGS
@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(["--a", "--b=1", "sft", "trl", "--use_peft", "--config"]),
        ),
        max_size=9,
    )
)
def test_trl_command_lines(words: list[str]) -> None:
    read_trl([known(word) for word in words], Place("a", 1), ReadEnv(root="/nonexistent"))


@pytest.mark.parametrize(
    "opening", ["(", "[", "{'a': ", "f(", "not ", "-", "lambda: ", "x if y else ", "a.b(", "a + "]
)
def test_deep_nesting(opening: str) -> None:
    for count in (50, 500, 20_000):
        text = "x = " + opening * count + "1"
        py_submit.read(Source("a.py", text), ReadEnv(root="/nonexistent"))
        read_training(Script(Source("a.py", text)))
    blocks = "".join("  " * i + "if x:\n" for i in range(90)) + "  " * 90 + "pass\n"
    read_training(Script(Source("a.py", blocks)))
    chain = "x = a" + ".b()" * 3000
    read_training(Script(Source("a.py", chain)))
    read_training(Script(Source("a.py", "if a:\n    b()\n" + "elif c:\n    d()\n" * 2000)))


def test_order_of_statements_does_not_matter_for_safety() -> None:
    chooser = random.Random(7)
    for _ in range(200):
        text = "".join(chooser.choices(PIECES, k=15))
        py_submit.read(Source("a.py", text), ReadEnv(root="/nonexistent"))
