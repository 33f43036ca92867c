"""`iotops warehouse dictionary`: what the tables and columns of the warehouse mean."""

from pathlib import Path
from typing import Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show

Output = Annotated[Path | None, typer.Option("--output", help="A file to write it to.")]
AllTenants = Annotated[
    str | None, typer.Option("--tenant", help="Taken for uniformity: the tables are of all tenants.")
]


def dictionary(
    output: Output = None,
    tenant: AllTenants = None,  # noqa: ARG001 - the tables are those of every tenant
    as_json: Json = False,
) -> None:
    """Print what each table of gold holds and what is checked of it, as Markdown."""
    from lakehouse.data_dictionary import read_project, write_dictionary

    text = write_dictionary(read_project(bootstrap().settings.dbt_project))
    if output is None:
        show({"markdown": text}, text, as_json)
        return
    output.write_text(text)
    show({"path": str(output), "lines": text.count("\n")}, f"wrote {output}", as_json)
