"""A chat message as every source gives it, and chat files of JSON lines."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.errors import BadRecord

REQUIRED = ("channel", "message_id", "ts")
LONGEST_LINE = 1_000_000  # of JSON that is all brackets it makes some 25 MB of objects
LINES_AT_ONCE = 8_000_000
EPOCH = re.compile(r"(\d{9,10})(?:\.(\d{1,6})\d*)?")
ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?(?:Z|[+-]\d\d:\d\d)?")


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
    """A line or member that is no message: where it stands, why, and its bytes. record is None for a whole member.

    raw: None where only the file around it can be kept.
    """

    member: str | None
    record: int | None
    code: str
    reason: str
    raw: bytes | None


@dataclass(frozen=True)
class Chat:
    """What one file holds, or a part of it. source: a name that the next export of the same place will have as well.

    place: the id of the one chat that these messages are of, with which, and `-`, their ids begin. A chat that goes by
    another name in the next export is known by it.
    """

    source: str
    messages: tuple[Message, ...]
    bad: tuple[BadMessage, ...]
    place: str | None = None


def read_chat_lines(data: bytes, first: int = 1) -> Chat:
    """One JSON object a line with channel, message_id, ts (ISO or epoch) and text; thread_id, author, edited_at and
    deleted where there are any. first: the number of the first line."""
    messages: list[Message] = []
    bad: list[BadMessage] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=first):
        if not line.strip():
            continue
        try:
            messages.append(_read_line(line))
        except BadRecord as refused:
            bad.append(BadMessage(None, number, refused.code, refused.reason, line))
    return Chat("jsonl", tuple(messages), tuple(bad))


def stream_chat_lines(path: Path) -> Iterator[Chat]:
    """The same of a file of any size."""
    done = 0
    with path.open("rb") as file:
        while block := file.readlines(LINES_AT_ONCE):
            # A last newline would begin a further line.
            yield read_chat_lines(b"".join(block).removesuffix(b"\n"), done + 1)
            done += len(block)


def _read_line(line: bytes) -> Message:
    if len(line) > LONGEST_LINE:
        raise BadRecord("too_large", f"it has {len(line):,} bytes and at most {LONGEST_LINE:,} are read")
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise BadRecord("bad_json", "it is JSON, but no object")
        values = {name: as_clean_text(value) for name, value in row.items()}
    except (ValueError, RecursionError) as error:
        raise BadRecord("bad_json", f"it is not JSON ({error})") from error
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
    """The usual forms are read here; others as columns of them are, which takes a hundred times as long."""
    try:
        if epoch := EPOCH.fullmatch(text):
            microseconds = int((epoch[2] or "").ljust(6, "0"))
            return datetime.fromtimestamp(int(epoch[1]), UTC).replace(microsecond=microseconds)
        if ISO.fullmatch(text):
            when = datetime.fromisoformat(text)
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise _no_time(text) from error
    return _read_unusual(text)


def _read_unusual(text: str) -> datetime:
    import pyarrow as pa

    from lakehouse.sources.columns import as_times

    when: datetime | None = as_times(pa.array([text]))[0].as_py()
    if when is None:
        raise _no_time(text)
    return when


def _no_time(text: str) -> BadRecord:
    return BadRecord("bad_timestamp", f"ts '{text[:60]}' is no time: write it as 2026-10-31T12:00:00Z")


def day_of(ts: datetime) -> str:
    return ts.astimezone(UTC).date().isoformat()


def clean_text(text: str) -> str:
    """Trimmed, and without what neither Postgres (NUL) nor UTF-8 (lone surrogates) can hold."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode().strip()


def as_clean_text(value: object) -> str:
    """A JSON value: text as it is, all else as JSON. Lone surrogates become question marks."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clean_text(text.encode("utf-8", "replace").decode())
