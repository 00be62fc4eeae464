"""`python -m tools.api_tables refresh [--cache DIR] [--package NAME]...`"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import time
from pathlib import Path

from tools.api_tables.build import Table, write
from tools.api_tables.index import Release as IndexRelease
from tools.api_tables.index import download_all, releases
from tools.api_tables.link import Release
from tools.api_tables.metadata import requirement_lines
from tools.api_tables.wheel import Records, read_wheel, slim_copy

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "rules" / "tables" / "api"

#: The oldest release read. Every final release from there on is read, so boundaries are exact.
FLOORS = {
    "trl": "0",
    "peft": "0",
    "transformers": "4.28",
    "accelerate": "0.16",
    "datasets": "2.8",
    "huggingface_hub": "0.11",
    "bitsandbytes": "0.37",
}
#: Wheels of 40 to 140 MB with little Python in them: only that part is fetched.
SLIM = {"bitsandbytes"}


def wheels_of(package: str, found: list[IndexRelease], cache: Path) -> list[Path]:
    folder = cache / "wheels" / package
    if package in SLIM:
        return [slim_copy(release.url, folder / release.filename, package) for release in found]
    return download_all(found, folder)


def refresh(package: str, cache: Path, date: str, records: Records) -> None:
    """Rebuild the table of one package; only wheels and files not seen before cost time."""
    started = time.monotonic()
    found = releases(package, FLOORS[package])
    paths = wheels_of(package, found, cache)
    table = Table(package, [release.version for release in found])
    metadata = []
    for index, path in enumerate(paths):
        wheel = read_wheel(path, package, records)
        table.add(index, Release(package, wheel))
        metadata.append((found[index], wheel))
    records.keep()
    table.extra |= requirement_lines(metadata)
    header = {
        "schema": 1,
        "package": package,
        "date": date,
        "versions": [release.version for release in found],
    }
    size = write(TABLES / f"{package}.gz", header, table.lines())
    print(
        f"{package}: {len(found)} releases to {found[-1].version}, {size / 1024:.0f} KB, "
        f"{time.monotonic() - started:.0f} s ({records.parsed} files parsed so far)",
        file=sys.stderr,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.api_tables")
    parser.add_argument("command", choices=["refresh"])
    parser.add_argument("--package", action="append", choices=sorted(FLOORS))
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "ftdoctor-tables"
    parser.add_argument("--cache", type=Path, default=default)
    parser.add_argument("--date", default=datetime.datetime.now(datetime.UTC).date().isoformat())
    options = parser.parse_args()
    with Records(options.cache / "records.sqlite") as records:
        for package in options.package or FLOORS:
            refresh(package, options.cache, options.date, records)


if __name__ == "__main__":
    main()
