"""What promotion does to gold, and what a reader sees of it. The tables are made in SQL, as dbt leaves them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from iotops.settings import REPOSITORY
from lakehouse import database, promotion
from lakehouse.bronze import Bronze
from lakehouse.content import content_hashes
from lakehouse.errors import NotReady, Refused
from lakehouse.promotion import empty_candidate, patiently, promote_candidate
from lakehouse.warehouse import build_warehouse, promote

COLUMNS = "(k int, j jsonb, a text[], f float8, t text)"
SERVED = [
    """(1, '{"a": 1}', '{x,y}', 1.5, 'same')""",
    "(2, null, null, 'NaN', null)",
    """(3, '{"a": 1}', '{x,y}', 1, 'its json')""",
    "(4, '[]', '{x,null}', 1, 'its array')",
    "(5, '[]', '{}', 'NaN', 'its NaN')",
    "(6, '[]', '{}', 1, null)",
    "(7, '[]', '{}', 1, 'gone')",
]
CHANGED = [
    """(3, '{"a": 2}', '{x,y}', 1, 'its json')""",
    "(4, '[]', '{null,x}', 1, 'its array')",
    "(5, '[]', '{}', 0, 'its NaN')",
    "(6, '[]', '{}', 1, 'its null')",
    "(8, null, '{}', 1, 'new')",
]


@dataclass(frozen=True)
class Warehouse:
    """`sql` commits each statement by itself."""

    url: str
    connection: database.Connection

    def sql(self, statement: str) -> list[Any]:
        cursor = self.connection.execute(statement)
        return cursor.fetchall() if cursor.description else []

    def table(self, name: str, rows: list[str], columns: str = COLUMNS) -> None:
        self.sql(f"create table {name} {columns}")
        if rows:
            self.sql(f"insert into {name} values {', '.join(rows)}")

    def days(self, name: str, build: int, days: dict[int, list[int]], columns: str = "(ts timestamptz, v int)") -> None:
        """Partitioned by day: of each day of October its values, one an hour."""
        self.sql(f"create table {name} {columns} partition by range (ts)")
        self.sql(f"create unique index on {name} (ts)")
        for number, values in days.items():
            day = date(2026, 10, number)
            part = f'gold_partitions."{name.split(".")[1].removesuffix("__new")}_{day:%Y%m%d}_{build}"'
            rows = [f"('{day} {hour:02}:00+00', {value})" for hour, value in enumerate(values)]
            self.table(part, rows, columns)
            self.sql(f"alter table {name} attach partition {part} {bounds(day)}")

    def candidate_days(self, build: int, days: dict[int, list[int]]) -> None:
        """The new days, and the view over all days that dbt leaves beside them."""
        self.days("gold_candidate.readings__new", build, days)
        self.sql("create view gold_candidate.readings as select * from gold_candidate.readings__new")

    def candidate_keys(self, name: str, rows: list[str], columns: str = "(id int, text text)") -> None:
        """Of a table by key (its first column) the rows that changed, and the view over all."""
        self.table(f"gold_candidate.{name}__new", rows, columns)
        self.sql(f"create unique index on gold_candidate.{name}__new ({columns.strip('(').split()[0]})")
        self.sql(f"create view gold_candidate.{name} as select * from gold_candidate.{name}__new")

    def build(self, *, full: bool = False) -> int:
        """A build with a candidate is recorded, as `build_candidate` leaves it."""
        ((build_id,),) = self.sql(
            "insert into registry.builds (project_sha256, snapshot, full_build, built_at) "
            f"values ('p', 'telemetry@1', {full}, now()) returning build_id"
        )
        return int(build_id)

    def promote(self, *, full: bool = False) -> None:
        self.build(full=full)
        promote(self.url)

    def readings(self) -> dict[str, list[int]]:
        return dict(
            self.sql(
                "select to_char(ts at time zone 'UTC', 'DD'), array_agg(v order by ts) from gold.readings "
                "group by 1 order by 1"
            )
        )

    def places(self, table: str) -> set[tuple[Any, ...]]:
        """Where each row lies: a row that was written again lies elsewhere."""
        return set(self.sql(f"select tableoid::regclass::text, ctid::text from {table} as t"))

    def hashes(self) -> dict[str, str]:
        with database.transaction(self.url) as connection:
            return content_hashes(connection)


def bounds(day: date) -> str:
    return f"for values from ('{day} 00:00+00') to ('{day + timedelta(days=1)} 00:00+00')"


@pytest.fixture(scope="module")
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def warehouse(url: str) -> Iterator[Warehouse]:
    """With an empty gold and an empty candidate, on a database that the tests of this file share."""
    with database.connect(url, autocommit=True) as connection:
        connection.execute("drop schema if exists gold cascade; create schema gold")
        connection.execute("truncate registry.builds, registry.promoted, registry.increments")
        empty_candidate(connection)
        yield Warehouse(url, connection)


@pytest.fixture
def reader(warehouse: Warehouse) -> Iterator[database.Connection]:
    """In a transaction that sees what there was at its first statement."""
    with database.connect(warehouse.url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promotion, "LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(promotion, "ATTEMPTS", 3)


def test_rows_that_differ_are_replaced_and_the_others_stay_where_they_lie(warehouse: Warehouse) -> None:
    warehouse.table("gold.dim", SERVED)
    warehouse.table("gold_candidate.dim", SERVED[:2] + CHANGED)
    before = warehouse.places("gold.dim")
    expected = warehouse.sql("select md5(string_agg(d::text, ';' order by k)) from gold_candidate.dim as d")

    warehouse.promote()

    assert warehouse.sql("select md5(string_agg(d::text, ';' order by k)) from gold.dim as d") == expected
    assert warehouse.sql("select k from gold.dim order by k") == [(1,), (2,), (3,), (4,), (5,), (6,), (8,)]
    stayed = warehouse.sql("select tableoid::regclass::text, ctid::text from gold.dim where k < 3")
    assert set(stayed) == {("gold.dim", "(0,1)"), ("gold.dim", "(0,2)")}
    assert len(warehouse.places("gold.dim") & before) == 2


def test_a_table_that_did_not_change_is_not_written(warehouse: Warehouse) -> None:
    warehouse.table("gold.dim", SERVED)
    warehouse.table("gold_candidate.dim", SERVED[::-1])
    before = warehouse.places("gold.dim")

    warehouse.promote()

    assert warehouse.places("gold.dim") == before


def test_a_new_day_is_attached_one_that_is_served_is_replaced_in_place_and_the_others_are_left_alone(
    warehouse: Warehouse,
) -> None:
    warehouse.days("gold.readings", 1, {1: [10, 11], 2: [20, 21, 22], 3: [30]})
    before = warehouse.places("gold.readings")
    warehouse.candidate_days(2, {2: [20, 99, 22, 23], 4: [40], 5: []})

    warehouse.promote()

    assert warehouse.readings() == {"01": [10, 11], "02": [20, 99, 22, 23], "03": [30], "04": [40]}
    kept, written = before & warehouse.places("gold.readings"), warehouse.places("gold.readings") - before
    assert len(kept) == 5
    assert {table for table, _ in written} == {
        "gold_partitions.readings_20261002_1",
        "gold_partitions.readings_20261004_2",
    }
    partitions = "select relname from pg_class where relnamespace = 'gold_partitions'::regnamespace and relkind = 'r'"
    attached = (
        "select relname from pg_class join pg_inherits on oid = inhrelid and inhparent = 'gold.readings'::regclass"
    )
    assert sorted(warehouse.sql(partitions)) == sorted(warehouse.sql(f"{attached} where relkind = 'r'"))
    assert len(warehouse.sql(partitions)) == 5


def test_a_day_that_was_attached_has_the_index_of_its_table(warehouse: Warehouse) -> None:
    warehouse.days("gold.readings", 1, {1: [10]})
    warehouse.candidate_days(2, {2: [20]})
    warehouse.promote()

    with pytest.raises(psycopg.errors.UniqueViolation):
        warehouse.sql("insert into gold.readings values ('2026-10-02 00:00+00', 1)")


def test_a_day_that_lost_all_its_readings_is_empty(warehouse: Warehouse) -> None:
    warehouse.days("gold.readings", 1, {1: [10], 2: [20]})
    warehouse.candidate_days(2, {1: []})
    warehouse.promote()

    assert warehouse.readings() == {"02": [20]}


def test_a_table_by_key_gets_its_new_rows_and_loses_those_that_are_gone(warehouse: Warehouse) -> None:
    columns = "(tenant text, id int, text text)"
    warehouse.table("gold.documents", ["('a', 1, 'old')", "('a', 2, 'stays')", "('b', 1, 'gone')"], columns)
    before = warehouse.places("gold.documents")
    warehouse.table("gold_candidate.documents__new", ["('a', 1, 'new')", "('b', 2, 'more')"], columns)
    warehouse.sql("create unique index on gold_candidate.documents__new (tenant, id)")
    warehouse.table("gold_candidate.documents__gone", ["('b', 1)"], "(tenant text, id int)")
    warehouse.promote()

    assert warehouse.sql("select tenant, id, text from gold.documents order by 1, 2") == [
        ("a", 1, "new"),
        ("a", 2, "stays"),
        ("b", 2, "more"),
    ]
    assert len(before & warehouse.places("gold.documents")) == 1


def test_a_table_by_key_of_which_nothing_can_go_keeps_what_is_not_new(warehouse: Warehouse) -> None:
    warehouse.table("gold.events", ["(1, 'old')", "(2, 'stays')"], "(id int, text text)")
    warehouse.candidate_keys("events", ["(1, 'new')"])
    warehouse.promote()

    assert warehouse.sql("select id, text from gold.events order by id") == [(1, "new"), (2, "stays")]


def test_a_table_by_key_that_was_built_whole_has_only_what_was_built(warehouse: Warehouse) -> None:
    warehouse.table("gold.events", ["(1, 'old')", "(2, 'of before')"], "(id int, text text)")
    warehouse.candidate_keys("events", ["(1, 'new')"])
    warehouse.promote(full=True)

    assert warehouse.sql("select id, text from gold.events") == [(1, "new")]


@pytest.mark.parametrize("columns", ["(k bigint, t text)", "(t text, k int)", "(k int, t text, more int)"])
def test_a_table_whose_columns_changed_is_swapped(warehouse: Warehouse, columns: str) -> None:
    warehouse.table("gold.dim", ["(1, 'old')"], "(k int, t text)")
    warehouse.sql("create view gold.of_it as select t from gold.dim")
    warehouse.table("gold_candidate.dim", [], columns)
    warehouse.sql("insert into gold_candidate.dim (k, t) values (2, 'new')")
    warehouse.promote()

    assert warehouse.sql("select k, t from gold.dim") == [(2, "new")]
    first = warehouse.sql("select attname from pg_attribute where attrelid = 'gold.dim'::regclass and attnum = 1")
    assert first == [(columns.split()[0].strip("("),)]


def test_a_first_build_serves_every_table_under_its_own_name(warehouse: Warehouse) -> None:
    warehouse.sql("drop schema gold")
    warehouse.table("gold_candidate.dim", SERVED)
    warehouse.candidate_keys("events", ["(1, 'new')"])
    warehouse.candidate_days(1, {1: [10]})
    warehouse.promote(full=True)

    assert sorted(warehouse.hashes()) == ["dim", "events", "readings"]
    assert warehouse.readings() == {"01": [10]}


def test_a_full_build_has_the_days_that_it_made_and_tables_that_no_model_makes_go(warehouse: Warehouse) -> None:
    warehouse.days("gold.readings", 1, {1: [10], 2: [20]})
    warehouse.table("gold.dim", SERVED)
    warehouse.table("gold.of_a_former_model", SERVED)
    warehouse.candidate_days(2, {2: [21]})
    warehouse.table("gold_candidate.dim", SERVED)
    warehouse.promote(full=True)

    assert warehouse.readings() == {"02": [21]}
    assert sorted(warehouse.hashes()) == ["dim", "readings"]


def test_an_increment_takes_no_table_away(warehouse: Warehouse) -> None:
    warehouse.table("gold.other", SERVED)
    warehouse.table("gold_candidate.dim", SERVED)
    warehouse.promote()

    assert sorted(warehouse.hashes()) == ["dim", "other"]


def test_the_schema_of_the_candidate_is_gone_afterwards(warehouse: Warehouse) -> None:
    warehouse.days("gold.readings", 1, {1: [10]})
    warehouse.candidate_days(2, {1: [11]})
    warehouse.candidate_keys("documents", [])
    warehouse.table("gold_candidate.documents__gone", [], "(id int)")
    warehouse.promote()

    assert warehouse.sql("select to_regnamespace('gold_candidate')") == [(None,)]
    assert sorted(warehouse.hashes()) == ["documents", "readings"]


def test_a_reader_that_began_before_goes_on_seeing_what_it_saw(
    warehouse: Warehouse, reader: database.Connection
) -> None:
    warehouse.table("gold.dim", SERVED)
    warehouse.table("gold.events", ["(1, 'old')"], "(id int, text text)")
    warehouse.days("gold.readings", 1, {1: [10, 11], 2: [20]})
    reader.execute("select 1")
    warehouse.table("gold_candidate.dim", CHANGED)
    warehouse.candidate_keys("events", ["(1, 'new')"])
    warehouse.candidate_days(2, {1: [99], 3: [30]})
    before = content_hashes(reader)

    warehouse.promote()

    assert content_hashes(reader) == before
    reader.rollback()
    after = content_hashes(reader)
    assert {name for name in before if after[name] != before[name]} == {"dim", "events", "readings"}
    assert warehouse.readings() == {"01": [99], "02": [20], "03": [30]}


def test_promotion_gives_way_to_a_reader_and_tries_again(
    warehouse: Warehouse, reader: database.Connection, impatient: None
) -> None:
    warehouse.days("gold.readings", 1, {1: [10]})
    warehouse.candidate_days(2, {1: [11]})
    reader.execute("select count(*) from gold.readings")
    attempts: list[int] = []

    def step() -> None:
        attempts.append(len(attempts))
        if len(attempts) == 3:
            reader.rollback()
        with warehouse.connection.transaction():
            promote_candidate(warehouse.connection, full=True)

    patiently(step)

    assert attempts == [0, 1, 2]
    assert warehouse.readings() == {"01": [11]}


def test_promotion_ends_with_what_to_do_where_a_reader_stays(
    warehouse: Warehouse, reader: database.Connection, impatient: None
) -> None:
    warehouse.days("gold.readings", 1, {1: [10]})
    warehouse.candidate_days(2, {1: [11]})
    build_id = warehouse.build(full=True)
    before = reader.execute("select array_agg(v) from gold.readings").fetchall()

    with pytest.raises(NotReady, match="a query that runs for long holds one of its tables: end it, then run"):
        promote(warehouse.url)

    assert reader.execute("select array_agg(v) from gold.readings").fetchall() == before == [([10],)]
    reader.rollback()
    assert promote(warehouse.url) == build_id
    assert warehouse.readings() == {"01": [11]}


def test_readers_of_rows_and_days_that_are_replaced_are_not_waited_for(
    warehouse: Warehouse, reader: database.Connection, impatient: None
) -> None:
    warehouse.table("gold.dim", SERVED)
    warehouse.days("gold.readings", 1, {1: [10]})
    warehouse.table("gold_candidate.dim", CHANGED)
    warehouse.candidate_days(2, {1: [11], 2: [20]})
    reader.execute("select count(*) from gold.readings, gold.dim")

    warehouse.promote()

    assert warehouse.readings() == {"01": [11], "02": [20]}


def test_promotion_that_is_cut_off_leaves_gold_as_it_was(warehouse: Warehouse) -> None:
    warehouse.table("gold.dim", SERVED)
    warehouse.table("gold.swapped", ["(1)"], "(k int)")
    warehouse.days("gold.readings", 1, {1: [10], 2: [20]})
    warehouse.table("gold_candidate.dim", CHANGED)
    warehouse.table("gold_candidate.swapped", ["('1')"], "(k text)")
    warehouse.candidate_days(2, {1: [11], 3: [30]})
    warehouse.sql("insert into registry.increments values ('telemetry', 1, 2)")
    before, build_id = warehouse.hashes(), warehouse.build()
    # The last statement of all marks the build as finished.
    warehouse.sql(
        "create or replace function cut_off() returns trigger language plpgsql as $$ begin raise 'cut off'; end $$; "
        "create trigger cut_off before update on registry.builds for each row execute function cut_off()"
    )

    with pytest.raises(psycopg.errors.RaiseException, match="cut off"):
        promote(warehouse.url)

    assert warehouse.hashes() == before
    assert warehouse.sql("select * from registry.promoted") == []
    warehouse.sql("drop trigger cut_off on registry.builds")
    assert promote(warehouse.url) == build_id
    assert warehouse.readings() == {"01": [11], "02": [20], "03": [30]}
    assert warehouse.sql("select * from registry.promoted") == [("telemetry", 2)]


def test_what_a_gate_refuses_is_not_promoted(warehouse: Warehouse, bronze: Bronze, tmp_path: Path) -> None:
    warehouse.table("gold.documents", ["(1, 'served')"], "(id int, text text)")

    def dbt(_url: str, _project: Path, _work: Path, *, full_refresh: bool = False) -> list[dict[str, Any]]:
        warehouse.table("gold_candidate.documents", ["(1, 'refused')"], "(id int, text text)")
        warehouse.table(
            "gold_candidate.documents__new", [], "(tenant_id text, object_sha256 text, text text, kind text)"
        )
        return [{"unique_id": "model.iotops.documents"}]

    def gate(url: str) -> None:
        assert url == warehouse.url
        assert warehouse.sql("select text from gold_candidate.documents") == [("refused",)]
        raise Refused("it does not hold")

    with pytest.raises(Refused, match="it does not hold"):
        build_warehouse(warehouse.url, bronze, dbt_project=REPOSITORY / "dbt", work=tmp_path, dbt=dbt, gate=gate)

    assert warehouse.sql("select text from gold.documents") == [("served",)]
    assert warehouse.sql("select built_at is not null, finished_at from registry.builds") == [(True, None)]
    assert warehouse.sql("select * from registry.promoted") == []


def test_promoting_twice_does_nothing(warehouse: Warehouse) -> None:
    warehouse.table("gold.dim", SERVED)
    warehouse.table("gold_candidate.dim", CHANGED)
    build_id = warehouse.build()
    assert promote(warehouse.url, build_id) == build_id
    before = warehouse.places("gold.dim"), warehouse.sql("select finished_at from registry.builds")

    assert promote(warehouse.url) == promote(warehouse.url, build_id) == build_id

    assert (warehouse.places("gold.dim"), warehouse.sql("select finished_at from registry.builds")) == before


def test_a_candidate_is_refused_after_another_build_began(warehouse: Warehouse) -> None:
    warehouse.table("gold.dim", SERVED)
    warehouse.table("gold_candidate.dim", CHANGED)
    first, before = warehouse.build(), warehouse.hashes()
    warehouse.sql("insert into registry.builds (project_sha256) values ('p')")

    for build_id in (first, None):
        with pytest.raises(NotReady, match="of another build by now: run 'iotops warehouse build'"):
            promote(warehouse.url, build_id)
    second = warehouse.build()
    with pytest.raises(NotReady):
        promote(warehouse.url, first)

    assert warehouse.hashes() == before
    assert promote(warehouse.url, second) == second


def test_nothing_is_promoted_before_a_first_build(warehouse: Warehouse) -> None:
    with pytest.raises(NotReady, match="iotops warehouse build"):
        promote(warehouse.url)


def test_rows_that_are_equal_and_written_otherwise_are_replaced(warehouse: Warehouse) -> None:
    columns = "(f float8, n numeric, j jsonb)"
    warehouse.table("gold.dim", ["""('-0', 1.0, '{"a": 1.0}')"""], columns)
    warehouse.table("gold_candidate.dim", ["""('0', 1.00, '{"a": 1.00}')"""], columns)
    warehouse.promote()

    assert warehouse.sql("select d::text from gold.dim as d") == [('(0,1.00,"{""a"": 1.00}")',)]


def test_an_index_that_a_model_gained_is_served_after_a_full_build(warehouse: Warehouse) -> None:
    warehouse.table("gold.dim", ["(1)"], "(k int)")
    warehouse.table("gold_candidate.dim", ["(1)"], "(k int not null)")
    warehouse.sql("create unique index on gold_candidate.dim (k)")
    warehouse.promote(full=True)

    assert warehouse.sql("select count(*) from pg_index where indrelid = 'gold.dim'::regclass") == [(1,)]
