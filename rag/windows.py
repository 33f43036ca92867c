"""Time windows as people write them. Every window is half-open, in UTC; days and months are whole."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse.errors import Misused

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_MONTH = "(?P<{0}month>" + "|".join(f"{m[:3]}(?:{m[3:]})?" for m in MONTHS) + r")\.?"
_CLOCK = r"(?P<{0}hour>\d{{1,2}}):(?P<{0}minute>\d{{2}})(?::\d{{2}})?\s*(?:utc|z\b)?"


def _moment(name: str) -> str:
    """A pattern for one day, with or without a time: 2026-10-20, 20 October 2026, October 20th, 08:00 on …"""
    ordinal, year = r"(?:st|nd|rd|th)?", r"(?:,?\s+(?P<{}>\d{{4}}))?"
    iso = rf"(?P<{name}iso>\d{{4}}-\d{{2}}-\d{{2}})(?:(?:[t ]|\s+at\s+){_CLOCK.format(name)})?"
    day_first = rf"(?P<{name}d1>\d{{1,2}}){ordinal}\s+(?:of\s+)?{_MONTH.format(name + 'a')}{year.format(name + 'y1')}"
    month_first = rf"{_MONTH.format(name + 'b')}\s+(?P<{name}d2>\d{{1,2}}){ordinal}\b(?!:){year.format(name + 'y2')}"
    word = rf"(?P<{name}word>today|yesterday)"
    return rf"(?:{iso}|{day_first}|{month_first}|{word})"


_BETWEEN = re.compile(rf"\b(?:between|from)\s+{_moment('a')}\s+(?:and|to|until|till|through)\s+{_moment('b')}", re.I)
_DAYS_OF_MONTH = re.compile(
    rf"\b(?:between|from)\s+(?:the\s+)?(?P<first>\d{{1,2}})(?:st|nd|rd|th)?\s*(?:and|to|until|till|-)\s*(?:the\s+)?{_moment('b')}",
    re.I,
)
_CLOCKS = re.compile(
    rf"\b(?:between|from)\s+{_CLOCK.format('s')}\s*(?:and|to|until|till)\s+{_CLOCK.format('e')}(?:\s*that day)?",
    re.I,
)
_CLOCKS_ON_DAY = re.compile(
    rf"\b(?:between|from)\s+{_CLOCK.format('s')}\s*(?:and|to|until|till)\s+{_CLOCK.format('e')}\s*(?:on\s+)?{_moment('a')}",
    re.I,
)
_DAY_CLOCKS = re.compile(
    rf"\b(?:on\s+)?{_moment('a')},?\s+(?:between|from)\s+{_CLOCK.format('s')}\s*(?:and|to|until|till)\s+{_CLOCK.format('e')}",
    re.I,
)
_SINCE = re.compile(rf"\b(?:since|after|from)\s+{_moment('a')}(?:\s+(?:on|onwards?))?", re.I)
_UNTIL = re.compile(rf"\b(?:until|till|before|up to)\s+{_moment('a')}", re.I)
_LAST_OF_MONTH = re.compile(
    rf"\b(?P<which>first|last)\s+week\s+of\s+{_MONTH.format('m')}(?:\s+(?P<year>\d{{4}}))?", re.I
)
_WEEK_OF = re.compile(rf"\b(?:in|during)?\s*the\s+week\s+(?:of|starting|beginning)\s+(?:on\s+)?{_moment('a')}", re.I)
_IN_MONTH = re.compile(rf"\b(?:in|during|for|of)\s+{_MONTH.format('m')}(?:\s+(?P<year>\d{{4}}))?\b(?!\s*\d)", re.I)
_LAST_N = re.compile(
    r"\b(?:in|over|during|for|within)?\s*(?:the\s+)?(?:last|past|previous)\s+(?:(?P<n>\d+)\s+)?(?P<unit>minute|hour|day|week|month)s?\b",
    re.I,
)
_ONE_DAY = re.compile(rf"\b(?:on|at|during|for|in)?\s*{_moment('a')}", re.I)

_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}


@dataclass(frozen=True)
class Window:
    """`start <= ts < end`; None is open. `phrase` is the text it was read from."""

    start: datetime | None
    end: datetime | None
    phrase: str

    def describe(self) -> str:
        if self.start and self.end and self.end - self.start == timedelta(days=1) and _at_midnight(self.start):
            return f"on {self.start:%Y-%m-%d}"
        if self.start and self.end:
            return f"between {_short(self.start)} and {_short(self.end)}"
        if self.start:
            return f"since {_short(self.start)}"
        return f"before {_short(self.end)}" if self.end else ""


def find_window(text: str, now: datetime, *, day: Window | None = None) -> Window | None:
    """The first window that `text` names, the longest form first. A day without a year is the last one before `now`.

    day: what "between 01:00 and 09:00 that day" is of, where the text names no date itself.

    Raises Misused where a date is not in the calendar.
    """
    try:
        return _find_window(text, now) or _clocks_of(text, day)
    except ValueError as error:
        raise Misused(
            f"the question names a date that is not in the calendar ({error}): write it as 2026-10-20"
        ) from error


def _clocks_of(text: str, day: Window | None) -> Window | None:
    match = _CLOCKS.search(text)
    if not (match and day and day.start):
        return None
    midnight = day.start.replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = _with_clock(midnight, match, "s"), _with_clock(midnight, match, "e")
    return Window(start, end if end > start else end + timedelta(days=1), match[0])


def _find_window(text: str, now: datetime) -> Window | None:
    if match := _CLOCKS_ON_DAY.search(text) or _DAY_CLOCKS.search(text):
        day, _ = _span(match, "a", now)
        start, end = _with_clock(day, match, "s"), _with_clock(day, match, "e")
        return Window(start, end if end > start else end + timedelta(days=1), match[0])
    if match := _BETWEEN.search(text):
        return Window(_span(match, "a", now)[0], _span(match, "b", now)[1], match[0])
    if match := _DAYS_OF_MONTH.search(text):
        last, end = _span(match, "b", now)
        return Window(last.replace(day=int(match["first"])), end, match[0])
    if match := _LAST_OF_MONTH.search(text):
        start, end = _month(match["mmonth"], match["year"], now)
        week = timedelta(days=7)
        return (
            Window(start, start + week, match[0])
            if match["which"].lower() == "first"
            else Window(end - week, end, match[0])
        )
    if match := _WEEK_OF.search(text):
        start, _ = _span(match, "a", now)
        return Window(start, start + timedelta(days=7), match[0])
    if match := _SINCE.search(text):
        after = match[0].lower().startswith("after")
        start, end = _span(match, "a", now)
        return Window(end if after else start, None, match[0])
    if match := _UNTIL.search(text):
        start, end = _span(match, "a", now)
        return Window(None, start if match[0].lower().startswith("before") else end, match[0])
    if match := _LAST_N.search(text):
        return Window(now - int(match["n"] or 1) * _UNITS[match["unit"].lower()], now, match[0])
    if match := _ONE_DAY.search(text):
        start, end = _span(match, "a", now)
        return Window(start, max(end, start + timedelta(minutes=1)), match[0])
    if match := _IN_MONTH.search(text):
        return Window(*_month(match["mmonth"], match["year"], now), match[0])
    return None


def _span(match: re.Match[str], name: str, now: datetime) -> tuple[datetime, datetime]:
    """Start and end of the day that the group `name` names, or the minute where a time is given."""
    groups = match.groupdict()
    if groups[f"{name}word"]:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        day = midnight if groups[f"{name}word"].lower() == "today" else midnight - timedelta(days=1)
    elif groups[f"{name}iso"]:
        day = _day(*(int(part) for part in groups[f"{name}iso"].split("-")))
        if groups.get(f"{name}hour"):
            moment = _with_clock(day, match, name)
            return moment, moment
    elif groups[f"{name}d1"]:
        day = _day_of_year(groups[f"{name}y1"], groups[f"{name}amonth"], groups[f"{name}d1"], now)
    else:
        day = _day_of_year(groups[f"{name}y2"], groups[f"{name}bmonth"], groups[f"{name}d2"], now)
    return day, day + timedelta(days=1)


def _with_clock(day: datetime, match: re.Match[str], name: str) -> datetime:
    return day + timedelta(hours=int(match[f"{name}hour"]), minutes=int(match[f"{name}minute"]))


def _day_of_year(year: str | None, month: str, day: str, now: datetime) -> datetime:
    number = _month_number(month)
    if year:
        return _day(int(year), number, int(day))
    this_year = _day(now.year, number, int(day))
    return this_year if this_year <= now else _day(now.year - 1, number, int(day))


def _month(month: str, year: str | None, now: datetime) -> tuple[datetime, datetime]:
    number = _month_number(month)
    first = _day(int(year) if year else now.year, number, 1)
    if not year and first > now:
        first = first.replace(year=now.year - 1)
    following = first.replace(year=first.year + 1, month=1) if number == 12 else first.replace(month=number + 1)
    return first, following


def _month_number(name: str) -> int:
    return next(i for i, month in enumerate(MONTHS, start=1) if month.startswith(name.lower()[:3]))


def _day(year: int, month: int, day: int) -> datetime:
    """A day past the end of its month is the month's last: 31 September is 30 September."""
    while True:
        try:
            return datetime(year, month, day, tzinfo=UTC)
        except ValueError:
            if day <= 28 or not 1 <= month <= 12:
                raise
            day -= 1


def _at_midnight(moment: datetime) -> bool:
    return moment.hour == moment.minute == moment.second == 0


def _short(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if _at_midnight(moment) else f"{moment:%Y-%m-%d %H:%M}"
