"""Print the N-th `sh` block of README.md, so that CI runs what the README says."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def blocks(text: str) -> list[str]:
    """Return the bodies of the fenced `sh` blocks, in order."""
    return re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)


if __name__ == "__main__":
    readme = Path(__file__).resolve().parents[1] / "README.md"
    print(blocks(readme.read_text("utf-8"))[int(sys.argv[1]) - 1], end="")
