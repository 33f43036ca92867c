"""What a source holds now, by its append-only history in bronze: of each path, or message, the row that landed last."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from lakehouse.bronze import TABLES, TRIES, AlreadyLanded, Bronze, equals
from lakehouse.errors import Refused

Row = Mapping[str, Any]
Key = tuple[str, ...]
KEYS: Final[Mapping[str, tuple[str, ...]]] = {"documents": ("path",), "messages": ("channel", "message_id")}


@dataclass(frozen=True)
class State:
    """rows: with `bronze_version`, deletions included. token: differs after every commit of the source."""

    rows: Mapping[Key, Row]
    token: str


def key_of(table: str, row: Row) -> Key:
    return tuple(row[name] for name in KEYS[table])


def read_state(bronze: Bronze, table: str, tenant_id: str, source: str) -> State:
    rows, _ = bronze.changes(table, predicate=f"{equals('tenant_id', tenant_id)} and {equals('source', source)}")
    latest = {key_of(table, row): row for row in rows.to_pylist()}
    version = max((row["bronze_version"] for row in latest.values()), default=-1)
    return State(latest, f"{table}:{tenant_id}:{source}@{version}")


def land_changes(
    bronze: Bronze, table: str, tenant_id: str, source: str, decide: Callable[[State], Collection[Row]]
) -> Sequence[Row]:
    """Append what `decide` finds to be new against the state, in one commit, and return it.

    The commit names the state that was decided upon. Where another ingest of the same source commits first, that name
    is taken, and it is decided again: two at once land each change once.
    """
    for _ in range(TRIES):
        state = read_state(bronze, table, tenant_id, source)
        rows = list(decide(state))
        if not rows:
            return rows
        try:
            bronze.append(table, pa.Table.from_pylist(rows, schema=TABLES[table]), [state.token])
        except AlreadyLanded:
            continue
        return rows
    raise Refused(f"source '{source}' is ingested by too many others at once: try again when they are done")


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
