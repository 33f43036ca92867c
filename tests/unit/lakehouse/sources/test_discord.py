"""The shapes are those of DiscordChatExporter's JsonMessageWriter.cs."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.discord import read_discord_export
from lakehouse.sources.messages import Chat, Message

ANA = {"id": "101", "name": "ana", "discriminator": "0000", "nickname": "Ana", "color": None, "isBot": False}


def said(number: int, content: str = "hello", **values: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "type": "Default",
        "timestamp": f"2025-10-03T16:{number:02d}:18.076+02:00",
        "timestampEdited": None,
        "callEndedTimestamp": None,
        "isPinned": False,
        "content": content,
        "author": ANA | {"roles": [], "avatarUrl": "https://cdn.discordapp.com/embed/avatars/0.png"},
        "attachments": [],
        "embeds": [],
        "stickers": [],
        "reactions": [],
        "mentions": [],
        "inlineEmojis": [],
    } | values


def answer(number: int, to: int, **values: Any) -> dict[str, Any]:
    reference = {"type": "Default", "messageId": str(to), "channelId": "885", "guildId": "869"}
    return said(number, type="Reply", reference=reference, **values)


def channel(*messages: Any, sort: str = "GuildTextChat") -> dict[str, Any]:
    return {
        "guild": {"id": "869", "name": "Acme", "iconUrl": "https://cdn.discordapp.com/embed/avatars/0.png"},
        "channel": {"id": "885", "type": sort, "categoryId": "1", "category": "Text", "name": "ops", "topic": None},
        "dateRange": {"after": None, "before": None},
        "exportedAt": "2025-10-04T00:00:00+02:00",
        "messages": list(messages),
        "messageCount": len(messages),
    }


def read(folder: Path, export: dict[str, Any] | str) -> Chat:
    path = folder / "ops.json"
    path.write_text(export if isinstance(export, str) else json.dumps(export, indent=2))
    parts = list(read_discord_export(path))
    messages = tuple(message for part in parts for message in part.messages)
    return Chat(parts[0].source, messages, tuple(bad for part in parts for bad in part.bad), parts[0].place)


def test_a_message_is_read_whole(tmp_path: Path) -> None:
    chat = read(tmp_path, channel(said(1, timestampEdited="2025-10-03T16:09:00+02:00")))
    assert (chat.source, chat.place) == ("discord:869", "885")
    assert chat.messages == (
        Message(
            channel="ops",
            message_id="885-1",
            thread_id="2025-10-03",
            author="Ana",
            ts=datetime(2025, 10, 3, 14, 1, 18, 76000, tzinfo=UTC),
            text="hello",
            edited_at=datetime(2025, 10, 3, 14, 9, tzinfo=UTC),
        ),
    )


def test_answers_and_what_they_answer_are_a_thread(tmp_path: Path) -> None:
    messages = read(tmp_path, channel(said(1), answer(2, 1), said(3), answer(4, 2))).messages
    assert [one.thread_id for one in messages] == ["885-1", "885-1", "2025-10-03", "885-1"]


def test_an_export_of_a_thread_is_one_thread(tmp_path: Path) -> None:
    messages = read(tmp_path, channel(said(1), said(2), sort="GuildPublicThread")).messages
    assert [one.thread_id for one in messages] == ["885", "885"]


def test_a_forwarded_message_is_text_and_begins_no_thread(tmp_path: Path) -> None:
    forward = {
        "reference": {"type": "Forward", "messageId": "1", "channelId": "885", "guildId": "869"},
        "forwardedMessage": {"content": "pump 7 is hot", "attachments": [{"fileName": "a.png"}], "embeds": []},
    }
    (_, message) = read(tmp_path, channel(said(1), said(2, "", **forward))).messages
    assert (message.text, message.thread_id) == ("[forwarded]\npump 7 is hot\n[file: a.png]", "2025-10-03")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"attachments": [{"id": "1", "url": "u", "fileName": "plan.pdf", "fileSizeBytes": 1}]}, "[file: plan.pdf]"),
        ({"stickers": [{"id": "1", "name": "wave", "format": "Png", "sourceUrl": "u"}]}, "[sticker: wave]"),
        (
            {"embeds": [{"title": "Alert", "description": "hot", "fields": [{"name": "pump", "value": "7"}]}]},
            "Alert\nhot\npump: 7",
        ),
    ],
)
def test_what_was_sent_is_named_in_the_text(values: dict[str, Any], text: str, tmp_path: Path) -> None:
    assert read(tmp_path, channel(said(1, "", **values))).messages[0].text == text


@pytest.mark.parametrize("sort", ["GuildMemberJoin", "ChannelPinnedMessage", "ThreadCreated", "8"])
def test_what_the_channel_says_about_itself_is_left_out(sort: str, tmp_path: Path) -> None:
    messages = read(tmp_path, channel(said(1, "Joined the server.", type=sort), said(2), said(3, type="20"))).messages
    assert [one.message_id for one in messages] == ["885-2", "885-3"]


@pytest.mark.parametrize(
    ("item", "code"),
    [("x", "bad_json"), (said(2, id=None), "missing_field"), (said(2, timestamp="x"), "bad_timestamp")],
)
def test_a_message_that_is_none_is_left_out_alone(item: Any, code: str, tmp_path: Path) -> None:
    chat = read(tmp_path, channel(said(1), item, said(3)))
    assert [one.message_id for one in chat.messages] == ["885-1", "885-3"]
    assert [(bad.record, bad.code, json.loads(bad.raw or b"")) for bad in chat.bad] == [(2, code, item)]


def test_an_export_that_was_cut_off_is_refused_whole(tmp_path: Path) -> None:
    with pytest.raises(BadRecord, match="no whole JSON document"):
        read(tmp_path, json.dumps(channel(said(1), said(2)))[:-30])
