"""A page of a site, or a feed with the pages of its entries. What is a listing here are conditional requests."""

import json
from collections import deque
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

from lakehouse.connectors.http_pages import HttpPages, Page, as_utf8, check_url
from lakehouse.connectors.protocol import Change, Changes, Withheld
from lakehouse.connectors.retrying import Patience
from lakehouse.errors import BadRecord, Misused, OriginUnavailable
from lakehouse.sources.documents import media_type
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.feeds import is_feed

PAGES: Final = 50  # requests a listing, and what their answers may take in memory together
BYTES: Final = 32_000_000
MOST_FAILURES: Final = 3  # pages of one run that do not come; then the site is left alone until the next
FOLLOW: Final = 50
PDF: Final = "application/pdf"
TYPES: Final = {
    "text/html": "text/html",
    "application/xhtml+xml": "text/html",
    "text/markdown": "text/markdown",
    "text/x-markdown": "text/markdown",
    PDF: PDF,
}
BY_NAME: Final = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream"})


@dataclass(frozen=True)
class _Seen:
    """What is remembered of a page. moved_to: where it is for good. dated: by its feed. gone: when last looked at."""

    etag: str | None = None
    modified: str | None = None
    moved_to: str | None = None
    dated: str | None = None
    gone: bool = False


class WebPages:
    """For one run; close it when done. known: pages that bronze holds of the source.

    A page that vanishes from its feed is no deletion, as feeds roll: it is asked for itself, and is gone where it
    answers 404 or 410.
    """

    def __init__(
        self,
        url: str,
        *,
        now: datetime,
        patience: Patience,
        follow: int = FOLLOW,
        any_host: bool = False,
        source: str | None = None,
        known: Collection[str] = (),
    ) -> None:
        self.url = check_url(url)
        self.source = source or f"web:{self.url}"
        if follow < 0:
            raise Misused(f"{follow} pages cannot be followed: use 0 or more")
        self._follow, self._any_host, self._known = follow, any_host, known
        self._http = HttpPages([self.url], now=now, patience=patience)
        self._waiting: deque[str] | None = None
        self._pages: dict[str, _Seen] = {}
        self._feed: _Seen | None = None
        self._contents: dict[str, Page | BadRecord] = {}
        self._failures: list[OriginUnavailable] = []
        self._ignored = 0

    def close(self) -> None:
        self._http.close()

    def list_changes(self, cursor: str | None) -> Changes:
        """The answers of some pages. Where pages did not come, the last listing raises the first of their errors."""
        if self._waiting is None:
            self._waiting = self._start(cursor)
        elif not self._waiting and self._failures:
            raise self._failures[0]
        changes: list[Change] = []
        self._contents.clear()
        asked = unchanged = size = 0
        while self._waiting and asked < PAGES and size < BYTES:
            url = self._waiting.popleft()
            asked += 1
            try:
                change = self._look_at(url)
            except OriginUnavailable as failure:
                self._give_up(failure)
                continue
            if change is None:
                unchanged += url != self.url or self._feed is None  # a feed is no document
                continue
            changes.append(change)
            content = self._contents.get(url)
            size += len(content.content) if isinstance(content, Page) else 0
        ignored, self._ignored = self._ignored, 0
        more = bool(self._waiting or self._failures)
        return Changes(changes, self._cursor(), more=more, unchanged=unchanged, ignored=ignored)

    def fetch(self, change: Change) -> bytes:
        found = self._contents.pop(change.name)
        if isinstance(found, BadRecord):
            raise found
        return found.content

    def _start(self, cursor: str | None) -> deque[str]:
        stored = json.loads(cursor) if cursor else {}
        self._pages = {url: _Seen(**seen) for url, seen in stored.get("pages", {}).items()}
        self._feed = _Seen(**stored["feed"]) if stored.get("feed") else None
        for url in self._known:
            self._pages.setdefault(url, _Seen())
        others = [url for url, seen in self._pages.items() if url != self.url and not seen.gone]
        return deque([self.url, *others])

    def _cursor(self) -> str:
        pages = {url: asdict(seen) for url, seen in self._pages.items()}
        return json.dumps({"feed": asdict(self._feed) if self._feed else None, "pages": pages})

    def _give_up(self, failure: OriginUnavailable) -> None:
        self._failures.append(failure)
        if len(self._failures) >= MOST_FAILURES and self._waiting is not None:
            self._waiting.clear()

    def _look_at(self, url: str) -> Change | None:
        """None where nothing is new. Raises OriginUnavailable."""
        is_given = url == self.url
        seen = (self._feed if is_given else None) or self._pages.get(url) or _Seen()
        try:
            page = self._http.get(
                seen.moved_to or url,
                etag=seen.etag,
                modified=seen.modified,
                may_visit=lambda at: is_given or self._may_visit(at),
            )
            seen = replace(seen, moved_to=page.moved_to or seen.moved_to)
            if page.is_gone:
                return self._gone(url, seen)
            if page.status != 304:
                seen = replace(seen, etag=page.etag, modified=page.modified, gone=False)
            if is_given and (self._feed if page.status == 304 else is_feed(page.content)):
                self._follow_feed(page, seen)
                return None
            self._pages[url] = seen
            return None if page.status == 304 else self._page(url, page, seen)
        except BadRecord as refused:
            return self._refuse(url, refused, _Seen(dated=seen.dated))

    def _refuse(self, url: str, refused: BadRecord, seen: _Seen) -> Change:
        """Remembered without its ETag, so that it is looked at again."""
        self._pages[url] = seen
        self._contents[url] = refused
        return Change(url)

    def _page(self, url: str, page: Page, seen: _Seen) -> Change:
        sort = _document_type(page, seen.moved_to or url)
        text = page.content if sort == PDF else as_utf8(page.content, page.charset)
        self._contents[url] = replace(page, content=text)
        facts = {"media_type": sort, "url": seen.moved_to or url}
        if seen.dated:
            facts["valid_from"] = seen.dated
        return Change(url, facts=facts)

    def _gone(self, url: str, seen: _Seen) -> Change | None:
        """Of a page that was never there nothing can be deleted; that its address is wrong is said once."""
        was_a_page = (url in self._known or seen.etag or seen.modified) and not (url == self.url and self._feed)
        self._feed = None if url == self.url else self._feed
        if was_a_page:
            self._pages[url] = _Seen(dated=seen.dated, gone=True)
            return Change(url, deleted=True)
        if seen.gone:
            return None
        absent = BadRecord("not_found", "there is no such page: correct its address")
        return self._refuse(url, absent, _Seen(dated=seen.dated, gone=True))

    def _follow_feed(self, page: Page, seen: _Seen) -> None:
        self._feed = seen
        self._pages.pop(self.url, None)
        if page.status == 304:
            return
        with Extractor() as extractor:
            entries = json.loads(extractor.extract("feed", page.content).text)
        base = seen.moved_to or self.url
        assert self._waiting is not None  # noqa: S101 - the feed itself was taken from it
        queued = set(self._waiting)
        for number, (link, dated) in enumerate(entries):
            url = _entry_url(base, link)
            if number >= self._follow or url is None or not self._may_visit(url):
                self._ignored += 1
                continue
            self._pages[url] = replace(self._pages.get(url, _Seen()), dated=dated)
            if url not in queued:
                queued.add(url)
                self._waiting.append(url)

    def _may_visit(self, url: str) -> bool:
        own = {urlsplit(self.url).hostname, urlsplit((self._feed or _Seen()).moved_to or self.url).hostname}
        return self._any_host or urlsplit(url).hostname in own


def _entry_url(base: str, link: str) -> str | None:
    try:
        return check_url(urljoin(base, link))
    except (Misused, ValueError):
        return None


def _document_type(page: Page, url: str) -> str:
    """By what its host calls it; by its name, where the host calls it nothing in particular. Raises Withheld."""
    by_name = media_type(urlsplit(url).path)
    sort = TYPES.get(page.media_type)
    if sort is None and page.media_type in BY_NAME:
        sort = by_name or ("text/plain" if page.media_type == "text/plain" else None)
    if sort is None:
        known = "HTML, Markdown, text and PDF"
        reason = f"'{page.media_type or 'a page without a type'}' is no type of document: {known} are"
        raise Withheld("unsupported_type", reason, page.content)
    return sort
