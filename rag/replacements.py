"""Statements that one name has been replaced by another: pages that still use the old one are out of date."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.retriever import Hit
from rag.sentences import Unit, units

_NAMES = r"`[^`\n]+`(?:(?:,| or| and|/|, or)\s*`[^`\n]+`)*"
_STATEMENTS = (
    re.compile(
        rf"(?P<old>{_NAMES})[^.`]{{0,60}}?\b(?:is|are|was|were|has been|have been)\s+(?:now\s+)?"
        rf"(?:replaced|superseded|renamed|changed)\s+(?:by|to|with|in favou?r of)\s+(?:the\s+)?(?P<new>{_NAMES})",
        re.I,
    ),
    re.compile(
        rf"(?P<new>{_NAMES})[^.`]{{0,40}}?\b(?:instead of|in place of|replaces)\s+(?:the\s+)?(?P<old>{_NAMES})", re.I
    ),
)
STATEMENT = (
    r"(replaced|superseded|renamed|changed)\s+(by|to|with|in fav)|instead of|in place of|replaces"  # for Postgres
)
_NAME = re.compile(r"[^\s`,/|]+(?:[.:][^\s`,/|]+)*")
SHORTEST = 3  # "-c" may be a flag of anything: only its long form tells


@dataclass(frozen=True)
class Replacement:
    """`old` names are out of date wherever none of `new` stands beside them. The statement is `unit` of `hit`."""

    old: frozenset[str]
    new: frozenset[str]
    hit: Hit
    unit: Unit

    def outdates(self, text: str) -> bool:
        names = set(_names(text))
        return bool(names & self.old) and not names & self.new


def find_replacements(hits: Sequence[Hit]) -> list[Replacement]:
    """In passages of releases that are in force, newest release first."""
    found = []
    for hit in hits:
        for unit in units(hit.text):
            for pattern in _STATEMENTS:
                for match in pattern.finditer(unit.text):
                    old, new = frozenset(_names(match["old"])), frozenset(_names(match["new"]))
                    if old - new and new - old:
                        found.append(Replacement(old - new, new - old, hit, unit))
    return sorted(found, key=lambda r: r.hit.version_key, reverse=True)


def _names(text: str) -> list[str]:
    return [name for match in _NAME.findall(text) if len(name := match.strip("\"'()[]{}.:;*").lower()) >= SHORTEST]
