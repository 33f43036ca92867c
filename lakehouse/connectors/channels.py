"""Channels of a chat into bronze from where they were left: list, land messages and conversations, move the cursor."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow.compute as pc

from lakehouse import database
from lakehouse.bronze import Bronze, equals
from lakehouse.connectors.cursors import move_cursor, read_cursor
from lakehouse.connectors.protocol import Change, Connector
from lakehouse.connectors.sync import alone
from lakehouse.errors import BadRecord
from lakehouse.messages import Landed, land_rows, rename_channels
from lakehouse.quarantine import Refusal, Refusals
from lakehouse.sources.messages import Chat, day_of, read_instant
from lakehouse.state import Row, deletion, key_of, read_state
from lakehouse.summary import IngestSummary
from lakehouse.threads import land_conversations


@dataclass(frozen=True)
class Complete:
    """What was listed whole: of a channel all between since and until, and of each of the threads all since then.

    listed: the ids of all that there is. What bronze knows beside them is deleted.
    """

    channel: str
    since: datetime
    until: datetime
    threads: frozenset[str]
    listed: frozenset[str]


@dataclass(frozen=True)
class Portion(Chat):
    """What one listing brought of a channel. receipts: for each message the hash of the page that it stands on."""

    receipts: tuple[str, ...] = ()
    pages: Mapping[str, bytes] = field(default_factory=dict)
    complete: Complete | None = None


@dataclass(frozen=True)
class Destination:
    """Where messages go."""

    database_url: str
    bronze: Bronze
    tenant_id: str
    classification: str
    now: datetime


def sync_channels(to: Destination, connector: Connector[Portion]) -> IngestSummary:
    """The cursor moves after messages and conversations, so whatever stops it, the same is listed once more."""
    source = connector.source
    refused = Refusals(to.bronze, to.tenant_id, "chats", source, to.now, {"classification": to.classification})
    seen: dict[str, int] = {}
    rows = deleted = 0
    with alone(to.database_url, to.tenant_id, source):
        cursor, more = _stored_cursor(to, source), True
        while more:
            listed = connector.list_changes(cursor)
            _rename(to, source, cursor, listed.changes)
            for change in listed.changes:
                landed = _land(to, connector, change, refused)
                seen[change.name] = seen.get(change.name, 0) + len(landed)
                rows += len(landed)
                deleted += sum(bool(row["deleted"]) for row in landed)
            refused.record()
            cursor, more = listed.cursor, listed.more
            with database.transaction(to.database_url) as connection:
                move_cursor(connection, to.tenant_id, source, cursor)
    changed = sum(bool(count) for count in seen.values())
    return IngestSummary(
        "chats",
        read=len(seen),
        landed=changed,
        unchanged=len(seen) - changed,
        deleted=deleted,
        rows=rows,
        reasons=refused.reasons,
        refused=refused.shown,
    )


def _stored_cursor(to: Destination, source: str) -> str | None:
    """None where bronze holds no messages: what the cursor covers is gone."""
    if to.bronze.version("messages") is None:
        return None
    with database.transaction(to.database_url) as connection:
        return read_cursor(connection, to.tenant_id, source)


def _rename(to: Destination, source: str, cursor: str | None, changes: Sequence[Change]) -> None:
    """All at once, as two channels may have changed names with each other; and once for each cursor."""
    renamed = {change.facts["was"]: change.facts["name"] for change in changes if "was" in change.facts}
    if renamed:
        once = f"rename:{to.tenant_id}:{source}:{hashlib.sha256((cursor or '').encode()).hexdigest()}"
        threads = rename_channels(to.bronze, to.tenant_id, source, renamed, to.now, once=once)
        land_conversations(to.bronze, to.tenant_id, source, to.classification, to.now, threads)


def _land(to: Destination, connector: Connector[Portion], change: Change, refused: Refusals) -> Sequence[Row]:
    if "was" in change.facts:
        return ()
    try:
        portion = connector.fetch(change)
    except BadRecord as error:
        path = f"#{change.facts.get('name', change.name)}"
        refused.add(Refusal(connector.source, path, error.code, error.reason, None, 0))
        return ()
    for bad in portion.bad:
        raw = bad.raw or b""
        sha256 = to.bronze.objects.put(to.tenant_id, raw)
        refused.add(Refusal(portion.source, f"#{bad.member}", bad.code, bad.reason, sha256, len(raw), bad.record))
    landed = _land_portion(to, portion)
    land_conversations(to.bronze, to.tenant_id, portion.source, to.classification, to.now, landed.threads)
    return landed.rows


def _land_portion(to: Destination, portion: Portion) -> Landed:
    pairs = zip(portion.messages, portion.receipts, strict=True)
    rows: list[Row] = [{**vars(message), "object_sha256": sha256} for message, sha256 in pairs]
    if portion.complete is not None:
        rows += _gone(to, portion.source, portion.complete)
    return land_rows(to.bronze, to.tenant_id, portion.source, rows, to.now, is_present=True, objects=portion.pages)


def _gone(to: Destination, source: str, complete: Complete) -> list[Row]:
    """The rows that say so of messages which bronze knows and the origin lists no more."""
    of_source = equals("tenant_id", to.tenant_id) & equals("source", source)
    of_channel = equals("channel", complete.channel) & (pc.field("ts") >= pc.scalar(complete.since))
    rows, _ = to.bronze.changes("messages", predicate=of_source & of_channel)
    keys = {key_of("messages", row) for row in rows.select(["channel", "message_id"]).to_pylist()}
    known = read_state(to.bronze, "messages", to.tenant_id, source, keys).rows.values() if keys else ()
    return [deletion(row, to.now) for row in known if not row["deleted"] and _is_gone(row, complete)]


def _is_gone(row: Row, complete: Complete) -> bool:
    root = row["thread_id"]
    if row["message_id"] in complete.listed:
        return False
    if root in complete.threads:
        return bool(row["ts"] >= complete.since)
    # A thread that is none any more was lost with the message that began it, or with its last answer.
    started = row["ts"] if root in (row["message_id"], day_of(row["ts"])) else read_instant(root)
    return bool(complete.since <= started < complete.until)
