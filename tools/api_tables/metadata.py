"""What a release says of itself: dependencies, Python, day of upload, console scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.api_tables.build import Timeline

if TYPE_CHECKING:
    from tools.api_tables.index import Release


def requirement_lines(found: list[tuple[Release, dict[str, Any]]]) -> dict[str, Any]:
    """Return the table lines `R releases` and `R requires`.

    `R releases`: {"days": [...], "python": [[first, end, specifier]], "yanked": [index]}.
    `R requires`: {requirement text: [[first, end]]}; those of extras are left out.
    """
    count = len(found)
    requires = Timeline(count)
    python = Timeline(count)
    scripts = Timeline(count)
    for index, (release, wheel) in enumerate(found):
        python.set("python", index, wheel["python"] or release.requires_python)
        for line in wheel["requires"]:
            if "extra ==" not in line and "extra==" not in line:
                requires.set(" ".join(line.split()), index, 1)
        for command in wheel["scripts"]:
            scripts.set(command, index, 1)
    return {
        "R releases": {
            "days": [release.date for release, _ in found],
            "python": python.runs("python"),
            "yanked": [index for index, (release, _) in enumerate(found) if release.yanked],
        },
        "R requires": {text: [run[:2] for run in requires.runs(text)] for text in sorted(requires)},
        "R scripts": {
            command: [run[:2] for run in scripts.runs(command)] for command in sorted(scripts)
        },
    }
