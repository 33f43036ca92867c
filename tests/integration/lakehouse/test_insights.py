"""The texts that gold writes of its own facts, and the bytes that a citation of them is read from."""

from collections.abc import Iterator

import pytest

from lakehouse import database
from lakehouse.bronze import Bronze
from lakehouse.errors import StepFailed, UnknownObject
from lakehouse.insights import store_insights

TEXT = "# pump-1\n\n21.5 °C on the whole, “warm”.\n"


@pytest.fixture
def connection(database_url: str) -> Iterator[database.Connection]:
    """A candidate whose changed documents are an insight and a page that somebody wrote."""
    with database.connect(database_url) as connection:
        connection.execute(
            "create schema gold_candidate; "
            "create table gold_candidate.documents__new (tenant_id text, kind text, object_sha256 text, text text)"
        )
        for kind, text in (("insight", TEXT), ("manual", "of a person")):
            connection.execute(
                "insert into gold_candidate.documents__new "
                "values ('acme', %s, encode(sha256(convert_to(%s, 'UTF8')), 'hex'), %s)",
                (kind, text, text),
            )
        yield connection


def hash_of(connection: database.Connection, kind: str) -> str:
    row = connection.execute(
        "select object_sha256 from gold_candidate.documents__new where kind = %s", (kind,)
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_a_new_insight_has_its_bytes_under_the_hash_that_gold_has(
    connection: database.Connection, bronze: Bronze
) -> None:
    assert store_insights(connection, bronze) == 1

    assert bronze.objects.get("acme", hash_of(connection, "insight")) == TEXT.encode()
    with pytest.raises(UnknownObject):
        bronze.objects.get("acme", hash_of(connection, "manual"))


def test_an_insight_of_another_hash_than_its_text_ends_the_build(
    connection: database.Connection, bronze: Bronze
) -> None:
    connection.execute("update gold_candidate.documents__new set text = text || 'more'")

    with pytest.raises(StepFailed, match="an insight of 'acme' is not stored under the hash"):
        store_insights(connection, bronze)
