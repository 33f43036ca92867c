"""Each kind of origin, from its address to bronze: what the command line, the DAG and `connectors.yaml` call."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from lakehouse.bronze import Bronze
from lakehouse.connectors.folder import Folder
from lakehouse.connectors.protocol import Connector
from lakehouse.connectors.retrying import Patience
from lakehouse.connectors.sync import sync_documents
from lakehouse.documents import Intake, Progress
from lakehouse.errors import Unavailable
from lakehouse.manifest import Flags
from lakehouse.state import live, read_state
from lakehouse.summary import IngestSummary

WEB_FOLLOW = 50


@dataclass(frozen=True)
class Site:
    """Where documents go, and how. mirrors: the folder of git mirrors. again: forget how far each origin was read."""

    database_url: str
    bronze: Bronze
    mirrors: Path
    now: datetime
    patience: Patience = field(default_factory=Patience)
    slack_token: str | None = field(default=None, repr=False)
    slack_url: str | None = None
    allow_empty: bool = False
    again: bool = False
    progress: Progress | None = None


@dataclass(frozen=True)
class Target:
    """Of whom the documents are. source: the name of the origin in bronze, where its address shall not be it."""

    tenant_id: str
    flags: Flags
    source: str | None = None


def from_folder(site: Site, target: Target, path: Path) -> IngestSummary:
    return _sync(site, target, Folder(path, target.source), str(path.resolve()))


def from_s3(site: Site, target: Target, url: str) -> IngestSummary:
    from lakehouse.connectors.s3_prefix import S3Prefix

    connector = S3Prefix(url, now=site.now, patience=site.patience, source=target.source)
    return _sync(site, target, connector, connector.url)


def from_git(
    site: Site,
    target: Target,
    url: str,
    *,
    tags: Sequence[str] = (),
    branches: Sequence[str] = (),
    subdir: str = "",
) -> IngestSummary:
    from lakehouse.connectors.git import GitRepository
    from lakehouse.connectors.git_refs import Selection

    repository = GitRepository(
        url,
        mirrors=site.mirrors,
        tenant_id=target.tenant_id,
        now=site.now,
        patience=site.patience,
        selection=Selection(tuple(tags), tuple(branches)),
        subdir=subdir,
        source=target.source,
    )
    with closing(repository):
        return _sync(site, target, repository, repository.url)


def from_web(
    site: Site, target: Target, urls: Sequence[str], *, follow: int = WEB_FOLLOW, any_host: bool = False
) -> IngestSummary:
    """One after the other; one whose host does not answer stops no other. Raises the first of their errors."""
    summary, failures = IngestSummary("documents"), []
    for url in urls:
        try:
            summary += _from_page(site, target, url, follow, any_host)
        except Unavailable as failure:
            failures.append(failure)
    if failures:
        raise failures[0]
    return summary


def from_slack(site: Site, target: Target, *, channels: Sequence[str] = (), lookback: int = 7) -> IngestSummary:
    from lakehouse.connectors.channels import Destination, sync_channels
    from lakehouse.connectors.slack import Slack
    from lakehouse.connectors.slack_api import SlackApi

    api = SlackApi(site.slack_token, now=site.now, url=site.slack_url, patience=site.patience)
    connector = Slack(api, now=site.now, lookback=timedelta(days=lookback), channels=channels)
    classification = target.flags.classification
    return sync_channels(
        Destination(site.database_url, site.bronze, target.tenant_id, classification, site.now), connector
    )


def _from_page(site: Site, target: Target, url: str, follow: int, any_host: bool) -> IngestSummary:
    from lakehouse.connectors.http_pages import check_url
    from lakehouse.connectors.web import WebPages

    source = target.source or f"web:{check_url(url)}"
    state = read_state(site.bronze, "documents", target.tenant_id, source)
    pages = WebPages(
        url,
        now=site.now,
        patience=site.patience,
        follow=follow,
        any_host=any_host,
        source=source,
        known={row["path"] for row in live(state)},
    )
    with closing(pages):
        return _sync(site, target, pages, url)


def _sync(site: Site, target: Target, connector: Connector[bytes], place: str) -> IngestSummary:
    intake = Intake(
        bronze=site.bronze,
        tenant_id=target.tenant_id,
        connector=connector,
        place=place,
        flags=target.flags,
        now=site.now,
        allow_empty=site.allow_empty,
        progress=site.progress,
    )
    return sync_documents(site.database_url, intake, again=site.again)
