"""The table of refused arguments against the libraries that are installed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from ftdoctor.tables import table

ROWS: list[dict[str, Any]] = table("argument_conflicts")["conflicts"]


def _source(package: str) -> str:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"{package} is not installed")
    folder = Path(spec.origin).parent
    files = [folder / "training_args.py", folder / "trainer.py"]
    if package == "trl":
        files = [
            *(folder / "trainer").glob("*_trainer.py"),
            *(folder / "trainer").glob("*_config.py"),
        ]
    text = "\n".join(path.read_text("utf-8") for path in files)
    return re.sub(r'"\s*\n\s*f?"', "", text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["what"][:40])
def test_the_library_still_raises_this(row: dict[str, Any]) -> None:
    said = row["says"].replace("IntervalStrategy.STEPS", "{self.logging_strategy}")
    assert said in _source(row["package"])


def test_every_row_needs_something_that_is_written() -> None:
    for row in ROWS:
        assert any(
            test == "true" or test == "given" or isinstance(test, list)
            for test in row["when"].values()
        )
        assert all(
            test in ("true", "off", "given", "kept") or isinstance(test, list)
            for test in row["when"].values()
        )
