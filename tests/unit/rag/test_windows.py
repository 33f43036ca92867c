from datetime import UTC, datetime, timedelta

import pytest

from lakehouse.errors import Misused
from rag.windows import find_window

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("average of cold-003 on 2026-10-20?", "2026-10-20", "2026-10-21"),
        ("between 2026-10-20 and 2026-10-22", "2026-10-20", "2026-10-23"),
        ("between 2026-10-20 08:00 and 2026-10-20 12:00", "2026-10-20T08:00", "2026-10-20T12:00"),
        ("between 2026-10-20T08:00:00Z and 2026-10-21T09:30Z", "2026-10-20T08:00", "2026-10-21T09:30"),
        ("from 08:00 to 12:00 on October 20", "2026-10-20T08:00", "2026-10-20T12:00"),
        ("on 20 October between 22:00 and 02:00", "2026-10-20T22:00", "2026-10-21T02:00"),
        ("from 20 to 25 October 2026", "2026-10-20", "2026-10-26"),
        ("between Oct 20 and Oct 25", "2026-10-20", "2026-10-26"),
        ("in the last week of October 2026", "2026-10-25", "2026-11-01"),
        ("during the week of 2026-10-19", "2026-10-19", "2026-10-26"),
        ("in October", "2026-10-01", "2026-11-01"),
        ("in December", "2025-12-01", "2026-01-01"),
        ("on November 2nd", "2025-11-02", "2025-11-03"),
        ("on October 5th, 2025?", "2025-10-05", "2025-10-06"),
        ("yesterday", "2026-10-31", "2026-11-01"),
        ("over the last 24 hours", "2026-10-31T12:00", "2026-11-01T12:00"),
        ("in the past week", "2026-10-25T12:00", "2026-11-01T12:00"),
        ("at 2026-10-20 08:00", "2026-10-20T08:00", "2026-10-20T08:01"),
    ],
)
def test_a_window_is_half_open_and_its_days_are_whole(text: str, start: str, end: str) -> None:
    window = find_window(text, NOW)
    assert window is not None
    assert (window.start, window.end) == (at(start), at(end))


def test_since_and_before_leave_one_end_open() -> None:
    since, after, before = (find_window(f"{word} 2026-10-03", NOW) for word in ("since", "after", "before"))
    assert since is not None
    assert (since.start, since.end) == (at("2026-10-03"), None)
    assert after is not None
    assert after.start == at("2026-10-04")
    assert before is not None
    assert (before.start, before.end) == (None, at("2026-10-03"))


@pytest.mark.parametrize(
    "text", ["what may happen?", "which option is it in 2.3", "how do I march on?", "version 10.2.3"]
)
def test_other_words_and_versions_are_no_window(text: str) -> None:
    assert find_window(text, NOW) is None


def test_a_date_outside_the_calendar_is_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(Misused, match="write it as 2026-10-20"):
        find_window("on 2026-13-40", NOW)


def test_a_window_describes_itself_in_absolute_terms() -> None:
    last_day = find_window("over the last 24 hours", NOW)
    assert last_day is not None
    assert last_day.describe() == "between 2026-10-31 12:00 and 2026-11-01 12:00"
    assert last_day.end is not None
    assert last_day.end - timedelta(hours=24) == last_day.start
