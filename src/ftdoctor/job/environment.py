"""Where the packages of a job come from: an image, a uv environment, a notebook's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.images import Image
    from ftdoctor.job.model import Requirement
    from ftdoctor.job.source import Place

Kind = Literal["image", "uv-script", "uv-project", "venv", "colab", "local", "unknown"]


class Conflict(NamedTuple):
    """Requirements that no set of releases satisfies: the installer would stop."""

    package: str
    #: What asks for it, as (who, specifier): ("the job", "==4.48.0"), ("trl 0.25.0", ">=4.56.2").
    wants: tuple[tuple[str, str], ...]
    place: Place | None = None
    #: True when a later pip command breaks an installed package: pip warns and goes on.
    only_warned: bool = False


@dataclass
class Environment:
    """The Python environment in which the training code runs."""

    kind: Kind = "unknown"
    #: "3.12"; "" when it cannot be told.
    python: str = ""
    #: Why `python` is what it is ("the image tag"), or why it is not known.
    python_source: str = ""
    image: Image | None = None
    arch: Literal["x86_64", "aarch64"] = "x86_64"
    #: True when every package that can be imported is in `job.packages`.
    whole: bool = False
    #: Why it is not.
    open_reason: str = ""
    #: Packages known not to be there although they are nowhere mentioned (base image without them).
    absent: frozenset[str] = frozenset()
    conflicts: list[Conflict] = field(default_factory=list)
    #: Requirements that were taken, in the order of installation.
    taken: list[Requirement] = field(default_factory=list)
    #: Day of the tables that ranges were resolved with.
    as_of: str = ""

    @property
    def isolated(self) -> bool:
        """Whether the image's own packages are out of reach."""
        return self.kind in ("uv-script", "uv-project", "venv")
