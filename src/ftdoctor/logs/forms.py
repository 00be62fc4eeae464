"""Tell from the first bytes of a log whether it is plain text or data."""

from __future__ import annotations

COLUMNS = (
    "textPayload",
    "jsonPayload.message",
    "message",
    "Message",
    "protoPayload.status.message",
)


def detect(head: bytes) -> str:
    """Return "json", "sse", "csv", "yaml" or "" (plain) for the first bytes of a log."""
    text = head.lstrip(b" \t\r\n\xef\xbb\xbf")
    if text[:1] == b"{":
        return "json" if _object_start(text) else ""
    if text[:1] == b"[" and text[1:].lstrip()[:1] == b"{" and _object_start(text[1:].lstrip()):
        return "json"
    if text.startswith((b"data: {", b"event: ", b": keep-alive")) and b"data: {" in text[:8192]:
        return "sse"
    if text.startswith((b"---\n", b"insertId:")) and (
        text.startswith((b"---\ninsertId:", b"---\nfields:")) or b"\nlogName:" in text[:16384]
    ):
        return "yaml"
    first = text.split(b"\n", 1)[0]
    cells = first.strip(b"\r").replace(b'"', b"").split(b",")
    if (
        len(cells) > 1
        and any(column.encode() in cells for column in COLUMNS[:3])
        and (b"timestamp" in first or b"severity" in first or b"insertId" in first)
    ):
        return "csv"
    return ""


def _object_start(text: bytes) -> bool:
    """Whether the text starts like a JSON object (and not like a printed Python dict)."""
    inner = text[1:].lstrip()
    return inner[:1] in (b'"', b"}")
