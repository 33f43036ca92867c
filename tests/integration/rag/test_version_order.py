"""Two statements of one rule: rag/version_order.py and dbt/macros/version_key.sql."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from lakehouse import database
from lakehouse.database import Connection
from rag.version_order import version_key

MACRO = Path(__file__).resolve().parents[3] / "dbt" / "macros" / "version_key.sql"

PARTS = st.sampled_from([
    ".", "-", "_", "+", "~", "v", "V", "rc", "RC", "beta", "alpha", "a", "b", "c", "m", "M1", "dev", "pre", "final",
    "LTS", "Napa", "AA", "z", "0", "00", "1", "10", "2023", "007", "999999999999999999999",
])  # fmt: skip
VERSIONS = st.one_of(
    st.lists(PARTS, max_size=8).map("".join),
    st.from_regex(r"v?[0-9]{1,3}(\.[0-9]{1,2}){0,3}(-?(rc|beta|alpha)\.?[0-9]?)?", fullmatch=True),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12),
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with database.connect(database_url, autocommit=True) as opened:
        yield opened


def keys_in_sql(connection: Connection, versions: list[str]) -> list[tuple[int, ...]]:
    macro: Any = Environment(autoescape=False).from_string(MACRO.read_text()).module  # noqa: S701 - SQL, as dbt renders it
    key = macro.version_key("version")
    statement = f"select {key} from unnest(%s::text[]) with ordinality as given(version, at) order by at"
    rows: list[tuple[Any, ...]] = connection.execute(statement, (versions,)).fetchall()
    return [tuple(row[0]) for row in rows]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=st.lists(VERSIONS, min_size=20, max_size=40))
def test_python_and_sql_give_the_same_key(connection: Connection, versions: list[str]) -> None:
    assert keys_in_sql(connection, versions) == [version_key(version) for version in versions]


def test_postgres_sorts_keys_as_python_sorts_tuples(connection: Connection) -> None:
    ascending = ["3.0", "3.1-rc1", "3.1", "3.1.1", "9.1", "10.0", "2023.10", "B"]
    keys = [list(version_key(version)) for version in ascending]
    assert all(lower < higher for lower, higher in pairwise(keys))
    for lower, higher in pairwise(keys):
        assert connection.execute("select %s::bigint[] < %s::bigint[]", (lower, higher)).fetchone() == (True,)
