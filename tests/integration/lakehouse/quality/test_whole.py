import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lakehouse import database
from lakehouse.errors import Refused, WarehouseNotBuilt
from lakehouse.quality import check_gold, validate_gold

GOLD = """
create schema gold;
create table gold.documents (tenant_id text, document_id text, text text, byte_start bigint, byte_end bigint);
create table gold.fct_readings (
    tenant_id text, device_id text, metric text, ts timestamptz, value double precision
);
insert into gold.documents values ('default', 'd1', 'one', 0, 3), ('acme', 'd1', 'two', 3, 6);
insert into gold.fct_readings values ('default', 'pump', 'pressure', '2026-10-01', -1.5);
"""


@pytest.fixture
def gold(database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with database.connect(database_url, autocommit=True) as connection:
        connection.execute(GOLD)
        yield connection


def test_gold_without_fault_passes(database_url: str, gold: psycopg.Connection[tuple[object, ...]]) -> None:
    assert validate_gold(database_url) == []
    check_gold(database_url)


def test_each_fault_is_counted_with_examples_of_its_keys(
    database_url: str, gold: psycopg.Connection[tuple[object, ...]]
) -> None:
    gold.execute(
        "insert into gold.documents values ('acme', 'empty', '', 0, 3), ('acme', 'null', null, 0, 3),"
        " ('acme', 'before', 'x', -1, 3), ('acme', 'backwards', 'x', 5, 3), ('acme', 'd1', 'again', 0, 5)"
    )
    gold.execute(
        "insert into gold.fct_readings "
        "select 'acme', 'pump', 'pressure', timestamptz '2026-10-01' + i * interval '1 s', value "
        "from unnest(array['NaN', 'Infinity', '-Infinity', null]::float8[]) with ordinality as bad (value, i)"
    )

    failed = {(one.table, one.expectation): one for one in validate_gold(database_url)}

    counts = {key: one.rows for key, one in failed.items()}
    assert counts == {
        ("documents", "expect_compound_columns_to_be_unique (tenant_id, document_id)"): 2,
        ("documents", "expect_column_values_to_not_be_null (text)"): 1,
        ("documents", "expect_column_value_lengths_to_be_between (text)"): 1,
        ("documents", "expect_column_values_to_be_between (byte_start)"): 1,
        ("documents", "expect_column_pair_values_a_to_be_greater_than_b (byte_end, byte_start)"): 1,
        ("fct_readings", "expect_column_values_to_not_be_null (value)"): 1,
        ("fct_readings", "expect_column_values_to_be_between (value)"): 3,
    }
    examples = {key: one.examples for key, one in failed.items()}
    assert examples["documents", "expect_column_value_lengths_to_be_between (text)"] == ("acme, empty",)
    assert examples["documents", "expect_compound_columns_to_be_unique (tenant_id, document_id)"] == ("acme, d1",) * 2
    assert len(examples["fct_readings", "expect_column_values_to_be_between (value)"]) == 3


def test_a_fault_refuses_gold_in_one_line(database_url: str, gold: psycopg.Connection[tuple[object, ...]]) -> None:
    gold.execute("insert into gold.fct_readings values ('acme', 'pump', 'pressure', '2026-10-01', 'NaN')")

    with pytest.raises(Refused) as refusal:
        check_gold(database_url)

    assert str(refusal.value) == (
        "gold must not be served as it is: gold.fct_readings: expect_column_values_to_be_between (value) does not hold "
        "in 1 row, such as acme, pump, pressure, 2026-10-01 00:00:00+00:00. "
        "Correct the source and ingest it again, then run 'iotops warehouse build --check'"
    )


def test_gold_that_was_never_built_is_said_to_be_missing(database_url: str) -> None:
    with pytest.raises(WarehouseNotBuilt, match="iotops warehouse build"):
        validate_gold(database_url)


def test_a_check_leaves_no_file_and_says_nothing(
    database_url: str, gold: psycopg.Connection[tuple[object, ...]], tmp_path: Path
) -> None:
    process = subprocess.run(
        [sys.executable, "-c", f"from lakehouse.quality import check_gold; check_gold({database_url!r})"],
        env={"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
