"""`iotops ingest slack`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, Tenant, show
from lakehouse import database, tenants


def slack(
    tenant: Tenant = "default",
    channel: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this channel. Default: all that the app is in.")
    ] = None,
    lookback: Annotated[
        int, typer.Option(metavar="DAYS", min=0, help="How old an edit, deletion or answer may be to be seen.")
    ] = 7,
    classification: Annotated[str, typer.Option(help="Who may read it.")] = "internal",
    as_json: Json = False,
) -> None:
    """Public channels of a Slack workspace, from where the last run left them. The token is IOTOPS_SLACK_TOKEN."""
    from lakehouse.connectors.channels import Destination, sync_channels
    from lakehouse.connectors.slack import Slack
    from lakehouse.connectors.slack_api import SlackApi

    app = bootstrap()
    now = datetime.now(UTC)
    api = SlackApi(app.settings.slack_token, now=now, url=app.settings.slack_url)
    with database.transaction(app.database_url) as connection:
        tenants.require_tenant(connection, tenant)
    connector = Slack(api, now=now, lookback=timedelta(days=lookback), channels=channel or ())
    to = Destination(app.database_url, app.bronze, tenant, classification, now)
    summary = sync_channels(to, connector)
    lines = [summary.describe(), *(f"left out: {refusal.describe()}" for refusal in summary.refused)]
    show(summary.to_json(), "\n".join(lines), as_json)
