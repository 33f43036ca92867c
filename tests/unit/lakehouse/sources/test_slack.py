import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.messages import Chat, Message
from lakehouse.sources.slack import read_slack_export as stream_slack_export

USERS = [
    {"id": "U1", "team_id": "T9", "name": "ana", "profile": {"display_name": "Ana", "real_name": "Ana Ruiz"}},
    {"id": "U2", "team_id": "T9", "name": "bo", "profile": {"display_name": "", "real_name": "Bo Li"}},
    {"id": "U3", "name": "cy"},
]
CHANNELS = [{"id": "C1", "name": "ops"}]


def export(folder: Path, days: dict[str, Any], **others: Any) -> Path:
    members = {"users.json": USERS, "channels.json": CHANNELS} | others | days
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return path


def read_slack_export(path: Path) -> Chat:
    parts = list(stream_slack_export(path))
    messages = tuple(message for part in parts for message in part.messages)
    return Chat(parts[0].source, messages, tuple(bad for part in parts for bad in part.bad))


def said(text: str, ts: str = "1759500300.000100", **values: Any) -> dict[str, Any]:
    return {"type": "message", "user": "U1", "ts": ts, "text": text} | values


def read(folder: Path, *messages: dict[str, Any]) -> tuple[Message, ...]:
    chat = read_slack_export(export(folder, {"ops/2025-10-03.json": list(messages)}))
    assert chat.bad == ()
    return chat.messages


def test_a_message_is_read_whole(tmp_path: Path) -> None:
    (message,) = read(
        tmp_path, said("hi", thread_ts="1759500000.000000", edited={"user": "U1", "ts": "1759500360.000000"})
    )
    assert message == Message(
        channel="ops",
        message_id="1759500300.000100",
        thread_id="1759500000.000000",
        author="Ana",
        ts=datetime(2025, 10, 3, 14, 5, 0, 100, tzinfo=UTC),
        text="hi",
        edited_at=datetime(2025, 10, 3, 14, 6, tzinfo=UTC),
    )


def test_a_message_outside_threads_belongs_to_its_day(tmp_path: Path) -> None:
    assert read(tmp_path, said("hi"))[0].thread_id == "2025-10-03"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<@U1>: ask <@U2> or <@U404>", "@Ana: ask @Bo Li or @U404"),
        ("<@U404|dee>", "@dee"),
        ("in <#C1> and <#C2|plant-7>", "in #ops and #plant-7"),
        ("<!here> <!channel> <!subteam^S1|@oncall>", "@here @channel @oncall"),
        ("<https://x.io/a?b=1&amp;c=2>", "https://x.io/a?b=1&c=2"),
        ("<https://x.io/a|the page>", "the page (https://x.io/a)"),
        ("<http://x.io|x.io>", "http://x.io"),
        ("<mailto:a@x.io|a@x.io>", "a@x.io"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt; stays escaped once", "&lt; stays escaped once"),
    ],
)
def test_text_is_as_a_person_sees_it(text: str, shown: str, tmp_path: Path) -> None:
    assert read(tmp_path, said(text))[0].text == shown


@pytest.mark.parametrize(
    ("values", "author"),
    [
        ({"user": "U2"}, "Bo Li"),
        ({"user": "U3"}, "cy"),
        ({"user": "U404", "user_profile": {"real_name": "Guest"}}, "Guest"),
        ({"user": "U404"}, "U404"),
        ({"user": None, "username": "grafana", "bot_id": "B1"}, "grafana"),
        ({"user": None, "bot_id": "B1", "bot_profile": {"name": "pager"}}, "pager"),
        ({"user": None, "bot_id": "B1"}, "B1"),
        ({"user": None}, None),
    ],
)
def test_the_author_is_named_as_well_as_the_export_can(
    values: dict[str, Any], author: str | None, tmp_path: Path
) -> None:
    assert read(tmp_path, said("x", **values))[0].author == author


def test_what_the_workspace_says_about_itself_is_left_out(tmp_path: Path) -> None:
    messages = read(
        tmp_path,
        said("<@U1> has joined", subtype="channel_join"),
        said("left", subtype="channel_leave"),
        said("set the topic", subtype="channel_topic"),
        said("", files=[]),
        said("kept", subtype="thread_broadcast"),
    )
    assert [message.text for message in messages] == ["kept"]


def test_a_bot_that_only_attaches_and_a_file_have_text(tmp_path: Path) -> None:
    messages = read(
        tmp_path,
        said("", attachments=[{"pretext": "Alert", "text": "<https://x.io|pump 7> hot", "fallback": "f"}]),
        said("", attachments=[{"fallback": "only this"}]),
        said("see", files=[{"name": "plan.pdf", "title": "The plan"}]),
    )
    assert [message.text for message in messages] == [
        "Alert\npump 7 (https://x.io) hot",
        "only this",
        "see\n[file: The plan]",
    ]


def test_a_tombstone_is_a_deletion(tmp_path: Path) -> None:
    (message,) = read(tmp_path, said("This message was deleted.", subtype="tombstone"))
    assert message.deleted


def test_the_source_is_the_workspace(tmp_path: Path) -> None:
    assert read_slack_export(export(tmp_path, {})).source == "slack:T9"
    assert read_slack_export(export(tmp_path, {}, **{"users.json": []})).source == "slack"


def test_an_export_zipped_with_its_folder_is_read(tmp_path: Path) -> None:
    path = tmp_path / "again.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("acme export/users.json", json.dumps(USERS))
        archive.writestr("acme export/channels.json", json.dumps(CHANNELS))
        archive.writestr("acme export/ops/2025-10-03.json", json.dumps([said("hi")]))
    assert [(message.channel, message.author) for message in read_slack_export(path).messages] == [("ops", "Ana")]


@pytest.mark.parametrize("content", [b"{", b'{"a": 1}', b"\xff\xfe", b"[" * 100_000, b""])
def test_a_day_that_cannot_be_read_is_left_out_with_its_bytes(content: bytes, tmp_path: Path) -> None:
    path = export(tmp_path, {"ops/2025-10-03.json": content, "ops/2025-10-04.json": [said("hi")]})
    chat = read_slack_export(path)
    assert [message.text for message in chat.messages] == ["hi"]
    (bad,) = chat.bad
    assert (bad.member, bad.record, bad.code, bad.raw) == ("ops/2025-10-03.json", None, "bad_json", content)


def test_a_day_whose_bytes_were_damaged_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("channels.json", "[]")
        archive.writestr("ops/2025-10-03.json", json.dumps([said("damaged text")]))
        archive.writestr("ops/2025-10-04.json", json.dumps([said("fine")]))
    path.write_bytes(path.read_bytes().replace(b"damaged text", b"dAmAgEd tExT"))
    chat = read_slack_export(path)
    assert [message.text for message in chat.messages] == ["fine"]
    assert [bad.member for bad in chat.bad] == ["ops/2025-10-03.json"]


@pytest.mark.parametrize("item", [7, {"type": "message", "text": "no time"}, said("x", ts="soon")])
def test_a_message_that_is_none_is_left_out_alone(item: Any, tmp_path: Path) -> None:
    chat = read_slack_export(export(tmp_path, {"ops/2025-10-03.json": [said("before"), item, said("after")]}))
    assert [message.text for message in chat.messages] == ["before", "after"]
    assert [(bad.member, bad.record) for bad in chat.bad] == [("ops/2025-10-03.json", 2)]


def test_users_that_cannot_be_read_leave_ids_and_a_complaint(tmp_path: Path) -> None:
    chat: Chat = read_slack_export(export(tmp_path, {"ops/2025-10-03.json": [said("hi")]}, **{"users.json": b"{"}))
    assert [message.author for message in chat.messages] == ["U1"]
    assert [bad.member for bad in chat.bad] == ["users.json"]


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(BadRecord, match=r"no channels\.json") as refused:
        read_slack_export(path)
    assert refused.value.code == "not_a_slack_export"


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(BadRecord, match="cannot be opened") as refused:
        read_slack_export(path)
    assert refused.value.code == "corrupt_zip"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = export(tmp_path, {"ops/2025-10-03.json": b" " * 50_000_000})
    assert path.stat().st_size < 100_000
    with pytest.raises(BadRecord, match="zip bomb") as refused:
        read_slack_export(path)
    assert refused.value.code == "zip_bomb"
