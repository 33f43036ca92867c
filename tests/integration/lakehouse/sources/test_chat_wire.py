"""Exports that are read by the worker: which sort they are, and what neither they nor bombs can do to us."""

import json
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from lakehouse.errors import BadRecord
from lakehouse.sources.chat_wire import joined, read_chats
from lakehouse.sources.exports import sort_of
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.messages import BadMessage, Chat, Message

LINE = {"channel": "ops", "message_id": "m1", "ts": "2026-10-03T14:05:00Z", "text": "hello"}
SAID = {"id": 1, "type": "message", "date_unixtime": "1759500300", "from": "Ana", "text": "hello"}
TELEGRAM: dict[str, Any] = {"name": "Plant", "type": "private_group", "id": 5, "messages": [SAID]}
DISCORD = {"guild": {"id": "1"}, "channel": {"id": "2", "name": "ops"}, "messages": []}
MAIL = b"From a@x Fri Oct  3 14:05:00 2025\nMessage-ID: <1@x>\nDate: Fri, 3 Oct 2025 14:05:00 +0000\n\nHello.\n"
WHEN = datetime(2026, 10, 3, tzinfo=UTC)


@pytest.fixture
def extractor() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


def read(extractor: Extractor, path: Path) -> list[Chat]:
    return list(read_chats(extractor, path, sort_of(path)))


def refusal(extractor: Extractor, path: Path) -> BadRecord:
    with pytest.raises(BadRecord) as refused:
        read(extractor, path)
    return refused.value


@pytest.mark.parametrize(
    ("name", "content", "sort"),
    [
        ("a.jsonl", json.dumps(LINE).encode(), "lines"),
        ("a.json", json.dumps(LINE).encode() + b"\n" + json.dumps(LINE).encode(), "lines"),
        ("a.jsonl", b"{broken", "lines"),
        ("a.jsonl", json.dumps(TELEGRAM, indent=1).encode(), "json"),
        ("result.json", json.dumps(TELEGRAM).encode(), "json"),
        ("a.json", b"\xef\xbb\xbf" + json.dumps(DISCORD, indent=2).encode(), "json"),
        ("archive.txt", MAIL, "mbox"),
        ("inbox", MAIL, "mbox"),
        ("a.json", b"PK\x03\x04", "zip"),
        ("a.zip", b"no zip", "zip"),
    ],
)
def test_the_content_says_what_a_file_is(name: str, content: bytes, sort: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert sort_of(path) == sort


@pytest.mark.parametrize("content", [b"hi", b"Fromage", b"<html>"])
def test_a_file_that_is_nothing_by_name_nor_content_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(BadRecord) as refused:
        sort_of(path)
    assert refused.value.code == "unsupported_type"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"devices": [1, 2, 3]}', "not_a_chat_export"),
        (b'{"messages": [1, 2, 3]}', "not_a_chat_export"),
        (b"[1, 2]", "not_a_chat_export"),
        (b'{"name": "x", "type": "private_group", "messages": []}', "not_a_chat_export"),
        (b'{"guild": {}, "channel": {}, "messages": []}', "not_a_chat_export"),
        (b'{"name": ', "bad_json"),
        (b'{"name": "x"} and more', "not_a_chat_export"),
        (b'"text"', "bad_json"),
        (b'{"name": "\xff"}', "not_utf8"),
    ],
)
def test_json_that_is_no_chat_is_refused_with_the_reason(
    content: bytes, code: str, extractor: Extractor, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert refusal(extractor, path).code == code


def test_messages_come_through_as_they_were_read(extractor: Extractor, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(TELEGRAM | {"messages": [SAID | {"edited_unixtime": "1759500400"}, 7]}))
    (chat,) = read(extractor, path)
    assert (chat.source, chat.place) == ("telegram", "5")
    edited = datetime(2025, 10, 3, 14, 6, 40, tzinfo=UTC)
    ts = datetime(2025, 10, 3, 14, 5, tzinfo=UTC)
    assert chat.messages == (Message("Plant", "5-1", "2025-10-03", "Ana", ts, "hello", edited),)
    assert chat.bad == (BadMessage("Plant", 2, "bad_json", "it is no object", b"7"),)


def test_neighbours_share_a_reply_up_to_its_size() -> None:
    def said(number: int, place: str | None = None) -> Chat:
        return Chat("s", (Message("c", str(number), "t", None, WHEN, "x" * 1_000_000),), (), place)

    replies = list(joined([*(said(number) for number in range(6)), said(6, "a"), said(7, "a"), said(8, "b")]))
    assert [[message.message_id for message in reply.messages] for reply in replies] == [
        ["0", "1", "2", "3"],
        ["4", "5"],
        ["6", "7"],
        ["8"],
    ]


def test_a_reader_that_is_left_in_the_middle_does_not_spoil_the_next_file(extractor: Extractor, tmp_path: Path) -> None:
    long, short = tmp_path / "long.json", tmp_path / "short.json"
    long.write_text(json.dumps(TELEGRAM | {"messages": [SAID | {"id": number} for number in range(20_000)]}))
    short.write_text(json.dumps(TELEGRAM))
    reading = read_chats(extractor, long, "json")
    assert len(next(reading).messages) == 5_000
    reading.close()  # type: ignore[attr-defined]
    assert [len(chat.messages) for chat in read(extractor, short)] == [1]
    assert sum(len(chat.messages) for chat in read(extractor, long)) == 20_000


def test_a_file_of_garbage_is_refused_whole(extractor: Extractor, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(TELEGRAM | {"messages": list(range(3_000))}))
    assert refusal(extractor, path).code == "too_many_bad"


def nested_json(path: Path) -> None:
    path.write_text('{"name": "x", "type": "y", "id": 5, "messages": [' + "[" * 40_000_000)


def wide_json(path: Path) -> None:
    path.write_text('{"name": "x", "type": "y", "id": 5, "messages": [[' + "[]," * 20_000_000 + "[]]]}")


def endless_key(path: Path) -> None:
    path.write_text('{"name": "x", "type": "y", "id": 5, "' + "k" * 60_000_000)


def many_members(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("channels.json", "[]")
        for number in range(50):
            archive.writestr(f"c{number}/2025-10-03.json", "[" * 100_000)


def huge_member(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("channels.json", "[]")
        ballast = b"".join(b"[%d]," % (number * 7919) for number in range(9_000_000))
        archive.writestr("ops/2025-10-03.json", b"[" + ballast[:95_000_000].rpartition(b",")[0] + b"]")


def endless_mail(path: Path) -> None:
    path.write_bytes(MAIL + b"x" * 60_000_000)


def mails_in_mails(path: Path) -> None:
    nested = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(100_000))
    path.write_bytes(MAIL.partition(b"\n\n")[0] + b"\n" + nested.encode())


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("nested.json", nested_json),
        ("wide.json", wide_json),
        ("key.json", endless_key),
        ("many.zip", many_members),
        ("huge.zip", huge_member),
        ("endless.mbox", endless_mail),
        ("nested.mbox", mails_in_mails),
    ],
)
def test_what_is_made_to_exhaust_us_does_neither_hang_nor_fill_the_memory(
    name: str, make: Any, extractor: Extractor, tmp_path: Path
) -> None:
    path = tmp_path / name
    make(path)
    plain = tmp_path / "plain.json"
    plain.write_text(json.dumps(TELEGRAM))
    read(extractor, plain)  # so that the worker is there, and idle
    (worker,) = (child for child in psutil.Process().children() if "lakehouse.sources.worker" in child.cmdline())
    idle, ours = worker.memory_info().rss, psutil.Process().memory_info().rss
    started, deadline = time.monotonic(), timedelta(seconds=30)
    try:
        read(extractor, path)
    except BadRecord as refused:
        assert refused.code in {"bad_json", "out_of_memory", "parser_crashed", "too_large"}  # noqa: PT017
    assert time.monotonic() - started < deadline.total_seconds()
    assert peak(worker, idle) - idle < 512 << 20
    assert psutil.Process().memory_info().rss - ours < 256 << 20
    assert [len(chat.messages) for chat in read(extractor, plain)] == [1]


def peak(worker: psutil.Process, otherwise: int) -> int:
    """The most memory that the worker ever had; one that was killed left within its limit."""
    try:
        status = Path(f"/proc/{worker.pid}/status").read_text()
    except FileNotFoundError:
        return otherwise
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return int(lines["VmHWM"].split()[0]) << 10 if "VmHWM" in lines else otherwise
