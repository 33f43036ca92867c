import json
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier

from lakehouse.database import Connection
from rag import indexing
from rag.embedder import Embedder
from rag.erasure import erase_index, erase_lexical
from rag.indexing import DEFAULTS, Parameters
from rag.lexical import Lexical

AddDocument = Callable[..., str]
TEXT = "The relief valve opens at 8 bar."


@pytest.fixture
def versions(
    database_url: str, embedder: Embedder, indexes: Path, now: datetime, add_document: AddDocument
) -> list[str]:
    """Two index versions of the same documents: the same text of two tenants, and another of the first."""
    add_document("Valve", TEXT, "acme")
    add_document("Valve", TEXT, "beta")
    add_document("Hose", "The zqhose is 4 m long.", "acme")
    return [
        indexing.build_index(
            database_url, embedder, indexes, now=now + timedelta(minutes=number), parameters=parameters
        ).version.index_version
        for number, parameters in enumerate((Parameters(hnsw_above=1), DEFAULTS))
    ]


def erase(connection: Connection, tenant_id: str, documents: Collection[str] | None) -> dict[str, int]:
    with connection.transaction():
        return erase_index(connection, tenant_id, documents)


def answer(connection: Connection, tenant_id: str, name: str, document_id: str, now: datetime) -> None:
    claims = [{"text": name, "citations": [{"kind": "span", "document_id": document_id, "quote": name}]}]
    body = json.dumps({"text": f"said {name}", "claims": claims})
    connection.execute(
        "insert into copilot.answers values (%s, %s, %s, 'why?', 'answered', null, %s)", (tenant_id, name, now, body)
    )


def answers(connection: Connection) -> list[str]:
    return [str(row[0]) for row in connection.execute("select answer_id from copilot.answers order by answer_id")]


def count(connection: Connection, table: str) -> int:
    row = connection.execute(SQL("select count(*) from {}").format(Identifier("search", table))).fetchone()
    return int(str(row[0])) if row else -1


def test_every_version_loses_the_tenant_and_can_still_be_promoted(
    gold: Connection, versions: list[str], database_url: str, indexes: Path, now: datetime
) -> None:
    gone = erase(gold, "acme", None)
    assert gone["search.chunks"] == 4
    erase_lexical(gold, indexes)
    for index_version in versions:
        version = indexing.promote(database_url, index_version, now=now)
        assert (version.documents, version.chunks) == (1, 1)
        lexical = Lexical(indexes / index_version / "lexical", index_version)
        assert (len(lexical), lexical.frequencies(["zqhose"])) == (1, {"zqhose": 0})


def test_a_vector_stays_as_long_as_another_chunk_has_its_text(gold: Connection, versions: list[str]) -> None:
    assert len(versions) == count(gold, "embeddings") == 2
    assert erase(gold, "acme", None)["search.embeddings"] == 1
    assert erase(gold, "beta", None)["search.embeddings"] == 1
    assert count(gold, "embeddings") == count(gold, "chunks") == 0


def test_folders_of_no_version_and_what_a_build_left_are_removed(
    gold: Connection, versions: list[str], indexes: Path
) -> None:
    (indexes / "0000000000000000" / "lexical").mkdir(parents=True)
    (indexes / versions[0] / ".building-1").mkdir()
    done = erase_lexical(gold, indexes)
    assert (done.rebuilt, done.removed) == (0, 1)
    assert sorted(path.name for path in indexes.glob("*/*")) == ["lexical", "lexical"]


def test_answers_that_cite_a_public_document_go_whoever_asked(gold: Connection, now: datetime) -> None:
    for tenant_id in ("acme", "beta", "public"):
        answer(gold, tenant_id, f"{tenant_id}-shared", "d-public", now)
        answer(gold, tenant_id, f"{tenant_id}-own", f"d-{tenant_id}-own", now)
    assert erase(gold, "public", ["d-public"])["copilot.answers"] == 3
    assert answers(gold) == ["acme-own", "beta-own", "public-own"]


def test_answers_of_another_tenant_stay_though_they_cite_the_same_id(gold: Connection, now: datetime) -> None:
    answer(gold, "acme", "one", "d", now)
    answer(gold, "beta", "two", "d", now)
    assert erase(gold, "acme", ["d"])["copilot.answers"] == 1
    assert answers(gold) == ["two"]


def test_scorecards_lose_the_words_of_answers_that_go(gold: Connection, now: datetime) -> None:
    answer(gold, "acme", "one", "d", now)
    wrong = [{"question": "why?", "text": "said one"}, {"question": "why?", "text": "said two"}]
    gold.execute(
        "insert into search.evaluations (index_version, suite, evaluated_at, questions, correct, stale, scorecard) "
        "values ('v', 's', %s, 2, 0, 0, %s)",
        (now, json.dumps({"wrong": wrong})),
    )
    erase(gold, "acme", ["d"])
    row = gold.execute("select scorecard -> 'wrong' from search.evaluations").fetchone()
    assert row == ([{"question": "erased", "text": "erased"}, wrong[1]],)
