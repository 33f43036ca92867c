"""A channel as DiscordChatExporter writes it to JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakehouse.errors import BadRecord
from lakehouse.sources.json_stream import JsonStream, open_json
from lakehouse.sources.messages import BadMessage, Chat, Message, clean_text, day_of, read_instant
from lakehouse.sources.replies import Replies

# 20 and 23 are what applications answer to commands; the exporter has no names for them.
SAID = frozenset({"Default", "Reply", "20", "23"})
MEMBER = "messages"


@dataclass
class _Channel:
    said: dict[str, Any] = field(default_factory=dict)
    replies: Replies[str] = field(default_factory=Replies)

    @property
    def source(self) -> str:
        return f"discord:{_object(self.said, 'guild').get('id') or '0'}"

    @property
    def place(self) -> str:
        return str(_object(self.said, "channel").get("id"))

    @property
    def name(self) -> str:
        return clean_text(str(_object(self.said, "channel").get("name") or "")) or f"channel {self.place}"

    @property
    def is_thread(self) -> bool:
        return str(_object(self.said, "channel").get("type") or "").endswith("Thread")


def read_discord_export(path: Path) -> Iterator[Chat]:
    """It is read twice: what a thread is, and that the file is whole, is known at its end. Raises BadRecord."""
    channel = _survey(path)
    for record, item in enumerate(_items(path, {}), start=1):
        try:
            message = _message(channel, item)
        except BadRecord as refused:
            bad = BadMessage(MEMBER, record, refused.code, refused.reason, json.dumps(item).encode())
            yield Chat(channel.source, (), (bad,), channel.place)
            continue
        if message is not None:
            yield Chat(channel.source, (message,), (), channel.place)


def _survey(path: Path) -> _Channel:
    channel = _Channel()
    for item in _items(path, channel.said):
        if isinstance(item, dict) and (answers := _answered(item)):
            channel.replies.add(str(item.get("id")), answers)
    if not _object(channel.said, "channel").get("id"):
        reason = "it names no channel: export it again with DiscordChatExporter, as JSON"
        raise BadRecord("not_a_chat_export", reason)
    return channel


def _items(path: Path, said: dict[str, Any]) -> Iterator[Any]:
    with open_json(path) as file:
        stream = JsonStream(file)
        for key in stream.names():
            if key == "messages":
                for _ in stream.elements():
                    yield stream.value()
            else:
                said[key] = stream.value()
        stream.end()


def _answered(item: Mapping[str, Any]) -> str | None:
    """A forwarded message has a reference as well, but begins no thread."""
    reference = _object(item, "reference")
    answered = reference.get("messageId") if item.get("type") == "Reply" else None
    return str(answered) if answered else None


def _message(channel: _Channel, item: Any) -> Message | None:
    """None for what the channel says about itself, and where nothing was said."""
    if not isinstance(item, dict):
        raise BadRecord("bad_json", "it is no object")
    if str(item.get("type")) not in SAID:
        return None
    if not item.get("id"):
        raise BadRecord("missing_field", "it has no id")
    number, ts = str(item["id"]), read_instant(str(item.get("timestamp") or ""))
    text = _text(item)
    if not text:
        return None
    return Message(
        channel=channel.name,
        message_id=f"{channel.place}-{number}",
        thread_id=_thread(channel, number) or day_of(ts),
        author=_author(_object(item, "author")),
        ts=ts,
        text=text,
        edited_at=read_instant(str(item["timestampEdited"])) if item.get("timestampEdited") else None,
    )


def _thread(channel: _Channel, number: str) -> str | None:
    """An export of a thread is one thread; elsewhere answers make them."""
    if channel.is_thread:
        return channel.place
    root = channel.replies.thread_of(number)
    return f"{channel.place}-{root}" if root else None


def _author(author: Mapping[str, Any]) -> str | None:
    names = (clean_text(str(author.get(name) or "")) for name in ("nickname", "name", "id"))
    return next((name for name in names if name), None)


def _text(item: Mapping[str, Any]) -> str:
    parts = [str(item.get("content") or "")]
    forwarded = _object(item, "forwardedMessage")
    if forwarded:
        parts += ["[forwarded]", *_said(forwarded)]
    if not parts[0].strip():
        parts += _embedded(item)
    parts += [f"[file: {one.get('fileName')}]" for one in _objects(item, "attachments") if one.get("fileName")]
    parts += [f"[sticker: {one.get('name')}]" for one in _objects(item, "stickers") if one.get("name")]
    return clean_text("\n".join(part for part in parts if part.strip()))


def _said(forwarded: Mapping[str, Any]) -> list[str]:
    files = [f"[file: {one.get('fileName')}]" for one in _objects(forwarded, "attachments") if one.get("fileName")]
    return [str(forwarded.get("content") or ""), *_embedded(forwarded), *files]


def _embedded(item: Mapping[str, Any]) -> list[str]:
    """Of an application that only embeds, what it embedded."""
    parts = []
    for embed in _objects(item, "embeds"):
        parts += [str(embed.get(name) or "") for name in ("title", "description")]
        parts += [f"{one.get('name')}: {one.get('value')}" for one in _objects(embed, "fields")]
    return parts


def _object(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def _objects(item: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = item.get(name)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []
