"""What can be quoted: sentences, list items, table rows, code lines, chat turns, each an exact slice of its text."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["sentence", "item", "row", "code", "heading", "key", "turn"]

_FENCE = re.compile(r"\s*(```|~~~)")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+\S")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s+\S")
_ROW = re.compile(r"\s*\|.*\|.*")
_RULE = re.compile(r"\s*\|?\s*:?-{2,}[-|:\s]*$|\s*(?:[-*_=]\s*){3,}$")
_ADMONITION = re.compile(r"\s*(?:!!!|\?\?\?)\+?\s+\w+")
_KEY = re.compile(r"\s*`[^`]+`(?:\s*(?:,|/|\||or)\s*`[^`]+`)*\s*:?\s*$")
_TURN = re.compile(r"\[\d{4}-\d{2}-\d{2} \d{2}:\d{2}\] [^:]{1,80}: ")

# A full stop ends a sentence where white space and a capital, digit, quote or code follow, but not after these.
_END = re.compile(r"[.!?][\"'”’)\]]*(?=\s+[\"'“‘(\[`*_]*[A-Z0-9`\-/])|[.!?][\"'”’)\]]*\s*$")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|etc|vs|cf|approx|no|fig|sec|dr|mr|mrs|ms|st|inc|ltd|[A-Z])\.$", re.I
)


@dataclass(frozen=True)
class Unit:
    """`text[start:end]` of the text it was cut from, in characters."""

    start: int
    end: int
    kind: Kind
    text: str


def units(text: str) -> list[Unit]:
    """The quotable units of a Markdown-like text, in order. Rules, fences and blank lines are none."""
    found: list[Unit] = []
    paragraph: list[tuple[int, int]] = []
    kind: Kind = "sentence"
    fenced = False

    def flush() -> None:
        if paragraph:
            found.extend(_split(text, paragraph[0][0], paragraph[-1][1], kind))
            paragraph.clear()

    for start, end in _lines(text):
        line = text[start:end]
        if _FENCE.match(line):
            flush()
            fenced = not fenced
        elif fenced:
            _add(found, text, start, end, "code")
        elif not line.strip() or _RULE.match(line):
            flush()
        elif single := _single(line):
            flush()
            _add(found, text, start, end, single)
        elif _TURN.match(line):
            flush()
            kind = "turn"
            paragraph.append((start, end))
        elif _ITEM.match(line):
            flush()
            kind = "item"
            paragraph.append((start, end))
        else:
            if not paragraph:
                kind = "sentence"
            paragraph.append((start, end))
    flush()
    return found


def _single(line: str) -> Kind | None:
    """The kind of a line that is a unit by itself."""
    if _HEADING.match(line) or _ADMONITION.match(line):
        return "heading"
    if _ROW.match(line):
        return "row"
    if _KEY.match(line):
        return "key"
    return None


def _lines(text: str) -> list[tuple[int, int]]:
    lines, start = [], 0
    for line in text.splitlines(keepends=True):
        lines.append((start, start + len(line.rstrip("\r\n"))))
        start += len(line)
    return lines


def _split(text: str, start: int, end: int, kind: Kind) -> list[Unit]:
    """The sentences of a paragraph. A chat turn keeps its author with its first sentence; a short item stays whole."""
    block = text[start:end]
    if kind == "item" and len(block) <= 240:
        return _unit(text, start, end, kind)
    found: list[Unit] = []
    begin = 0
    for match in _END.finditer(block):
        if _ABBREVIATION.search(block[begin : match.end()]):
            continue
        found.extend(_unit(text, start + begin, start + match.end(), kind))
        begin = match.end()
    found.extend(_unit(text, start + begin, end, kind))
    return found


def _add(found: list[Unit], text: str, start: int, end: int, kind: Kind) -> None:
    found.extend(_unit(text, start, end, kind))


def _unit(text: str, start: int, end: int, kind: Kind) -> list[Unit]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return [Unit(start, end, kind, text[start:end])] if end > start else []


_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"</?[a-zA-Z][^>]{0,200}>")
_MARKS = re.compile(r"[*_]{1,3}(?=\S)(.+?)(?<=\S)[*_]{1,3}(?!\w)")
_LEAD = re.compile(r"^\s*(?:#{1,6}\s+|(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?|(?:!!!|\?\?\?)\+?\s+)")


def plain(text: str) -> str:
    """`text` as a person reads it: without link targets, emphasis and list marks, on one line. Code stays."""
    parts = re.split(r"(`[^`]*`)", _LEAD.sub("", text))
    for i in range(0, len(parts), 2):
        parts[i] = _MARKS.sub(r"\1", _TAG.sub("", parts[i]))
    joined = _LINK.sub(r"\1", "".join(parts)).replace("`", "")
    return " ".join(joined.split())
