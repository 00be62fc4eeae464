"""A value that a job states, with where it was read, or why it cannot be known from the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.job.source import Place

T = TypeVar("T")


@dataclass(frozen=True)
class Value(Generic[T]):
    """What a job says for one thing.

    Three cases are kept apart everywhere: not written (the field is None), written and known
    (`value` is set), written but not knowable here (`unknown` says why, for instance an
    environment variable of the submitting shell). `raw` is the text as written; of a text that is
    known in part it is the text with the unknown parts in braces or as written (`--lr={lr}`).
    `default` is what an unknown value is when nobody sets it (`os.environ.get("X", "default")`, an
    argparse default, `${X:-default}`); None when there is none.
    """

    value: T | None
    place: Place | None = None
    unknown: str = ""
    raw: str = ""
    default: Any = None

    @property
    def known(self) -> bool:
        """Whether the value is known."""
        return not self.unknown


def known(value: T, place: Place | None = None, raw: str = "") -> Value[T]:
    """Return a value that was read."""
    return Value(value, place, "", raw or (value if isinstance(value, str) else ""))


def unknown(
    reason: str, place: Place | None = None, raw: str = "", default: Any = None
) -> Value[T]:
    """Return a value that is written but cannot be known here; `reason` completes "because"."""
    return Value(None, place, reason or "it cannot be told from the files", raw, default)


def get(value: Value[T] | None) -> T | None:
    """Return the value if it is written and known, else None."""
    return value.value if value is not None and not value.unknown else None
