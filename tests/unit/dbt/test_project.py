"""Policies of the dbt project: what each gold model must state, and what no model may do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3] / "dbt"
SQL = sorted(PROJECT.rglob("*.sql"))
GOLD = sorted((PROJECT / "models" / "gold").glob("*.sql"))
CLOCKS = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random|gen_random_uuid)\s*\(|"
    r"\b(current_timestamp|current_date|current_time|localtime|localtimestamp)\b|"
    r"\b(run_started_at|modules\.datetime)\b|'(now|today|yesterday|tomorrow)'",
    re.IGNORECASE,
)


def name_of(path: Path) -> str:
    return path.stem


def properties(model: Path) -> dict[str, Any]:
    (stated,) = yaml.safe_load(model.with_suffix(".yml").read_text())["models"]
    assert stated["name"] == model.stem
    return dict(stated)


@pytest.mark.parametrize("path", SQL, ids=name_of)
def test_no_sql_reads_the_clock_or_draws_lots(path: Path) -> None:
    assert CLOCKS.search(path.read_text()) is None


def test_the_pattern_of_clocks_finds_one() -> None:
    found = [
        CLOCKS.search(sql) for sql in ("select now()", "CURRENT_TIMESTAMP", "'today'::date", "{{ run_started_at }}")
    ]
    assert None not in found
    assert CLOCKS.search("select known, current_version, today from x") is None


@pytest.mark.parametrize("model", GOLD, ids=name_of)
def test_each_gold_model_states_its_grain_and_types_all_its_columns(model: Path) -> None:
    stated = properties(model)
    assert stated["description"].strip().startswith("One row a")
    assert "(tenant_id, " in stated["description"]
    assert stated["columns"][0]["name"] == "tenant_id"
    assert all(column["data_type"] for column in stated["columns"])


@pytest.mark.parametrize("model", GOLD, ids=name_of)
def test_the_key_of_each_gold_model_starts_with_the_tenant_and_is_tested_and_indexed(model: Path) -> None:
    tests = [test["unique_key"] for test in properties(model)["data_tests"] if "unique_key" in test]
    assert len(tests) == 1
    key = tests[0]["arguments"]["columns"]
    assert key[0] == "tenant_id"
    sql = model.read_text()
    named = "', '".join(key)
    assert f"['{named}']" in sql
    assert re.search(rf"'columns': (key|\['{named}'\]), 'unique': true", sql)


def test_gold_contracts_are_enforced() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    assert project["models"]["iotops"]["gold"]["+contract"] == {"enforced": True}
    assert not [path.name for path in GOLD if "contract" in path.read_text()]


def test_usage_statistics_are_off_for_whoever_starts_dbt() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    assert project["flags"]["send_anonymous_usage_stats"] is False
