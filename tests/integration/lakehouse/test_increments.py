"""Which days and which rows the next build reads, after what was landed and what was promoted."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from lakehouse import database
from lakehouse.increments import NOTHING_LANDED, Increment, next_increment, publish, state

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
TODAY = NOON.date()
DAY = timedelta(days=1)
NOTHING = {"documents": -1, "events": -1, "messages": -1, "telemetry": -1}
ROWS: dict[str, dict[str, Any]] = {
    "events": {"tenant_id": "a", "event_id": "e", "event_type": "alarm", "ts": NOON, "attributes": "{}", "source": "s"}
    | {"object_sha256": "o", "row_number": 1},
    "messages": {"tenant_id": "a", "source": "s", "channel": "c", "message_id": "m", "thread_id": "t", "ts": NOON}
    | {"text": "", "deleted": False, "object_sha256": "o"},
    "documents": {"tenant_id": "a", "source": "s", "path": "p", "kind": "manual", "title": "t", "object_sha256": "o"}
    | {"raw_sha256": "o", "media_type": "m", "extraction": "none", "byte_start": 0, "byte_end": 0, "text": ""}
    | {"classification": "internal", "deleted": False},
}


class Landing:
    """What was landed and built so far; all in one transaction, which is rolled back."""

    def __init__(self, connection: database.Connection) -> None:
        self.connection = connection
        self.versions = dict(NOTHING)

    def land(self, *days: date, recorded_at: datetime = NOON) -> None:
        """One more version of telemetry, with rows of these days."""
        self.versions["telemetry"] = max(self.versions["telemetry"], 0) + 1
        for day in days:
            self.connection.execute(
                "insert into landing.telemetry_days (day, delta_version, first_recorded_at, recorded_at) "
                "values (%s, %s, %s, %s)",
                (day, self.versions["telemetry"], recorded_at, recorded_at),
            )

    def land_row(self, table: str, recorded_at: datetime) -> None:
        """One more version of another table, with one row."""
        self.versions[table] += 1
        row = ROWS[table] | {"recorded_at": recorded_at, "bronze_version": self.versions[table]}
        self.connection.execute(
            f"insert into landing.{table} ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})",
            list(row.values()),
        )

    def next(self, *, full: bool = False, as_of: datetime | None = None, days: tuple[date, ...] = ()) -> Increment:
        return next_increment(self.connection, self.versions, full=full, as_of=as_of, days=days)

    def build(self, *, fails: bool = False, project: str = "p", **options: Any) -> Increment:
        """What a build reads is written before dbt starts, and published when its candidate is promoted."""
        increment = self.next(**options)
        increment.write(self.connection)
        self.connection.execute(
            "insert into registry.builds (project_sha256, snapshot, full_build, as_of, finished_at) "
            "values (%s, %s, %s, %s, %s)",
            (project, increment.snapshot, increment.full, increment.as_of, None if fails else NOON),
        )
        if not fails:
            self.connection.execute("create schema if not exists gold")
            self.connection.execute("create table if not exists gold.documents (document_id text)")
            publish(self.connection)
        return increment

    def is_skipped(self, **options: Any) -> bool:
        return self.next(**options).is_empty(state(self.connection, "p"))

    def rows(self, sql: str) -> list[Any]:
        return self.connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def landing(url: str) -> Iterator[Landing]:
    with database.connect(url) as connection:
        yield Landing(connection)
        connection.rollback()


def test_where_nothing_was_landed_there_is_nothing_to_read(landing: Landing) -> None:
    increment = landing.next()

    assert (increment.days, increment.after, increment.upto) == ((), NOTHING, NOTHING)
    assert increment.as_of == NOTHING_LANDED
    assert increment.snapshot == ""
    assert not landing.is_skipped(), "gold has no tables yet"
    landing.build()
    assert landing.is_skipped()


def test_a_first_landing_is_read_from_its_beginning(landing: Landing) -> None:
    landing.land(TODAY - DAY, TODAY)
    increment = landing.next()

    assert increment.days == (TODAY - DAY, TODAY)
    assert increment.after == NOTHING
    assert increment.upto == NOTHING | {"telemetry": 1}
    assert increment.snapshot == "telemetry@1"
    assert increment.as_of == NOON


def test_a_second_landing_touches_its_own_days_and_versions(landing: Landing) -> None:
    landing.land(TODAY - DAY, TODAY)
    landing.build()
    landing.land(TODAY, TODAY + DAY, recorded_at=NOON + DAY)
    landing.land_row("events", NOON + 2 * DAY)
    increment = landing.next()

    assert increment.days == (TODAY, TODAY + DAY)
    assert increment.after == NOTHING | {"telemetry": 1}
    assert increment.upto == NOTHING | {"telemetry": 2, "events": 0}
    assert increment.snapshot == "events@0,telemetry@2"
    assert increment.as_of == NOON + 2 * DAY


@pytest.mark.parametrize("table", ROWS)
def test_gold_is_of_the_moment_when_the_latest_row_of_any_table_was_recorded(landing: Landing, table: str) -> None:
    landing.land(TODAY)
    landing.build()
    landing.land_row(table, NOON + DAY)

    assert landing.next().as_of == NOON + DAY
    assert landing.next().days == ()
    assert not landing.is_skipped()


def test_several_landings_between_two_builds_are_read_at_once(landing: Landing) -> None:
    landing.build()
    for number in (2, 0, 2, 1):
        landing.land(TODAY - number * DAY)

    assert landing.next().days == (TODAY - 2 * DAY, TODAY - DAY, TODAY)
    assert landing.next().upto["telemetry"] == 4


def test_late_data_touches_the_old_day_alone(landing: Landing) -> None:
    landing.land(*(TODAY - number * DAY for number in range(9)))
    landing.build()
    landing.land(TODAY - 7 * DAY)

    assert landing.next().days == (TODAY - 7 * DAY,)
    assert landing.next().as_of == NOON


def test_what_arrives_late_does_not_turn_back_the_moment_that_gold_is_of(landing: Landing) -> None:
    landing.land(TODAY)
    landing.build()
    landing.land(TODAY - DAY, recorded_at=NOON - DAY)

    assert landing.next().as_of == NOON


def test_days_of_clocks_that_are_wrong_are_not_touched(landing: Landing) -> None:
    wrong = (date(1970, 1, 1), date(1999, 12, 31), TODAY + 2 * DAY, date(2099, 1, 1))
    landing.land(date(2000, 1, 1), TODAY, TODAY + DAY, *wrong)  # a minute after midnight is of the next day
    increment = landing.next()

    assert increment.days == (date(2000, 1, 1), TODAY, TODAY + DAY)
    assert increment.upto["telemetry"] == 1


def test_an_increment_of_wrong_clocks_alone_is_not_skipped(landing: Landing) -> None:
    landing.land(TODAY)
    landing.build()
    landing.land(date(1970, 1, 1))

    assert landing.next().days == ()
    assert not landing.is_skipped(), "they are to be set aside"


def test_days_that_are_asked_for_are_made_anew_with_those_that_are_new(landing: Landing) -> None:
    landing.land(TODAY - 3 * DAY, TODAY - DAY)
    landing.build()
    assert landing.is_skipped()
    assert not landing.is_skipped(days=(TODAY - 3 * DAY,))
    landing.land(TODAY)

    assert landing.next(days=(TODAY - 3 * DAY, TODAY)).days == (TODAY - 3 * DAY, TODAY)


def test_another_moment_is_built_once_although_nothing_is_new(landing: Landing) -> None:
    landing.land(TODAY)
    landing.build()
    later = NOON + 3 * DAY
    assert not landing.is_skipped(as_of=later)

    assert landing.build(as_of=later).as_of == later
    assert landing.rows("select as_of from registry.as_of") == [(later,)]
    assert landing.is_skipped(as_of=later)
    assert not landing.is_skipped(), "gold is of a moment that nobody asks for any more"
    landing.build()
    assert landing.is_skipped()


def test_what_a_failed_build_read_is_read_again(landing: Landing) -> None:
    landing.land(TODAY - 2 * DAY)
    landing.build()
    landing.land(TODAY - DAY)
    failed = landing.build(fails=True)
    landing.land(TODAY)
    increment = landing.next()

    assert failed.days == (TODAY - DAY,)
    assert increment.days == (TODAY - DAY, TODAY)
    assert (increment.after["telemetry"], increment.upto["telemetry"]) == (1, 3)
    assert not landing.is_skipped()


def test_what_was_promoted_is_not_read_again(landing: Landing) -> None:
    landing.land(TODAY - DAY)
    landing.land_row("events", NOON)
    landing.build()
    increment = landing.next()

    assert increment.days == ()
    assert increment.after == increment.upto == NOTHING | {"telemetry": 1, "events": 0}
    assert landing.is_skipped()


def test_a_full_build_reads_all_that_was_ever_landed(landing: Landing) -> None:
    landing.land(TODAY - DAY)
    landing.build()
    landing.land(TODAY)
    increment = landing.next(full=True)

    assert increment.days == (TODAY - DAY, TODAY)
    assert increment.after == NOTHING
    assert increment.upto["telemetry"] == 2


def test_what_dbt_is_told_is_of_this_build_alone(landing: Landing) -> None:
    landing.land(TODAY - DAY)
    landing.build()
    landing.land(TODAY)
    landing.build(fails=True)

    assert landing.rows("select table_name, after_version, upto_version from registry.increments order by 1") == [
        ("documents", -1, -1),
        ("events", -1, -1),
        ("messages", -1, -1),
        ("telemetry", 1, 2),
    ]
    assert landing.rows("select day from registry.touched_days") == [(TODAY,)]
    assert landing.rows("select as_of from registry.as_of") == [(NOON,)]
    assert landing.rows("select delta_version from registry.promoted where table_name = 'telemetry'") == [(1,)]


def test_gold_of_other_models_or_of_none_is_stale(landing: Landing) -> None:
    assert state(landing.connection, "p").is_stale
    landing.build()
    assert not state(landing.connection, "p").is_stale
    assert state(landing.connection, "q").is_stale

    landing.build(fails=True, project="q")
    assert state(landing.connection, "p").is_stale, "a build of other models began"
    landing.build()
    assert not state(landing.connection, "p").is_stale
    landing.connection.execute("drop table gold.documents")
    assert state(landing.connection, "p").is_stale
