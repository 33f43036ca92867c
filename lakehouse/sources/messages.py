"""A chat message as every source gives it, and chat files of JSON lines."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from lakehouse.errors import BadRecord
from lakehouse.sources.columns import as_times
from lakehouse.sources.tabular import as_text

REQUIRED = ("channel", "message_id", "ts")


@dataclass(frozen=True)
class Message:
    """thread_id: of the thread it belongs to, else the UTC day on which it was written."""

    channel: str
    message_id: str
    thread_id: str
    author: str | None
    ts: datetime
    text: str
    edited_at: datetime | None = None
    deleted: bool = False


@dataclass(frozen=True)
class BadMessage:
    """A line or member that is no message: where it stands, why, and its bytes. record is None for a whole member."""

    member: str | None
    record: int | None
    code: str
    reason: str
    raw: bytes


@dataclass(frozen=True)
class Chat:
    """What one file holds. source: a name that the next export of the same place will have as well."""

    source: str
    messages: tuple[Message, ...]
    bad: tuple[BadMessage, ...]


def read_chat_lines(data: bytes) -> Chat:
    """One JSON object a line with channel, message_id, ts (ISO or epoch) and text; thread_id, author, edited_at and
    deleted where there are any."""
    messages: list[Message] = []
    bad: list[BadMessage] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            messages.append(_read_line(line))
        except BadRecord as refused:
            bad.append(BadMessage(None, number, refused.code, refused.reason, line))
    return Chat("jsonl", tuple(messages), tuple(bad))


def _read_line(line: bytes) -> Message:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRecord("bad_json", f"it is not JSON ({error})") from error
    if not isinstance(row, dict):
        raise BadRecord("bad_json", "it is JSON, but no object")
    values = {name: clean_text(as_text(value) or "") for name, value in row.items()}
    deleted = row.get("deleted") is True
    needed = REQUIRED if deleted else (*REQUIRED, "text")
    if missing := [name for name in needed if not values.get(name)]:
        raise BadRecord("missing_field", f"it has no {' and no '.join(missing)}")
    ts = read_instant(values["ts"])
    return Message(
        channel=values["channel"],
        message_id=values["message_id"],
        thread_id=values.get("thread_id") or day_of(ts),
        author=values.get("author") or None,
        ts=ts,
        text=values.get("text", ""),
        edited_at=read_instant(values["edited_at"]) if values.get("edited_at") else None,
        deleted=deleted,
    )


def read_instant(text: str) -> datetime:
    when: datetime | None = as_times(pa.array([text]))[0].as_py()
    if when is None:
        raise BadRecord("bad_timestamp", f"ts '{text[:60]}' is no time: write it as 2026-10-31T12:00:00Z")
    return when


def day_of(ts: datetime) -> str:
    return ts.astimezone(UTC).date().isoformat()


def clean_text(text: str) -> str:
    """Trimmed, and without what neither Postgres (NUL) nor UTF-8 (lone surrogates) can hold."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode().strip()
