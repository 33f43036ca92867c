"""Documents → chunks: exact slices of the text, cut where its structure allows, sized for the embedder.

NAME is part of every index version's id: change it with the behaviour.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile

from rag.blocks import Block, Line, front_matter_end, read_blocks, read_lines
from rag.markup import plain_text

NAME = "structure/2"
TARGET = 200  # estimated wordpieces of a chunk
LIMIT = 240  # the same with the title and heading path that are embedded with it; the embedder reads 256
PREFIX_LIMIT = 160  # characters of the title, and of the heading path, that are embedded with a chunk
LONGEST_WORD = 100  # characters; what has no white space for longer may be cut anywhere

# A wordpiece holds about this much: seven letters of a word, two digits, one other sign. Markup is cleaned away before
# embedding and counts nothing. docs/adr/0002-embedder-onnxruntime.md says how good an estimate that is.
_PIECE = re.compile(r"[A-Z]{1,3}(?![a-z])|[A-Z]?[a-z]{1,7}|\d{1,2}|[^\W\d_A-Za-z]|[^\w\s|`*#=-]|[-_=](?=[A-Za-z0-9])")
# Embedded images and certificates. In one real manual they were 3,868 of 10,371 chunks, and nobody asks for them.
_ENCODED = re.compile(r"[A-Za-z0-9+/]{400,}={0,2}")
WIDEST_GAP = 400  # characters left out between two pieces, above which no chunk spans them
_TURN = re.compile(r"\[\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}[^\]]*\] ")
_SENTENCE_END = re.compile(r"(?<=[.!?;:])[\"')\]]*\s+(?=\S)|\n+")
_WORD_END = re.compile(r"\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text.encode()` equals the bytes `byte_start:byte_end` of the object that the document was read from.

    lead: what stands further up and is needed to understand it: the header of a table, the title of an admonition.
    """

    ordinal: int
    heading_path: tuple[str, ...]
    text: str
    byte_start: int
    byte_end: int
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that is not cut further."""

    start: int
    end: int
    size: int
    lead: str = ""
    introduces: bool = False  # it ends with a colon: what it announces should follow in the same chunk


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it, up to the next heading. `unit` counts the top-level sections."""

    path: tuple[str, ...]
    unit: int
    heading: Block | None
    pieces: tuple[Piece, ...]

    @property
    def level(self) -> int:
        return self.heading.level if self.heading else 0

    @property
    def bare(self) -> bool:
        return self.heading is not None and len(self.pieces) == 1

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Span:
    path: tuple[str, ...]
    start: int
    end: int
    lead: str = ""


def split(text: str, *, title: str, kind: str, byte_start: int = 0) -> list[Chunk]:
    """Chunks in the order of the text. They do not overlap, and together leave out front matter, white space and
    encoded data only.
    """
    spans = _turns(text, title) if kind == "chat_thread" else _passages(text, title)
    chunks: list[Chunk] = []
    seen, offset = 0, byte_start
    for ordinal, span in enumerate(spans):
        offset += len(text[seen : span.start].encode())
        body = text[span.start : span.end]
        seen, end = span.end, offset + len(body.encode())
        chunks.append(Chunk(ordinal, span.path, body, offset, end, span.lead))
        offset = end
    return chunks


def embedding_text(title: str, heading_path: tuple[str, ...], text: str, lead: str = "") -> str:
    """What is embedded for a chunk: where it stands, then what it says, without markup."""
    return "\n".join(part for part in (_where(title, heading_path), plain_text(lead), plain_text(text)) if part)


def estimate(text: str) -> int:
    """About how many wordpieces the embedder will make of it; never 0, so that nothing grows without end."""
    return max(len(_PIECE.findall(text)), len(text) // 24, 1)


def _where(title: str, heading_path: tuple[str, ...]) -> str:
    names = [plain_text(name) for name in heading_path]
    if names and names[0].casefold() == title.casefold():
        names = names[1:]
    return " › ".join([title[:PREFIX_LIMIT], *([" › ".join(names)[:PREFIX_LIMIT]] if names else [])])


def _passages(text: str, title: str) -> Iterator[Span]:
    group: list[Section] = []
    for section in _sections(text, list(read_blocks(read_lines(text, front_matter_end(text))))):
        if group and not _joins(group, section):
            yield from _pack(_common_path(group), title, [piece for member in group for piece in member.pieces])
            group = []
        group.append(section)
    if group:
        yield from _pack(_common_path(group), title, [piece for member in group for piece in member.pieces])


def _turns(text: str, title: str) -> Iterator[Span]:
    """Messages of a conversation; one that is too long carries its time and author into each part."""
    starts = [match.start() for match in re.finditer(rf"^(?={_TURN.pattern})", text, re.MULTILINE)]
    bounds = sorted({0, *starts, len(text)})
    pieces: list[Piece] = []
    for start, end in pairwise(bounds):
        author = re.match(rf"{_TURN.pattern}[^:\n]{{1,80}}:", text[start:end])
        pieces.extend(_cut(text, start, end, author[0] if author else ""))
    return _pack((), title, pieces)


def _sections(text: str, blocks: list[Block]) -> Iterator[Section]:
    top = _top_level(blocks)
    path: list[tuple[int, str]] = []
    heading: Block | None = None
    body: list[Block] = []
    unit = 0
    for block in [*blocks, None]:
        if block is not None and block.kind != "heading":
            body.append(block)
            continue
        if heading or body:
            names = tuple(name for _, name in path if name)
            yield Section(names, unit, heading, tuple(_section_pieces(text, heading, body)))
        if block is not None:
            path = [entry for entry in path if entry[0] < block.level] + [(block.level, block.heading)]
            unit += block.level <= top
        heading, body = block, []


def _section_pieces(text: str, heading: Block | None, body: list[Block]) -> Iterator[Piece]:
    if heading and (size := estimate(heading.heading)) <= TARGET:
        yield Piece(heading.start, heading.end, size, introduces=True)
    elif heading:  # a rule below a paragraph makes a heading of it
        yield from _cut(text, heading.start, heading.end, "")
    for block in body:
        yield from _pieces(text, block)


def _top_level(blocks: list[Block]) -> int:
    """The highest level with more than one heading: a single heading above them is the document's title."""
    levels = Counter(block.level for block in blocks if block.kind == "heading")
    return min((level for level, count in levels.items() if count > 1), default=0)


def _joins(group: list[Section], section: Section) -> bool:
    """Whether a section is packed with those before it: small, and below or beside them in the same top-level one."""
    if sum(member.size for member in group) + section.size > TARGET:
        return all(member.bare for member in group) and section.level > group[-1].level
    if all(member.bare for member in group):
        return section.level > group[-1].level
    first = next(member for member in group if not member.bare)
    return first.unit == section.unit and first.level <= section.level


def _common_path(group: list[Section]) -> tuple[str, ...]:
    """Of a bare title and the one section packed with it, the section's path; else what all of them share."""
    told = [section for section in group if not section.bare] or group[-1:]
    path = told[0].path
    for section in told[1:]:
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(path, section.path, strict=False))
        path = tuple(name for name, _ in shared)
    return path


def _pack(path: tuple[str, ...], title: str, pieces: list[Piece]) -> Iterator[Span]:
    room = min(TARGET, LIMIT - estimate(_where(title, path)))
    held: list[Piece] = []
    size = 0
    for piece in pieces:
        gap = bool(held) and piece.start - held[-1].end >= WIDEST_GAP
        if held and (gap or size + piece.size > room):
            kept = len(held) - 1 if held[-1].introduces and len(held) > 1 and not gap else len(held)
            yield Span(path, held[0].start, held[kept - 1].end, held[0].lead)
            held = held[kept:]
            size = sum(p.size for p in held) + (estimate(piece.lead) if piece.lead and not held else 0)
        held.append(piece)
        size += piece.size
    if held:
        yield Span(path, held[0].start, held[-1].end, held[0].lead)


def _pieces(text: str, block: Block) -> Iterator[Piece]:
    size = estimate(text[block.start : block.end])
    if size <= TARGET:
        yield Piece(block.start, block.end, size, introduces=text[block.end - 1] == ":")
    elif block.kind == "table":
        header = block.lines[0].text.strip()
        yield from _line_pieces(text, block.lines[:2], "")
        yield from _line_pieces(text, block.lines[2:], header)
    elif block.kind == "container":
        yield from _line_pieces(text, block.lines[:1], "")
        for inner in read_blocks(list(block.lines[1:])):
            for piece in _pieces(text, inner):
                yield replace(piece, lead=" ".join(part for part in (block.lines[0].text.strip(), piece.lead) if part))
    elif block.kind == "code":
        yield from _line_pieces(text, block.lines, "")
    else:
        yield from _cut(text, block.start, block.end, "")


def _line_pieces(text: str, lines: tuple[Line, ...], lead: str) -> Iterator[Piece]:
    for line in lines:
        if not line.blank:
            yield from _cut(text, line.start, line.end, lead)


def _cut(text: str, start: int, end: int, lead: str, at: re.Pattern[str] = _SENTENCE_END) -> Iterator[Piece]:
    """A stretch as one piece if it fits, else by sentences, else by words, else (no white space) by characters."""
    body = text[start:end]
    start += len(body) - len(body.lstrip())
    end -= len(body) - len(body.rstrip())
    if start >= end:
        return
    if (size := estimate(text[start:end])) <= TARGET:
        yield Piece(start, end, size, lead, introduces=text[end - 1] == ":")
        return
    bounds = [start, *(match.end() for match in at.finditer(text, start, end)), end]
    if len(bounds) == 2 and at is _WORD_END:
        yield from _cut_word(text, start, end, lead)
        return
    for inner, (left, right) in enumerate(pairwise(bounds)):
        yield from _cut(text, left, right, lead if inner else "", _WORD_END)


def _cut_word(text: str, start: int, end: int, lead: str) -> Iterator[Piece]:
    """Slices of a text without white space, encoded data left out."""
    gaps = [match.span() for match in _ENCODED.finditer(text, start, end)]
    for left, right in zip([start, *(gap[1] for gap in gaps)], [*(gap[0] for gap in gaps), end], strict=True):
        for position in range(left, right, LONGEST_WORD):
            stop = min(position + LONGEST_WORD, right)
            yield Piece(position, stop, estimate(text[position:stop]), lead)
