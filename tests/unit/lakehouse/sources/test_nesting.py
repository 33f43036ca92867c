import time

import pytest

from lakehouse.sources.nesting import DEEPEST, is_too_deep


@pytest.mark.parametrize(
    ("text", "too_deep"),
    [
        (b"[" * DEEPEST + b"]" * DEEPEST, False),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), True),
        (b'{"a":' * (DEEPEST + 1), True),
        (b"[" + b"[]," * 1_000 + b"[]]", False),
        (b'"' + b"[" * 1_000 + b'"', False),
        (b'{"a":"' + b"]" * 1_000 + b'","b":' + b"[" * 100 + b"]" * 100 + b"}", True),
        (b'{"a":"\\"]]]]","b":' + b"[" * 66 + b"]" * 66 + b"}", True),
        (b'"' + b"[" * 100, False),
        (b'"' + b"[" * 100 + b"\\", False),
    ],
)
def test_brackets_count_where_they_are_no_text(text: bytes, too_deep: bool) -> None:
    assert is_too_deep(text) is too_deep


@pytest.mark.parametrize("text", [b'\\"' * 500_000, b'["' * 500_000, b'"' + b"\\" * 1_000_001, b"[{" * 500_000])
def test_no_text_takes_long(text: bytes) -> None:
    started = time.monotonic()
    is_too_deep(b"[" * 65 + text)
    assert time.monotonic() - started < 5
