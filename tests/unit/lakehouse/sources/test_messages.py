import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.columns import as_times
from lakehouse.sources.messages import LONGEST_LINE, Message, read_chat_lines, read_instant, stream_chat_lines

LINE = {"channel": "ops", "message_id": "m1", "ts": "2026-10-03T14:05:00Z", "text": "hello"}


def read(*lines: Any) -> tuple[Message, ...]:
    chat = read_chat_lines(b"\n".join(json.dumps(line).encode() for line in lines))
    assert chat.bad == ()
    return chat.messages


def test_a_line_is_a_message() -> None:
    (message,) = read(LINE | {"thread_id": "t1", "author": "ana", "edited_at": 1759500360})
    assert message == Message(
        channel="ops",
        message_id="m1",
        thread_id="t1",
        author="ana",
        ts=datetime(2026, 10, 3, 14, 5, tzinfo=UTC),
        text="hello",
        edited_at=datetime(2025, 10, 3, 14, 6, tzinfo=UTC),
    )


def test_a_message_outside_threads_belongs_to_its_day_in_utc() -> None:
    (message,) = read(LINE | {"ts": "2026-10-03T23:30:00-02:00"})
    assert message.thread_id == "2026-10-04"


def test_a_deleted_message_needs_no_text() -> None:
    (message,) = read({"channel": "ops", "message_id": "m1", "ts": 1759500300, "deleted": True})
    assert (message.deleted, message.text) == (True, "")


def test_numbers_may_be_ids() -> None:
    assert read(LINE | {"message_id": 7})[0].message_id == "7"


def test_what_databases_cannot_hold_is_left_out_of_text() -> None:
    assert read(LINE | {"text": "a\x00b\ud800 "})[0].text == "ab?"


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        (b"{", "bad_json", "it is not JSON"),
        (b"[" * 100_000, "bad_json", "it is not JSON"),
        (b"[1]", "bad_json", "no object"),
        (b'{"channel": "ops"}', "missing_field", "it has no message_id and no ts and no text"),
        (json.dumps(LINE | {"text": " "}).encode(), "missing_field", "it has no text"),
        (json.dumps(LINE | {"ts": "soon"}).encode(), "bad_timestamp", "ts 'soon' is no time"),
    ],
)
def test_a_bad_line_is_kept_with_its_number_and_the_others_are_read(line: bytes, code: str, reason: str) -> None:
    chat = read_chat_lines(b"\n".join([json.dumps(LINE).encode(), b"", line, json.dumps(LINE).encode()]))
    assert len(chat.messages) == 2
    (bad,) = chat.bad
    assert (bad.record, bad.code, bad.raw) == (3, code, line)
    assert reason in bad.reason


@pytest.mark.parametrize(
    "text",
    [
        "1759500300",
        "1759500300.000100",
        "1759500300.5",
        "-1759500300.25",
        "1759500300123",
        "1759500300123456",
        "1759500300123456789",
        "2025-10-03T14:05:00Z",
        "2025-10-03T14:05:00.5+02:00",
        "2025-10-03T14:05:00.0761234+02:00",
        "2025-10-03 14:05:00 UTC",
        "2025-10-03T14:05-0330",
        "2025-10-03T14:05+02",
        "2025-10-03 14:05",
        "2025-10-03",
        "soon",
        "2025-13-03",
        "2025-10-03T25:00:00Z",
        "12345",
        "99999999999999999999",
        "",
    ],
)
def test_a_time_is_read_like_one_in_a_column_of_times(text: str) -> None:
    (expected,) = as_times(pa.array([text])).to_pylist()
    if expected is None:
        with pytest.raises(BadRecord, match="is no time"):
            read_instant(text)
    else:
        assert read_instant(text) == expected


def test_a_byte_order_mark_is_no_bad_line() -> None:
    assert read_chat_lines(b"\xef\xbb\xbf" + json.dumps(LINE).encode()).bad == ()


def test_a_line_too_long_is_refused_alone_and_never_held(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [json.dumps(LINE | {"message_id": f"m{number}"}).encode() for number in range(4)]
    path.write_bytes(b"\n".join([*lines[:2], b"[" * (LONGEST_LINE * 3), *lines[2:]]) + b"\n")
    parts = list(stream_chat_lines(path))
    assert [message.message_id for part in parts for message in part.messages] == ["m0", "m1", "m2", "m3"]
    assert [(bad.record, bad.code, bad.raw) for part in parts for bad in part.bad] == [(3, "too_large", None)]


def test_names_fit_into_an_index_and_stay_different() -> None:
    first, second = read(*(LINE | {"channel": "\u4e00" * 5_000 + last} for last in "ab"))
    assert first.channel != second.channel
    assert max(len(first.channel.encode()), len(second.channel.encode())) < 2_704 / 3
    assert read(LINE)[0].channel == "ops"
