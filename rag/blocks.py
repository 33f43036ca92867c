"""Markdown as a row of blocks with their offsets. Every character that is not white space lies in exactly one block.

It does not build a tree: retrieval needs to know where a passage may be cut and under which heading it stands, and
every block must stay an exact slice of the text, which the parsers that build trees do not promise.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "paragraph", "item", "table", "code", "container"]

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_ANCHOR = re.compile(r"[ \t]*\{[#.:][^}]*\}$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE = re.compile(r"[ \t]*(`{3,}(?=[^`]*$)|~{3,})")
_CONTAINER = re.compile(r"([ \t]*)(?:!!!|\?\?\?\+?|={3}[+!]?)[ \t]+\S")  # admonitions and tabs of MkDocs
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_BREAK = re.compile(r" {0,3}(?:-[ \t]*){3,}$| {0,3}(?:\*[ \t]*){3,}$| {0,3}(?:_[ \t]*){3,}$")
_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?:.*\r?\n)*?(?:---|\.\.\.)[ \t]*(?:\r?\n|$)")


@dataclass(frozen=True, slots=True)
class Line:
    start: int
    end: int  # without its line break
    text: str

    @property
    def blank(self) -> bool:
        return not self.text.strip()

    @property
    def indent(self) -> int:
        expanded = self.text.expandtabs(4)
        return len(expanded) - len(expanded.lstrip())


@dataclass(frozen=True, slots=True)
class Block:
    """`level` and `heading` are of headings only. `lines` are those it was read from."""

    kind: Kind
    start: int
    end: int
    lines: tuple[Line, ...]
    level: int = 0
    heading: str = ""


def front_matter_end(text: str) -> int:
    """Where the text proper begins."""
    match = _FRONT_MATTER.match(text)
    return match.end() if match else 0


def read_lines(text: str, start: int = 0) -> list[Line]:
    lines = []
    while start < len(text):
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        end = stop - 1 if stop > start and text[stop - 1] == "\r" else stop
        lines.append(Line(start, end, text[start:end]))
        start = stop + 1
    return lines


def read_blocks(lines: list[Line]) -> Iterator[Block]:
    fences = _closed_fences(lines)
    position = 0
    while position < len(lines):
        if lines[position].blank:
            position += 1
            continue
        block = _block_at(lines, position, fences)
        position += len(block.lines)
        yield block


def _block_at(lines: list[Line], at: int, fences: dict[int, int]) -> Block:
    text = lines[at].text
    if match := _HEADING.match(text):
        return _block("heading", lines[at : at + 1], len(match[1]), _ANCHOR.sub("", match[2] or "").strip())
    if at in fences:
        return _block("code", lines[at : fences[at] + 1])
    if _CONTAINER.match(text):
        return _block("container", lines[at : _container_end(lines, at)])
    if _is_table(lines, at):
        return _block("table", lines[at : _table_end(lines, at)])
    if _starts_item(text):
        return _block("item", lines[at : _item_end(lines, at, fences)])
    if level := _underlined(lines, at):
        return _block("heading", lines[at : at + 2], level, text.strip())
    return _block("paragraph", lines[at : _paragraph_end(lines, at, fences)])


def _block(kind: Kind, lines: list[Line], level: int = 0, heading: str = "") -> Block:
    first = lines[0]
    start = first.start + len(first.text) - len(first.text.lstrip())
    return Block(kind, start, lines[-1].start + len(lines[-1].text.rstrip()), tuple(lines), level, heading)


def _closed_fences(lines: list[Line]) -> dict[int, int]:
    """Opening line → closing line. A fence that none closes is text, so that what follows it keeps its headings.

    One pass from the end: looking ahead from every opening line would be quadratic on a file of unclosed ones.
    """
    closed: dict[int, int] = {}
    following: dict[str, list[tuple[int, int]]] = {"`": [], "~": []}  # (length, line): nearest last, and shortest
    for position in range(len(lines) - 1, -1, -1):
        match = _FENCE.match(lines[position].text)
        if not match:
            continue
        fence, stack = match[1], following[match[1][0]]
        longer = next((line for length, line in reversed(stack) if length >= len(fence)), None)
        if longer is not None:
            closed[position] = longer
        if not lines[position].text.strip().strip(fence[0]):
            while stack and stack[-1][0] <= len(fence):
                stack.pop()
            stack.append((len(fence), position))
    return closed


def _container_end(lines: list[Line], at: int) -> int:
    """After the lines indented under the opening line; blank lines between them belong to it."""
    end, inner = at + 1, lines[at].indent + 4
    for position in range(at + 1, len(lines)):
        if lines[position].blank:
            continue
        if lines[position].indent < inner:
            break
        end = position + 1
    return end


def _is_table(lines: list[Line], at: int) -> bool:
    if at + 1 >= len(lines) or "|" not in lines[at].text:
        return False
    rule = lines[at + 1].text
    return "-" in rule and _TABLE_RULE.match(rule) is not None


def _table_end(lines: list[Line], at: int) -> int:
    end = at + 2
    while end < len(lines) and "|" in lines[end].text:
        end += 1
    return end


def _item_end(lines: list[Line], at: int, fences: dict[int, int]) -> int:
    """After the item's own lines: up to the next item, or the first line after a blank one that is not indented."""
    end, indent = at + 1, lines[at].indent
    for position in range(at + 1, len(lines)):
        line = lines[position]
        if line.blank:
            continue
        after_blank = lines[position - 1].blank
        if line.indent <= indent and (after_blank or _starts_block(lines, position, fences)):
            break
        if _starts_item(line.text) or position in fences:
            break
        end = position + 1
    return end


def _paragraph_end(lines: list[Line], at: int, fences: dict[int, int]) -> int:
    end = at + 1
    while end < len(lines) and not lines[end].blank and not _starts_block(lines, end, fences):
        end += 1
    return end


def _starts_block(lines: list[Line], at: int, fences: dict[int, int]) -> bool:
    """Whether a paragraph ends before this line."""
    text = lines[at].text
    return bool(
        _HEADING.match(text) or at in fences or _CONTAINER.match(text) or _starts_item(text) or _is_table(lines, at)
    )


def _starts_item(text: str) -> bool:
    return bool(_ITEM.match(text)) and not _BREAK.match(text)


def _underlined(lines: list[Line], at: int) -> int:
    """The level of a heading underlined with = or -, else 0."""
    match = _UNDERLINE.match(lines[at + 1].text) if at + 1 < len(lines) else None
    if not match or lines[at].indent > 3 or not any(c.isalnum() for c in lines[at].text):
        return 0
    return 1 if match[1][0] == "=" else 2
