"""Bytes of a log from a file, a pipe or a gzip, in UTF-8, a chunk at a time."""

from __future__ import annotations

import os
import sys
import zlib
from typing import TYPE_CHECKING, BinaryIO

from ftdoctor.errors import UnreadableInput, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Read size. Small enough to stay in the processor's cache.
CHUNK = 1 << 20
#: Show progress for inputs from this size on.
_BIG = 64 << 20


#: Bytes that text does not hold: control characters except tab, line ends, backspace, escape.
_CONTROL = bytes(c for c in range(32) if c not in (8, 9, 10, 12, 13, 27))


def _binary(head: bytes) -> bool:
    """Whether the beginning of a file is no text: one byte in sixteen is a control character.

    A log with broken UTF-8, colours or a few stray bytes is text.
    """
    sample = head[:65536]
    return len(sample) - len(sample.translate(None, _CONTROL)) > len(sample) // 16 + 2


class RawLog:
    """One log: its name and its bytes. `truncated` tells why the end could not be read."""

    def __init__(self, name: str, stream: BinaryIO, size: int | None = None) -> None:
        self.name = name
        self.truncated = ""
        self._stream = stream
        self._size = size

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, decompressed, as UTF-8. A broken end sets `truncated`."""
        pieces = self._progress(self._read())
        head = next(pieces, b"")
        if head[:2] == b"\x1f\x8b":
            pieces = self._gunzip(head, pieces)
            head = next(pieces, b"")
        if head[:4] == b"\x28\xb5\x2f\xfd":
            raise UsageError(
                f"{self.name}: this is a zstd archive.", f"Unpack it first:  zstd -d {self.name}"
            )
        if head[:4] == b"PK\x03\x04":
            raise UsageError(
                f"{self.name}: this is a zip archive.", f"Unpack it first:  unzip {self.name}"
            )
        encoding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(head[:2], "")
        if not encoding:
            if _binary(head):
                raise UnreadableInput(
                    f"{self.name}: this is binary, not a log.",
                    "Give the text that the job printed (or its .gz).",
                )
            if head:
                yield head.removeprefix(b"\xef\xbb\xbf")
            yield from pieces
            return
        import codecs

        # PowerShell 5 writes UTF-16 when output is redirected with `>`.
        decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        yield decoder.decode(head[2:]).encode()
        for piece in pieces:
            yield decoder.decode(piece).encode()

    def _read(self) -> Iterator[bytes]:
        while True:
            try:
                piece = self._stream.read(CHUNK)
            except OSError as error:
                self.truncated = error.strerror or str(error)
                return
            if not piece:
                return
            yield piece

    def _gunzip(self, head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
        unpack = zlib.decompressobj(31)
        data = head
        while True:
            try:
                out = unpack.decompress(data, CHUNK)
                while out:
                    yield out
                    out = unpack.decompress(unpack.unconsumed_tail, CHUNK)
            except zlib.error as error:
                self.truncated = f"the gzip data is damaged ({error})"
                return
            if unpack.eof and unpack.unused_data:
                # Several gzip members in one file, as `cat a.gz b.gz` and log rotation make.
                data, unpack = unpack.unused_data, zlib.decompressobj(31)
                continue
            data = next(rest, b"")
            if not data:
                break
            if unpack.eof:
                unpack = zlib.decompressobj(31)
        out = unpack.flush()
        if out:
            yield out
        if not unpack.eof:
            self.truncated = "the gzip data ends early"

    def _progress(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass the pieces on; on a terminal, tell on stderr how far a big input is."""
        if (self._size or 0) < _BIG or not sys.stderr.isatty():
            yield from pieces
            return
        done = 0
        assert self._size
        try:
            for number, piece in enumerate(pieces):
                done += len(piece)
                if number % 16 == 0:
                    sys.stderr.write(f"\r{self.name}: read {100 * done // self._size} %")
                    sys.stderr.flush()
                yield piece
        finally:
            sys.stderr.write("\r\x1b[K")

    def close(self) -> None:
        """Close the file (standard input is left open)."""
        if self._stream is not sys.stdin.buffer:
            self._stream.close()


def open_log(path: str) -> RawLog:
    """Open a file, or standard input for "-".

    Raises:
        UsageError: there is no such file, or it is a folder.
        UnreadableInput: it exists and may not be read.
    """
    if path == "-":
        if sys.stdin.isatty():
            sys.stderr.write("Reading the log from the terminal; end with Ctrl-D.\n")
        return RawLog("<stdin>", sys.stdin.buffer)
    try:
        stream = open(path, "rb", buffering=0)  # noqa: SIM115 - RawLog.close() closes it
        size = os.fstat(stream.fileno()).st_size
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such file, and not the id of a job in a form that is known.",
            "Give a log file, '-', a Vertex custom job (number, projects/... name, console URL) or "
            "an HF Jobs id or URL.",
        ) from None
    except IsADirectoryError:
        raise UsageError(
            f"{path} is a folder.", f"Name the log:  ftdoctor explain {path}/FILE"
        ) from None
    except OSError as error:
        raise UnreadableInput(
            f"{path}: {error.strerror or error}", "Check who may read it."
        ) from None
    return RawLog(path, stream, size)
