"""Messages into bronze: what is new among those that somebody brings, and channels that go by another name."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bronze import TABLES, Bronze, Commit, Snapshot, equals
from lakehouse.sources.messages import day_of
from lakehouse.state import Key, Row, State, deletion, differs, key_of
from lakehouse.threads import Thread, land_conversations

CONTENT = ("thread_id", "author", "ts", "text", "edited_at", "deleted")


@dataclass(frozen=True)
class Landed:
    """rows: those that said something new. threads: all that the messages are in now, or ever were."""

    rows: Sequence[Row]
    threads: frozenset[Thread]


def land_messages(
    bronze: Bronze,
    tenant_id: str,
    source: str,
    rows: Sequence[Row],
    *,
    classification: str,
    now: datetime,
) -> Sequence[Row]:
    """Land those that are new or were changed, and the conversations that any of them touches; returns the former.

    rows: the fields of a Message, and object_sha256, which must be stored already. What this costs does not grow with
    the conversations of the source, and only by a look at its messages with their number.
    """
    landed = land_rows(bronze, tenant_id, source, rows, now)
    land_conversations(bronze, tenant_id, source, classification, now, landed.threads)
    return landed.rows


def land_rows(
    bronze: Bronze,
    tenant_id: str,
    source: str,
    rows: Sequence[Row],
    now: datetime,
    *,
    is_present: bool = False,
    objects: Mapping[str, bytes] | None = None,
) -> Landed:
    """The messages alone. The conversations of `threads` must be landed next.

    is_present: the rows are what the origin says now; else they may be from an export older than what is known.
    objects: those of object_sha256 that are to be stored with the first row that names them.
    """
    complete = [{**row, "tenant_id": tenant_id, "source": source, "recorded_at": now} for row in rows]
    keys = {key_of("messages", row) for row in complete}
    landed = Landed((), frozenset())

    def decide(snapshot: Snapshot) -> Commit | None:
        nonlocal landed
        history = _history(snapshot, tenant_id, source, keys)
        state = State({key_of("messages", row): row for row in history})
        new = news(complete, state, is_present=is_present)
        for sha256 in {row["object_sha256"] for row in new} & (objects or {}).keys():
            bronze.objects.put(tenant_id, (objects or {})[sha256])
        landed = Landed(new, frozenset((row["channel"], row["thread_id"]) for row in [*history, *new]))
        return Commit(pa.Table.from_pylist(new, schema=TABLES["messages"])) if new else None

    if rows:
        bronze.commit("messages", decide)
    return landed


def _history(snapshot: Snapshot, tenant_id: str, source: str, keys: Collection[Key]) -> list[Row]:
    of_source = equals("tenant_id", tenant_id) & equals("source", source)
    named = pc.field("message_id").isin(sorted({message_id for _, message_id in keys}))
    return [row for row in snapshot.read(of_source & named).to_pylist() if key_of("messages", row) in keys]


def news(messages: Iterable[Row], state: State, *, is_present: bool = False) -> list[Row]:
    """Of each message the last version, where it says more than the one that is known."""
    latest = dict(state.rows)
    changed: dict[Key, Row] = {}
    for message in messages:
        key = key_of("messages", message)
        known = latest.get(key)
        if _says_else(message, known) and (is_present or _is_newer(message, known)):
            latest[key] = changed[key] = message
    # Two versions in one file may end where they began.
    return [row for key, row in changed.items() if _says_else(row, state.rows.get(key))]


def _says_else(message: Row, known: Row | None) -> bool:
    return differs({name: message[name] for name in CONTENT}, known)


def _is_newer(message: Row, known: Row | None) -> bool:
    """An older export must not undo an edit, a deletion or the start of a thread that a newer one told of."""
    if known is None:
        return True
    if known["deleted"] or message["deleted"]:
        return not known["deleted"]
    if known["edited_at"] != message["edited_at"]:
        return known["edited_at"] is None or (message["edited_at"] or known["ts"]) > known["edited_at"]
    return not (message["thread_id"] == day_of(message["ts"]) != known["thread_id"])


def rename_channels(
    bronze: Bronze,
    tenant_id: str,
    source: str,
    renamed: Mapping[str, str],
    now: datetime,
    *,
    place: str | None = None,
    once: str | None = None,
) -> frozenset[Thread]:
    """Move messages from each old name to its new one, in one commit. Returns the threads under both.

    place: only messages whose ids begin with it. once: names this renaming; done a second time it changes nothing,
    though the same names may have other channels by then.
    """
    same = equals("tenant_id", tenant_id) & equals("source", source) & pc.field("channel").isin(list(renamed))
    if place is not None:
        same &= pc.starts_with(pc.field("message_id"), f"{place}-")
    threads: frozenset[Thread] = frozenset()

    def decide(snapshot: Snapshot) -> Commit | None:
        nonlocal threads
        rows = {key_of("messages", row): row for row in snapshot.read(same).to_pylist()}
        ids = {(row["channel"], row["thread_id"]) for row in rows.values()}
        threads = frozenset(ids | {(renamed[channel], thread_id) for channel, thread_id in ids})
        if once is not None and snapshot.position(once) is not None:
            return None
        moved = {key: deletion(row, now) for key, row in rows.items() if not row["deleted"]}
        for row in [rows[key] for key in moved]:
            there = {**deletion(row, now), "channel": renamed[row["channel"]], "deleted": False}
            moved[key_of("messages", there)] = there
        positions = {once: 1} if once is not None else {}
        return (
            Commit(pa.Table.from_pylist(list(moved.values()), schema=TABLES["messages"]), positions) if moved else None
        )

    bronze.commit("messages", decide)
    return threads
