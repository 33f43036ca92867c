"""`iotops warehouse build|rebuild`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from lakehouse.errors import Misused

app = typer.Typer(help="Silver and gold, built from bronze by dbt.", no_args_is_help=True)

Full = Annotated[bool, typer.Option("--full", help="Run dbt although nothing is new, and build every table anew.")]
Check = Annotated[
    bool, typer.Option("--check", help="Afterwards check gold with Great Expectations (takes 10 s more).")
]
AllTenants = Annotated[
    str | None, typer.Option("--tenant", help="Taken for uniformity: a build always covers all tenants.")
]


@app.command()
def build(
    full: Full = False,
    check: Check = False,
    tenant: AllTenants = None,  # noqa: ARG001 - a build has no tenant
    as_json: Json = False,
) -> None:
    """Land what is new in bronze, then build and test gold."""
    from lakehouse.warehouse import build_warehouse

    app = bootstrap()
    home = app.settings.home
    built = build_warehouse(
        app.database_url, app.bronze, dbt_project=app.settings.dbt_project, work=home / "dbt", full=full
    )
    if check:
        from lakehouse.quality import check_gold

        check_gold(app.database_url)
    show({**built.to_json(), "checked": check}, built.describe() + ("; checks passed" if check else ""), as_json)


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
