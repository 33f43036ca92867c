"""`iotops ingest documents|chats|telemetry PATH`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli.options import Json, Tenant, show
from lakehouse import database, tenants

if TYPE_CHECKING:
    from lakehouse.bronze import Bronze
    from lakehouse.ingest import IngestSummary

app = typer.Typer(help="Read files into bronze. Reading the same twice changes nothing.", no_args_is_help=True)

From = Annotated[Path, typer.Argument(metavar="PATH", help="A file or a folder.", show_default=False)]
Classification = Annotated[str, typer.Option(help="Who may read it, where a document does not say.")]
PROGRESS_EVERY = 25


@app.command()
def documents(
    path: From,
    tenant: Tenant = "default",
    source: Annotated[str | None, typer.Option(help="Name of the source. Default: folder:<path>.")] = None,
    product: Annotated[str | None, typer.Option(help="Product, where a document names none.")] = None,
    version: Annotated[str | None, typer.Option(help="Release, where a document names none.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="manual, runbook, release_note or incident. Default: by the file's path.")
    ] = None,
    classification: Classification = "internal",
    allow_empty: Annotated[bool, typer.Option(help="Record every document as deleted if the folder is empty.")] = False,
    as_json: Json = False,
) -> None:
    """Markdown, text, HTML and PDF. Files that are gone from a folder are recorded as deleted."""
    from lakehouse.ingest import ingest_documents

    with _progress() as progress:
        summary = ingest_documents(
            _bronze(tenant),
            tenant,
            path,
            now=datetime.now(UTC),
            source=source,
            product=product,
            version=version,
            kind=kind,
            classification=classification,
            allow_empty=allow_empty,
            progress=progress,
        )
    _print(summary, as_json)


@app.command()
def chats(
    path: From,
    tenant: Tenant = "default",
    source: Annotated[str | None, typer.Option(help="Name of the source. Default: slack:<workspace> or jsonl.")] = None,
    classification: Classification = "internal",
    as_json: Json = False,
) -> None:
    """Slack export zips, and JSON lines with channel, message_id, thread_id, author, ts and text."""
    from lakehouse.ingest import ingest_chats

    summary = ingest_chats(
        _bronze(tenant), tenant, path, now=datetime.now(UTC), source=source, classification=classification
    )
    _print(summary, as_json)


@app.command()
def telemetry(
    path: From,
    tenant: Tenant = "default",
    source: Annotated[str | None, typer.Option(help="Name of the source. Default: folder:<path>.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Device of files without such a column; {stem} is the file's name.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="Metric of files without such a column; {stem} is the file's name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Readings and events in CSV, JSON lines or Parquet."""
    from lakehouse.ingest import ingest_telemetry

    with _progress() as progress:
        summary = ingest_telemetry(
            _bronze(tenant),
            tenant,
            path,
            now=datetime.now(UTC),
            source=source,
            device=device,
            metric=metric,
            progress=progress,
        )
    _print(summary, as_json)


def _bronze(tenant: str) -> "Bronze":
    """Raises UnknownTenant before anything is read."""
    app = bootstrap()
    with database.transaction(app.database_url) as connection:
        tenants.require_tenant(connection, tenant)
    return app.bronze


def _print(summary: "IngestSummary", as_json: bool) -> None:
    lines = [summary.describe(), *(f"quarantined: {refusal.describe()}" for refusal in summary.refused)]
    if (more := summary.quarantined - len(summary.refused)) > 0:
        lines.append(f"and {more} more: iotops quarantine list")
    if summary.read and not (summary.landed or summary.unchanged):
        lines.append("nothing landed: every file was refused")
    show(summary.to_json(), "\n".join(lines), as_json)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A line on stderr that counts, where a person watches."""
    if not sys.stderr.isatty():
        yield None
        return

    def count(done: int, total: int) -> None:
        if done % PROGRESS_EVERY == 0 or done == total:
            sys.stderr.write(f"\r{done} of {total} files")
            sys.stderr.flush()

    yield count
    sys.stderr.write("\r\x1b[K")
