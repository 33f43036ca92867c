"""Statements that something is no longer what it was: pages that still say so are out of date.

A changelog's sentence ("X changed from A to B", "now B (was A)", "A was renamed to B", "removed A") wins over a page of
the same release that was not touched. The sentence is found by STATEMENT in Postgres, and read here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from rag.releases import stated_since
from rag.retriever import Hit
from rag.sentences import Unit, units
from rag.tokens import analyse
from rag.version_order import version_key

# A code span, a quoted word, a name as machines write it, a number with its unit.
_NO_UNIT = r"(?:in|to|from|by|with|and|or|since|as|for|of|is|was|are|on|at|the|now)\b"
_UNIT = rf"(?:\s?(?:%|°\s?[CFK]?)|\s(?!{_NO_UNIT})[A-Za-zµΩ/²³]{{1,14}}(?![\w-]))"
_NUMBER = rf"(?<![\w.])-?\d+(?:[.,]\d+)*{_UNIT}?"
_NAMED = (
    r"(?<![\w-])--?[A-Za-z][\w-]*|\b\w*_\w+\b|\b\w+(?:\.\w+)*\.(?-i:[a-z]{2,5})\b|(?-i:\b[a-z]+[A-Z]\w*\b|\b[A-Z]{2,}\b)"
    r"|(?<!\w)/[\w./-]+"
)
_ONE = rf"(?:`[^`\n]+`|\"[^\"\n]{{1,60}}\"|{_NAMED}|{_NUMBER})"
_SOME = rf"{_ONE}(?:(?:,| or| and|/|, or|, and)\s*{_ONE})*"
_VERBS = (
    "replaced|superseded|renamed|changed|moved|raised|lowered|increased|reduced|decreased|set|extended|shortened|switched"
    "|updated|migrated|converted"
)
_CHANGED = rf"(?:{_VERBS})"
_THE = r"(?:the\s+)?"
_STATEMENTS: Final = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"(?P<old>{_SOME})[^.`]{{0,60}}?\b(?:is|are|was|were|has been|have been|got)\s+(?:now\s+)?"
        rf"{_CHANGED}\s+(?:by|to|with|into|in favou?r of)\s+(?:the\s+)?(?P<new>{_SOME})",
        rf"\b(?:{_CHANGED}|changes?|went|goes|default)\b[^.`]{{0,40}}?\bfrom\s+{_THE}(?P<old>{_SOME})"
        rf"\s+to\s+{_THE}(?P<new>{_SOME})",
        rf"(?P<new>{_SOME})[^.`]{{0,40}}?\b(?:instead of|in place of|rather than|replaces|replacing)"
        rf"\s+{_THE}(?P<old>{_SOME})",
        rf"(?:\bnow\b|=|:|\bis\b|\bto\b)\s*(?P<new>{_SOME})\s*[(,;–-]+\s*(?:it\s+)?"
        rf"(?:was|were|previously|formerly|before(?: it was)?|used to be)\s*:?\s+(?P<old>{_SOME})",
        rf"\b(?:renamed?|changed|replaced|switched)\s+{_THE}(?P<old>{_SOME})\s+(?:\w+\s+)?(?:to|by|with|into)"
        rf"\s+{_THE}(?P<new>{_SOME})",
        rf"(?P<old>{_SOME})\s*(?:->|=>|→)\s*(?P<new>{_SOME})",
        rf"^\W*(?:removed|dropped)\s+(?:support for\s+)?(?:the\s+)?(?:deprecated\s+)?(?:\w+\s+)?(?P<old>{_SOME})",
        rf"(?P<old>{_SOME})(?:\s+\w+){{0,3}}\s+"
        r"(?:(?:is|are|was|were|has been|have been)\s+removed|is no longer supported)\b",
    )
)
# For Postgres; what it finds is read again by the patterns above.
STATEMENT: Final = (
    rf"({_VERBS})\s+(by|to|with|into|in fav|from)|instead of|in place of|rather than|replaces|replacing"
    r"|\mfrom\s.{1,60}\sto\s|\m(was|were|previously|formerly|used to be)\M.{0,3}\s[`\"0-9-]|->|=>|→"
    r"|\m(renamed?|replaced|removed|dropped)\M|no longer supported"
)
_TELLS = re.compile(
    STATEMENT.replace(r"\m", r"\b").replace(r"\M", r"\b"), re.I
)  # the patterns cost a hundred times as much
_PART = re.compile(r"[^\s`,/|\"]+(?:[.:][^\s`,/|\"]+)*")
SHORTEST: Final = 3  # "-c" may be a flag of anything: only its long form tells
_LITERAL = re.compile(r"[-_./\\:]|\d[A-Za-z]|[A-Za-z]\d|[a-z][A-Z]")
_NAMED_THING = re.compile(rf"`[^`\n]+`|{_NAMED}")
SUBJECT_SHARE: Final = 0.5  # of the statement's own terms, that a sentence without a name must share with it


@dataclass(frozen=True)
class Replacement:
    """`old` is out of date wherever none of `new` stands beside it. The statement is `unit` of `hit`.

    `new` is empty where the old was removed. subject: terms of the statement, by which a value or a plain word, that
    may stand in any sentence, is known to be meant. since: the release that the statement names or stands under.
    """

    old: frozenset[str]
    new: frozenset[str]
    hit: Hit
    unit: Unit
    subject: frozenset[str] = field(default=frozenset())
    since: str | None = None

    def outdates(self, text: str, around: str = "") -> bool:
        """around: what gives the text its meaning, its headings and label."""
        said = self._said(text, self.old, around)
        if not self.new:  # a sentence that names other things too has more to tell than that this one is gone
            return said and {match.strip("`\"'()") for match in _NAMED_THING.findall(text)} <= self.old
        return said and not any(_stands(name, text) for name in self.new)

    def confirms(self, text: str, around: str = "") -> bool:
        return self._said(text, self.new, around)

    def _said(self, text: str, names: frozenset[str], around: str) -> bool:
        found = [name for name in names if _stands(name, text)]
        return any(_LITERAL.search(name) for name in found) or (bool(found) and self._is_about(f"{text} {around}"))

    def _is_about(self, text: str) -> bool:
        shared = self.subject & set(analyse(text))
        return bool(shared) and len(shared) >= SUBJECT_SHARE * len(self.subject)


def find_replacements(hits: Sequence[Hit], *, version: str | None = None) -> list[Replacement]:
    """In passages that may be cited, newest release first. version: what is stated of later ones does not hold yet."""
    found = []
    for hit in hits:
        admonition = ""
        for unit in units(hit.text):
            if unit.kind == "heading":
                admonition = unit.text
            if _TELLS.search(unit.text):
                found += read_statements(hit, unit, admonition)
    found = [one for one in found if _has_come(one, version or one.hit.version)]
    return sorted(found, key=lambda one: (_since_key(one), one.hit.version_key), reverse=True)


def _has_come(one: Replacement, version: str | None) -> bool:
    return one.since is None or version is None or version_key(one.since) <= version_key(version)


def read_statements(hit: Hit, unit: Unit, admonition: str) -> list[Replacement]:
    since = stated_since(unit.text) or stated_since(f"in {admonition.strip(' !?+')}") or stated_since(f"in {hit.lead}")
    found: list[Replacement] = []
    for pattern in _STATEMENTS:
        for match in pattern.finditer(unit.text):
            old, new = _names(match["old"]), _names(match.groupdict().get("new") or "")
            if not (old - new) or not _alike(old, new, unitless=pattern is not _STATEMENTS[0]):
                continue
            if any(one.old & old for one in found):
                continue
            told = frozenset(analyse(unit.text)) or frozenset(analyse(" ".join(hit.heading_path[-1:])))
            subject = told - _terms(old | new | {since or ""}) - _SILENT
            found.append(Replacement(old - new, new - old, hit, unit, subject, since or hit.version))
    return found


def _alike(old: frozenset[str], new: frozenset[str], *, unitless: bool) -> bool:
    """A number gives way to a number, a name to a name; what was removed must be a name that only machines use."""
    if not new:
        return all(_LITERAL.search(name) for name in old) and not any(name[0].isdigit() for name in old)
    numbers = [[name for name in names if re.match(r"-?\d", name)] for names in (old, new)]
    if bool(numbers[0]) != bool(numbers[1]):
        return False
    return unitless or all(re.search(r"[^\d.,-]", name) for name in numbers[0])


def outdating(text: str, around: str, replacements: Sequence[Replacement]) -> Replacement | None:
    """The newest statement by which the text is out of date, unless a newer one brought back what it says."""
    for index, one in enumerate(replacements):
        if one.outdates(text, around):
            newer = [other for other in replacements[:index] if _since_key(other) > _since_key(one)]
            if not any(other.new & one.old and other.confirms(text, around) for other in newer):
                return one
    return None


def _since_key(one: Replacement) -> tuple[int, ...]:
    return version_key(one.since or "")


def _names(text: str) -> frozenset[str]:
    """Names one by one; a number with its unit is one name."""
    names = {match[0].strip() for match in re.finditer(_NUMBER, text)}
    if not names:
        parts = (match.strip("\"'()[]{}.:;*") for match in _PART.findall(text))
        names = {part for part in parts if len(part) >= SHORTEST}
    return frozenset(names - {"and", "the", "for"})


def _terms(names: frozenset[str]) -> frozenset[str]:
    return frozenset(term for name in names for term in analyse(name))


_SILENT: Final = frozenset(
    term
    for term in analyse(
        "replaced superseded renamed changed moved raised lowered increased reduced decreased set extended shortened "
        "switched updated migrated converted removed now default new old previously formerly instead value edgey note "
        "warning option supported longer"
    )
)


def _stands(name: str, text: str) -> bool:
    return _standing(name).search(text) is not None


@lru_cache(maxsize=4096)
def _standing(name: str) -> re.Pattern[str]:
    """As a name of its own, whatever the white space between a number and its unit. Machines tell case apart."""
    words = r"\s?".join(re.escape(word) for word in name.split())
    return re.compile(rf"(?<![\w.-]){words}(?![\w-]|\.\w)", 0 if _LITERAL.search(name) else re.I)
