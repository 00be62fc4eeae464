"""`ftdoctor env`: this environment, judged, as a block to paste into an issue."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ftdoctor.environment.facts import Environment


@click.command("env")
@click.option("--format", "fmt", type=click.Choice(["markdown", "json"]), default="markdown")
def command(fmt: str) -> None:
    """Describe this environment, judged and redacted, to paste into an issue."""
    from ftdoctor.environment.facts import gather
    from ftdoctor.environment.judge import judge, remarks
    from ftdoctor.redact import redact, redact_tree
    from ftdoctor.report.document import finding_json

    environment = gather()
    findings = judge(environment)
    said = remarks(environment)
    if fmt == "json":
        data = asdict(environment) | {
            "remarks": said,
            "findings": [finding_json(f) for f in findings],
        }
        click.echo(json.dumps(redact_tree(data), indent=2))
        return
    rows = list(_rows(environment))
    rows += ["", *(f"- ⚠ {text}" for text in said)]
    rows += [f"- ⚠ {f.code} {f.summary}" for f in findings]
    click.echo(redact("\n".join(rows).rstrip()))


def _rows(environment: Environment) -> list[str]:
    nvidia = environment.nvidia
    rows = [
        "```text",
        f"python            {environment.python}",
        f"system            {environment.system}",
    ]
    rows += [f"{name:<17} {version}" for name, version in environment.packages.items()]
    driver = f"{nvidia.driver} (CUDA {nvidia.cuda})" if nvidia.cuda else nvidia.driver
    rows.append(f"NVIDIA driver     {driver or nvidia.problem}")
    for gpu in nvidia.gpus:
        major, minor = gpu.capability
        rows.append(
            f"GPU               {gpu.name}, {gpu.memory / 2**30:.1f} GiB "
            f"({gpu.free / 2**30:.1f} free), sm_{major}{minor}"
        )
    token = environment.token
    rows.append(
        f"HF token          {token.kind}, {token.length} characters, from {token.source}"
        if token.kind
        else f"HF token          {token.source or 'none'}"
    )
    rows += [f"{name:<17} {value}" for name, value in environment.google.items()]
    rows += [f"{name}={value}" for name, value in environment.variables.items()]
    return [*rows, "```"]
