"""`iotops erase tenant|document`."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from iotops.bootstrap import App, bootstrap
from iotops.cli.options import Json, Tenant, show
from lakehouse.errors import Misused, Refused

if TYPE_CHECKING:
    from lakehouse.erasure import Target

app = typer.Typer(help="Erase a tenant or a document everywhere, for good.", no_args_is_help=True)

Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking. Stop everything else that is running first.")]


@app.command()
def tenant(
    name: Annotated[str, typer.Argument(help="The tenant to erase, with all it ever had.", show_default=False)],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase all of a tenant: rows, objects, index, answers. Without --yes, show what would go, and ask."""
    from lakehouse.erasure import Target

    _erase(bootstrap(), Target(name), yes, as_json)


@app.command()
def document(
    tenant: Tenant = "default",
    source: Annotated[str | None, typer.Option(help="The document's source, as it was ingested.")] = None,
    path: Annotated[str | None, typer.Option(help="Its path within the source; of a chat <channel>/<thread>.")] = None,
    document_id: Annotated[str | None, typer.Option(help="In place of source and path: as citations name it.")] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase every version of one document; of a chat also its messages. Without --yes, show what would go, and ask."""
    from iotops.erasing import find_target
    from lakehouse.erasure import Target

    app_ = bootstrap()
    if document_id is not None and not (source or path):
        target = find_target(app_, tenant, document_id)
    elif source and path and document_id is None:
        target = Target(tenant, source, path)
    else:
        raise Misused("say which document: --source and --path, or --document-id")
    _erase(app_, target, yes, as_json)


def _erase(app_: App, target: "Target", yes: bool, as_json: bool) -> None:
    from iotops.erasing import erase, preview

    if not yes:
        typer.echo(preview(app_, target).describe(), err=True)
        if not sys.stdin.isatty():
            raise Refused("nothing was erased: say --yes, after stopping everything else that is running")
        typer.confirm("This cannot be undone. Erase it?", abort=True, err=True)
    done = erase(app_, target, now=datetime.now(UTC), say=lambda line: typer.echo(line, err=True))
    show(done.to_json(), done.describe(), as_json)
