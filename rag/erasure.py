"""What erasure takes from the index, in all its versions, and from answers that were given."""

import hashlib
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString

from psycopg.types.json import Jsonb

from lakehouse.database import Connection
from lakehouse.tenants import PUBLIC
from rag import graphs
from rag.checksums import WRITTEN, read_total
from rag.indexing import open_lexical
from rag.splitter import embedding_text
from rag.versions import IndexVersion, list_versions

BATCH: Final = 2_000

_DOOMED: Final = "c.tenant_id = %(tenant_id)s and (%(documents)s::text[] is null or c.document_id = any(%(documents)s))"
CHUNKS: Final = f"select distinct c.title, c.heading_path, c.lead, c.text from search.chunks as c where {_DOOMED}"
SAME: Final = f"""
select distinct c.title, c.heading_path, c.lead, c.text
from search.chunks as c
where c.text = any(%(texts)s) and not ({_DOOMED})
"""
LOST: Final = f"""
with c as (delete from search.documents as c where {_DOOMED} returning c.family, c.added, c.removed)

select v.index_version, count(*)
from c
join search.index_versions as v
    on c.family = v.family and c.added <= v.number and (c.removed is null or c.removed > v.number)
group by 1
"""

# An answer is of whoever asked; what it cites may be of `public`, which every tenant reads.
ANSWERS: Final = """
select tenant_id, answer_id, question, body ->> 'text' as text
from copilot.answers
where (%(whole)s and tenant_id = %(tenant_id)s)
    or (tenant_id = %(tenant_id)s or %(is_public)s) and exists (
        select
        from jsonb_path_query(body, '$.claims[*].citations[*]') as citation
        where citation ->> 'document_id' = any(%(documents)s) or citation -> 'bronze' ?| %(objects)s
    )
"""
DOCUMENTS_OF: Final = "select distinct document_id from search.chunks where tenant_id = %s"
DOCUMENTS_OF_OBJECTS: Final = """
select distinct document_id from search.chunks
where tenant_id = %(tenant_id)s and object_sha256 = any(%(objects)s)
"""
OBJECTS_OF: Final = """
select object_sha256 from landing.telemetry where tenant_id = %(tenant_id)s
union
select object_sha256 from landing.events where tenant_id = %(tenant_id)s
"""


@dataclass(frozen=True)
class Lexical:
    """Index versions whose files were written anew on this machine, and folders that belonged to none."""

    rebuilt: int
    removed: int


def documents_of(connection: Connection, tenant_id: str, objects: Collection[str]) -> set[str]:
    """In any version of the index, also those that gold has no more."""
    said = {"tenant_id": tenant_id, "objects": sorted(objects)}
    return {str(name) for (name,) in connection.execute(DOCUMENTS_OF_OBJECTS, said).fetchall()}


def erase_index(connection: Connection, tenant_id: str, documents: Collection[str] | None) -> dict[str, int]:
    """Rows that went, by table. documents: None for all of the tenant.

    In the transaction of whoever calls, so that questions are answered either from all that was there or from what is
    left. Vectors go where no other chunk has the same text.
    """
    said = {"tenant_id": tenant_id, "documents": None if documents is None else sorted(documents)}
    gone = {"copilot.answers": _erase_answers(connection, tenant_id, documents)}
    gone["search.embeddings"] = _erase_vectors(connection, said)
    lost = {str(name): int(str(count)) for name, count in connection.execute(LOST, said).fetchall()}
    gone["search.chunks"] = connection.execute(f"delete from search.chunks as c where {_DOOMED}", said).rowcount
    for version in list_versions(connection):
        if version.index_version in lost:
            _recount(connection, version, lost[version.index_version])
            graphs.settle(connection, version.family, above=version.parameters["hnsw_above"], tenants=[tenant_id])
    connection.execute("delete from search.index_versions where status = 'failed'")  # why may quote a text
    if documents is None:
        gone["copilot.audit"] = connection.execute(
            "delete from copilot.audit where tenant_id = %(tenant_id)s", said
        ).rowcount
    return gone


def erase_lexical(connection: Connection, indexes: Path) -> Lexical:
    """Files that hold more than their version has chunks are written anew; so are none that match already."""
    rebuilt = removed = 0
    known = {version.index_version: version for version in list_versions(connection) if version.status == "ready"}
    for folder in sorted(indexes.iterdir()) if indexes.is_dir() else ():
        if folder.name not in known:
            shutil.rmtree(folder)
            removed += 1
            continue
        for left in folder.glob(".building-*"):
            shutil.rmtree(left)
        before = _identity(folder / "lexical")
        open_lexical(connection, indexes, folder.name)
        rebuilt += before != _identity(folder / "lexical")
    return Lexical(rebuilt, removed)


def _identity(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


def _recount(connection: Connection, version: IndexVersion, documents: int) -> None:
    """A version that lost rows is whole again, so it can be promoted and rolled back to."""
    total = read_total(connection, version.table, version.number)
    written = read_total(connection, version.table, version.number, WRITTEN)
    connection.execute(
        "update search.index_versions set documents = documents - %s, chunks = %s, checksum = %s, written_chunks = %s, "
        "written_checksum = %s where index_version = %s",
        (documents, total.chunks, total.checksum, written.chunks, written.checksum, version.index_version),
    )


def _erase_vectors(connection: Connection, said: Mapping[str, Any]) -> int:
    gone = 0
    with connection.cursor("doomed") as cursor:
        cursor.execute(CHUNKS, said)
        while rows := cursor.fetchmany(BATCH):
            same = connection.execute(SAME, {**said, "texts": [row[3] for row in rows]}).fetchall()
            keys = {_key(*row) for row in rows} - {_key(*row) for row in same}
            gone += connection.execute(
                "delete from search.embeddings where text_sha256 = any(%s)", (sorted(keys),)
            ).rowcount
    return gone


def _key(title: Any, heading_path: Any, lead: Any, text: Any) -> bytes:
    return hashlib.sha256(embedding_text(title, tuple(heading_path), text, lead).encode()).digest()


def _erase_answers(connection: Connection, tenant_id: str, documents: Collection[str] | None) -> int:
    """With their words in scorecards, which have no ids."""
    said: dict[str, Any] = {
        "tenant_id": tenant_id,
        "whole": documents is None,
        "is_public": tenant_id == PUBLIC,
        "documents": sorted(documents or ()),
        "objects": [],
    }
    if documents is None and tenant_id == PUBLIC:
        said["documents"] = _column(connection, DOCUMENTS_OF, (tenant_id,))
        said["objects"] = _column(connection, OBJECTS_OF, {"tenant_id": tenant_id})
    answers = connection.execute(ANSWERS, said).fetchall()
    if not answers:
        return 0
    _erase_from_scorecards(connection, {(str(question), str(text)) for _, _, question, text in answers})
    owners, ids = [str(row[0]) for row in answers], [str(row[1]) for row in answers]
    return connection.execute(
        "delete from copilot.answers where (tenant_id, answer_id) in (select * from unnest(%s::text[], %s::text[]))",
        (owners, ids),
    ).rowcount


def _erase_from_scorecards(connection: Connection, answers: set[tuple[str, str]]) -> None:
    for evaluation_id, scorecard in connection.execute(
        "select evaluation_id, scorecard from search.evaluations for update"
    ).fetchall():
        assert isinstance(scorecard, dict)  # noqa: S101 - as it was saved
        wrong = scorecard.get("wrong", [])
        kept = [
            {**one, "question": "erased", "text": "erased"} if (one["question"], one["text"]) in answers else one
            for one in wrong
        ]
        if kept != wrong:
            connection.execute(
                "update search.evaluations set scorecard = %s where evaluation_id = %s",
                (Jsonb({**scorecard, "wrong": kept}), evaluation_id),
            )


def _column(connection: Connection, statement: LiteralString, said: Any) -> list[str]:
    return [str(row[0]) for row in connection.execute(statement, said)]
