"""Directives by which a page of a Markdown dialect includes a file, and the headings above each.

Every step reads a line once from left to right, so that a hostile page takes no longer than its length.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from lakehouse.sources.documents import LONGEST_TITLE

# Without one of these a page includes nothing, and its lines need not be read.
SIGNS: Final = ("8<-", "{!", "include", "INCLUDE", "readfile", "<<<")

_SCISSORS: Final = re.compile(r"(;*)-+8<-+(.*)")
_FENCE: Final = re.compile(r"(`{3,}|~{3,}|:{3,})(.*)")
_SHORTCODES: Final = frozenset({"include", "readfile"})
_TAGS: Final = frozenset({"include", "include_relative", "include_cached"})


def directives(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each target with the headings above it."""
    headings = _Headings()
    fence = ""
    listing = raw = False
    for line in text.split("\n"):
        stripped = line.strip()
        cut = _SCISSORS.fullmatch(stripped) if "8<-" in stripped else None
        if cut and not cut[1] and not cut[2]:
            listing = not listing
        elif listing or cut:
            target = stripped if cut is None else "" if cut[1] else cut[2].strip().strip("\"'")
            if target and not target.startswith(";"):
                yield target, headings.path
        else:
            opened = _fence_after(stripped, fence)
            if not fence:
                headings.read("" if opened else line)
            is_raw, raw = _raw(stripped, raw)
            for target in _in_line(stripped, is_fenced=bool(fence), is_raw=is_raw):
                yield target, headings.path
            fence = opened


def _raw(line: str, raw: bool) -> tuple[bool, bool]:
    """Whether Liquid is told to leave alone the line, and what follows it."""
    if "raw" not in line:
        return raw, raw
    tags = [tag for inner in _between(line, "{%", "%}") if (tag := inner.strip("- ")) in ("raw", "endraw")]
    return raw or "raw" in tags, tags[-1] == "raw" if tags else raw


def _fence_after(line: str, fence: str) -> str:
    """The fence that stands open after the line."""
    match = _FENCE.match(line) if line[:1] in ("`", "~", ":") else None
    if not match or (match[1][0] == "`" and "`" in match[2]):
        return fence
    if not fence:
        return "" if match[1][0] == ":" else match[1]
    return "" if match[1].startswith(fence) and not match[2].strip() else fence


def _in_line(line: str, *, is_fenced: bool, is_raw: bool) -> Iterator[str]:
    if not any(sign in line for sign in SIGNS):
        return
    yield from (inner.lstrip(">").partition("[")[0] for inner in _between(line, "{!", "!"))
    yield from _between(line, "{{#include ", "}}")
    for opening, closing in (("{{%", "%}}"), ("{{<", ">}}")):
        yield from _arguments(line, opening, closing, _SHORTCODES)
    if not is_raw:
        yield from _arguments(line, "{%", "%}", _TAGS)
    if not is_fenced:
        for read in (_docfx, _comment, _own_line):
            yield from read(line)


def _between(line: str, opening: str, closing: str) -> Iterator[str]:
    """What stands between them, where no backslash stands before."""
    end = 0
    while (start := line.find(opening, end)) >= 0:
        end = line.find(closing, start + len(opening))
        if end < 0:
            return
        if line[max(start - 1, 0) : start] != "\\":
            yield line[start + len(opening) : end]
        end += len(closing)


def _arguments(line: str, opening: str, closing: str, names: frozenset[str]) -> Iterator[str]:
    for inner in _between(line, opening, closing):
        name, _, rest = inner.strip("- \t").partition(" ")
        if name in names:
            yield _first(rest.strip().removeprefix("file="))


def _first(arguments: str) -> str:
    """Quoted or up to white space; nothing where it is computed."""
    quote = arguments[:1]
    if quote in ('"', "'"):
        return arguments[1:].partition(quote)[0]
    return "" if quote == "{" else arguments.partition(" ")[0]


def _docfx(line: str) -> Iterator[str]:
    for opening in ("[!INCLUDE", "[!include", "[!Include"):
        for inner in _between(line, opening, ")"):
            yield inner.rpartition("](")[2].strip().partition(" ")[0]


def _comment(line: str) -> Iterator[str]:
    """VitePress."""
    yield from _between(line.replace("<!-- @", "<!--@"), "<!--@include:", "-->")


def _own_line(line: str) -> Iterator[str]:
    starts: dict[str, Callable[[str], str]] = {
        "<<< ": _first,
        "include::": lambda rest: rest.partition("[")[0] if rest.endswith("]") else "",
        ".. include::": str.strip,
    }
    for start, read in starts.items():
        if line.startswith(start):
            yield read(line[len(start) :])
    match = _FENCE.match(line)
    if match and match[2].lstrip().startswith("{include}"):
        yield match[2].partition("}")[2].strip()


class _Headings:
    """The headings above the line that was read last; `rag.splitter` names them so as well."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []
        self._paragraph = ""  # its first line
        self._lines = 0

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(name for _, name in self._open if name)

    def read(self, line: str) -> None:
        level, name = _heading(line) if "#" in line else (0, "")
        if self._lines == 1 and (under := _underline(line)) and _may_be_heading(self._paragraph):
            level, name = under, _named(self._paragraph)
        if level:
            self._open = [entry for entry in self._open if entry[0] < level] + [(level, name)]
        if level or not line.strip():
            self._lines = 0
        else:
            self._paragraph = self._paragraph if self._lines else line
            self._lines += 1


def _heading(line: str) -> tuple[int, str]:
    text = line.lstrip(" ")
    level = len(text) - len(text.lstrip("#"))
    rest = text[level:]
    if not 1 <= level <= 6 or len(line) - len(text) > 3 or (rest and rest[0] not in " \t"):
        return 0, ""
    return level, _named(rest)


def _named(text: str) -> str:
    name = text[:LONGEST_TITLE].strip()
    if (closed := name.rstrip("#")) != name and (not closed or closed[-1] in " \t"):
        name = closed
    start = name.rfind("{") if name.endswith("}") else -1
    if start >= 0 and name[start + 1 : start + 2] in ("#", ".", ":"):
        name = name[:start]
    return " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())


def _underline(line: str) -> int:
    mark = line.strip()[:1]
    if mark not in ("=", "-") or len(line) - len(line.lstrip(" ")) > 3 or line.strip().strip(mark):
        return 0
    return 1 if mark == "=" else 2 * (len(line.strip()) > 1)


def _may_be_heading(line: str) -> bool:
    text = line.strip()
    return any(letter.isalnum() for letter in text[:LONGEST_TITLE]) and not text.startswith(("- ", "* ", "+ ", "> "))
