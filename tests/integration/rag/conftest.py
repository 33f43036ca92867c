"""Gold as the index reads it: the contracted columns of gold.documents, filled by hand."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse import database
from lakehouse.database import Connection
from rag.embedder import Embedder, open_embedder

GOLD = """
create schema gold;
create table gold.documents (
    tenant_id text not null, document_id text not null, kind text not null, title text not null, text text not null,
    object_sha256 text not null, byte_start bigint not null, byte_end bigint not null, product text, version_from text,
    version_to text, valid_from timestamptz not null, valid_to timestamptz, recorded_at timestamptz not null,
    superseded_by text, classification text not null, url text, path text, included_in jsonb
);
"""

RECORDED = datetime(2026, 10, 1, tzinfo=UTC)

AddDocument = Callable[..., str]


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return open_embedder(tmp_path_factory.mktemp("models"), threads=2)


@pytest.fixture
def indexes(tmp_path: Path) -> Path:
    return tmp_path / "indexes"


@pytest.fixture
def gold(database_url: str) -> Iterator[Connection]:
    """A connection to a database with an empty gold.documents; each statement commits."""
    with database.connect(database_url, autocommit=True) as connection:
        connection.execute(GOLD)
        yield connection


@pytest.fixture
def add_document(gold: Connection) -> AddDocument:
    def add(title: str, text: str, tenant_id: str = "default", **columns: Any) -> str:
        """A row of gold.documents; returns its document_id."""
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        document_id = hashlib.md5(f"{tenant_id}/{title}/{text}/{columns}".encode(), usedforsecurity=False).hexdigest()
        row = {
            "tenant_id": tenant_id, "document_id": document_id, "kind": "manual", "title": title, "text": text,
            "object_sha256": sha256, "byte_start": 0, "byte_end": len(text.encode()), "product": None,
            "version_from": None, "version_to": None, "valid_from": RECORDED, "valid_to": None,
            "recorded_at": RECORDED, "superseded_by": None, "classification": "internal", "url": None, **columns,
        }  # fmt: skip
        names = ", ".join(row)
        values = ", ".join(f"%({name})s" for name in row)
        gold.execute(f"insert into gold.documents ({names}) values ({values})", row)
        return document_id

    return add
