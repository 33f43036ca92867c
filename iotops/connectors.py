"""The connectors of this installation: what `connectors.yaml` lists, and where they put what they read."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from iotops.bootstrap import App
from lakehouse import database, tenants

if TYPE_CHECKING:
    from lakehouse.connectors.configured import Configured
    from lakehouse.connectors.origins import Site
    from lakehouse.documents import Progress


def site_of(app: App, *, allow_empty: bool = False, again: bool = False, progress: "Progress | None" = None) -> "Site":
    from lakehouse.connectors.origins import Site

    return Site(
        database_url=app.database_url,
        bronze=app.bronze,
        mirrors=app.settings.home / "connectors" / "git",
        now=datetime.now(UTC),
        slack_token=app.settings.slack_token,
        slack_url=app.settings.slack_url,
        allow_empty=allow_empty,
        again=again,
        progress=progress,
    )


def configured_connectors(app: App) -> "list[Configured]":
    """Raises Misused where the file cannot be used as it is."""
    from lakehouse.connectors.configured import read_connectors

    with database.transaction(app.database_url) as connection:
        return read_connectors(app.settings.connectors, tenants.list_tenants(connection))
