"""Draw docs/check.svg: what `ftdoctor check` prints for the example, as an SVG made by rich."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    from rich.console import Console
    from rich.text import Text

    os.chdir(ROOT)
    from ftdoctor.checking import inspect_paths
    from ftdoctor.config import Config
    from ftdoctor.report.terminal import render

    inspection = inspect_paths([Path("examples/gemma-vertex")], Config(offline=True), {})
    text = render(inspection, 100)
    rows = text.splitlines()
    shown = "\n".join([*rows[:62], "...", *rows[-2:]])
    console = Console(record=True, width=106, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    console.print(Text.from_ansi(f"$ ftdoctor check --offline examples/gemma-vertex\n\n{shown}"))
    console.save_svg("docs/check.svg", title="ftdoctor")


if __name__ == "__main__":
    main()
