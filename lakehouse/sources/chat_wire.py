"""Messages on their way out of the worker: many to a reply, so that neither side holds a whole export."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from lakehouse.errors import BadRecord
from lakehouse.sources.exports import Sort, read_export
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.messages import BadMessage, Chat, Message, as_key, clean_text

MOST_MESSAGES = 5_000
MOST_SIZE = 4_000_000
# Of a file of nothing but garbage each piece would be an object in quarantine, and a transaction.
MOST_BAD = 1_000


def replies(path: Path, sort: Sort) -> Iterator[dict[str, Any]]:
    """In the worker. Raises BadRecord."""
    for chat in joined(read_export(path, sort)):
        yield {
            "source": as_key(chat.source),
            "place": chat.place,
            "messages": [_packed(message) for message in chat.messages],
            "bad": [[b.member, b.record, b.code, b.reason, _text(b.raw)] for b in chat.bad],
        }


def read_chats(extractor: Extractor, path: Path, sort: Sort) -> Iterator[Chat]:
    """In the process that asks. Raises BadRecord, also after some have come."""
    bad = 0
    for reply in extractor.stream("chat", path, sort=sort):
        messages = tuple(_unpacked(values) for values in reply["messages"])
        refused = tuple(
            BadMessage(member, record, code, reason, _bytes(raw)) for member, record, code, reason, raw in reply["bad"]
        )
        yield Chat(reply["source"], messages, refused, reply["place"])
        bad += len(refused)
        refuse_garbage(bad)


def refuse_garbage(bad: int) -> None:
    if bad > MOST_BAD:
        raise BadRecord("too_many_bad", f"more than {MOST_BAD:,} of its messages cannot be read: export it again")


def joined(parts: Iterable[Chat]) -> Iterator[Chat]:
    """Neighbours of one place in one, up to what a reply may hold."""
    waiting: list[Chat] = []
    count = size = 0
    for part in parts:
        whole = waiting[0] if waiting else part
        if count >= MOST_MESSAGES or size >= MOST_SIZE or (part.source, part.place) != (whole.source, whole.place):
            yield _one(waiting)
            waiting, count, size = [], 0, 0
        waiting.append(part)
        count += len(part.messages) + len(part.bad)
        size += sum(len(message.text) for message in part.messages) + sum(len(bad.raw or b"") for bad in part.bad)
    if waiting:
        yield _one(waiting)


def _one(parts: list[Chat]) -> Chat:
    return replace(
        parts[0],
        messages=tuple(message for part in parts for message in part.messages),
        bad=tuple(bad for part in parts for bad in part.bad),
    )


def _packed(message: Message) -> list[Any]:
    names = (message.channel, message.message_id, message.thread_id, str(message.author or ""))
    edited = message.edited_at.isoformat() if message.edited_at else None
    keys = [as_key(clean_text(name)) for name in names]
    return [*keys, message.ts.isoformat(), message.text, edited, message.deleted]


def _unpacked(values: list[Any]) -> Message:
    channel, message_id, thread_id, author, ts, text, edited, deleted = values
    when = datetime.fromisoformat(edited) if edited else None
    return Message(channel, message_id, thread_id, author or None, datetime.fromisoformat(ts), text, when, deleted)


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
