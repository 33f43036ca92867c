"""Where in a document a quote stands, and the window of text around it."""

from dataclasses import dataclass

from ui.wire import DocumentSource, SpanCitation

BEFORE = 420  # characters: with the page's type, a quote stays in the first screenful below its button
AFTER = 700


@dataclass(frozen=True)
class Passage:
    """`before + quote + after` is a contiguous part of the document."""

    before: str
    quote: str
    after: str
    bytes_above: int
    bytes_below: int


class Misplaced(Exception):
    """The bytes at the citation's offsets are not its quote."""


def locate(source: DocumentSource, citation: SpanCitation, before: int = BEFORE, after: int = AFTER) -> Passage:
    """Offsets of a citation count in the object; the document begins there at `source["byte_start"]`."""
    if source["object_sha256"] != citation["object_sha256"]:
        raise Misplaced("the document is stored as another object than the one cited")
    data = source["text"].encode()
    start, end = citation["byte_start"] - source["byte_start"], citation["byte_end"] - source["byte_start"]
    quote = citation["quote"]
    if start < 0 or data[start:end] != quote.encode():
        raise Misplaced("the stored bytes at the cited place differ from the quote")
    head, tail = data[:start].decode(), data[end:].decode()
    shown_head, shown_tail = head[_window_start(head, before) :], tail[: _window_end(tail, after)]
    return Passage(
        before=shown_head,
        quote=quote,
        after=shown_tail,
        bytes_above=len(head.encode()) - len(shown_head.encode()),
        bytes_below=len(tail.encode()) - len(shown_tail.encode()),
    )


def _window_start(text: str, size: int) -> int:
    """At most `size` characters from the end, from the start of a line where one begins in them."""
    if len(text) <= size:
        return 0
    cut = len(text) - size
    line = text.find("\n", cut - 1)
    return cut if line == -1 else line + 1


def _window_end(text: str, size: int) -> int:
    if len(text) <= size:
        return len(text)
    line = text.rfind("\n", 0, size)
    return size if line == -1 else line
