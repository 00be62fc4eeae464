"""The tables agree with `inspect.signature` of really installed stacks, the newest and older ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
#: Older stacks, laid over the installed one (torch and the like stay): what an install brought when
#: trl 0.12 and trl 0.19 were new.
OLDER = {
    "trl 0.12": (
        "trl==0.12.2 transformers==4.46.3 peft==0.13.2 accelerate==1.1.1 datasets==3.1.0 "
        "huggingface_hub==0.26.5 tokenizers==0.20.3 dill==0.3.8 multiprocess==0.70.16 "
        "fsspec==2024.9.0"
    ),
    "trl 0.19": (
        "trl==0.19.1 transformers==4.53.3 peft==0.16.0 accelerate==1.8.1 datasets==3.6.0 "
        "huggingface_hub==0.33.5 tokenizers==0.21.2 dill==0.3.8 multiprocess==0.70.16 "
        "fsspec==2025.3.0"
    ),
}


def compared(environment: dict[str, str], *packages: str) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, str(HERE / "compare.py"), *packages],
        capture_output=True,
        text=True,
        env=os.environ | environment | {"HF_HUB_OFFLINE": "1"},
        check=False,
    )
    line = next((x for x in ran.stdout.splitlines() if x.startswith("COMPARED ")), "")
    assert line, ran.stderr[-2000:]
    result: dict[str, Any] = json.loads(line.removeprefix("COMPARED "))
    return result


def judge(result: dict[str, Any]) -> None:
    for package, row in result.items():
        assert row["compared"] > 50, (package, row)
        assert not row["wrong"], (package, row["wrong"][:5])
        assert not row["missing"], (package, row["missing"][:5])
        # The rest differ in that the table is more careful or follows **kwargs further.
        assert row["same"] / row["compared"] > 0.75, (package, row["same"], row["compared"])


def test_installed_stack() -> None:
    packages = ("trl", "peft", "transformers", "accelerate", "datasets", "huggingface_hub")
    judge(compared({}, *packages))


@pytest.mark.parametrize("name", OLDER)
def test_older_stack(name: str) -> None:
    cache = Path(os.environ.get("FTDOCTOR_TEST_STACKS") or HERE.parents[1] / "build" / "stacks")
    folder = cache / name.replace(" ", "-")
    if not (folder / "done").exists():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
        ran = subprocess.run(
            [*install, "--target", str(folder), *OLDER[name].split()],
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            pytest.skip(f"the package index cannot be used here: {ran.stderr[-300:]}")
        (folder / "done").touch()
    judge(compared({"PYTHONPATH": str(folder)}, "trl", "peft", "transformers"))
