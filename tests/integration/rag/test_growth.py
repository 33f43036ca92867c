"""Versions that grow: from the documents that changed, beside the versions that there are."""

import random
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakehouse import database
from lakehouse.database import Connection
from lakehouse.errors import PromotionRefused, Refused
from rag import indexing
from rag.embedder import EMBEDDED, Embedder
from rag.erasure import erase_index, erase_lexical
from rag.indexing import Built, Parameters
from rag.lexical import Lexical
from rag.lexical_files import bucket_count
from rag.retriever import Filters, retrieve

AddDocument = Callable[..., str]
Build = Callable[..., Built]

SEED = 20261122
PARTS = ["valve", "pump", "filter", "hose", "gauge", "flange", "seal", "bearing", "rotor", "motor", "sensor", "cable"]
ACTS = ["rinse", "grease", "replace", "tighten", "inspect", "drain", "calibrate", "clean", "reset"]
ROWS = """
select to_jsonb(c) - '{added,removed,embedding}'::text[]
from search.chunks as c join search.index_versions as v using (family)
where v.index_version = %s and c.added <= v.number and (c.removed is null or c.removed > v.number)
order by c.tenant_id, c.chunk_id
"""
CHANGE = (
    "update gold.documents set text = %s, object_sha256 = md5(%s), byte_end = octet_length(%s) where document_id = %s"
)


@pytest.fixture
def build(database_url: str, embedder: Embedder, indexes: Path, now: datetime) -> Build:
    """Each build is a minute after the one before."""
    minutes = iter(range(1, 1000))

    def run(**options: Any) -> Built:
        at = now + timedelta(minutes=next(minutes))
        return indexing.build_index(database_url, embedder, indexes, now=at, **options)

    return run


@pytest.fixture
def few_in_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.lexical_files.BUCKET_SIZE", 4)


@pytest.fixture
def scratch(
    new_database: Callable[[], str], gold: Connection, embedder: Embedder, tmp_path: Path, now: datetime
) -> Callable[[], tuple[str, Path, Built]]:
    """Builds from scratch what gold says now, in a database of its own that knows no vectors."""

    def run() -> tuple[str, Path, Built]:
        url = new_database()
        with database.connect(url, autocommit=True) as other:
            other.execute("create schema gold")
            _copy_gold(gold, other)
        indexes = tmp_path / url[-12:]
        return url, indexes, indexing.build_index(url, embedder, indexes, now=now)

    return run


def _copy_gold(source: Connection, target: Connection) -> None:
    columns = source.execute(
        "select string_agg(format('%I %s', column_name, data_type), ', ' order by ordinal_position) "
        "from information_schema.columns where table_schema = 'gold' and table_name = 'documents'"
    ).fetchone()
    assert columns
    target.execute(f"create table gold.documents ({columns[0]})")
    with source.cursor().copy("copy gold.documents to stdout") as out:
        data = b"".join(out)
    with target.cursor().copy("copy gold.documents from stdin") as into:
        into.write(data)


def embedded() -> float:
    return EMBEDDED._value.get()


def rows(connection: Connection, built: Built) -> list[tuple[object, ...]]:
    return connection.execute(ROWS, (built.version.index_version,)).fetchall()


def ask(
    connection: Connection, indexes: Path, embedder: Embedder, index_version: str, questions: list[str]
) -> list[list[str]]:
    lexical = indexing.open_lexical(connection, indexes, index_version)
    filters = Filters(["acme", "beta"], index_version)
    return [
        [hit.chunk_id for hit in retrieve(connection, lexical, embedder, question, filters=filters, limit=10)]
        for question in questions
    ]


def sentence(random: random.Random) -> str:
    words = [random.choice(ACTS), "the", *random.sample(PARTS, 3), "every", str(random.randint(2, 900)), "hours"]
    return " ".join(words).capitalize() + "."


def page(random: random.Random) -> str:
    return "\n\n".join(f"# {random.choice(PARTS)}\n\n{sentence(random)}" for _ in range(random.randint(1, 3)))


def change(gold: Connection, document_id: str, text: str) -> None:
    gold.execute(CHANGE, (text, text, text, document_id))


def test_what_grew_over_any_changes_is_what_is_made_at_once(
    gold: Connection,
    build: Build,
    add_document: AddDocument,
    scratch: Callable[[], tuple[str, Path, Built]],
    embedder: Embedder,
    indexes: Path,
    few_in_a_bucket: None,
) -> None:
    draw = random.Random(SEED)  # noqa: S311 - no secret
    documents = [add_document(f"Page {n}", page(draw), draw.choice(["acme", "beta"])) for n in range(60)]
    kept = [(first := build(), rows(gold, first))]
    for step in range(8):
        for document_id in draw.sample(documents, draw.randint(1, 3)):
            change(gold, document_id, page(draw))
        for document_id in draw.sample(documents, draw.randint(0, 2)):
            gold.execute("delete from gold.documents where document_id = %s", (document_id,))
            documents.remove(document_id)
        documents += [add_document(f"New {step} {n}", page(draw), "acme") for n in range(draw.randint(0, 3))]
        built = build()
        kept.append((built, rows(gold, built)))
    url, other, made = scratch()
    assert made.version.index_version == built.version.index_version
    with database.connect(url, autocommit=True) as connection:
        assert rows(connection, made) == kept[-1][1]
        questions = [sentence(draw) for _ in range(200)]
        expected = ask(connection, other, embedder, made.version.index_version, questions)
    assert ask(gold, indexes, embedder, built.version.index_version, questions) == expected
    for version, then in kept:  # none of them was touched by those that came after it
        assert rows(gold, version) == then
        indexing.check_version(gold, version.version.index_version)
    with database.connect(url, autocommit=True) as connection:
        made_at_once = indexing.open_lexical(connection, other, made.version.index_version)
        grown = indexing.open_lexical(gold, indexes, built.version.index_version)
        terms = [*PARTS, *ACTS]
        assert grown.frequencies(terms) == made_at_once.frequencies(terms)
        assert [found(grown, term) for term in terms] == [found(made_at_once, term) for term in terms]


def found(lexical: Lexical, term: str) -> dict[str, float]:
    return lexical.search([term], tenants=["acme", "beta"], limit=100)


def test_only_what_changed_is_embedded_and_written(
    gold: Connection, build: Build, add_document: AddDocument, indexes: Path, few_in_a_bucket: None
) -> None:
    documents = [add_document(f"Page {n}", f"The part number {n} is a pump.", "acme") for n in range(20)]
    first = build()
    before = embedded()
    change(gold, documents[7], "The zqhose is 4 m long.")
    second = build()
    assert embedded() - before == second.embedded == second.version.written_chunks == 1
    assert second.reused == 19
    count = bucket_count(20)
    (first_files, second_files) = (inodes(indexes, built) for built in (first, second))
    assert count == 8
    assert len(segments(first_files - second_files)) == len(segments(second_files - first_files)) == 1
    lexical = Lexical(indexes / second.version.index_version / "lexical", second.version.index_version)
    assert lexical.frequencies(["zqhose", "7"]) == {"zqhose": 1, "7": 0}


def inodes(indexes: Path, built: Built) -> set[tuple[int, str]]:
    folder = indexes / built.version.index_version / "lexical"
    return {(file.stat().st_ino, file.name) for file in folder.iterdir() if not file.name.endswith((".json", ".lock"))}


def segments(files: set[tuple[int, str]]) -> set[str]:
    return {name.partition(".")[0] for _, name in files}


def test_a_text_that_changed_is_in_no_file_of_the_version_that_grew(
    gold: Connection, build: Build, add_document: AddDocument, indexes: Path
) -> None:
    document_id = add_document("Hose", "The zqhose is 4 m long.", "acme")
    add_document("Valve", "The valve opens at 8 bar.", "acme")
    build()
    change(gold, document_id, "The hose is 4 m long.")
    grown = build().version.index_version
    assert Lexical(indexes / grown / "lexical", grown).frequencies(["zqhose", "hose"]) == {"zqhose": 0, "hose": 1}


def test_gold_that_goes_back_finds_the_earlier_version_and_the_next_change_grows_from_the_newest(
    gold: Connection, build: Build, add_document: AddDocument
) -> None:
    document_id = add_document("Valve", "The valve opens at 8 bar.", "acme")
    first = build()
    for text in ("The valve opens at 9 bar.", "The valve opens at 8 bar."):
        gold.execute("update gold.documents set title = %s where document_id = %s", (text, document_id))
        build()
    gold.execute("update gold.documents set title = 'Valve' where document_id = %s", (document_id,))
    back = build()
    assert (back.created, back.version) == (False, first.version)
    add_document("Hose", "The hose is 4 m long.", "acme")
    grown = build()
    assert (grown.version.documents, grown.version.chunks, grown.embedded) == (2, 2, 1)
    assert indexing.check_version(gold, grown.version.index_version)


def test_a_change_of_much_makes_the_partition_anew_and_earlier_versions_keep_their_rows(
    gold: Connection, build: Build, add_document: AddDocument, database_url: str, now: datetime
) -> None:
    few = Parameters(hnsw_above=2)
    documents = [add_document(f"Page {n}", f"Part {n} is a pump.", "acme") for n in range(6)]
    first = build(parameters=few)
    before, table = rows(gold, first), oid(gold, first.version.table)
    change(gold, documents[0], "Part 0 is a valve.")
    second = build(parameters=few)
    assert oid(gold, first.version.table) == table
    for document_id in documents[:4]:
        change(gold, document_id, "This part is a motor.")
    third = build(parameters=few)
    assert oid(gold, first.version.table) != table
    assert rows(gold, first) == before
    graphs = gold.execute("select indexname::text from pg_indexes where indexdef ~ 'hnsw'").fetchall()
    assert len(graphs) == 1
    assert not str(graphs[0][0]).endswith("_building")
    for built in (first, second, third):
        assert indexing.promote(database_url, built.version.index_version, now=now).active
        indexing.check_version(gold, built.version.index_version)


def oid(connection: Connection, table: str) -> object:
    row = connection.execute("select %s::regclass::oid", (f"search.{table}",)).fetchone()
    return row and row[0]


def test_a_rebuild_replaces_the_rows_of_a_version_and_no_other_loses_any(
    gold: Connection,
    build: Build,
    add_document: AddDocument,
    database_url: str,
    embedder: Embedder,
    indexes: Path,
    now: datetime,
) -> None:
    document_id = add_document("Valve", "The valve opens at 8 bar.", "acme")
    add_document("Hose", "The hose is 4 m long.", "acme")
    first = build()
    change(gold, document_id, "The valve opens at 9 bar.")
    second = build()
    before = rows(gold, first), rows(gold, second)
    indexing.promote(database_url, second.version.index_version, now=now)
    gold.execute("update search.chunks set text = 'damaged' where removed is null and title = 'Hose'")
    with pytest.raises(Refused, match="iotops index rebuild"):
        indexing.check_version(gold, second.version.index_version)
    indexing.rebuild_index(database_url, embedder, indexes, now=now)
    assert rows(gold, second) == before[1]
    assert indexing.check_version(gold, second.version.index_version).active
    assert len(rows(gold, first)) == len(before[0])


KILLED = """
import os, sys
from datetime import datetime, UTC
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from rag import indexing
url, name, indexes = sys.argv[1], sys.argv[2], Path(sys.argv[3])
embedder = SimpleNamespace(name=name, embed=lambda texts: np.ones((len(texts), 384), dtype=np.float32))
finish = indexing._finish
def killed(writer, plan, rows):
    finish(writer, plan, rows)
    os._exit(9)  # all is written, nothing is committed
indexing._finish = killed
indexing.build_index(url, embedder, indexes, now=datetime(2026, 11, 2, tzinfo=UTC))
"""


def test_a_build_that_is_killed_leaves_nothing_visible_and_the_next_one_clears_up(
    gold: Connection, build: Build, add_document: AddDocument, database_url: str, embedder: Embedder, indexes: Path
) -> None:
    document_id = add_document("Valve", "The valve opens at 8 bar.", "acme")
    add_document("Hose", "The hose is 4 m long.", "acme")
    first = build()
    before = gold.execute("select to_jsonb(c) from search.chunks as c order by chunk_id").fetchall()
    change(gold, document_id, "The valve opens at 9 bar.")
    command = [sys.executable, "-c", KILLED, database_url, embedder.name, str(indexes)]
    assert subprocess.run(command, check=False).returncode == 9
    assert gold.execute("select to_jsonb(c) from search.chunks as c order by chunk_id").fetchall() == before
    assert {version.status for version in indexing.list_versions(gold)} == {"ready", "building"}
    add_document("Seal", "The seal is made of rubber.", "acme")
    second = build()
    versions = {version.index_version for version in indexing.list_versions(gold)}
    assert versions == {first.version.index_version, second.version.index_version}
    assert {folder.name for folder in indexes.iterdir()} == versions
    assert second.embedded == 1


def test_a_row_that_was_taken_away_and_is_visible_stops_promotion(
    gold: Connection, build: Build, add_document: AddDocument, database_url: str, now: datetime
) -> None:
    document_id = add_document("Valve", "The valve opens at 8 bar.", "acme")
    build()
    change(gold, document_id, "The valve opens at 9 bar.")
    second = build()
    gold.execute("update search.chunks set removed = null")
    with pytest.raises(PromotionRefused, match="has 2 chunks where 1 were built"):
        indexing.promote(database_url, second.version.index_version, now=now)


def test_erasure_takes_a_document_out_of_all_versions_also_of_those_that_had_lost_it(
    gold: Connection,
    build: Build,
    add_document: AddDocument,
    database_url: str,
    embedder: Embedder,
    indexes: Path,
    now: datetime,
) -> None:
    document_id = add_document("Hose", "The zqhose is 4 m long.", "acme")
    add_document("Valve", "The valve opens at 8 bar.", "beta")
    add_document("Seal", "The seal is made of rubber.", "acme")
    first = build()
    change(gold, document_id, "The zqhose is 5 m long.")
    second = build()
    gold.execute("delete from gold.documents where document_id = %s", (document_id,))
    third = build()
    with gold.transaction():
        gone = erase_index(gold, "acme", [document_id])
    assert (gone["search.chunks"], gone["search.embeddings"]) == (2, 2)
    assert erase_lexical(gold, indexes).rebuilt == 2
    for built in (first, second, third):
        index_version = built.version.index_version
        assert indexing.promote(database_url, index_version, now=now).chunks == 2
        indexing.check_version(gold, index_version)
        lexical = Lexical(indexes / index_version / "lexical", index_version)
        assert (len(lexical), lexical.frequencies(["zqhose"])) == (2, {"zqhose": 0})
    assert gold.execute("select from search.documents where document_id = %s", (document_id,)).fetchall() == []
    add_document("Cable", "The cable is 3 m long.", "acme")
    assert build().embedded == 1


def test_a_document_that_was_erased_and_comes_back_is_indexed_again(
    gold: Connection, build: Build, add_document: AddDocument
) -> None:
    document_id = add_document("Hose", "The zqhose is 4 m long.", "acme")
    add_document("Valve", "The valve opens at 8 bar.", "beta")
    first = build()
    with gold.transaction():
        erase_index(gold, "acme", [document_id])
    again = build()
    assert again.created
    assert again.version.index_version == first.version.index_version
    assert (again.version.documents, again.version.chunks, again.embedded) == (2, 2, 1)
