"""`iotops ingest connectors`: what the DAG of the same name does once an hour."""

from typing import TYPE_CHECKING, Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from iotops.connectors import configured_connectors, site_of
from lakehouse.errors import IotopsError, NotFound, StepFailed

if TYPE_CHECKING:
    from lakehouse.connectors.configured import Configured
    from lakehouse.connectors.origins import Site


def connectors(
    only: Annotated[str | None, typer.Option(metavar="NAME", help="Only the connector of this name.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only the connectors of this tenant.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Forget how far each origin was read.")] = False,
    as_json: Json = False,
) -> None:
    """All origins of connectors.yaml. One that fails stops no other."""
    app = bootstrap()
    found = configured_connectors(app)
    if not found:
        raise NotFound(f"{app.settings.connectors} lists no connector: docs/connectors.md says how it is written")
    chosen = [one for one in found if only in (None, one.name) and tenant in (None, one.tenant_id)]
    if not chosen:
        names = ", ".join(one.name for one in found)
        raise NotFound(f"{app.settings.connectors} has no such connector: it lists {names}")
    _run(site_of(app, again=again), chosen, as_json)


def _run(site: "Site", chosen: "list[Configured]", as_json: bool) -> None:
    from lakehouse.connectors.configured import run_configured

    results: list[dict[str, object]] = []
    lines: list[str] = []
    failed: list[str] = []
    for one in chosen:
        named = {"name": one.name, "tenant": one.tenant_id}
        try:
            summary = run_configured(site, one)
            results.append({**named, **summary.to_json()})
            lines.append(f"{one.name}: {summary.describe()}")
        except IotopsError as error:
            results.append({**named, "error": str(error)})
            failed.append(f"{one.name}: {error}")
    show(results, "\n".join(lines), as_json)
    if failed:
        raise StepFailed(f"{len(failed)} of {len(chosen)} connectors failed: {'; '.join(failed)}")
