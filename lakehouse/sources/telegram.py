"""An export of Telegram Desktop as JSON (`result.json`): of one chat, or of an account with all of its chats."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakehouse.errors import BadRecord
from lakehouse.sources.json_stream import JsonStream, open_json
from lakehouse.sources.messages import BadMessage, Chat, Message, clean_text, day_of, read_instant
from lakehouse.sources.replies import Replies

SOURCE = "telegram"
NAMED = ("name", "type", "id")
LISTS = ("chats", "left_chats")
NAMES = {"saved_messages": "saved messages", "replies": "replies"}
MEDIA = {
    "sticker": "sticker",
    "voice_message": "voice message",
    "video_message": "video message",
    "animation": "animation",
    "video_file": "video",
    "audio_file": "audio",
}


@dataclass
class _Chat:
    """said: what the export says of it beside its messages; complete when the export was read once."""

    said: dict[str, Any] = field(default_factory=dict)
    replies: Replies[int] = field(default_factory=Replies)
    channel: str = ""

    @property
    def place(self) -> str:
        return str(self.said.get("id"))


def read_telegram_export(path: Path) -> Iterator[Chat]:
    """It is read twice: what a thread is, and that the file is whole, is known at its end. Raises BadRecord."""
    chats = _survey(path)
    for number, record, item in _items(path, {}):
        chat = chats[number]
        try:
            message = _message(chat, item)
        except BadRecord as refused:
            bad = BadMessage(chat.channel, record, refused.code, refused.reason, json.dumps(item).encode())
            yield Chat(SOURCE, (), (bad,), chat.place)
            continue
        if message is not None:
            yield Chat(SOURCE, (message,), (), chat.place)


def _survey(path: Path) -> dict[int, _Chat]:
    chats: dict[int, _Chat] = {}
    for number, _, item in _items(path, chats):
        if isinstance(item, dict) and isinstance(item.get("id"), int) and "reply_to_peer_id" not in item:
            answers = item.get("reply_to_message_id")
            if isinstance(answers, int):
                chats[number].replies.add(item["id"], answers)
    for chat in chats.values():
        if not isinstance(chat.said.get("id"), int):
            raise BadRecord("not_a_chat_export", "a chat in it has no id: export it again with Telegram Desktop")
        chat.channel = _name(chat.said)
    names = Counter(chat.channel for chat in chats.values())
    for chat in chats.values():
        if names[chat.channel] > 1:
            chat.channel = f"{chat.channel} ({chat.place})"
    return chats


def _items(path: Path, chats: dict[int, _Chat]) -> Iterator[tuple[int, int, Any]]:
    """Each entry of each chat's messages, with the numbers of both. What is said of the chats goes to `chats`."""
    with open_json(path) as file:
        stream = JsonStream(file)
        alone = chats.setdefault(0, _Chat())
        for key in stream.names():
            if key in LISTS:
                yield from _listed(stream, chats)
            else:
                yield from _entry(stream, key, 0, alone)
        stream.end()
        if not alone.said.keys() >= {"id"} and len(chats) > 1:
            del chats[0]


def _listed(stream: JsonStream, chats: dict[int, _Chat]) -> Iterator[tuple[int, int, Any]]:
    for key in stream.names():
        if key != "list":
            stream.value()
            continue
        for _ in stream.elements():
            number = max(chats) + 1
            chat = chats.setdefault(number, _Chat())
            for name in stream.names():
                yield from _entry(stream, name, number, chat)


def _entry(stream: JsonStream, key: str, number: int, chat: _Chat) -> Iterator[tuple[int, int, Any]]:
    if key == "messages":
        for record, _ in enumerate(stream.elements(), start=1):
            yield number, record, stream.value()
    elif key in NAMED:
        chat.said[key] = stream.value()
    else:
        stream.value()


def _name(said: Mapping[str, Any]) -> str:
    return clean_text(str(said.get("name") or "")) or NAMES.get(str(said.get("type")), f"chat {said['id']}")


def _message(chat: _Chat, item: Any) -> Message | None:
    """None for what the chat says about itself, and where nothing was said."""
    if not isinstance(item, dict):
        raise BadRecord("bad_json", "it is no object")
    if item.get("type") != "message":
        return None
    number = item.get("id")
    if not isinstance(number, int):
        raise BadRecord("missing_field", "it has no id")
    ts = read_instant(str(item.get("date_unixtime") or item.get("date") or ""))
    edited = item.get("edited_unixtime") or item.get("edited")
    root = chat.replies.thread_of(number)
    text = _text(item)
    if not text:
        return None
    return Message(
        channel=chat.channel,
        message_id=f"{chat.place}-{number}",
        thread_id=day_of(ts) if root is None else f"{chat.place}-{root}",
        author=clean_text(str(item.get("from") or item.get("author") or item.get("from_id") or "")) or None,
        ts=ts,
        text=text,
        edited_at=read_instant(str(edited)) if edited else None,
    )


def _text(item: Mapping[str, Any]) -> str:
    """What was written, and of what was sent beside it the sort and name."""
    forwarded = item.get("forwarded_from")
    parts = [f"[forwarded from {forwarded}]" if forwarded else "", _written(item.get("text")), *_sent(item)]
    return clean_text("\n".join(part for part in parts if part.strip()))


def _written(text: Any) -> str:
    """Text as it is, or as a list of pieces of text and of entities, which have a type and a text."""
    pieces = text if isinstance(text, list) else [text]
    return "".join(piece if isinstance(piece, str) else _entity(piece) for piece in pieces)


def _entity(piece: Any) -> str:
    if not isinstance(piece, dict):
        return ""
    text, address = str(piece.get("text") or ""), piece.get("href")
    return f"{text} ({address})" if address and address != text else text


def _sent(item: Mapping[str, Any]) -> Iterator[str]:
    if "photo" in item:
        yield "[photo]"
    if "file" in item:
        yield _file(item)
    for name in ("place_name", "game_title"):
        if item.get(name):
            yield f"[{name.partition('_')[0]}: {item[name]}]"
    if isinstance(point := item.get("location_information"), dict):
        yield f"[location: {point.get('latitude')}, {point.get('longitude')}]"
    if isinstance(contact := item.get("contact_information"), dict):
        yield f"[contact: {contact.get('first_name', '')} {contact.get('last_name', '')}]".replace(" ]", "]")
    if isinstance(poll := item.get("poll"), dict):
        answers = [str(one.get("text")) for one in poll.get("answers") or () if isinstance(one, dict)]
        yield f"[poll: {poll.get('question')} {' / '.join(answers)}]"


def _file(item: Mapping[str, Any]) -> str:
    sort = MEDIA.get(str(item.get("media_type")), "file")
    if sort == "sticker":
        return f"[sticker {item.get('sticker_emoji') or ''}]".replace(" ]", "]")
    title = " – ".join(str(item[name]) for name in ("performer", "title") if item.get(name))
    path = str(item.get("file") or "")
    # A file that was not exported has a remark in brackets in place of its path.
    name = title or str(item.get("file_name") or "") or ("" if path.startswith("(") else path.rpartition("/")[2])
    return f"[{sort}: {name}]" if name and sort in ("file", "video", "audio") else f"[{sort}]"
