"""Writes `rules/tables/closures.json`: what common packages bring along, from pip's own resolver.

`pip install --dry-run --report` of the packages below; the report holds the METADATA of each
package that would be installed. Only names are kept: the table answers "what is there", not
"which version". Packages of `rules/tables/releases` have their own, exact tables.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TABLE = Path(__file__).resolve().parents[1] / "rules" / "tables" / "closures.json"
ROOTS = """
absl-py cloudml-hypertune diffusers einops evaluate fire gcsfs google-cloud-aiplatform
google-cloud-bigquery google-cloud-logging google-cloud-secret-manager google-cloud-storage
hf-transfer hydra-core ipywidgets jsonlines kernels librosa loguru math-verify matplotlib mlflow
ninja nltk nvidia-ml-py omegaconf openai optimum opencv-python-headless orjson pandas pillow
polars protobuf python-dotenv qwen-vl-utils requests rouge-score sacrebleu scikit-learn scipy
seaborn sentence-transformers sentencepiece soundfile tensorboard tensorboardx tiktoken timm
torchmetrics torchvision trackio trl peft bitsandbytes tyro wandb liger-kernel
""".split()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet",
             "--only-binary", ":all:", "--report", str(report), *ROOTS],
            check=True,
        )  # fmt: skip
        data = json.loads(report.read_text())
    environment = {key: str(value) for key, value in data["environment"].items()}
    table: dict[str, list[str]] = {}
    for entry in data["install"]:
        metadata = entry["metadata"]
        direct = set()
        for line in metadata.get("requires_dist") or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(
                {**environment, "extra": ""}
            ):
                direct.add(canonicalize_name(requirement.name))
        name = canonicalize_name(metadata["name"])
        if not name.startswith("nvidia-") or name == "nvidia-ml-py":
            table[name] = sorted(d for d in direct if not d.startswith(("nvidia-", "cuda-")))
    rows = ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(table.items()))
    source = "pip install --dry-run --report, Python " + environment["python_version"]
    TABLE.write_text(
        f'{{"date": "{date.today()}", "source": "{source}",\n"direct": {{\n{rows}\n}}}}\n'
    )
    print(len(table), "packages")


if __name__ == "__main__":
    main()
