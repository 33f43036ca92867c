from datetime import UTC, datetime, timedelta
from typing import Any

from lakehouse.threads import conversations

START = datetime(2026, 10, 3, 14, 5, tzinfo=UTC)


def message(number: int, **values: Any) -> dict[str, Any]:
    return {
        "channel": "ops",
        "message_id": f"m{number}",
        "thread_id": "t1",
        "author": "ana",
        "ts": START + timedelta(minutes=number),
        "text": f"text {number}",
        "deleted": False,
        "object_sha256": f"export-{number}",
        "bronze_version": number,
    } | values


def test_a_thread_is_one_text_with_a_line_a_message_in_order_of_time() -> None:
    (thread,) = conversations([message(2, author=None, text="two\n  lines"), message(1)])
    assert thread.text == "[2026-10-03 14:06] ana: text 1\n[2026-10-03 14:07] unknown: two lines\n"
    assert thread.path == "ops/t1"
    assert thread.started_at == START + timedelta(minutes=1)


def test_each_channel_and_thread_is_a_conversation_of_its_own() -> None:
    made = conversations([message(1), message(2, thread_id="2026-10-03"), message(3, channel="dev")])
    assert [thread.path for thread in made] == ["dev/t1", "ops/2026-10-03", "ops/t1"]


def test_the_title_is_the_channel_and_the_first_words() -> None:
    (short,) = conversations([message(1, text="pump is  hot")])
    assert short.title == "#ops · pump is hot"
    (long,) = conversations([message(1, text="one two three four five six seven eight nine ten")])
    assert long.title == "#ops · one two three four five six seven eight…"
    (endless,) = conversations([message(1, text="x" * 500)])
    assert endless.title == f"#ops · {'x' * 80}…"


def test_a_deleted_message_is_left_out_and_a_thread_of_nothing_else_is_none() -> None:
    (thread,) = conversations([message(1), message(2, deleted=True)])
    assert "text 2" not in thread.text
    assert conversations([message(1, deleted=True)]) == []


def test_the_export_of_a_thread_is_the_one_that_last_changed_it() -> None:
    (thread,) = conversations([message(1, bronze_version=9), message(2, bronze_version=3)])
    assert thread.raw_sha256 == "export-1"
