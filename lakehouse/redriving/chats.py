"""Refused messages, read again: a whole file of them, a single line, or a part of an export."""

from dataclasses import asdict
from pathlib import PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from lakehouse.bronze import TABLES, Commit, Snapshot
from lakehouse.chats import CONTENT, news, read_chat, refuse_messages
from lakehouse.errors import BadRecord
from lakehouse.quarantine import Refusals, Row
from lakehouse.redriving.attempt import Attempt, Outcome, fetch_file, pieces
from lakehouse.sources.messages import Chat, read_chat_lines
from lakehouse.sources.payloads import as_lines, cut_records
from lakehouse.state import State, differs, key_of, state_of


def try_messages(attempt: Attempt, refused: Row) -> tuple[Outcome, str]:
    """Also the source whose conversations are to be written anew."""
    try:
        chat, sha256 = _read(attempt, refused)
    except BadRecord as still:
        return still, refused["source"]
    is_file = refused["raw_holds"] == "file" and not refused["flags"].get("export")
    is_named = not is_file or not PurePosixPath(refused["path"]).suffix  # else by the folder that held the file
    source = refused["source"] if is_named else refused["flags"].get("source") or chat.source
    same = {"tenant_id": attempt.tenant_id, "source": source, "object_sha256": sha256, "recorded_at": attempt.now}
    if is_file:
        _refuse_anew(attempt, refused, source, chat)
    return _land(attempt, refused, source, [{**same, **asdict(message)} for message in chat.messages]), source


def _read(attempt: Attempt, refused: Row) -> tuple[Chat, str]:
    """What is said now, and the object that says it. Raises BadRecord."""
    sha256, member = refused["raw_sha256"], refused["flags"].get("member")
    if export := refused["flags"].get("export"):
        chat = _read_file(attempt, export, refused["path"].removesuffix(f"/{member}") if member else refused["path"])
        still = [bad for bad in chat.bad if (bad.member, bad.record) == (member, refused["record"])]
        sha256 = export
    elif refused["raw_holds"] == "file":
        return _read_file(attempt, sha256, refused["path"]), sha256
    else:
        line = b"".join(pieces(attempt.bronze, attempt.tenant_id, sha256)).replace(b"\n", b" ")
        chat = read_chat_lines(line)
        still = list(chat.bad)
    if still:
        raise BadRecord(still[0].code, still[0].reason)
    return chat, sha256


def _read_file(attempt: Attempt, sha256: str | None, name: str) -> Chat:
    if not PurePosixPath(name).suffix:  # the body of a request
        return read_chat_lines(as_lines(cut_records(b"".join(pieces(attempt.bronze, attempt.tenant_id, sha256)))))
    with TemporaryDirectory() as folder:
        return read_chat(fetch_file(attempt.bronze, attempt.tenant_id, sha256, name, folder))


def _refuse_anew(attempt: Attempt, refused: Row, source: str, chat: Chat) -> None:
    """A file that can be read by now may hold lines that cannot."""
    refusals = Refusals(attempt.bronze, attempt.tenant_id, "chats", source, attempt.now, refused["flags"])
    refuse_messages(refusals, refused["path"], source, chat, refused["raw_sha256"])
    refusals.record()


def _land(attempt: Attempt, refused: Row, source: str, messages: list[dict[str, Any]]) -> Outcome:
    position = attempt.landed_as(refused)
    keys = [key_of("messages", message) for message in messages]
    outcome: Outcome = "redriven"

    def decide(snapshot: Snapshot) -> Commit | None:
        nonlocal outcome
        outcome = "redriven"
        if snapshot.position(position) is not None:
            return None
        state = state_of(snapshot, "messages", attempt.tenant_id, source, keys)
        timely = [message for message in messages if not _overtaken(attempt, snapshot, state, message, refused)]
        if messages and not timely:
            outcome = "superseded"
        rows = news(timely, state)
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=TABLES["messages"])
        return Commit(table, {position: snapshot.version + 1}) if rows else None

    attempt.bronze.commit("messages", decide)
    return outcome


def _overtaken(attempt: Attempt, snapshot: Snapshot, state: State, message: Row, refused: Row) -> bool:
    """By another state of the same message that landed since; unless this one says that it is the later edit."""
    known = state.rows.get(key_of("messages", message))
    if known is None or not differs({name: message[name] for name in CONTENT}, known):
        return False
    if message["edited_at"] is not None and message["edited_at"] > (known["edited_at"] or known["ts"]):
        return False
    return attempt.came_later(snapshot, known, refused)
