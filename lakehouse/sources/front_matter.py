"""What a document states about itself: the `---` block of a Markdown file, the `<meta>` elements of a page."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial

import yaml

from lakehouse.errors import BadRecord
from lakehouse.sources.extractor import Extractor

KINDS = ("manual", "runbook", "release_note", "chat_thread", "insight", "incident", "ci_run")
LONGEST_BLOCK = 50_000
# Postgres takes no key of more than 2,704 bytes, and one that it refuses would stop every build.
LONGEST = {"title": 2_000, "url": 2_000}
LONGEST |= dict.fromkeys(("product", "version", "version_to", "kind", "date", "classification"), 200)
BLOCK = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
DATE_FORMATS = ("%Y/%m/%d", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%d.%m.%Y", "%Y-%m-%d %H:%M:%S %z")


@dataclass(frozen=True)
class Stated:
    """None where the document says nothing, so that the command's flags hold."""

    title: str | None = None
    product: str | None = None
    version: str | None = None
    version_to: str | None = None
    kind: str | None = None
    valid_from: datetime | None = None
    classification: str | None = None
    url: str | None = None


def split_front_matter(text: str, extractor: Extractor) -> tuple[Stated, int]:
    """What the block says, and the character at which the text after it starts.

    A file that opens with a rule (`---`) around something that is no mapping has no front matter. A block that is
    meant as one but cannot be read is refused: taking the file without its version would cite it for every version.
    """
    block = BLOCK.match(text)
    if block is None:
        return Stated(), 0
    if len(block[1]) > LONGEST_BLOCK:
        raise BadRecord("bad_front_matter", f"the front matter is longer than {LONGEST_BLOCK:,} characters: shorten it")
    keys = json.loads(extractor.extract("front_matter", block[1].encode()).text)
    return (Stated(), 0) if keys is None else (read_stated(keys), block.end())


def read_keys(block: str) -> dict[str, str] | None:
    """In the worker. None where it is no mapping. Raises BadRecord where it is no YAML."""
    try:
        # BaseLoader leaves every scalar as written: a version 3.10 must not become the number 3.1.
        keys = yaml.load(block, Loader=yaml.BaseLoader)  # noqa: S506 - it builds text, lists and mappings only
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:  # also for `"\UFFFFFFFF"`
        raise BadRecord("bad_front_matter", f"the front matter is not YAML ({_where(error)}): correct it") from error
    if not isinstance(keys, dict):
        return None
    return {str(key).lower(): value for key, value in keys.items() if isinstance(key, str) and isinstance(value, str)}


def read_stated(keys: Mapping[str, str]) -> Stated:
    """Raises BadRecord where a key that we act upon has a value that means nothing to us."""
    value = {key: text for key in LONGEST if (text := _clean(keys.get(key, "")))}
    for key, text in value.items():
        if len(text) > LONGEST[key]:
            what = f"it states a {key} of {len(text):,} characters, and at most {LONGEST[key]} are taken: shorten it"
            raise BadRecord("bad_front_matter", what)
    kind = value.get("kind")
    if kind is not None and kind not in KINDS:
        raise BadRecord("bad_front_matter", f"it states kind '{kind}': use one of {', '.join(KINDS)}")
    return Stated(
        title=value.get("title"),
        product=value.get("product"),
        version=value.get("version"),
        version_to=value.get("version_to"),
        kind=kind,
        valid_from=read_date(value["date"]) if "date" in value else None,
        classification=value.get("classification"),
        url=value.get("url"),
    )


def read_date(text: str) -> datetime:
    """A day or an instant, UTC where it names no zone."""
    parsers: list[Callable[[str], datetime]] = [datetime.fromisoformat, parsedate_to_datetime]
    parsers += [partial(_parse, pattern) for pattern in DATE_FORMATS]
    for parse in parsers:
        try:
            when = parse(text)
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            continue
    raise BadRecord("bad_front_matter", f"it states the date '{text[:60]}', which is none: write it as 2026-10-31")


def _parse(pattern: str, text: str) -> datetime:
    return datetime.strptime(text, pattern)


def _clean(text: str) -> str:
    """Without what neither Postgres (NUL) nor UTF-8 (lone surrogates) can hold."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode().strip()


def _where(error: Exception) -> str:
    """Problem and line in the file, whose first line is the `---` before the block."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(error).partition("\n")[0]
    return f"line {mark.line + 2}: {getattr(error, 'problem', None) or 'it cannot be read'}"
