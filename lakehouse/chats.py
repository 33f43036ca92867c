"""Chat exports to messages, and the conversations that they make up to documents."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path

from lakehouse.bronze import Bronze
from lakehouse.errors import BadRecord
from lakehouse.quarantine import Refusal, Refusals
from lakehouse.sources.files import SourceFile, default_source, list_files, refuse_larger
from lakehouse.sources.messages import Chat, day_of, read_chat_lines
from lakehouse.sources.slack import read_slack_export
from lakehouse.sources.text import decode
from lakehouse.state import Row, State, deletion, differs, key_of, land_changes, live, read_state
from lakehouse.summary import IngestSummary
from lakehouse.threads import EXTRACTION, Conversation, conversations

LARGEST = 200_000_000
SUFFIXES = (".zip", ".jsonl", ".ndjson")
CONTENT = ("thread_id", "author", "ts", "text", "edited_at", "deleted")


def ingest_chats(
    bronze: Bronze,
    tenant_id: str,
    path: Path,
    *,
    now: datetime,
    source: str | None = None,
    classification: str = "internal",
) -> IngestSummary:
    """Land every message at `path` that is new or was changed, and the conversations that differ for it.

    The default source is `slack:<workspace>` or `jsonl`, so that a longer export of the same place adds to what the
    shorter one brought. Two places that have the same channels need a `source` each.
    """
    found = list_files(path)
    files = [file for file in found if path.is_file() or file.path.suffix.lower() in SUFFIXES]
    refused = Refusals(bronze, tenant_id, "chats", source or default_source(path), now)
    rows: dict[str, list[Row]] = defaultdict(list)
    for file in files:
        with refused.catching(file):
            chat = _read(file)
            name = source or chat.source
            sha256 = bronze.objects.put_file(tenant_id, file.path)
            constant = {"tenant_id": tenant_id, "source": name, "object_sha256": sha256, "recorded_at": now}
            rows[name] += [{**constant, **asdict(message)} for message in chat.messages]
            _refuse(refused, file, name, chat)
    refused.record()
    landed: list[Row] = []
    for name, messages in rows.items():
        landed += land_changes(bronze, "messages", tenant_id, name, partial(_news, messages))
        _land_conversations(bronze, tenant_id, name, classification, now)
    changed = len({row["object_sha256"] for row in landed})
    return IngestSummary(
        stage="chats",
        read=len(files),
        landed=changed,
        unchanged=len(files) - changed - refused.files,
        ignored=len(found) - len(files),
        rows=len(landed),
        reasons=refused.reasons,
        refused=refused.shown,
    )


def _read(file: SourceFile) -> Chat:
    suffix = file.path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadRecord("unsupported_type", f"'{suffix}' is no type of chat export: use {', '.join(SUFFIXES)}")
    refuse_larger(file.path, LARGEST)
    if suffix == ".zip":
        return read_slack_export(file.path)
    data = file.path.read_bytes()
    decode(data)
    return read_chat_lines(data)


def _refuse(refused: Refusals, file: SourceFile, source: str, chat: Chat) -> None:
    for bad in chat.bad:
        sha256 = refused.bronze.objects.put(refused.tenant_id, bad.raw)
        path = f"{file.name}/{bad.member}" if bad.member else file.name
        refused.add(Refusal(source, path, bad.code, bad.reason, sha256, len(bad.raw), bad.record))


def _news(messages: Iterable[Row], state: State) -> list[Row]:
    """Of each message the last version in the files, where it says more than the one that is known."""
    latest = dict(state.rows)
    changed: dict[tuple[str, ...], Row] = {}
    for message in messages:
        key = key_of("messages", message)
        if _newer(message, latest.get(key)):
            latest[key] = changed[key] = message
    return list(changed.values())


def _newer(message: Row, known: Row | None) -> bool:
    """An older export must not undo an edit, a deletion or the start of a thread that a newer one told of."""
    if known is None:
        return True
    if not differs({name: message[name] for name in CONTENT}, known):
        return False
    if known["deleted"] and not message["deleted"]:
        return False
    if known["edited_at"] != message["edited_at"]:
        return known["edited_at"] is None or (message["edited_at"] or known["ts"]) > known["edited_at"]
    left_its_thread = message["thread_id"] == day_of(message["ts"]) != known["thread_id"]
    return message["deleted"] or not left_its_thread


def _land_conversations(bronze: Bronze, tenant_id: str, source: str, classification: str, now: datetime) -> None:
    """All of the source are written anew and compared, so a run that was cut off after its messages is made good."""
    made = conversations(read_state(bronze, "messages", tenant_id, source).rows.values())
    constant = {"tenant_id": tenant_id, "source": source, "classification": classification, "recorded_at": now}
    rows = [(_document(conversation, constant), conversation.text.encode()) for conversation in made]
    paths = {conversation.path for conversation in made}

    def decide(state: State) -> list[Row]:
        changed = [(row, text) for row, text in rows if differs(row, state.rows.get((row["path"],)))]
        for _, text in changed:
            bronze.objects.put(tenant_id, text)
        gone = [row for row in live(state) if row["extraction"] == EXTRACTION and row["path"] not in paths]
        return [row for row, _ in changed] + [deletion(row, now) for row in gone]

    land_changes(bronze, "documents", tenant_id, source, decide)


def _document(conversation: Conversation, constant: Row) -> Row:
    text = conversation.text.encode()
    return {
        **constant,
        "path": conversation.path,
        "kind": "chat_thread",
        "title": conversation.title,
        "object_sha256": hashlib.sha256(text).hexdigest(),
        "raw_sha256": conversation.raw_sha256,
        "media_type": "text/plain",
        "extraction": EXTRACTION,
        "byte_start": 0,
        "byte_end": len(text),
        "product": None,
        "version_from": None,
        "version_to": None,
        "valid_from": conversation.started_at,
        "url": None,
        "deleted": False,
    }
