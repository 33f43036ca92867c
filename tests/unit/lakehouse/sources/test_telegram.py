"""The shapes are those of Telegram Desktop's export_output_json.cpp."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.messages import Chat, Message
from lakehouse.sources.telegram import read_telegram_export

START = 1759500300  # 2025-10-03T14:05:00Z
ABSENT = "(File not included. Change data exporting settings to download.)"


def said(number: int, text: Any = "hello", **values: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "message",
        "date": "2025-10-03T16:05:00",
        "date_unixtime": str(START + 60 * number),
        "from": "Ana",
        "from_id": "user101",
        "text": text,
        "text_entities": [],
    } | values


def group(*messages: Any, name: str | None = "Plant 7", number: int = 4242) -> dict[str, Any]:
    return {"name": name, "type": "private_supergroup", "id": number, "messages": list(messages)}


def account(*chats: dict[str, Any], left: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    lists = {"chats": {"about": "This page lists all chats from this export.", "list": list(chats)}}
    gone = {"left_chats": {"about": "This page lists all supergroups …", "list": list(left)}} if left else {}
    return {"about": "Here is the data you requested.", "personal_information": {"user_id": 1}} | lists | gone


def read(folder: Path, export: dict[str, Any] | str) -> Chat:
    path = folder / "result.json"
    path.write_text(export if isinstance(export, str) else json.dumps(export, indent=1, ensure_ascii=False))
    parts = list(read_telegram_export(path))
    messages = tuple(message for part in parts for message in part.messages)
    return Chat("telegram", messages, tuple(bad for part in parts for bad in part.bad))


def test_a_message_is_read_whole(tmp_path: Path) -> None:
    edited = said(1, edited="2025-10-03T16:10:00", edited_unixtime=str(START + 600))
    assert read(tmp_path, group(edited)).messages == (
        Message(
            channel="Plant 7",
            message_id="4242-1",
            thread_id="2025-10-03",
            author="Ana",
            ts=datetime(2025, 10, 3, 14, 6, tzinfo=UTC),
            text="hello",
            edited_at=datetime(2025, 10, 3, 14, 15, tzinfo=UTC),
        ),
    )


def test_text_comes_as_text_or_in_pieces(tmp_path: Path) -> None:
    pieces = [
        "See ",
        {"type": "bold", "text": "pump 7"},
        ", ",
        {"type": "text_link", "text": "the page", "href": "https://x.io"},
        {"type": "link", "text": " https://y.io"},
    ]
    assert [one.text for one in read(tmp_path, group(said(1, pieces), said(2, "plain"))).messages] == [
        "See pump 7, the page (https://x.io) https://y.io",
        "plain",
    ]


def test_answers_and_what_they_answer_are_a_thread_from_its_first_message(tmp_path: Path) -> None:
    messages = read(
        tmp_path,
        group(said(1), said(2, reply_to_message_id=1), said(3), said(4, reply_to_message_id=2)),
    ).messages
    assert [one.thread_id for one in messages] == ["4242-1", "4242-1", "2025-10-03", "4242-1"]


def test_an_answer_to_another_chat_or_in_a_circle_makes_no_thread_that_hangs(tmp_path: Path) -> None:
    messages = read(
        tmp_path,
        group(
            said(1, reply_to_message_id=9, reply_to_peer_id="channel77"),
            said(2, reply_to_message_id=3),
            said(3, reply_to_message_id=2),
            said(4, reply_to_message_id=4),
        ),
    ).messages
    assert [messages[0].thread_id, messages[3].thread_id] == ["2025-10-03"] * 2
    assert messages[1].thread_id == messages[2].thread_id


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"photo": "photos/photo_1.jpg", "width": 1280, "height": 720}, "[photo]"),
        ({"photo": ABSENT, "text": "look"}, "look\n[photo]"),
        ({"file": ABSENT, "media_type": "sticker", "sticker_emoji": "🙂"}, "[sticker 🙂]"),
        ({"file": "voice_messages/audio_1.ogg", "media_type": "voice_message"}, "[voice message]"),
        ({"file": ABSENT, "file_name": "plan.pdf", "mime_type": "application/pdf"}, "[file: plan.pdf]"),
        ({"file": "files/plan (1).pdf"}, "[file: plan (1).pdf]"),
        ({"file": ABSENT}, "[file]"),
        ({"file": ABSENT, "media_type": "audio_file", "performer": "B", "title": "Song"}, "[audio: B – Song]"),
        ({"location_information": {"latitude": 52.5, "longitude": 13.4}}, "[location: 52.5, 13.4]"),
        ({"contact_information": {"first_name": "Bo", "last_name": "", "phone_number": "1"}}, "[contact: Bo]"),
        ({"poll": {"question": "When?", "answers": [{"text": "now"}, {"text": "later"}]}}, "[poll: When? now / later]"),
        ({"text": "news", "forwarded_from": "Cy"}, "[forwarded from Cy]\nnews"),
    ],
)
def test_what_was_sent_is_named_in_the_text(values: dict[str, Any], text: str, tmp_path: Path) -> None:
    assert read(tmp_path, group(said(1, **{"text": ""} | values))).messages[0].text == text


def test_what_the_chat_says_about_itself_is_left_out(tmp_path: Path) -> None:
    service = {"id": 1, "type": "service", "date_unixtime": str(START), "actor": "Ana", "action": "pin_message"}
    chat = read(tmp_path, group(service, {"id": 2, "type": "unsupported"}, said(3, ""), said(4)))
    assert ([one.message_id for one in chat.messages], chat.bad) == (["4242-4"], ())


def test_an_account_holds_many_chats(tmp_path: Path) -> None:
    saved = {"type": "saved_messages", "id": 1, "messages": [said(5)]}
    export = account(
        group(said(1)),
        saved,
        group(said(1), name=None, number=8),
        left=(group(said(1), name="Old", number=9),),
    )
    assert [(one.channel, one.message_id) for one in read(tmp_path, export).messages] == [
        ("Plant 7", "4242-1"),
        ("saved messages", "1-5"),
        ("chat 8", "8-1"),
        ("Old", "9-1"),
    ]


def test_chats_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    messages = read(tmp_path, account(group(said(1), name="Ana"), group(said(1), name="Ana", number=7))).messages
    assert [one.channel for one in messages] == ["Ana (4242)", "Ana (7)"]


def test_what_is_said_of_a_chat_may_stand_after_its_messages(tmp_path: Path) -> None:
    backwards = dict(reversed(group(said(1)).items()))
    assert read(tmp_path, {"id": 4242} | backwards).messages[0].channel == "Plant 7"


def test_control_characters_as_telegram_writes_them_are_read(tmp_path: Path) -> None:
    text = json.dumps(group(said(1, "a@b"), said(2, "C:\\x41 stays"))).replace("a@b", "a\\x0Bb\\x1Fc")
    assert [one.text for one in read(tmp_path, text).messages] == ["a\x0bb\x1fc", "C:\\x41 stays"]


def test_old_exports_have_local_times_only(tmp_path: Path) -> None:
    old = said(1)
    del old["date_unixtime"]
    assert read(tmp_path, group(old)).messages[0].ts == datetime(2025, 10, 3, 16, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (7, "bad_json"),
        ({"type": "message", "text": "x", "date_unixtime": "1759500300"}, "missing_field"),
        (said(2, date="soon", date_unixtime=""), "bad_timestamp"),
        (said(2, edited_unixtime="never"), "bad_timestamp"),
    ],
)
def test_a_message_that_is_none_is_left_out_alone(item: Any, code: str, tmp_path: Path) -> None:
    chat = read(tmp_path, group(said(1), item, said(3)))
    assert [one.message_id for one in chat.messages] == ["4242-1", "4242-3"]
    (bad,) = chat.bad
    assert (bad.member, bad.record, bad.code) == ("Plant 7", 2, code)
    assert json.loads(bad.raw or b"") == item


@pytest.mark.parametrize("cut", [1, 40, 300, -1, -3])
def test_an_export_that_was_cut_off_is_refused_whole(cut: int, tmp_path: Path) -> None:
    with pytest.raises(BadRecord) as refused:
        read(tmp_path, json.dumps(group(said(1), said(2)))[:cut])
    assert refused.value.code == "bad_json"
