"""`iotops index build|list|check|promote|rollback|rebuild|collect`."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, show
from lakehouse import database
from lakehouse.errors import IndexNotBuilt

if TYPE_CHECKING:
    from rag.indexing import Built
    from rag.versions import IndexVersion

app = typer.Typer(help="The search index: versions built from gold, one of them active.", no_args_is_help=True)

AllTenants = Annotated[
    str | None, typer.Option("--tenant", help="Taken for uniformity: an index always covers all tenants.")
]
Version = Annotated[str, typer.Argument(help="The id of an index version, or the beginning of one.")]
Promote = Annotated[bool, typer.Option(help="Answer from the new version, after its rows were read back and checked.")]


@app.command()
def build(
    promote: Promote = True,
    tenant: AllTenants = None,  # noqa: ARG001 - an index has no tenant
    as_json: Json = False,
) -> None:
    """Index what gold holds now. Where that has not changed, nothing is built and nothing embedded."""
    from iotops.promotion import promote_candidate
    from rag import indexing

    app_, now = bootstrap(), datetime.now(UTC)
    built = indexing.build_index(app_.database_url, app_.embedder, app_.settings.home / "indexes", now=now)
    version = promote_candidate(app_, built.version.index_version, now=now) if promote else built.version
    _show_built(built, version, as_json)


@app.command()
def rebuild(
    tenant: AllTenants = None,  # noqa: ARG001
    as_json: Json = False,
) -> None:
    """Make the rows and files of the active version again from gold; the id stays."""
    from rag import indexing

    app_ = bootstrap()
    built = indexing.rebuild_index(
        app_.database_url, app_.embedder, app_.settings.home / "indexes", now=datetime.now(UTC)
    )
    _show_built(built, built.version, as_json)


@app.command()
def promote(
    index_version: Version,
    anyway: Annotated[bool, typer.Option("--anyway", help="Though its evaluations are worse.")] = False,
    tenant: AllTenants = None,  # noqa: ARG001
    as_json: Json = False,
) -> None:
    """Answer from this version from now on, unless its evaluations are worse than the active one's."""
    from iotops.promotion import promote_candidate

    version = promote_candidate(bootstrap(), index_version, now=datetime.now(UTC), anyway=anyway)
    show(asdict(version), f"index {version.index_version}: active", as_json)


@app.command()
def rollback(
    tenant: AllTenants = None,  # noqa: ARG001
    as_json: Json = False,
) -> None:
    """Answer from the version that was active before."""
    from rag import indexing

    version = indexing.rollback(bootstrap().database_url, now=datetime.now(UTC))
    show(asdict(version), f"index {version.index_version}: active", as_json)


@app.command()
def check(
    index_version: Annotated[str | None, typer.Argument(help="The active version where none is named.")] = None,
    tenant: AllTenants = None,  # noqa: ARG001
    as_json: Json = False,
) -> None:
    """Read back every row of a version: promotion reads those that its own build wrote, and counts the others."""
    from rag import indexing

    with database.transaction(bootstrap().database_url) as connection:
        name = index_version or indexing.active_version(connection)
        if name is None:
            raise IndexNotBuilt
        version = indexing.check_version(connection, name)
    show(asdict(version), f"index {version.index_version}: {version.chunks:,} chunks are as they were built", as_json)


@app.command()
def collect(
    keep: Annotated[
        int, typer.Option(min=1, help="So many of the newest, beside the active one and the previous.")
    ] = 3,
    tenant: AllTenants = None,  # noqa: ARG001
    as_json: Json = False,
) -> None:
    """Take away old versions. The active one and the one that a rollback goes to always stay."""
    from rag.collecting import collect as collect_versions

    app_ = bootstrap()
    gone = collect_versions(app_.database_url, app_.settings.home / "indexes", keep=keep)
    show(asdict(gone), gone.describe(), as_json)


@app.command(name="list")
def list_(
    tenant: AllTenants = None,  # noqa: ARG001
    as_json: Json = False,
) -> None:
    """List the versions, newest first."""
    from rag import indexing

    with database.transaction(bootstrap().database_url) as connection:
        versions = indexing.list_versions(connection)
    lines = [_line(version) for version in versions] or ["no index yet: run 'iotops index build'"]
    show([asdict(version) for version in versions], "\n".join(lines), as_json)


def _show_built(built: "Built", version: "IndexVersion", as_json: bool) -> None:
    counts = {"created": built.created, "embedded": built.embedded, "reused": built.reused, "seconds": built.seconds}
    text = built.describe() + ("; active" if version.active else "; not promoted")
    show({**asdict(version), **counts}, text, as_json)


def _line(version: "IndexVersion") -> str:
    state = "active" if version.active else version.status
    made = f"{version.created_at:%Y-%m-%d %H:%M}"
    line = f"{version.index_version}  {state:8}  {made}  {version.documents:,} documents, {version.chunks:,} chunks"
    return f"{line}  {version.failure}" if version.failure else line
