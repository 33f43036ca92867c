"""Erasure of one tenant or one document, everywhere.

First what is served, in one transaction, so that no answer stands on a text that is half gone; then bronze, from which
everything else could be made again; then the bytes that both leave in files. Cut off anywhere, it is run again.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from iotops.bootstrap import App
from lakehouse import database, erased, erasure_tables
from lakehouse.erasure import Plan, Target, drop_old_files, erase_rows, make_plan
from lakehouse.erasure_tables import document_ids, tables_of
from lakehouse.errors import NotFound, UnknownDocument
from lakehouse.quality.report import write_all
from lakehouse.scrubbing import scrub
from lakehouse.tenants import list_tenants, require_tenant
from lakehouse.warehouse import alone, build_warehouse
from rag.erasure import documents_of, erase_index, erase_lexical
from rag.indexing import BUILD_LOCK, active_version, build_index, promote

SCHEMAS: Final = ("landing", "silver", "gold", "registry", "detection", "quality", "search", "copilot")
# Where nothing of a document can be; they are the large ones.
NO_DOCUMENTS: Final = frozenset(
    {
        "telemetry",
        "events",
        "fct_events",
        "fct_readings",
        "fct_readings_hourly",
        "fct_readings_daily",
        "fct_readings_set_aside",
        "fct_device_sightings",
    }
)
Say = Callable[[str], object]


@dataclass(frozen=True)
class Preview:
    """What bronze holds of it. objects: hash → what it is."""

    what: str
    rows: Mapping[str, int]
    objects: Mapping[str, str]
    kept: tuple[str, ...]

    def describe(self) -> str:
        rows = ", ".join(f"{table} {count:,}" for table, count in self.rows.items())
        containers = [f"  {what}: object {sha256}" for sha256, what in sorted(self.objects.items())]
        return "\n".join([f"{self.what}: rows of bronze: {rows}", *containers, *(f"  stays: {k}" for k in self.kept)])


@dataclass(frozen=True)
class Erased:
    """rows: by table. objects: hash → what it was; of a tenant none is named. bytes: of all objects.

    files: others that went or were written anew, by kind. kept: what stays, and why. to_do: what is left to the
    operator. embedded: texts for which the new index had no vector.
    """

    what: str
    rows: Mapping[str, int]
    objects: Mapping[str, str]
    bytes: int
    files: Mapping[str, int]
    kept: tuple[str, ...]
    to_do: tuple[str, ...]
    embedded: int

    def describe(self) -> str:
        rows = ", ".join(f"{table} {count:,}" for table, count in sorted(self.rows.items()) if count)
        lines = [f"{self.what} is erased: {rows or 'no rows'}; {self.bytes:,} bytes of objects"]
        lines += [f"  went: {what}, object {sha256}" for sha256, what in sorted(self.objects.items())]
        lines += [f"  {kind}: {count:,}" for kind, count in self.files.items() if count]
        lines += [f"  stays: {one}" for one in self.kept] + [f"  to do: {one}" for one in self.to_do]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def find_target(app: App, tenant_id: str, document_id: str) -> Target:
    """Raises UnknownDocument."""
    with database.transaction(app.database_url) as connection:
        require_tenant(connection, tenant_id)
        found = erasure_tables.find_document(connection, tenant_id, document_id)
    if found is None:
        raise UnknownDocument(document_id)
    return found


def preview(app: App, target: Target) -> Preview:
    """Raises UnknownTenant, and NotFound for a document that bronze does not know and that was never erased."""
    _require(app, target, plan := make_plan(app.bronze, target))
    return Preview(target.describe(), plan.rows, plan.objects, plan.kept)


def erase(app: App, target: Target, *, now: datetime, say: Say = lambda _: None) -> Erased:
    """Nothing else may read or write meanwhile. Raises what `preview` raises; StepFailed: run it again."""
    _require(app, target, plan := make_plan(app.bronze, target))
    with database.transaction(app.database_url) as connection:
        erasure_tables.begin(connection, target, now)
    if not target.is_tenant:
        erased.remember(app.bronze, target.tenant_id, target.source, target.path)
    with _no_builds(app):
        say("erasing what is served")
        rows = _erase_served(app, plan)
        with database.transaction(app.database_url) as connection:
            lexical = erase_lexical(connection, app.settings.home / "indexes")
        write_all(app.database_url, app.settings.home / "quality")
        say("erasing bronze")
        freed = erase_rows(app.bronze, plan, now=now)
        files = {
            "old Parquet files removed": drop_old_files(app.bronze, target),
            "index versions whose lexical files were written anew": lexical.rebuilt,
            "folders of no index version removed": lexical.removed,
            **_drop_caches(app),
        }
        say("writing tables anew, and turning over the write-ahead log")
        scrubbed = scrub(app.database_url, _touched(app, target), data=_embedded(app))
    say("building gold and the index from what is left")
    embedded = _rebuild(app, now)
    with database.transaction(app.database_url) as connection:
        erasure_tables.finish(connection, target, now)
    return Erased(
        what=target.describe(),
        rows={**{f"bronze.{table}": count for table, count in plan.rows.items()}, **rows},
        objects=plan.objects,
        bytes=freed,
        files={**files, "files of the write-ahead log removed": scrubbed.segments},
        kept=plan.kept,
        to_do=(*scrubbed.to_do, _origin(app, target)),
        embedded=embedded,
    )


def _require(app: App, target: Target, plan: Plan) -> None:
    with database.transaction(app.database_url) as connection:
        again = erasure_tables.was_erased(connection, target)
        if target.is_tenant and not again and target.tenant_id in list_tenants(connection):
            return
        if not again:
            require_tenant(connection, target.tenant_id)
    if not again and not any(plan.rows.values()):
        raise NotFound(
            f"tenant '{target.tenant_id}' has no {target.describe()}: 'iotops ask --json' and the API name documents "
            "by id, which --document-id takes"
        )


@contextmanager
def _no_builds(app: App) -> Iterator[None]:
    with ExitStack() as stack:
        connection = stack.enter_context(database.connect(app.database_url, autocommit=True))
        stack.enter_context(alone(connection))
        connection.execute("select pg_advisory_lock(%s)", (BUILD_LOCK,))  # goes with the connection
        yield


def _erase_served(app: App, plan: Plan) -> dict[str, int]:
    target = plan.target
    with database.transaction(app.database_url) as connection:
        documents = None
        if not target.is_tenant:
            documents = document_ids(connection, plan) | documents_of(connection, target.tenant_id, plan.unnamed)
        return {**erase_index(connection, target.tenant_id, documents), **erasure_tables.erase_tables(connection, plan)}


def _drop_caches(app: App) -> dict[str, int]:
    """Mirrors of repositories have no tenant in their names, and dbt's messages may quote rows. Both are made again."""
    home = app.settings.home
    dropped = {}
    for what, folder in (
        ("git mirrors removed", home / "connectors" / "git"),
        ("folders of dbt removed", home / "dbt"),
    ):
        dropped[what] = len(list(folder.iterdir())) if folder.is_dir() else 0
        shutil.rmtree(folder, ignore_errors=True)
    return dropped


def _touched(app: App, target: Target) -> list[tuple[str, str]]:
    """The same at a second run, which does not know any more where rows were deleted."""
    with database.transaction(app.database_url) as connection:
        tables = [(schema, name) for schema, name, _ in tables_of(connection, SCHEMAS)]
    return [table for table in tables if target.is_tenant or table[1] not in NO_DOCUMENTS]


def _embedded(app: App) -> Any:
    return None if app.settings.database_url else app.settings.home / "postgres"


def _rebuild(app: App, now: datetime) -> int:
    """Where there was a warehouse, and an index. What another document says may follow from the one that is gone."""
    with database.transaction(app.database_url) as connection:
        started = connection.execute("select 1 from registry.builds limit 1").fetchone()
        indexed = active_version(connection)
    if started is None:
        return 0
    home = app.settings.home
    build_warehouse(app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=home / "dbt")
    if indexed is None:
        return 0
    built = build_index(app.database_url, app.embedder, home / "indexes", now=now)
    promote(app.database_url, built.version.index_version, now=now)
    return built.embedded


def _origin(app: App, target: Target) -> str:
    if target.is_tenant:
        inbox = app.settings.inbox / target.tenant_id
        return f"its origins: what lies in {inbox}, in a topic or where connectors.yaml points would land again"
    return (
        f"its origin: clear '{target.path}' there ('{target.source}'); offered again, a document is passed over, "
        "but the messages of a chat land again"
    )
