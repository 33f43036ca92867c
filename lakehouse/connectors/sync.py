"""An origin into bronze from where it was left: list since the cursor, land, and only then move the cursor."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple

from lakehouse import database
from lakehouse.connectors.cursors import move_cursor, read_cursor
from lakehouse.documents import Intake, land_listed
from lakehouse.sources.documents import HTML_EXTRACTION, PDF_EXTRACTION
from lakehouse.state import read_state
from lakehouse.summary import IngestSummary


def sync_documents(database_url: str, intake: Intake, *, again: bool = False) -> IngestSummary:
    """again: forget the cursor and look at everything.

    Whatever stops it between landing and moving the cursor, the same is listed once more, and nothing is doubled.
    """
    tenant_id, source = intake.tenant_id, intake.connector.source
    summary = IngestSummary("documents")
    with alone(database_url, tenant_id, source):
        cursor = None if again else _stored_cursor(database_url, intake)
        while True:
            listed = intake.connector.list_changes(cursor)
            summary += land_listed(intake, listed)
            cursor = listed.cursor
            with database.transaction(database_url) as connection:
                move_cursor(connection, tenant_id, source, json.dumps({"read_as": _read_as(intake), "cursor": cursor}))
            if not listed.more:
                return summary


def _stored_cursor(database_url: str, intake: Intake) -> str | None:
    """None where what it covers was read with other flags, by another reader, or into a bronze that is gone."""
    with database.transaction(database_url) as connection:
        stored = read_cursor(connection, intake.tenant_id, intake.connector.source)
    if stored is None or json.loads(stored)["read_as"] != _read_as(intake):
        return None
    known = read_state(intake.bronze, "documents", intake.tenant_id, intake.connector.source)
    return str(json.loads(stored)["cursor"]) if known.rows else None


def _read_as(intake: Intake) -> str:
    parts = [*astuple(intake.flags), HTML_EXTRACTION, PDF_EXTRACTION]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@contextmanager
def alone(database_url: str, tenant_id: str, source: str) -> Iterator[None]:
    """A second run of the same source waits for the first: of two listings the older one would take away what the
    newer one brought. The lock goes with its connection, so a process that was killed holds none."""
    with database.connect(database_url, autocommit=True) as connection:
        name = json.dumps(["connector", tenant_id, source])
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        yield
