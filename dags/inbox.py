"""The inbox: `<tenant>/{documents,chats,telemetry}`, and the two tasks of the DAGs that empty it into bronze."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from airflow.sdk import Asset, task

Folder = Literal["documents", "chats", "telemetry"]

log = logging.getLogger(__name__)


@task
def tenants_with(folder: Folder) -> list[str]:
    """The tenants that have this folder in the inbox. A tenant that nobody created is named, not created."""
    from iotops.bootstrap import bootstrap
    from lakehouse import database
    from lakehouse.tenants import list_tenants

    app = bootstrap()
    with database.transaction(app.database_url) as connection:
        registered = set(list_tenants(connection))
    found = {path.parent.name for path in app.settings.inbox.glob(f"*/{folder}") if path.is_dir()}
    for name in sorted(found - registered):
        log.warning("inbox/%s is left alone, it is no tenant: 'iotops tenant create %s' lets it in", name, name)
    return sorted(found & registered)


def ingest(folder: Folder, outlet: Asset) -> Any:
    """The task that ingests this folder of one tenant, to be expanded over tenants: one that fails stops no other."""

    @task(task_id="ingest", outlets=[outlet])
    def ingest_folder(tenant_id: str) -> dict[str, Any]:
        from iotops.bootstrap import bootstrap
        from lakehouse.ingest import IngestSummary, ingest_chats, ingest_documents, ingest_telemetry

        steps: dict[Folder, Callable[..., IngestSummary]] = {
            "documents": ingest_documents,
            "chats": ingest_chats,
            "telemetry": ingest_telemetry,
        }
        app = bootstrap()
        summary = steps[folder](app.bronze, tenant_id, app.settings.inbox / tenant_id / folder, now=datetime.now(UTC))
        log.info("%s: %s", tenant_id, summary.describe())
        return {
            name: count for name, count in summary.to_json().items() if name != "refused"
        }  # those are in quarantine

    return ingest_folder
