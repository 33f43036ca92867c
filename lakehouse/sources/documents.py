"""One file to one document: Markdown, text, HTML, PDF. What cannot be cited is refused, with the reason."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from lakehouse.errors import BadRecord
from lakehouse.sources.extractor import Extractor
from lakehouse.sources.front_matter import Stated, read_stated, split_front_matter
from lakehouse.sources.text import decode, refuse_empty

LARGEST = 20_000_000
MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".rst": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".pdf": "application/pdf",
}
# A new way of reading gets a new number, and the next ingest reads the files of that type again.
NO_EXTRACTION = "none"
HTML_EXTRACTION = "html/1"
PDF_EXTRACTION = "pdf/1"
HEADING = re.compile(r" {0,3}#{1,6}[ \t](.*)")
UNDERLINE = re.compile(r"(={3,}|-{3,})[ \t]*$")
LONGEST_TITLE = 300
FENCE = re.compile(r" {0,3}(```|~~~)")
MARKUP = re.compile(r"\{[^}]*\}\s*$|!?\[([^\]]*)\]\([^)]*\)|[*`]+|</?\w[^>]*>")


@dataclass(frozen=True)
class Parsed:
    """`text` is the extraction to store as an object of its own; None where the raw file itself is cited."""

    media_type: str
    extraction: str
    title: str
    stated: Stated
    byte_start: int
    byte_end: int
    text: bytes | None = None


def media_type(name: str) -> str | None:
    """By extension; None for a file that is no document."""
    return MEDIA_TYPES.get(PurePosixPath(name).suffix.lower())


def read_document(name: str, data: bytes, extractor: Extractor, sort: str | None = None) -> Parsed:
    """Raises BadRecord. The checks come in the order in which a person would want to hear of them.

    sort: its media type, where the origin says it and not its name.
    """
    sort = sort or media_type(name)
    if sort is None:
        known = ", ".join(sorted(MEDIA_TYPES))
        raise BadRecord("unsupported_type", f"'{PurePosixPath(name).suffix}' is no type of document: use {known}")
    if sort == "application/pdf":
        return _read_pdf(name, data, extractor)
    text = decode(data)
    return _read_html(name, data, extractor) if sort == "text/html" else _read_text(name, sort, text, data, extractor)


def _read_text(name: str, sort: str, text: str, data: bytes, extractor: Extractor) -> Parsed:
    stated, start = split_front_matter(text, extractor) if sort == "text/markdown" else (Stated(), 0)
    if not text[start:].strip():
        raise BadRecord("no_text", "it holds front matter and no text below")
    mark = len(data) - len(text.encode())
    return Parsed(
        media_type=sort,
        extraction=NO_EXTRACTION,
        title=stated.title or first_heading(text[start:]) or name_as_title(name),
        stated=stated,
        byte_start=mark + len(text[:start].encode()),
        byte_end=len(data),
    )


def _read_html(name: str, data: bytes, extractor: Extractor) -> Parsed:
    page = extractor.extract("html", data)
    stated = read_stated(page.meta)
    title = stated.title or page.title or first_heading(page.text) or name_as_title(name)
    return _extracted("text/html", HTML_EXTRACTION, title, stated, page.text)


def _read_pdf(name: str, data: bytes, extractor: Extractor) -> Parsed:
    refuse_empty(data)
    pages = extractor.extract("pdf", data)
    return _extracted("application/pdf", PDF_EXTRACTION, pages.title or name_as_title(name), Stated(), pages.text)


def _extracted(sort: str, extraction: str, title: str, stated: Stated, text: str) -> Parsed:
    stored = text.encode()
    return Parsed(sort, extraction, title, stated, byte_start=0, byte_end=len(stored), text=stored)


def first_heading(text: str) -> str | None:
    """Of any level, `# like this` or underlined; what stands in a code fence is none."""
    before, fenced = "", False
    for line in text.splitlines():
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            if heading := HEADING.match(line):
                return _plain(heading[1]) or None
            if before.strip() and UNDERLINE.match(line):
                return _plain(before) or None
        before = "" if fenced else line
    return None


def name_as_title(name: str) -> str:
    """The file name without extension; where that says nothing (`README`, `index`), its folder's name."""
    path = PurePosixPath(name)
    says_nothing = path.stem.strip("_").lower() in ("readme", "index")
    return path.parent.name if says_nothing and path.parent.name else path.stem


def _plain(markdown: str) -> str:
    """Without markup; cut before the search, which takes its time on a line made of brackets."""
    text = markdown[:LONGEST_TITLE].strip().rstrip("#")
    return " ".join(MARKUP.sub(lambda match: match[1] or "", text).split())
