"""`iotops warehouse build|promote|rebuild`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.dictionary import dictionary
from iotops.cli.lineage import lineage
from iotops.cli.options import Json, show
from iotops.gates import gates
from lakehouse.errors import Misused

app = typer.Typer(help="Silver and gold, built from bronze by dbt.", no_args_is_help=True)
app.command()(lineage)
app.command()(dictionary)

AsOf = Annotated[
    datetime | None, typer.Option("--as-of", help='What "now" is in gold (UTC); else when the latest row was recorded.')
]
Days = Annotated[
    list[datetime] | None, typer.Option("--day", formats=["%Y-%m-%d"], help="Make this day anew; may be repeated.")
]
Full = Annotated[bool, typer.Option("--full", help="Run dbt although nothing is new, and build every table anew.")]
Check = Annotated[
    bool,
    typer.Option(
        "--check/--no-check", help="Let Great Expectations judge new rows and the candidate first (takes 8 s more)."
    ),
]
AllTenants = Annotated[
    str | None, typer.Option("--tenant", help="Taken for uniformity: a build always covers all tenants.")
]


@app.command()
def build(
    full: Full = False,
    as_of: AsOf = None,
    day: Days = None,
    check: Check = True,
    tenant: AllTenants = None,  # noqa: ARG001 - a build has no tenant
    as_json: Json = False,
) -> None:
    """Land what is new in bronze, build and test a candidate of gold beside it, and promote that."""
    from lakehouse.warehouse import build_warehouse

    app = bootstrap()
    home = app.settings.home
    built = build_warehouse(
        app.database_url,
        app.bronze,
        dbt_project=app.settings.dbt_project,
        work=home / "dbt",
        full=full,
        as_of=as_of.replace(tzinfo=UTC) if as_of else None,
        days=[one.date() for one in day or ()],
        gate=gates(app, now=datetime.now(UTC)) if check else None,
    )
    show({**built.to_json(), "checked": check}, built.describe() + ("; the gates hold" if check else ""), as_json)


@app.command()
def promote(
    tenant: AllTenants = None,  # noqa: ARG001 - gold is promoted as a whole
    as_json: Json = False,
) -> None:
    """Serve the candidate of the last build, where its promotion was refused or cut off."""
    from lakehouse.warehouse import promote as promote_build

    build_id = promote_build(bootstrap().database_url)
    show({"build_id": build_id}, f"gold is that of build {build_id}", as_json)


@app.command()
def rebuild(
    from_bronze: Annotated[bool, typer.Option("--from-bronze", help="Needed: all after bronze is dropped.")] = False,
    tenant: AllTenants = None,  # noqa: ARG001 - a rebuild has no tenant
    as_json: Json = False,
) -> None:
    """Drop landing, silver, gold and the index, make them again from bronze, and compare content hashes."""
    from iotops.replay import rebuild as replay

    if not from_bronze:
        raise Misused("a rebuild drops landing, silver, gold and the index first: say so with --from-bronze")
    done = replay(bootstrap(), now=datetime.now(UTC), say=lambda line: typer.echo(line, err=True))
    show(done.to_json(), done.describe(), as_json)
