"""RSS and Atom to the pages that they name. Runs in the worker: the file is a stranger's."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Final

import feedparser

from lakehouse.errors import BadRecord

# Each part is taken once (`?>`): fifty comments in a row can be cut into comments in 2**49 ways.
ROOT: Final = re.compile(
    rb"\s*+(?:(?><\?.*?\?>)\s*+|(?><!--.*?-->)\s*+|<!DOCTYPE[^>]*+>\s*+)*+<(?:rss|feed|rdf:RDF)[\s>]", re.S | re.I
)
FURTHEST_ROOT: Final = 4096


@dataclass(frozen=True)
class Entry:
    """link: as it stands in the feed, perhaps relative. dated: when it was published, else changed."""

    link: str
    dated: str | None


def is_feed(data: bytes) -> bool:
    """By its first element: hosts call feeds HTML, text or any XML."""
    return ROOT.match(data.removeprefix(b"\xef\xbb\xbf")[:FURTHEST_ROOT]) is not None


def read_feed(data: bytes) -> list[Entry]:
    """In its own order, each link once. Raises BadRecord where nothing can be made of it."""
    read = feedparser.parse(BytesIO(data), sanitize_html=False)  # given as bytes it would look for a file of that name
    links: dict[str, str | None] = {}
    for entry in read.entries:
        if link := (entry.get("link") or "").strip():
            links.setdefault(link, _dated(entry))
    if not links and read.bozo:
        raise BadRecord("bad_feed", f"the feed cannot be read ({read.bozo_exception}): see what its address serves")
    return [Entry(link, dated) for link, dated in links.items()]


def _dated(entry: "feedparser.FeedParserDict") -> str | None:
    # Its own `get` warns where it answers with the one date for the other.
    when = dict.get(entry, "published_parsed") or dict.get(entry, "updated_parsed")
    if when is None:
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(when), UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
