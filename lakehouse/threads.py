"""Conversations as documents: one text for each thread, and for each channel's day of messages outside threads."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow.compute as pc

from lakehouse.bronze import Bronze, equals
from lakehouse.state import Row, State, deletion, differs, key_of, land_changes, live, read_state

EXTRACTION = "thread/1"
TITLE_WORDS, LONGEST_TITLE = 8, 80
AT_ONCE = 2_000

Thread = tuple[str, str]  # channel, thread_id


@dataclass(frozen=True)
class Conversation:
    """raw_sha256: the export that brought its newest message."""

    channel: str
    thread_id: str
    title: str
    text: str
    started_at: datetime
    raw_sha256: str

    @property
    def path(self) -> str:
        return path_of(self.channel, self.thread_id)


def land_conversations(
    bronze: Bronze,
    tenant_id: str,
    source: str,
    classification: str,
    now: datetime,
    threads: Collection[Thread] | None = None,
) -> None:
    """Write these threads anew, or all of the source, and land those that differ; one without messages is deleted.

    It does not matter what changed: a run that was cut off after its messages is made good by the next.
    """
    constant = {"tenant_id": tenant_id, "source": source, "classification": classification, "recorded_at": now}
    if threads is None:
        _land(bronze, constant, None)
        return
    ordered = sorted(threads)
    for start in range(0, len(ordered), AT_ONCE):
        _land(bronze, constant, ordered[start : start + AT_ONCE])


def _land(bronze: Bronze, constant: Row, threads: Collection[Thread] | None) -> None:
    tenant_id, source, now = constant["tenant_id"], constant["source"], constant["recorded_at"]

    def decide(state: State) -> list[Row]:
        # Read for each try: where others land messages of the same thread, the last to commit has seen them all.
        made = conversations(_messages_of(bronze, tenant_id, source, threads))
        rows = [(_document(conversation, constant), conversation.text.encode()) for conversation in made]
        changed = [(row, text) for row, text in rows if differs(row, state.rows.get((row["path"],)))]
        for _, text in changed:
            bronze.objects.put(tenant_id, text)
        paths = {row["path"] for row, _ in rows}
        gone = [row for row in live(state) if row["extraction"] == EXTRACTION and row["path"] not in paths]
        return [row for row, _ in changed] + [deletion(row, now) for row in gone]

    keys = None if threads is None else [(path_of(*thread),) for thread in threads]
    land_changes(bronze, "documents", tenant_id, source, decide, keys)


def _messages_of(bronze: Bronze, tenant_id: str, source: str, threads: Collection[Thread] | None) -> Iterable[Row]:
    """As they are now. A message that was in one of the threads may have left it since."""
    if threads is None:
        return read_state(bronze, "messages", tenant_id, source).rows.values()
    of_threads = pc.field("thread_id").isin(sorted({thread_id for _, thread_id in threads}))
    of_source = equals("tenant_id", tenant_id) & equals("source", source)
    rows, _ = bronze.changes("messages", predicate=of_source & of_threads)
    keys = {key_of("messages", row) for row in rows.select(["channel", "message_id"]).to_pylist()}
    known = read_state(bronze, "messages", tenant_id, source, keys).rows.values() if keys else ()
    wanted = set(threads)
    return [row for row in known if (row["channel"], row["thread_id"]) in wanted]


def path_of(channel: str, thread_id: str) -> str:
    return f"{channel}/{thread_id}"


def conversations(messages: Iterable[Row]) -> list[Conversation]:
    """Of the latest state of a source's messages; deleted ones are left out."""
    threads: Mapping[Thread, list[Row]] = defaultdict(list)
    for message in messages:
        if not message["deleted"]:
            threads[message["channel"], message["thread_id"]].append(message)
    return [_conversation(*thread, threads[thread]) for thread in sorted(threads)]


def _conversation(channel: str, thread_id: str, messages: list[Row]) -> Conversation:
    ordered = sorted(messages, key=lambda message: (message["ts"], message["message_id"]))
    newest = max(ordered, key=lambda message: (message["bronze_version"], message["ts"], message["message_id"]))
    return Conversation(
        channel=channel,
        thread_id=thread_id,
        title=f"#{channel} · {_first_words(ordered[0]['text'])}",
        text="\n".join(_line(message) for message in ordered) + "\n",
        started_at=ordered[0]["ts"],
        raw_sha256=newest["object_sha256"],
    )


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


def _line(message: Row) -> str:
    text = " ".join(message["text"].split())
    return f"[{message['ts']:%Y-%m-%d %H:%M}] {message['author'] or 'unknown'}: {text}"


def _first_words(text: str) -> str:
    words = text.split()
    title = " ".join(words[:TITLE_WORDS])[:LONGEST_TITLE]
    return title if title == " ".join(words) else f"{title}…"
