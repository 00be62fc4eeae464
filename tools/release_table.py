"""Writes `rules/tables/releases/NAME.json`: what each release of a package requires.

Read from the METADATA of the wheels (by byte ranges, so that a wheel of 500 MB costs 300 KB),
through the index that pip is configured for. `python -m tools.release_table [NAME ...]`.
`ftdoctor.job.resolver` works on these tables as pip works on an index.
"""

from __future__ import annotations

import email.parser
import io
import json
import sys
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from tools.api_tables.index import Release, releases

TABLES = Path(__file__).resolve().parents[1] / "rules" / "tables" / "releases"

#: Package -> first release of interest.
PACKAGES = {
    "trl": "0.7.0",
    "peft": "0.5.0",
    "transformers": "4.36.0",
    "accelerate": "0.24.0",
    "datasets": "2.14.0",
    "huggingface-hub": "0.17.3",
    "bitsandbytes": "0.41.0",
    "tokenizers": "0.14.0",
    "numpy": "1.24.0",
    "pillow": "10.0.0",
    "kernels": "0.4.0",
    "sentence-transformers": "2.3.0",
    "evaluate": "0.4.0",
    "wandb": "0.16.0",
    "trackio": "0.1.0",
    "unsloth": "2025.1.1",
    "unsloth-zoo": "2025.1.1",
}
#: Extras that are kept: those that fine-tuning jobs ask for.
EXTRAS = frozenset(
    "peft quantization quantize vllm deepspeed diffusers liger vlm kernels torch vision accelerate "
    "sentencepiece tiktoken video audio chat-template sklearn cli hf-transfer hf-xet hf_transfer "
    "hf_xet".split()
)
#: Packages whose extras are hundreds of pinned files, of no use here.
NO_EXTRAS = frozenset({"unsloth", "unsloth-zoo"})
_BLOCK = 1 << 16


class _Remote(io.RawIOBase):
    """A file on the index, read in blocks by HTTP range."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.position = 0
        self.blocks: dict[int, bytes] = {}
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=120) as answer:
            self.size = int(answer.headers["Content-Length"])

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def read(self, size: int = -1) -> bytes:
        end = self.size if size < 0 else min(self.size, self.position + size)
        first, last = self.position // _BLOCK, max(self.position, end - 1) // _BLOCK
        missing = [b for b in range(first, last + 1) if b not in self.blocks]
        if missing:
            start, stop = missing[0] * _BLOCK, min(self.size, (missing[-1] + 1) * _BLOCK)
            request = urllib.request.Request(
                self.url, headers={"Range": f"bytes={start}-{stop - 1}"}
            )
            with urllib.request.urlopen(request, timeout=120) as answer:
                body = answer.read()
            for index, block in enumerate(range(missing[0], missing[-1] + 1)):
                self.blocks[block] = body[index * _BLOCK : (index + 1) * _BLOCK]
        data = b"".join(self.blocks[b] for b in range(first, last + 1))
        data = data[self.position - first * _BLOCK :][: end - self.position]
        self.position = end
        return data


def requires(release: Release) -> list[str]:
    """Return the Requires-Dist lines of a wheel that matter here, in canonical form."""
    with zipfile.ZipFile(_Remote(release.url)) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
        fields = email.parser.BytesParser().parsebytes(wheel.read(name), headersonly=True)
    kept = []
    for line in fields.get_all("Requires-Dist") or []:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        marker = str(requirement.marker or "")
        if "extra ==" in marker and canonicalize_name(fields["Name"]) in NO_EXTRAS:
            continue
        if "extra ==" in marker and not any(f'"{extra}"' in marker for extra in EXTRAS):
            continue
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        text = f"{canonicalize_name(requirement.name)}{extras}{requirement.specifier}"
        kept.append(f"{text}; {marker}" if marker else text)
    return sorted(set(kept))


def write(package: str, floor: str) -> str:
    """Write the table of one package; releases that stand in it already are not read again."""
    path = TABLES / f"{package}.json"
    known: dict[str, list[str]] = {}
    if path.is_file():
        old = json.loads(path.read_text())
        known = {row[0]: old["requires"][row[3]] for row in old["releases"]}
    found = releases(package, floor)
    new = [release for release in found if release.version not in known]
    with ThreadPoolExecutor(12) as pool:
        for release, lines in zip(new, pool.map(_tolerant, new), strict=True):
            if lines is not None:
                known[release.version] = lines
    pool_of: list[list[str]] = []
    rows = []
    for release in found:
        if release.version not in known:
            continue
        lines = known[release.version]
        if lines not in pool_of:
            pool_of.append(lines)
        row = [release.version, release.date, release.requires_python, pool_of.index(lines)]
        rows.append(json.dumps(row + (["yanked"] if release.yanked else [])))
    text = (
        f'{{"date": "{date.today()}", "source": "METADATA of the wheels",\n'
        '"columns": ["version", "date", "requires_python", "requires", "yanked"],\n'
        '"requires": [\n' + ",\n".join(json.dumps(lines) for lines in pool_of) + "],\n"
        '"releases": [\n' + ",\n".join(rows) + "]}\n"
    )
    json.loads(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return f"{package}: {len(rows)} releases, {len(new)} read now, {len(text)} bytes"


def _tolerant(release: Release) -> list[str] | None:
    try:
        return requires(release)
    except (OSError, zipfile.BadZipFile, StopIteration, urllib.error.URLError) as error:
        print(f"{release.filename}: {error}", file=sys.stderr)
        return None


if __name__ == "__main__":
    for wanted in sys.argv[1:] or PACKAGES:
        print(write(wanted, PACKAGES.get(wanted, "0")), flush=True)
