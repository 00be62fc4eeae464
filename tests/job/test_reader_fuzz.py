"""Any text goes through every reader without an exception."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.job.shell_helpers import env

from ftdoctor.job import read as reading_module
from ftdoctor.job.read import Reading, read_text
from ftdoctor.job.readenv import decode
from ftdoctor.job.source import Source

PIECES = st.sampled_from(
    [
        *"$ ${ $( $(( ` \" ' \\ ( ) { } [[ ]] [ ] && || ; ;; | & > >> < # ! = += [@]}".split(),
        *"${x:- ${x[ ${{ }} {{ {% %} <% %> <<EOF EOF if then else fi for x in do done case".split(),
        *"esac function f() while : - ? *a &a <<: --- ``` ~~~ ::: $' -- ^;^ A=( A+=(".split(),
        *("\u2028", "\ue024", "\u00e9", "\\\n", "\n", "\n", "\t", "  ", "\n  - ", "\r\n"),
        *("workerPoolSpecs:\n", "containerSpec:\n", "machineSpec: {", "args:\n- |\n"),
        *("gcloud ai custom-jobs create ", "--worker-pool-spec=machine-type=a,"),
        *("--config=j.yaml ", "hf jobs uv run ", "bash -c '", "trl sft ", "set -e\n"),
        *("pip install ", "cat <<E > j.yaml\n", "\nE\n", "```bash\n"),
        *("```{code-block} yaml\n", ".. code-block:: sh\n\n   "),
        *('resource "google_vertex_ai_custom_job" "x" {\n', '@"\n', '\n"@ | Out-File j.yaml\n'),
        *("jobs:\n x:\n  steps:\n  - run: ", "on: x\n", "from kfp import dsl\n"),
        *("deploymentSpec:\n executors:\n  e:\n   container:\n", "@dsl.component\ndef f():\n"),
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=60).map("".join)
KINDS = ("shell", "yaml", "document", "terraform", "powershell", "make", "actions", "submit")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS)
def test_any_text(kind: str, text: str) -> None:
    reading = Reading()
    found = reading_module._read_one(kind, Source("x", text), env(), reading)
    for job in found:
        assert job.place.line >= 1
        for step in job.steps:
            assert step.place.line >= 1


@settings(max_examples=150, deadline=None)
@given(
    data=st.binary(max_size=400),
    name=st.sampled_from(["a.sh", "a.yaml", "a.md", "a.tf", "a", "-", "Makefile"]),
)
def test_any_bytes(data: bytes, name: str) -> None:
    text = decode(data)
    if text is not None:
        read_text(text, name)


@pytest.mark.parametrize(
    "piece",
    [
        "$(",
        "${",
        "(",
        "{",
        "`",
        "<<E\n",
        "if ",
        "case x in a) ",
        "- ",
        "{a: ",
        "[",
        "{{",
        "```\n",
        "X=$X$X\n",
    ],
)
def test_repeated_pieces_end(piece: str) -> None:
    for kind in KINDS:
        reading_module._read_one(kind, Source("x", piece * 3000), env(), Reading())
