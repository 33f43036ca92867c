"""Everything after bronze, thrown away and made again from it, and the proof that it is the same."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

from iotops.bootstrap import App
from lakehouse import database
from lakehouse.content import content_hashes
from lakehouse.database import Connection
from lakehouse.errors import StepFailed
from lakehouse.warehouse import build_warehouse
from rag.checksums import read_total
from rag.indexing import build_index, promote
from rag.versions import get_version

# Scorecards, answers and their audit are not made from bronze, and stay.
DROP: Final = """
drop schema if exists landing, silver, gold, gold_candidate, gold_partitions cascade;
drop table if exists search.active, search.promotions, search.chunks, search.documents, search.embeddings,
    search.index_versions cascade;
"""
INDEX: Final = "select index_version from search.active"
BUILT: Final = "select snapshot from registry.builds where finished_at is not null order by build_id desc limit 1"


@dataclass(frozen=True)
class Content:
    """snapshot: the Delta versions that gold was built from. index: id of the active version, and checksum of its
    texts and their places."""

    snapshot: str | None
    tables: dict[str, str]
    index: tuple[str, str] | None

    def differences(self, other: "Content") -> list[str]:
        names = sorted(self.tables.keys() | other.tables.keys())
        found = [f"gold.{name}" for name in names if self.tables.get(name) != other.tables.get(name)]
        return found + (["index"] if self.index != other.index else [])


@dataclass(frozen=True)
class Replayed:
    """before: None where nothing had been built."""

    before: Content | None
    after: Content

    def describe(self) -> str:
        count = len(self.after.tables)
        made = f"rebuilt {count} gold tables and the index from bronze ({self.after.snapshot})"
        if self.before is None:
            return f"{made}; nothing was there to compare with"
        if not (different := self.before.differences(self.after)):
            return f"{made}: content hashes are the same"
        return f"{made}; bronze held more than had been built ({self.before.snapshot}): {', '.join(different)} differ"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "same": self.before is not None and not self.before.differences(self.after)}


def rebuild(app: App, *, now: datetime, say: Callable[[str], object]) -> Replayed:
    """Raises StepFailed where the same bronze gave another content: what is there now is the rebuilt one.

    Nothing is answered meanwhile.
    """
    with database.transaction(app.database_url) as connection:
        before = _content(connection)
    say("dropping landing, silver, gold and the index")
    with database.transaction(app.database_url) as connection:
        connection.execute(DROP)
    shutil.rmtree(app.settings.home / "indexes", ignore_errors=True)
    with database.connect(app.database_url) as connection:
        for package in ("lakehouse", "rag"):
            database.apply_schema(connection, files(package).joinpath("schema.sql").read_text())
    say("landing bronze and building gold")
    home = app.settings.home
    gold = build_warehouse(
        app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=home / "dbt", full=True
    )
    say(gold.landed.describe())
    say("building the index")
    built = build_index(app.database_url, app.embedder, home / "indexes", now=now)
    promote(app.database_url, built.version.index_version, now=now)
    with database.transaction(app.database_url) as connection:
        after = _content(connection)
    different = before.differences(after)
    if before.tables and different and before.snapshot == after.snapshot:
        raise StepFailed(
            f"the same bronze ({after.snapshot}) gave another content in {', '.join(different)}: what is there now is "
            "the rebuilt one; if neither dbt models nor splitter changed meanwhile, report this"
        )
    return Replayed(before if before.tables else None, after)


def _content(connection: Connection) -> Content:
    index = [str(row[0]) for row in connection.execute(INDEX)]
    built = connection.execute(BUILT).fetchone()
    return Content(
        snapshot=str(built[0]) if built else None,
        tables=content_hashes(connection),
        index=(index[0], _index_checksum(connection, index[0])) if index else None,
    )


def _index_checksum(connection: Connection, index_version: str) -> str:
    version = get_version(connection, index_version)
    return read_total(connection, version.table, version.number, vectors=False).checksum
