"""The release that a passage speaks for: its document's, that of its section in a changelog, or what its words say."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

from rag.retriever import Hit
from rag.version_order import version_key
from rag.windows import MONTHS


@dataclass(frozen=True)
class Release:
    """Of a section of a changelog. `day`: where the heading dates it."""

    version: str
    day: date | None


_NUMBER: Final = r"v?\d+(?:[._]\d+){0,3}(?:[-.]?(?:rc|beta|alpha|pre|dev|snapshot)[-.]?\d*)?"
_MONTHS: Final = "|".join(month[:3] for month in MONTHS)
_DAY: Final = re.compile(
    r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
    rf"|(?P<day1>\d{{1,2}})(?:st|nd|rd|th)?\s+(?P<name1>{_MONTHS})[a-z]*\.?,?\s+(?P<year1>\d{{4}})"
    rf"|(?P<name2>{_MONTHS})[a-z]*\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year2>\d{{4}})",
    re.I,
)
# `[3.1.0] - 2023-11-15`, `v3.1`, `Release 3.1 (Napa)`, `EdgeX 3.1 – Napa`: nothing beside them but a name or a day.
_HEADING: Final = re.compile(
    rf"(?P<word>(?:version|release|firmware|changes? (?:in|since)|what(?:'|’)?s new in|new in)\s+)?"
    rf"(?P<name>[A-Z][\w.-]*\s+)?(?P<open>\[)?(?P<version>{_NUMBER})\]?(?:\([^)]*\))?"
    r"(?P<rest>\s*[-–—:(,]?\s*[\w .,/:()-]{0,40})?",
    re.I,
)
_CHANGELOG: Final = re.compile(
    r"\b(?:change ?log|changes|release ?notes?|releases|history|what'?s new|news|migrat\w+)\b", re.I
)


def section_release(hit: Hit) -> Release | None:
    """The release whose changes the section tells. None where no heading above the passage names one."""
    is_changelog = hit.kind == "release_note" or _CHANGELOG.search(hit.title) is not None
    for heading in reversed(hit.heading_path):
        if found := read_heading(heading, is_changelog=is_changelog):
            return found
    return None


def read_heading(heading: str, *, is_changelog: bool) -> Release | None:
    """Outside a changelog, "3.1 Installing" numbers a chapter: there the heading must look like a release alone."""
    text = " ".join(heading.replace("*", "").replace("`", "").split())
    found = _HEADING.fullmatch(text)
    if found is None:
        return None
    day = _day(text)
    number = found["version"]
    looks_released = bool(found["open"] or day or found["word"] or number[:1] in "vV" or "(" in (found["rest"] or ""))
    if not re.search(r"\d[._]\d", number) and not (looks_released and is_changelog):
        return None
    rest = (found["rest"] or "").strip(" -–—:,")
    if not is_changelog and not (looks_released and (not rest or day is not None)):
        return None
    if is_changelog and not looks_released and (rest or found["name"]) and not _is_codename(rest):
        return None
    return Release(number.lstrip("vV"), day)


def _is_codename(rest: str) -> bool:
    return re.fullmatch(r"\(?[A-Z]?\w*\)?", rest) is not None


def _day(text: str) -> date | None:
    found = _DAY.search(text)
    if found is None:
        return None
    names = found.groupdict()
    if names["year"]:
        year, month, day = names["year"], names["month"], names["day"]
    else:
        at = "1" if names["year1"] else "2"
        starts = [m[:3] for m in MONTHS]
        year, month, day = names[f"year{at}"], str(starts.index(names[f"name{at}"].lower()) + 1), names[f"day{at}"]
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def spoken_for(hit: Hit) -> Hit:
    """The passage under the release that it speaks for, where a section of a changelog names one."""
    release = section_release(hit)
    if release is None:
        return hit if hit.version_from is None else replace(hit, version_key=version_key(hit.version_from))
    since = (
        datetime(release.day.year, release.day.month, release.day.day, tzinfo=UTC) if release.day else hit.valid_from
    )
    return replace(hit, version_from=release.version, version_key=version_key(release.version), valid_from=since)


def of_release(hits: Sequence[Hit], version: str | None) -> list[Hit]:
    """Without the sections of a changelog that tell of later releases. Those of 3.1.4 are of "3.1"."""
    if version is None:
        return list(hits)
    return [hit for hit in hits if not hit.version_from or _within(hit.version_key, version) <= 0]


@dataclass(frozen=True)
class Bounds:
    """`lower <= version < upper` is what a sentence speaks of; None is open."""

    lower: str | None = None
    upper: str | None = None

    def hold(self, version: str | None) -> bool:
        """True also where nothing is said, or no version is asked about."""
        if version is None:
            return True
        key = version_key(version)
        if self.lower is not None and _within(key, self.lower) < 0:
            return False
        return self.upper is None or _within(key, self.upper) < 0


def _within(key: tuple[int, ...], bound: str) -> int:
    """-1, 0, 1: before, in or after. 3.1 is in "3", as 3.1.4 is in "3.1"; in "3.0" is neither."""
    groups = tuple(int(group) for group in re.findall(r"\d+", bound)) if re.fullmatch(r"v?[\d._]+", bound) else ()
    padded = (*(key[:-1]), *([0] * len(groups)))
    if groups and padded[: len(groups)] == groups:
        return 0
    wanted = version_key(bound)
    return (key > wanted) - (key < wanted)


_NO_UNIT: Final = (
    r"(?![\w%°]|\.\d|\s*(?:%|°|[mk]?[vagw]\b|mm|cm|hz|bar|nm|seconds?|minutes?|hours?|days?|million|billion|thousand))"
)
_MARK: Final = r"(?:version|release|firmware|v\.?)\s*(?:[A-Z][A-Za-z]+ )?"
# "since 2020" is a year: a number that no word marks needs a dot.
_STATED: Final = rf"(?:[A-Z][A-Za-z]+ )?(?:{_MARK}|(?=v?\d+\.\d))(?P<version>{_NUMBER}){_NO_UNIT}"
_MARKED: Final = rf"{_MARK}(?P<version>{_NUMBER}){_NO_UNIT}"
_LOWER: Final = (
    re.compile(rf"^\W*(?i:since|starting (?:with|from|in)|beginning with|as of|from) {_STATED}(?: on(?:wards)?)?"),
    re.compile(rf"\b(?i:available|supported|introduced|added|new) (?i:since|from|as of|in|with) (?i:the )?{_STATED}"),
    re.compile(rf"\((?i:since|from|new in|added in) {_STATED}\)"),
)
_UPPER: Final = (
    re.compile(
        rf"^\W*(?i:before|until|prior to|up to|in (?:versions|releases) (?:before|prior to|older than)) {_STATED}"
    ),
    re.compile(rf"\((?i:before|until|prior to|removed in|up to) {_STATED}\)"),
)
_MENTION: Final = re.compile(
    rf"\b(?i:in|since|from|with|as of|for|of|starting with|until|before)\s+(?i:the\s+)?{_MARKED}"
    rf"|\b(?i:in|since|as of|with)\s+(?i:the\s+)?(?:[A-Z][A-Za-z]+ )(?P<version2>{_NUMBER})\b"
    r"|\b(?i:in|since|as of)\s+(?P<version3>v?\d+\.\d+(?:\.\d+)?)\b(?!\s*(?:%|°|[A-Za-z]))"
)


def bounds(text: str) -> Bounds:
    """Of which releases a sentence speaks, where it says so: "since 3.0, …", "before 2.1 …", "… (removed in 4.0)"."""
    lower = next((m["version"] for p in _LOWER if (m := p.search(text))), None)
    upper = next((m["version"] for p in _UPPER if (m := p.search(text))), None)
    return Bounds(lower, upper)


def stated_since(text: str) -> str | None:
    """The release that the statement of a change names: "is replaced by … in EdgeX 3.0"."""
    found = _MENTION.search(text)
    if found is None:
        return None
    return next(value for value in (found["version"], found["version2"], found["version3"]) if value).lstrip("vV")
