"""What the next build of gold reads: which rows of landing, which days, as of when."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, cast

from lakehouse.database import Connection
from lakehouse.landing import LANDED_TABLES

# A day before it is of a clock that was never set, and those readings are set aside.
FIRST_DAY: Final = date(2000, 1, 1)
NOTHING_LANDED: Final = datetime(1970, 1, 1, tzinfo=UTC)

DAYS: Final = """
select distinct day from landing.telemetry_days
where delta_version > %(after)s and delta_version <= %(upto)s and day >= %(first)s and day <= %(last)s
order by day
"""
LATEST: Final = """
select greatest(
    (select max(recorded_at) from landing.telemetry_days),
    (select max(recorded_at) from landing.events),
    (select max(recorded_at) from landing.messages),
    (select max(recorded_at) from landing.documents)
)
"""


@dataclass(frozen=True)
class State:
    """Of gold as it is served. is_stale: other models made it, so that all of it is to be built anew."""

    is_served: bool
    is_stale: bool
    as_of: datetime | None


@dataclass(frozen=True)
class Increment:
    """after, upto: Delta version by table (-1: nothing); rows between are new. days: whose readings are made anew."""

    full: bool
    after: Mapping[str, int]
    upto: Mapping[str, int]
    days: tuple[date, ...]
    as_of: datetime

    @property
    def snapshot(self) -> str:
        return ",".join(f"{table}@{version}" for table, version in sorted(self.upto.items()) if version >= 0)

    def is_empty(self, state: State) -> bool:
        return not self.days and dict(self.after) == dict(self.upto) and self.as_of == state.as_of

    def write(self, connection: Connection) -> None:
        """Where dbt reads it, in the transaction of whoever calls."""
        connection.execute("delete from registry.increments")
        connection.execute("delete from registry.touched_days")
        connection.execute("delete from registry.as_of")
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into registry.increments (table_name, after_version, upto_version) values (%s, %s, %s)",
                [(table, self.after[table], version) for table, version in self.upto.items()],
            )
            cursor.executemany("insert into registry.touched_days (day) values (%s)", [(day,) for day in self.days])
        connection.execute("insert into registry.as_of (as_of) values (%s)", (self.as_of,))


def state(connection: Connection, project_sha256: str) -> State:
    """A build of other models that failed counts too: what is asked for is a build by these."""
    row = connection.execute(
        "select to_regclass('gold.documents') is not null and bool_or(finished_at is not null), "
        "bool_or(project_sha256 <> %s), (array_agg(as_of order by build_id))[1] "
        "from registry.builds where build_id >= "
        "(select coalesce(max(build_id), 0) from registry.builds where finished_at is not null)",
        (project_sha256,),
    ).fetchone()
    served, other, as_of = cast(tuple[bool | None, bool | None, datetime | None], row)
    return State(bool(served), not served or bool(other), as_of)


def next_increment(
    connection: Connection,
    landed: Mapping[str, int],
    *,
    full: bool,
    as_of: datetime | None,
    days: Collection[date],
) -> Increment:
    latest = _latest(connection)
    promoted = dict(cast(list[tuple[str, int]], connection.execute("select * from registry.promoted").fetchall()))
    after = {table: -1 if full else promoted.get(table, -1) for table in LANDED_TABLES}
    upto = {table: landed.get(table, -1) for table in LANDED_TABLES}
    within = {"after": after["telemetry"], "upto": upto["telemetry"], "first": FIRST_DAY}
    last = latest.date() + timedelta(days=1)
    touched = {day for (day,) in connection.execute(DAYS, {**within, "last": last}).fetchall()}
    return Increment(full, after, upto, tuple(sorted(cast(set[date], touched) | set(days))), as_of or latest)


def publish(connection: Connection) -> None:
    """What the build read is what gold was built from: called in the transaction that promotes its candidate."""
    connection.execute("delete from registry.promoted")
    connection.execute(
        "insert into registry.promoted (table_name, delta_version) "
        "select table_name, upto_version from registry.increments"
    )


def _latest(connection: Connection) -> datetime:
    row = connection.execute(LATEST).fetchone()
    return cast(datetime, row[0]) if row and row[0] else NOTHING_LANDED
