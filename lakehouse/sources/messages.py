"""A chat message as every source gives it, and chat files of JSON lines."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from lakehouse.errors import BadRecord

REQUIRED = ("channel", "message_id", "ts")
LONGEST_LINE = 1_000_000  # of JSON that is all brackets it makes some 25 MB of objects
LONGEST_KEY = 200  # characters; of the 2,704 bytes of an index, a thread has three such names
LINES_AT_ONCE = 8_000_000
EPOCH = re.compile(r"(-?\d{9,19})(?:\.(\d+))?")
# Writers differ in what they leave out: DiscordChatExporter writes as many digits of a second as there are.
TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)? ?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?", re.I
)
# Seconds up to the year 5138, beyond it milliseconds, microseconds, nanoseconds.
SCALES = ((10**11, 10**6), (10**14, 10**3), (10**17, 1))
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


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
    """The same of a file of any size, in constant memory. Of a line that is too long nothing is kept but the file."""
    done = 0
    with path.open("rb") as file:
        while True:
            block, is_cut = _whole_lines(file)
            if not block and not is_cut:
                return
            lines = b"".join(block)
            # A last newline would begin a further line.
            yield read_chat_lines(lines.removesuffix(b"\n"), done + 1)
            done += len(block) + is_cut
            if is_cut:
                reason = f"it has more than {LONGEST_LINE:,} bytes, and no more are read"
                yield Chat("jsonl", (), (BadMessage(None, done, "too_large", reason, None),))


def _whole_lines(file: IO[bytes]) -> tuple[list[bytes], bool]:
    """And whether one follows that is too long, which is read past."""
    block: list[bytes] = []
    size = 0
    while size < LINES_AT_ONCE and (line := file.readline(LONGEST_LINE + 1)):
        if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            return block, True
        block.append(line)
        size += len(line)
    return block, False


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
        channel=as_key(values["channel"]),
        message_id=as_key(values["message_id"]),
        thread_id=as_key(values.get("thread_id") or day_of(ts)),
        author=values.get("author") or None,
        ts=ts,
        text=values.get("text", ""),
        edited_at=read_instant(values["edited_at"]) if values.get("edited_at") else None,
        deleted=deleted,
    )


def read_instant(text: str) -> datetime:
    """The same forms as in a column of times, without the hundredfold time that a column of one takes."""
    try:
        if epoch := EPOCH.fullmatch(text):
            return BEGINNING + timedelta(microseconds=_microseconds(int(epoch[1]), epoch[2] or ""))
        if time := TIME.fullmatch(text.strip()):
            return _instant(*time.groups())
    except (ValueError, OverflowError) as error:
        raise _no_time(text) from error
    raise _no_time(text)


def _microseconds(number: int, fraction: str) -> int:
    scale = next((scale for most, scale in SCALES if abs(number) < most), 0)
    if not scale:
        return (number + 500) // 1000
    sign = -1 if number < 0 else 1
    return number * scale + sign * (int(fraction[:6].ljust(6, "0")) * scale // 10**6)


def _instant(day: str, clock: str | None, second: str | None, fraction: str | None, zone: str | None) -> datetime:
    local = f"{day}T{clock or '00:00'}:{second or '00'}.{(fraction or '')[:6].ljust(6, '0')}"
    offset = "+00:00" if zone is None or zone.upper() in ("Z", "UTC", "GMT") else zone
    if len(offset) == len("+02"):
        offset += ":00"
    return datetime.fromisoformat(local + offset).astimezone(UTC)


def _no_time(text: str) -> BadRecord:
    return BadRecord("bad_timestamp", f"ts '{text[:60]}' is no time: write it as 2026-10-31T12:00:00Z")


def day_of(ts: datetime) -> str:
    return ts.astimezone(UTC).date().isoformat()


def clean_text(text: str) -> str:
    """Trimmed, and without what neither Postgres (NUL) nor UTF-8 (lone surrogates) can hold."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode().strip()


def as_key(name: str) -> str:
    """The same for the same name, and no longer than an index of Postgres takes."""
    if len(name) <= LONGEST_KEY:
        return name
    return f"{name[:LONGEST_KEY]}~{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:16]}"


def as_clean_text(value: object) -> str:
    """A JSON value: text as it is, all else as JSON. Lone surrogates become question marks."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clean_text(text.encode("utf-8", "replace").decode())
