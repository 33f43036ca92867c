"""`iotops ingest documents|git|web|connectors|chats|telemetry`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iotops.bootstrap import bootstrap
from iotops.cli import ingest_connectors, slack
from iotops.cli.options import Json, Tenant, show
from iotops.connectors import site_of
from lakehouse import database, tenants

if TYPE_CHECKING:
    from lakehouse.bronze import Bronze
    from lakehouse.connectors.origins import Site, Target
    from lakehouse.documents import Progress
    from lakehouse.ingest import IngestSummary

app = typer.Typer(help="Read files into bronze. Reading the same twice changes nothing.", no_args_is_help=True)
app.command(name="connectors")(ingest_connectors.connectors)
app.command(name="slack")(slack.slack)

From = Annotated[Path, typer.Argument(metavar="PATH", help="A file or a folder.", show_default=False)]
Classification = Annotated[str, typer.Option(help="Who may read it, where a document does not say.")]
Product = Annotated[str | None, typer.Option(help="Product, where a document names none.")]
Kind = Annotated[
    str | None, typer.Option(help="manual, runbook, release_note or incident. Default: by the file's path.")
]
Again = Annotated[bool, typer.Option("--again", help="Forget how far the origin was read, and look at all of it.")]
AllowEmpty = Annotated[bool, typer.Option(help="Record every document as deleted if there is none any more.")]
PROGRESS_EVERY = 25


@app.command()
def documents(
    path: Annotated[str, typer.Argument(metavar="PATH_OR_URL", help="A file, a folder or s3://bucket/prefix.")],
    tenant: Tenant = "default",
    source: Annotated[str | None, typer.Option(help="Name of the source. Default: folder:<path> or the URL.")] = None,
    product: Product = None,
    version: Annotated[str | None, typer.Option(help="Release, where a document names none.")] = None,
    kind: Kind = None,
    classification: Classification = "internal",
    allow_empty: AllowEmpty = False,
    again: Again = False,
    as_json: Json = False,
) -> None:
    """Markdown, text, HTML and PDF. What is gone from a folder or a prefix is recorded as deleted."""
    from lakehouse.connectors.origins import from_folder, from_s3

    target = _target(tenant, source, product, version, kind, classification)
    with _site(tenant, allow_empty, again) as site:
        summary = from_s3(site, target, path) if path.startswith("s3://") else from_folder(site, target, Path(path))
    _print(summary, as_json)


@app.command()
def git(
    url: Annotated[str, typer.Argument(metavar="URL_OR_PATH", help="A path, or a file, http(s) or ssh URL.")],
    tenant: Tenant = "default",
    tag: Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Tags to read, such as 'v*'.")] = None,
    branch: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Branches to read, such as 'release/*'.")
    ] = None,
    subdir: Annotated[str, typer.Option(help="Only the files below this folder.")] = "",
    source: Annotated[str | None, typer.Option(help="Name of the source. Default: git:<url>?<selection>.")] = None,
    product: Product = None,
    kind: Kind = None,
    classification: Classification = "internal",
    allow_empty: AllowEmpty = False,
    again: Again = False,
    as_json: Json = False,
) -> None:
    """Documents of a repository. Each tag or branch is a version; with neither, the default branch is read."""
    from lakehouse.connectors.origins import from_git

    target = _target(tenant, source, product, None, kind, classification)
    with _site(tenant, allow_empty, again) as site:
        summary = from_git(site, target, url, tags=tag or (), branches=branch or (), subdir=subdir)
    _print(summary, as_json)


@app.command()
def web(
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="Pages, or RSS or Atom feeds.")],
    tenant: Tenant = "default",
    follow: Annotated[int, typer.Option(metavar="N", help="Read the pages of the first N entries of a feed.")] = 50,
    any_host: Annotated[
        bool, typer.Option("--any-host", help="Also entries on other hosts than their feed's.")
    ] = False,
    source: Annotated[str | None, typer.Option(help="Name of the source. Default: web:<url>.")] = None,
    product: Product = None,
    version: Annotated[str | None, typer.Option(help="Release, where a page names none.")] = None,
    kind: Kind = None,
    classification: Classification = "internal",
    again: Again = False,
    as_json: Json = False,
) -> None:
    """Pages of the web, asked for again only if they changed. One that answers 404 or 410 is recorded as deleted."""
    from lakehouse.connectors.origins import from_web

    target = _target(tenant, source, product, version, kind, classification)
    with _site(tenant, allow_empty=False, again=again) as site:
        summary = from_web(site, target, urls, follow=follow, any_host=any_host)
    _print(summary, as_json)


@app.command()
def chats(
    path: From,
    tenant: Tenant = "default",
    source: Annotated[str | None, typer.Option(help="Name of the source. Default: slack:<workspace> or jsonl.")] = None,
    classification: Classification = "internal",
    as_json: Json = False,
) -> None:
    """Exports of Slack, Telegram and Discord, mbox files, and JSON lines with channel, message_id, ts and text."""
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


@contextmanager
def _site(tenant: str, allow_empty: bool, again: bool) -> "Iterator[Site]":
    """Raises UnknownTenant before anything is read."""
    app = bootstrap()
    with database.transaction(app.database_url) as connection:
        tenants.require_tenant(connection, tenant)
    with _progress() as progress:
        yield site_of(app, allow_empty=allow_empty, again=again, progress=progress)


def _target(
    tenant: str, source: str | None, product: str | None, version: str | None, kind: str | None, classification: str
) -> "Target":
    from lakehouse.connectors.origins import Target
    from lakehouse.manifest import Flags

    return Target(tenant, Flags(product, version, kind, classification), source)


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
def _progress() -> "Iterator[Progress | None]":
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
