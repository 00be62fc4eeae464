"""Whatever the bytes, an answer comes back, and it is of the contract's shape."""

from __future__ import annotations

import gzip
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ftdoctor.errors import UnreadableInput, UsageError
from ftdoctor.logs.explain import explain_log
from ftdoctor.logs.reading import RawLog
from tests.logs.test_fixtures import patterns

_PIECES = st.sampled_from(
    [
        b"Traceback (most recent call last):\n",
        b'  File "a.py", line 1, in f\n',
        b"ValueError: x\n",
        b"During handling of the above exception, another exception occurred:\n",
        b"{",
        b'{"textPayload": "x"}\n',
        b'[{"jsonPayload": {"message": 3}}',
        b"data: {\n",
        b"\r 3%|#| 1/2 [00:01<00:02, 3it/s]",
        b"[rank1]: ",
        b"\x1b[31m",
        b"{'loss': nan, 'grad_norm': 1e400}\n",
        b"{'loss': 0.0, 'grad_norm': 0.0, 'epoch': .}\n",
        b"CUDA out of memory. Tried to allocate 9 GiB (GPU 0; 1.00 GiB total capacity; free",
        b"===== Job started at 1\n",
        b"\n\n\n",
        b"timestamp,textPayload\n",
        b"\xff\xfe\x00",
        b"\xe2\x95\xad\xe2\x94\x80 Traceback (most recent call last) \xe2\x94\x80\n",
    ]
)


def check(data: bytes) -> None:
    try:
        document = explain_log(RawLog("x", io.BytesIO(data)), patterns(), engine="plain").document()
    except (UnreadableInput, UsageError) as error:
        # A zip or zstd file, or no text at all: one clear message.
        assert "archive" in error.message or "binary" in error.message
        return
    assert document["outcome"] in ("named", "unrecognised", "healthy")
    assert (document["cause"] is None) == (document["outcome"] != "named")
    for line in (document["cause"] or {}).get("evidence", []):
        assert isinstance(line["line"], int)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000))
@example(b"")
@example(b"\x00" * 100)
@example(b"\x1f\x8b")
@example(b"[")
@example(b'[{"a": 1}, {"b"')
def test_any_bytes(data: bytes) -> None:
    check(data)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(_PIECES, st.binary(max_size=20)), max_size=40).map(b"".join))
def test_pieces_of_logs_in_any_order(data: bytes) -> None:
    check(data)


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.integers(1, 200))
def test_a_gzip_cut_anywhere(data: bytes, cut: int) -> None:
    packed = gzip.compress(data * 20)
    check(packed[: len(packed) * cut // 200])
