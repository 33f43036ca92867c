"""What sort of chat export a file is, by what it holds; its name only decides where that could be several."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from lakehouse.errors import BadRecord
from lakehouse.sources.discord import read_discord_export
from lakehouse.sources.json_stream import JsonStream, open_json
from lakehouse.sources.mbox import SEPARATOR, read_mbox
from lakehouse.sources.messages import Chat, stream_chat_lines
from lakehouse.sources.slack import read_slack_export
from lakehouse.sources.telegram import read_telegram_export
from lakehouse.sources.text import refuse_empty

Sort = Literal["zip", "mbox", "json", "lines"]
SUFFIXES: dict[str, Sort] = {
    ".zip": "zip",
    ".json": "json",
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".mbox": "mbox",
    ".mbx": "mbox",
}
HEAD = 1 << 16
OF_DISCORD = frozenset({"guild", "channel", "exportedAt"})
OF_TELEGRAM = frozenset({"chats", "left_chats", "personal_information"})
NONE = "it is JSON, but no chat: neither a Telegram Desktop export (result.json) nor one of DiscordChatExporter"


def sort_of(path: Path) -> Sort:
    """Raises BadRecord where neither the content nor the name is one of a chat export."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if len(head) < HEAD:
        refuse_empty(head)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    named = SUFFIXES.get(path.suffix.lower())
    if start.startswith(b"PK\x03\x04") and named != "lines":
        return "zip"
    if SEPARATOR.match(start):
        return "mbox"
    if start.startswith(b"{"):
        return _object_sort(start, named)
    if named is None:
        known = ", ".join(SUFFIXES)
        raise BadRecord("unsupported_type", f"'{path.suffix}' is no type of chat export: use {known}")
    return named


def _object_sort(start: bytes, named: Sort | None) -> Sort:
    """JSON lines have an object on their first line, with a message's id."""
    first, _, _ = start.partition(b"\n")
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return "lines" if named == "lines" and first.strip() != b"{" else "json"
    is_line = isinstance(row, dict) and "messages" not in row and not row.keys() & OF_TELEGRAM
    return "lines" if is_line and (named == "lines" or "message_id" in row) else "json"


def read_export(path: Path, sort: Sort) -> Iterator[Chat]:
    """Raises BadRecord where it is broken as a whole."""
    if sort == "zip":
        return read_slack_export(path)
    if sort == "mbox":
        return read_mbox(path)
    if sort == "lines":
        return stream_chat_lines(path)
    return _json_reader(path)(path)


def _json_reader(path: Path) -> Callable[[Path], Iterator[Chat]]:
    with open_json(path) as file:
        stream = JsonStream(file)
        if stream.peek() == "[":
            raise BadRecord("not_a_chat_export", NONE)
        seen = set()
        for name in stream.names():
            seen.add(name)
            if name in OF_DISCORD:
                return read_discord_export
            if name in OF_TELEGRAM or (name == "messages" and seen & {"id", "type", "name"}):
                return read_telegram_export
            stream.value()
    raise BadRecord("not_a_chat_export", NONE)
