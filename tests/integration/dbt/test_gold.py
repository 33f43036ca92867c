"""What gold says of rows whose truth is known, whichever way they came. conftest.py has the rows."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from iotops.settings import REPOSITORY
from lakehouse import database
from lakehouse.content import content_hashes
from lakehouse.dbt_process import DBT, dbt_environment, read_results
from lakehouse.warehouse import build_warehouse

PROJECT = REPOSITORY / "dbt"
START = datetime(2026, 10, 1, tzinfo=UTC)
RECORDED = datetime(2026, 10, 20, tzinfo=UTC)
GOLD = sorted(path.stem for path in (PROJECT / "models" / "gold").glob("*.sql"))


@pytest.mark.parametrize("table", GOLD)
def test_late_and_repeated_rows_in_any_order_give_the_same_gold(warehouses: list[Any], table: str) -> None:
    columns = warehouses[0].rows(
        "select column_name from information_schema.columns where table_schema = 'gold' "
        f"and table_name = '{table}' order by ordinal_position"
    )
    names = ", ".join(name for (name,) in columns)
    at_once, in_parts = (each.rows(f"select {names} from gold.{table} order by {names}") for each in warehouses)

    assert at_once
    assert in_parts == at_once


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 5))
def test_any_other_order_gives_the_same_gold(warehouses: list[Any], grow: Any, seed: int) -> None:
    assert hashes(grow(seed)) == hashes(warehouses[0])


def test_the_hashes_of_gold_are_the_same_whichever_way_it_came(warehouses: list[Any]) -> None:
    at_once, in_parts = map(hashes, warehouses)
    assert at_once.keys() == set(GOLD)
    assert in_parts == at_once


def test_a_day_made_anew_puts_right_what_was_changed_in_it(warehouse: Any) -> None:
    before = hashes(warehouse)
    with database.transaction(warehouse.url) as connection:
        connection.execute("update gold.fct_readings set value = -1 where device_id = 'pump-1'")
        connection.execute("delete from gold.fct_readings_hourly where device_id = 'pump-2'")
        connection.execute("delete from gold.mart_device_health")
    assert hashes(warehouse) != before

    build_warehouse(warehouse.url, warehouse.bronze, dbt_project=PROJECT, work=warehouse.work, days=[START.date()])

    assert hashes(warehouse) == before


def test_each_line_of_an_insight_is_at_its_bytes_and_cites_a_row_that_is_there(warehouse: Any) -> None:
    facts = warehouse.rows(
        "select fact.line, substring(convert_to(text, 'UTF8') from fact.byte_start::int + 1 "
        "for (fact.byte_end - fact.byte_start)::int), fact.tenant_id, fact.table_name, fact.key::text "
        "from gold.fct_insight_facts as fact join gold.documents using (tenant_id, document_id)"
    )
    assert {table for _, _, _, table, _ in facts} >= {"mart_device_health", "mart_fleet_by_firmware", "fct_incidents"}
    for line, stored, tenant, table, key in facts:
        assert bytes(stored).decode() == line
        cited = f"select 1 from gold.{table} as row where tenant_id = '{tenant}' and to_jsonb(row) @> '{key}'"
        assert len(warehouse.rows(cited)) == 1


def hashes(warehouse: Any) -> dict[str, str]:
    with database.transaction(warehouse.url) as connection:
        return content_hashes(connection)


def test_a_correction_wins_with_its_own_receipt_and_its_hour_follows(warehouse: Any) -> None:
    corrected = warehouse.rows("select ts, value, object_sha256, recorded_at from gold.fct_readings where value < 0")
    assert corrected == [(START, -5.0, "x" * 64, RECORDED + timedelta(days=1))]
    hour = "device_id = 'pump-2' and metric = 'pressure' and hour = date_trunc('day', hour, 'UTC')"
    assert warehouse.rows(f"select value_min, recorded_at from gold.fct_readings_hourly where {hour}") == [
        (-5.0, RECORDED + timedelta(days=1))
    ]


def test_a_new_text_ends_the_former_and_a_deletion_ends_the_page(warehouse: Any) -> None:
    pages = warehouse.rows(
        "select former.text, former.valid_to, later.text from gold.documents as former "
        "left join gold.documents as later on later.document_id = former.superseded_by "
        "where former.version_from = '9.1' order by former.text"
    )
    a_day_later = RECORDED + timedelta(days=1)
    assert pages == [
        ("# care 9.1", a_day_later, None),
        ('# start 9.1\n\n--8<-- ".snippets/limits.md"', a_day_later, "# start 9.1, corrected"),
        ("# start 9.1, corrected", None, None),
    ]


def test_every_reading_is_there_once_with_a_receipt_and_in_its_hour(warehouse: Any) -> None:
    assert warehouse.rows("select count(*), count(distinct (device_id, metric, ts)) from gold.fct_readings") == [
        (824, 824)
    ]
    assert warehouse.rows("select count(*), sum(reading_count) from gold.fct_readings_hourly") == [(96, 824)]
    objects = warehouse.rows("select distinct object_sha256 from gold.fct_readings order by 1")
    assert ("f" * 64,) in objects  # of a repeat, recorded at the same moment: the lower hash stands
    assert len(objects) == 6


def test_an_hour_is_the_arithmetic_of_its_readings(warehouse: Any) -> None:
    hour = warehouse.rows(
        "select reading_count, value_sum, value_min, value_max, value_avg, last_value from gold.fct_readings_hourly "
        f"where device_id = 'pump-1' and metric = 'pressure' and hour = '{START:%F} 00:00+00'"
    )
    values = [0.1 * number + 1e15 * (number % 2) for number in range(0, 60, 7)]
    assert hour == [(9, sum(values), min(values), max(values), sum(values) / 9, values[-1])]


def test_firmware_changes_when_the_event_says_so_and_back_when_readings_do(warehouse: Any) -> None:
    stretches = warehouse.rows(
        "select firmware, valid_from, valid_to from gold.dim_device_firmware where device_id = 'pump-1' order by 2"
    )
    upgraded, back = START + timedelta(hours=11.9), START + timedelta(minutes=7 * 155)
    assert stretches == [("2.0", START, upgraded), ("2.1", upgraded, back), ("2.0", back, None)]


def test_a_device_that_only_an_event_names_is_a_device(warehouse: Any) -> None:
    devices = warehouse.rows("select device_id, model, site, firmware from gold.dim_devices order by device_id")
    assert devices == [
        ("pump-1", "P-200", "north", "2.0"),
        ("pump-2", "P-200", "north", "2.0"),
        ("valve-9", None, None, None),
    ]


def test_an_event_keeps_its_attributes_as_json(warehouse: Any) -> None:
    found = warehouse.rows("select event_id, attributes from gold.fct_events where attributes ->> 'to_version' = '2.1'")
    assert found == [("e1", {"to_version": "2.1"})]


def test_a_thread_leaves_out_what_was_deleted(warehouse: Any) -> None:
    threads = warehouse.rows(
        "select thread_id, message_count, participant_count from gold.fct_message_threads order by 1"
    )
    assert threads == [("t0", 4, 2), ("t1", 3, 2), ("t2", 3, 2)]


def test_documents_have_the_columns_of_their_contract_in_order(warehouse: Any) -> None:
    columns = warehouse.rows(
        "select string_agg(column_name, ' ' order by ordinal_position) from information_schema.columns "
        "where table_schema = 'gold' and table_name = 'documents'"
    )
    assert columns == [
        (
            "tenant_id document_id kind title text object_sha256 byte_start byte_end product version_from version_to "
            "valid_from valid_to recorded_at superseded_by classification url path included_in",
        )
    ]


def test_a_snippet_is_where_the_pages_say_it_that_still_do(warehouse: Any) -> None:
    """Page 9.1 said it too until its correction a day later, which also corrected the snippet."""
    places = warehouse.rows(
        "select text, product, version_from, included_in from gold.documents where path = '.snippets/limits.md' "
        "order by recorded_at"
    )
    page = [{"page": "10.0/start.md", "title": "start", "heading_path": ["start 10.0"]}]
    assert places == [("At most 7 bar.", "P-200", "10.0", page), ("At most 6 bar.", "P-200", "10.0", page)]


def test_the_pages_of_a_release_are_valid_until_the_next_higher_one(warehouse: Any) -> None:
    ranges = warehouse.rows(
        "select distinct version_from, version_to, text ~ '^(# |At most)' from gold.documents where kind = 'manual' "
        "order by 1 desc"
    )
    assert ranges == [("9.1", "10.0", True), ("10.0", None, True)]
    releases = warehouse.rows("select version, version_key from gold.releases order by version_key")
    assert releases == [("9.1", [9, 1, 0]), ("10.0", [10, 0])]


@pytest.mark.parametrize("table", GOLD)
def test_every_gold_table_has_an_index_that_starts_with_the_tenant(warehouse: Any, table: str) -> None:
    first_columns = warehouse.rows(
        "select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0] "
        f"where indrelid = 'gold.{table}'::regclass"
    )
    assert ("tenant_id",) in first_columns


def test_the_unit_tests_of_the_models_pass(warehouse: Any) -> None:
    process = subprocess.run(
        [*DBT, "test", "--select", "test_type:unit", "--quiet"],
        env=dbt_environment(warehouse.url, warehouse.work, gold_schema="gold")
        | {"DBT_PROJECT_DIR": str(PROJECT), "DBT_PROFILES_DIR": str(PROJECT)},
        cwd=warehouse.work,
        capture_output=True,
        text=True,
        check=False,
    )

    assert process.returncode == 0, process.stdout
    stated = [yaml.safe_load(path.read_text()).get("unit_tests", []) for path in (PROJECT / "models").rglob("*.yml")]
    assert len(read_results(warehouse.work)) == sum(map(len, stated)) > 10


def test_no_artefact_of_dbt_holds_the_usage_cookie_or_sends_statistics(warehouse: Any) -> None:
    manifest = json.loads((warehouse.work / "target" / "manifest.json").read_text())
    assert manifest["metadata"]["send_anonymous_usage_stats"] is False
    assert not list(PROJECT.rglob(".user.yml"))
