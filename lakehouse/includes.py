"""What a page includes: the files of its source that each of its directives may mean."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from lakehouse.directives import SIGNS, directives
from lakehouse.sources.documents import media_type

SIGNS_IN_BYTES: Final = tuple(sign.encode() for sign in SIGNS)
INCLUDING: Final = frozenset({"text/markdown", "text/plain"})
# Where dialects keep snippets, below the page's own folder or one above it.
FOLDERS: Final = ("", "_includes", "includes", "snippets", ".snippets", "docs", "docs_src")
MOST_INCLUDES: Final = 100
MOST_DIRECTIVES: Final = 1_000  # with those that name no document
MOST_ABOVE: Final = 8  # folders above a page that are looked into, beside the source's root
LONGEST_TARGET: Final = 300
LONGEST_PATH: Final = 1_000


@dataclass(frozen=True)
class Include:
    """candidates: paths within the source, the nearest first. heading_path: the headings above it, outermost first."""

    candidates: tuple[str, ...]
    heading_path: tuple[str, ...]


def read_includes(path: str, text: str) -> list[Include]:
    """In the order of the text, each file under each heading once. path: of the page within its source."""
    if "://" in path or len(path) > LONGEST_PATH or not any(sign in text for sign in SIGNS):
        return []
    found: dict[Include, None] = {}
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for target, heading_path in directives(text):
        if (target, heading_path) not in seen and (candidates := candidates_of(path, target)):
            found[Include(candidates, heading_path)] = None
        seen.add((target, heading_path))
        if len(found) == MOST_INCLUDES or len(seen) == MOST_DIRECTIVES:
            break
    return list(found)


def candidates_of(path: str, target: str) -> tuple[str, ...]:
    """Empty where the target is no document, or lies outside the source."""
    name = _clean(target)
    if not name or media_type(name) is None:
        return ()
    *folders, _ = path.split("/")
    depths = [*range(len(folders), max(len(folders) - MOST_ABOVE, 0), -1), 0]
    places = [_normal([*folders[:depth], below, *name.split("/")]) for depth in depths for below in FOLDERS]
    return tuple(place for place in dict.fromkeys(places) if place and place != path)


def _clean(target: str) -> str:
    """Without quotes, line numbers, names of sections, and with an ending."""
    name = target.strip().strip("\"'<>").replace("\\", "/")
    if len(name) > LONGEST_TARGET or "://" in name or name.startswith("//") or re.match("[A-Za-z]:/", name):
        return ""
    name = unquote(re.split("[:#?{]", name, maxsplit=1)[0]).strip().removeprefix("@").lstrip("/")
    last = name.rpartition("/")[2]
    if not last.strip(".") or not name.isprintable():
        return ""
    return name if "." in last[1:] else f"{name}.md"


def _normal(parts: list[str]) -> str | None:
    kept: list[str] = []
    for part in parts:
        if part == ".." and not kept:
            return None
        if part == "..":
            kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    return "/".join(kept)
