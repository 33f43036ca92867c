"""Conversations as documents: one text for each thread, and for each channel's day of messages outside threads."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from lakehouse.state import Row

EXTRACTION = "thread/1"
TITLE_WORDS, LONGEST_TITLE = 8, 80


@dataclass(frozen=True)
class Conversation:
    """raw_sha256: the export that brought its newest message."""

    channel: str
    thread_id: str
    title: str
    text: str
    started_at: datetime
    raw_sha256: str

    @property
    def path(self) -> str:
        return f"{self.channel}/{self.thread_id}"


def conversations(messages: Iterable[Row]) -> list[Conversation]:
    """Of the latest state of a source's messages; deleted ones are left out."""
    threads: Mapping[tuple[str, str], list[Row]] = defaultdict(list)
    for message in messages:
        if not message["deleted"]:
            threads[message["channel"], message["thread_id"]].append(message)
    return [_conversation(*thread, threads[thread]) for thread in sorted(threads)]


def _conversation(channel: str, thread_id: str, messages: list[Row]) -> Conversation:
    ordered = sorted(messages, key=lambda message: (message["ts"], message["message_id"]))
    newest = max(ordered, key=lambda message: (message["bronze_version"], message["ts"], message["message_id"]))
    return Conversation(
        channel=channel,
        thread_id=thread_id,
        title=f"#{channel} · {_first_words(ordered[0]['text'])}",
        text="\n".join(_line(message) for message in ordered) + "\n",
        started_at=ordered[0]["ts"],
        raw_sha256=newest["object_sha256"],
    )


def _line(message: Row) -> str:
    text = " ".join(message["text"].split())
    return f"[{message['ts']:%Y-%m-%d %H:%M}] {message['author'] or 'unknown'}: {text}"


def _first_words(text: str) -> str:
    words = text.split()
    title = " ".join(words[:TITLE_WORDS])[:LONGEST_TITLE]
    return title if title == " ".join(words) else f"{title}…"
