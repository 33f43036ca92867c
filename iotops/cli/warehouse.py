"""`iotops warehouse build`."""

from typing import Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show

app = typer.Typer(help="Silver and gold, built from bronze by dbt.", no_args_is_help=True)

Full = Annotated[bool, typer.Option("--full", help="Run dbt although nothing is new, and build every table anew.")]
Check = Annotated[
    bool, typer.Option("--check", help="Afterwards check gold with Great Expectations (takes 10 s more).")
]
AllTenants = Annotated[
    str | None, typer.Option("--tenant", help="Taken for uniformity: a build always covers all tenants.")
]


@app.callback()
def nouns() -> None:
    """Keeps `build` a verb: typer drops the name of a command that is alone."""


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
