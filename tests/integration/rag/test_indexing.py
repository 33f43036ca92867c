import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from lakehouse import database
from lakehouse.database import Connection
from lakehouse.errors import IndexNotBuilt, NotFound, PromotionRefused, Refused, WarehouseNotBuilt
from rag import indexing
from rag.embedder import EMBEDDED, Embedder
from rag.indexing import LEXICAL_REBUILT, Built, Parameters
from rag.tokens import analyse

AddDocument = Callable[..., str]
Build = Callable[..., Built]

TEXT = "# Filter\n\nThe filter is rinsed every 500 hours.\n\n# Pressure\n\nThe relief valve opens at 8 bar.\n"


@pytest.fixture
def build(database_url: str, embedder: Embedder, indexes: Path, now: datetime) -> Build:
    def run(**options: Any) -> Built:
        return indexing.build_index(database_url, embedder, indexes, now=now, **options)

    return run


@pytest.fixture
def promoted(database_url: str, build: Build, add_document: AddDocument, now: datetime) -> Built:
    """An active version of one document."""
    add_document("P-200", TEXT)
    built = build()
    indexing.promote(database_url, built.version.index_version, now=now)
    return built


def embedded() -> float:
    return EMBEDDED._value.get()


ROWS = """
select to_jsonb(c) - '{added,removed}'::text[]
from search.chunks as c join search.index_versions as v using (family)
where v.index_version = %s and c.added <= v.number and (c.removed is null or c.removed > v.number)
order by c.chunk_id
"""


def rows(connection: Connection, index_version: str) -> list[tuple[object, ...]]:
    return connection.execute(ROWS, (index_version,)).fetchall()


def tables(connection: Connection) -> set[str]:
    found = connection.execute("select tablename from pg_tables where schemaname = 'search' and tablename ~ '^chunks_'")
    return {str(row[0]) for row in found}


def test_without_gold_there_is_nothing_to_index(build: Build) -> None:
    with pytest.raises(WarehouseNotBuilt):
        build()


def test_an_empty_gold_gives_an_empty_version(gold: Connection, build: Build) -> None:
    built = build()
    assert (built.version.status, built.version.documents, built.version.chunks) == ("ready", 0, 0)


def test_every_chunk_is_the_bytes_of_its_object(gold: Connection, build: Build, add_document: AddDocument) -> None:
    text = "# Überdruck\n\nDas Ventil öffnet bei 8 bar.\r\n\r\n# Filter 🔧\n\nAlle 500 h spülen.\n"
    add_document("P-200", text, byte_start=3, byte_end=3 + len(text.encode()), product="P-200", version_from="2.10")
    built = build()
    stored = gold.execute(
        "select text, byte_start, byte_end, heading_path, version_key, release_key from search.chunks order by ordinal"
    ).fetchall()
    data = b"\xef\xbb\xbf" + text.encode()
    assert built.version.chunks == len(stored) == 2
    assert all(data[start:end].decode() == quote for quote, start, end, *_ in stored)
    assert [row[3:] for row in stored] == [
        (["Überdruck"], [2, 10, 0], "default|P-200|manual|2.10"),
        (["Filter 🔧"], [2, 10, 0], "default|P-200|manual|2.10"),
    ]


def place(page: str, *headings: str) -> dict[str, Any]:
    return {"page": f"{page}.md", "title": page, "heading_path": list(headings)}


def test_a_snippet_is_indexed_at_each_of_its_places_by_its_own_bytes(
    gold: Connection, build: Build, add_document: AddDocument
) -> None:
    places = [place("Pump", "Pump", "Care"), place("Valve", "Valve"), place("Pump", "Pump", "Care")]
    document = add_document("filter", TEXT, path=".snippets/filter.md", included_in=Jsonb(places))
    built = build()
    stored = gold.execute(
        "select chunk_id, ordinal, title, heading_path, text, byte_start, byte_end from search.chunks order by ordinal"
    ).fetchall()
    assert [row[:4] for row in stored] == [
        (f"{document}.0", 0, "Pump", ["Pump", "Care", "Filter"]),
        (f"{document}.1", 1, "Pump", ["Pump", "Care", "Pressure"]),
        (f"{document}.2", 2, "Valve", ["Valve", "Filter"]),
        (f"{document}.3", 3, "Valve", ["Valve", "Pressure"]),
    ]
    assert all(TEXT.encode()[start:end].decode() == text for *_, text, start, end in stored)
    assert (built.version.documents, built.version.chunks) == (1, 4)


def test_a_snippet_that_changes_is_embedded_again_and_its_pages_are_not(
    gold: Connection, build: Build, add_document: AddDocument
) -> None:
    add_document("Pump", "The pump stands on the floor.", path="pump.md")
    snippet = add_document(
        "limits", "At most 7 bar.", path=".snippets/limits.md", included_in=Jsonb([place("Pump", "Limits")])
    )
    assert build().embedded == 2
    text = "At most 6 bar."
    gold.execute(
        "update gold.documents set text = %s, object_sha256 = %s where document_id = %s", (text, text, snippet)
    )
    built = build()
    assert (built.embedded, built.reused) == (1, 1)
    gold.execute("update gold.documents set included_in = null where document_id = %s", (snippet,))
    assert build().embedded == 1  # now it stands by itself, under its own title
    said = "select title, heading_path from search.chunks where removed is null and text = %s"
    assert gold.execute(said, (text,)).fetchall() == [("limits", [])]


def test_what_a_file_is_called_is_kept_where_the_document_does_not_say_it(
    gold: Connection, build: Build, add_document: AddDocument
) -> None:
    add_document("Motor stalls", "Let it cool.", path="faults/QX_7781.md")
    add_document("Filter", "QX_7782 is the filter's code.", path="faults/QX_7782.md")
    build()
    assert gold.execute("select title, name from search.chunks order by title").fetchall() == [
        ("Filter", ""),
        ("Motor stalls", "QX_7781"),
    ]


def test_documents_of_no_product_have_no_release_key(gold: Connection, promoted: Built) -> None:
    assert gold.execute("select distinct release_key from search.chunks").fetchall() == [(None,)]


def test_building_again_finds_the_version_and_embeds_nothing(promoted: Built, build: Build) -> None:
    before = embedded()
    again = build()
    assert embedded() == before
    assert (again.created, again.version.index_version) == (False, promoted.version.index_version)
    assert again.version.active


def test_a_new_document_makes_a_new_version_and_only_its_text_is_embedded(
    promoted: Built, build: Build, add_document: AddDocument
) -> None:
    add_document("Valve", "The valve is lubricated once a year.")
    before = embedded()
    built = build()
    assert embedded() - before == built.embedded == 1
    assert built.reused == promoted.version.chunks
    assert built.version.index_version != promoted.version.index_version
    assert not built.version.active


@pytest.mark.parametrize(
    "change",
    [
        "valid_to = now()",
        "version_to = '3'",
        "classification = 'secret'",
        "product = 'P-300'",
        "title = 'other'",
        "path = 'other'",
        "included_in = '[]'",
    ],
)
def test_whatever_a_chunk_shows_is_part_of_the_id(promoted: Built, build: Build, gold: Connection, change: str) -> None:
    gold.execute(f"update gold.documents set {change}")
    assert build().version.index_version != promoted.version.index_version


def test_the_id_depends_on_the_rows_of_gold_and_not_on_their_order_or_the_session(
    promoted: Built, build: Build, gold: Connection, database_url: str
) -> None:
    gold.execute("create table copied as select * from gold.documents")
    gold.execute("truncate gold.documents")
    gold.execute("insert into gold.documents select * from copied order by document_id desc")
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    gold.execute(f"alter database {name} set timezone = 'Asia/Kolkata'")
    assert not build().created


def test_other_parameters_make_another_version(promoted: Built, build: Build) -> None:
    built = build(parameters=Parameters(hnsw_above=1))
    assert built.created
    assert built.embedded == 0
    assert built.version.parameters["hnsw_above"] == 1


def test_a_large_version_has_an_hnsw_index_and_a_small_one_has_not(
    promoted: Built, build: Build, gold: Connection
) -> None:
    large = build(parameters=Parameters(hnsw_above=1)).version.family
    found = gold.execute(
        "select tablename from pg_indexes where schemaname = 'search' and indexdef ~ 'hnsw'"
    ).fetchall()
    assert found == [(f"chunks_{large}",)]


def test_building_does_not_change_what_is_active(
    promoted: Built, build: Build, gold: Connection, add_document: AddDocument
) -> None:
    before = rows(gold, promoted.version.index_version)
    add_document("Valve", "The valve is lubricated once a year.")
    build()
    assert indexing.active_version(gold) == promoted.version.index_version
    assert rows(gold, promoted.version.index_version) == before != []


def test_progress_ends_with_all_documents(build: Build, add_document: AddDocument) -> None:
    for number in range(3):
        add_document(f"Page {number}", TEXT)
    seen: list[tuple[int, int]] = []
    built = build(progress=lambda documents, chunks: seen.append((documents, chunks)))
    assert seen[-1] == (3, built.version.chunks)


class Interrupted:
    """An embedder whose process ends in the middle of a build."""

    def __init__(self, embedder: Embedder, error: BaseException) -> None:
        self.name = embedder.name
        self._error = error

    def embed(self, texts: list[str]) -> Any:  # noqa: ARG002
        raise self._error


@pytest.mark.parametrize("error", [RuntimeError("disk full"), KeyboardInterrupt()])
def test_a_build_that_fails_leaves_no_half_version_and_the_next_one_clears_up(
    error: BaseException,
    promoted: Built,
    build: Build,
    gold: Connection,
    add_document: AddDocument,
    database_url: str,
    embedder: Embedder,
    indexes: Path,
    now: datetime,
) -> None:
    before = tables(gold)
    add_document("Valve", "The valve is lubricated once a year.")
    with pytest.raises(type(error)):
        indexing.build_index(database_url, Interrupted(embedder, error), indexes, now=now + timedelta(hours=1))  # type: ignore[arg-type]
    failed, active = indexing.list_versions(gold)
    assert (failed.status, active.active) == ("failed", True)
    assert type(error).__name__ in str(failed.failure)
    assert tables(gold) == before
    with pytest.raises(PromotionRefused, match="is failed"):
        indexing.promote(database_url, failed.index_version, now=now)
    assert build().version.index_version == failed.index_version
    assert [version.status for version in indexing.list_versions(gold)] == ["ready", "ready"]


def test_what_was_embedded_before_a_failure_is_not_embedded_again(
    build: Build, gold: Connection, add_document: AddDocument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.loading.BATCH", 1)
    add_document("One", "The filter is rinsed every 500 hours.")
    add_document("Two", "The relief valve opens at 8 bar.")

    def stop(documents: int, chunks: int) -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        build(progress=stop)
    built = build()
    assert (built.embedded, built.reused) == (1, 1)


def test_two_builds_at_once_make_one_version(
    build: Build, gold: Connection, add_document: AddDocument, embedder: Embedder
) -> None:
    add_document("P-200", TEXT)
    before = embedded()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: build(), range(2))
    assert {first.created, second.created} == {True, False}
    assert first.version.index_version == second.version.index_version
    assert embedded() - before == first.version.chunks


def test_questions_are_answered_while_a_build_is_under_way(
    promoted: Built, build: Build, gold: Connection, add_document: AddDocument
) -> None:
    add_document("Valve", "The valve is lubricated once a year.")
    reached, go_on = threading.Event(), threading.Event()

    def wait(documents: int, chunks: int) -> None:
        reached.set()
        assert go_on.wait(30)

    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(build, progress=wait)
        assert reached.wait(30)
        gold.execute("set statement_timeout = '5s'")
        assert rows(gold, promoted.version.index_version) != []
        go_on.set()
        assert building.result().created


def test_promotion_and_rollback_change_one_row_and_are_recorded(
    promoted: Built, build: Build, gold: Connection, add_document: AddDocument, database_url: str, now: datetime
) -> None:
    first = promoted.version.index_version
    add_document("Valve", "The valve is lubricated once a year.")
    second = build().version.index_version
    assert indexing.promote(database_url, second, now=now + timedelta(hours=1)).active
    assert gold.execute("select index_version, previous from search.active").fetchall() == [(second, first)]
    assert indexing.rollback(database_url, now=now + timedelta(hours=2)).index_version == first
    assert gold.execute("select index_version, previous from search.active").fetchall() == [(first, second)]
    history = gold.execute("select action, index_version, previous from search.promotions order by promotion_id")
    assert history.fetchall() == [("promote", first, None), ("promote", second, first), ("rollback", first, second)]


def test_promoting_the_active_version_again_keeps_the_way_back(
    promoted: Built, build: Build, add_document: AddDocument, database_url: str, now: datetime
) -> None:
    add_document("Valve", "The valve is lubricated once a year.")
    second = build().version.index_version
    for _ in range(2):
        indexing.promote(database_url, second, now=now)
    assert indexing.rollback(database_url, now=now).index_version == promoted.version.index_version


def test_a_version_is_named_by_the_beginning_of_its_id(promoted: Built, database_url: str, now: datetime) -> None:
    assert indexing.promote(database_url, promoted.version.index_version[:6], now=now).active
    with pytest.raises(NotFound, match="iotops index list"):
        indexing.promote(database_url, "ffff", now=now)


def test_nothing_is_rolled_back_where_nothing_was_active_before(
    gold: Connection, build: Build, database_url: str, now: datetime
) -> None:
    with pytest.raises(IndexNotBuilt):
        indexing.rollback(database_url, now=now)
    indexing.promote(database_url, build().version.index_version, now=now)
    with pytest.raises(Refused):
        indexing.rollback(database_url, now=now)


@pytest.mark.parametrize(
    "damage",
    [
        "delete from search.chunks where ordinal = 0",
        "update search.chunks set text = 'something else'",
        "update search.chunks set byte_start = byte_start + 1",
        "update search.chunks set embedding = (select array_agg(0.1) from generate_series(1, 384))::halfvec(384)",
    ],
)
def test_a_version_whose_rows_are_not_as_built_is_not_promoted(
    damage: str, promoted: Built, gold: Connection, database_url: str, now: datetime
) -> None:
    gold.execute(damage)
    with pytest.raises(PromotionRefused):
        indexing.promote(database_url, promoted.version.index_version, now=now)


def test_a_rebuild_gives_the_same_id_and_the_same_rows_and_embeds_nothing(
    promoted: Built, gold: Connection, database_url: str, embedder: Embedder, indexes: Path, now: datetime
) -> None:
    index_version = promoted.version.index_version
    good = rows(gold, index_version)
    gold.execute("delete from search.chunks")
    shutil.rmtree(indexes)
    before = embedded()
    built = indexing.rebuild_index(database_url, embedder, indexes, now=now)
    assert built.version.index_version == index_version
    assert built.version.active
    assert rows(gold, index_version) == good
    assert embedded() == before
    assert (indexes / index_version / "lexical").is_dir()


def test_a_rebuild_is_refused_where_gold_says_something_else_now(
    promoted: Built, add_document: AddDocument, database_url: str, embedder: Embedder, indexes: Path, now: datetime
) -> None:
    add_document("Valve", "The valve is lubricated once a year.")
    with pytest.raises(Refused, match="iotops index build"):
        indexing.rebuild_index(database_url, embedder, indexes, now=now)


@pytest.mark.parametrize("damage", ["missing", "cut off", "of another index"])
def test_lexical_files_that_this_machine_lacks_are_made_again(
    damage: str, promoted: Built, gold: Connection, indexes: Path
) -> None:
    index_version = promoted.version.index_version
    path = indexes / index_version / "lexical"
    expected = indexing.open_lexical(gold, indexes, index_version).search(
        analyse("filter"), tenants=["default"], limit=5
    )
    if damage == "missing":
        shutil.rmtree(indexes)
    elif damage == "cut off":
        file = next(path.iterdir())
        file.write_bytes(file.read_bytes()[:-64])
    else:
        indexing.lexical.build(path, [])
    before = LEXICAL_REBUILT._value.get()
    again = indexing.open_lexical(gold, indexes, index_version)
    assert LEXICAL_REBUILT._value.get() - before == 1
    assert again.search(analyse("filter"), tenants=["default"], limit=5) == expected != {}


def test_a_build_without_a_database_says_which(embedder: Embedder, indexes: Path, now: datetime) -> None:
    with pytest.raises(database.DatabaseUnavailable, match=r"127\.0\.0\.1:9"):
        indexing.build_index("postgresql://user:secret@127.0.0.1:9/none", embedder, indexes, now=now)
