from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lakehouse.database import Connection
from rag import indexing
from rag.collecting import collect
from rag.embedder import Embedder
from rag.indexing import DEFAULTS, Built, Parameters

AddDocument = Callable[..., str]


@pytest.fixture
def versions(
    gold: Connection,
    database_url: str,
    embedder: Embedder,
    indexes: Path,
    now: datetime,
    add_document: AddDocument,
) -> list[Built]:
    """One of a family that nobody builds any more, and five of another; in each a hose takes the place of the last."""
    add_document("Valve", "The valve opens at 8 bar.")
    built = []
    for number in range(6):
        gold.execute("delete from gold.documents where title = 'Hose'")
        add_document("Hose", f"The hose is {number} m long.")
        parameters = DEFAULTS if number else Parameters(hnsw_above=1)
        at = now + timedelta(minutes=number)
        built.append(indexing.build_index(database_url, embedder, indexes, now=at, parameters=parameters))
    return built


def texts(connection: Connection) -> list[str]:
    found = connection.execute("select text from search.chunks where title = 'Hose' order by text").fetchall()
    return [str(text) for (text,) in found]


def ids(built: list[Built]) -> list[str]:
    return [one.version.index_version for one in built]


def test_the_newest_stay_and_the_rows_files_and_family_of_the_others_go(
    versions: list[Built], gold: Connection, database_url: str, indexes: Path
) -> None:
    collected = collect(database_url, indexes, keep=3)
    assert sorted(collected.versions) == sorted(ids(versions[:3]))
    assert (collected.chunks, collected.folders) == (4, 3)
    assert texts(gold) == [f"The hose is {number} m long." for number in (3, 4, 5)]
    assert {folder.name for folder in indexes.iterdir()} == set(ids(versions[3:]))
    assert gold.execute("select to_regclass(%s)", (f"search.{versions[0].version.table}",)).fetchall() == [(None,)]
    for rows in ("documents", "sizes"):
        families = gold.execute(f"select distinct family from search.{rows}").fetchall()
        assert families == [(versions[1].version.family,)]
    for index_version in ids(versions[3:]):
        assert indexing.check_version(gold, index_version).chunks == 2


def test_the_active_version_and_the_one_before_it_always_stay(
    versions: list[Built], gold: Connection, database_url: str, indexes: Path, now: datetime
) -> None:
    for index_version in (ids(versions)[0], ids(versions)[2]):
        indexing.promote(database_url, index_version, now=now)
    collect(database_url, indexes, keep=1)
    left = {version.index_version for version in indexing.list_versions(gold)}
    assert left == {ids(versions)[number] for number in (0, 2, 5)}
    assert texts(gold) == [f"The hose is {number} m long." for number in (0, 2, 5)]
    assert indexing.rollback(database_url, now=now).index_version == ids(versions)[0]
    for index_version in left:
        assert indexing.check_version(gold, index_version)


def test_collecting_again_finds_nothing_and_the_next_build_grows(
    versions: list[Built],
    gold: Connection,
    database_url: str,
    indexes: Path,
    embedder: Embedder,
    now: datetime,
    add_document: AddDocument,
) -> None:
    collect(database_url, indexes, keep=1)
    again = collect(database_url, indexes, keep=1)
    assert (again.versions, again.chunks, again.folders) == ([], 0, 0)
    add_document("Seal", "The seal is made of rubber.")
    built = indexing.build_index(database_url, embedder, indexes, now=now + timedelta(hours=1))
    assert (built.embedded, built.version.chunks, built.version.written_chunks) == (1, 3, 1)


def test_the_version_that_builds_grow_from_stays_though_it_is_not_among_the_newest(
    gold: Connection,
    database_url: str,
    indexes: Path,
    embedder: Embedder,
    now: datetime,
    add_document: AddDocument,
) -> None:
    """A version that is rebuilt has the age that it had, and the newest number."""
    add_document("Valve", "The valve opens at 8 bar.")
    first = indexing.build_index(database_url, embedder, indexes, now=now)
    gold.execute("update gold.documents set title = 'Other'")
    second = indexing.build_index(database_url, embedder, indexes, now=now + timedelta(hours=1))
    gold.execute("update gold.documents set title = 'Valve'")
    indexing.build_index(database_url, embedder, indexes, now=now + timedelta(hours=2), force=True)
    collect(database_url, indexes, keep=1)
    assert {version.index_version for version in indexing.list_versions(gold)} == set(ids([first, second]))
