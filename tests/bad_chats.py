"""Chat exports that nobody should send."""

import io
import json
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.bad_files import MB, BadFile, mutations, of_bytes, repeated

MESSAGE = {"channel": "ops", "message_id": "m1", "ts": "2026-10-31T12:00:00Z", "text": "hello"}


def chats(chance: random.Random, many: int = 1) -> Iterator[BadFile]:
    telegram = {
        "name": "Plant",
        "type": "private_group",
        "id": 5,
        "messages": [{"id": 1, "type": "message", "date_unixtime": "1759500300", "from": "Ana", "text": "hello"}],
    }
    lines = "".join(json.dumps(MESSAGE | {"message_id": f"m{n}"}) + "\n" for n in range(30)).encode()
    mail = b"From a@x Fri Oct  3 14:05:00 2025\nMessage-ID: <1@x>\nDate: Fri, 3 Oct 2025 14:05:00 +0000\n\nHello.\n"
    yield from mutations("turned.jsonl", lines, 10 * many, chance)
    yield from mutations("telegram.json", json.dumps(telegram).encode(), 10 * many, chance)
    yield from mutations(
        "slack.zip",
        _zip(
            {
                "channels.json": "[]",
                "ops/2025-10-03.json": json.dumps(
                    [{"type": "message", "user": "U1", "ts": "1759500300.000100", "text": "hi"}]
                ),
            }
        ),
        10 * many,
        chance,
    )
    yield from mutations("mails.mbox", mail * 3, 10 * many, chance)
    noise = chance.randbytes(9_000).hex()  # that Postgres cannot make shorter
    yield of_bytes("long-names.jsonl", json.dumps(MESSAGE | {"channel": noise, "thread_id": noise}))
    yield of_bytes("odd-names.jsonl", '{"channel":"\\ud800\\u0000c","message_id":"1","ts":1759500300,"text":"\\udc00"}')
    yield BadFile("a-line-of-100-mb.jsonl", lambda path: repeated(path, b'{"text":"', b"x" * MB, 100))
    yield of_bytes("separators.mbox", b"From a " + b"1:11 " * 200_000)
    yield BadFile("zeros.zip", lambda path: _zip_of_zeros(path, 1))
    yield BadFile("many-zeros.zip", lambda path: _zip_of_zeros(path, 60))
    yield of_bytes("lying.zip", _lying_zip())
    yield of_bytes(
        "outside.zip", _zip({"channels.json": "[]", "../../etc/2025-10-03.json": "[]", "/etc/2025-10-03.json": "[]"})
    )
    yield of_bytes("nested.zip", _zip({"channels.json": "[" * 1_000_000, "ops/2025-10-03.json": "[" * 1_000_000}))
    yield of_bytes("many.zip", _zip({"channels.json": "[]"} | {f"c{n}/2025-10-03.json": "[]" for n in range(5_000)}))


def _zip(members: dict[str, str]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return sink.getvalue()


def _zip_of_zeros(path: Path, members: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("channels.json", "[]")
        for number in range(members):
            archive.writestr(f"c{number}/2025-10-03.json", b"[" + b" " * (120 if members == 1 else 4) * MB + b"]")


def _lying_zip() -> bytes:
    """Its list says that a member has 10 bytes; it unpacks to 40 MB."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("channels.json", "[]")
        archive.writestr("ops/2025-10-03.json", b"[" + b" " * 40 * MB + b"]")
        size = archive.getinfo("ops/2025-10-03.json").file_size
    return sink.getvalue().replace(struct.pack("<I", size), struct.pack("<I", 10))
