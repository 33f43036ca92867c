"""What a source holds now, by its append-only history in bronze: of each path, or message, the row that landed last."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bronze import TABLES, Bronze, Commit, Snapshot, equals

Row = Mapping[str, Any]
Key = tuple[str, ...]
KEYS: Final[Mapping[str, tuple[str, ...]]] = {"documents": ("path",), "messages": ("channel", "message_id")}


@dataclass(frozen=True)
class State:
    """rows: with `bronze_version`, deletions included."""

    rows: Mapping[Key, Row]


def key_of(table: str, row: Row) -> Key:
    return tuple(row[name] for name in KEYS[table])


def read_state(bronze: Bronze, table: str, tenant_id: str, source: str, keys: Collection[Key] | None = None) -> State:
    """keys: of these only, which spares reading the others."""
    return state_of(bronze.snapshot(table), table, tenant_id, source, keys)


def land_changes(
    bronze: Bronze,
    table: str,
    tenant_id: str,
    source: str,
    decide: Callable[[State], Collection[Row]],
    keys: Collection[Key] | None = None,
) -> Sequence[Row]:
    """Append what `decide` finds to be new against the state, in one commit, and return it.

    Where another ingest commits first it is decided again: two at once land each change once. keys: the state holds
    only these.
    """
    rows: Sequence[Row] = ()

    def decide_rows(snapshot: Snapshot) -> Commit | None:
        nonlocal rows
        rows = list(decide(state_of(snapshot, table, tenant_id, source, keys)))
        return Commit(pa.Table.from_pylist(rows, schema=TABLES[table])) if rows else None

    bronze.commit(table, decide_rows)
    return rows


def state_of(snapshot: Snapshot, table: str, tenant_id: str, source: str, keys: Collection[Key] | None) -> State:
    if keys is not None and not keys:
        return State({})
    wanted = equals("tenant_id", tenant_id) & equals("source", source)
    if keys is not None:  # by the last part of the key, which tells most apart; the rest is compared below
        wanted &= pc.field(KEYS[table][-1]).isin(sorted({key[-1] for key in keys}))
    latest = {key_of(table, row): row for row in snapshot.read(wanted).to_pylist()}
    return State(latest if keys is None else {key: latest[key] for key in keys if key in latest})


def differs(row: Row, known: Row | None) -> bool:
    """Whether `row` says anything that `known` does not; when it was recorded is no news."""
    return known is None or any(row[name] != known[name] for name in row if name != "recorded_at")


def live(state: State) -> list[Row]:
    return [row for row in state.rows.values() if not row["deleted"]]


def deletion(known: Row, now: datetime) -> Row:
    return {
        **{name: value for name, value in known.items() if name != "bronze_version"},
        "deleted": True,
        "recorded_at": now,
    }
