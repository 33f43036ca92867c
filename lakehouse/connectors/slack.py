"""Slack: the public channels that the app is a member of, with threads, edits and deletions.

A run reads, of each channel, what is newer than the last run read, and all of the look-back window again: Slack tells
of edits and deletions only there. A channel is known by its id; under which name is part of the cursor.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from lakehouse.connectors.channels import Complete, Portion
from lakehouse.connectors.protocol import Change, Changes
from lakehouse.connectors.slack_api import GONE, Page, SlackApi
from lakehouse.errors import BadRecord, NotFound
from lakehouse.sources.messages import BadMessage, Message, read_instant
from lakehouse.sources.slack import Names, names_of, read_message

LOOKBACK = timedelta(days=7)
# Of a long history so many pages land before the next are read, so that little is held and little is lost.
PAGES_AT_ONCE = 10


@dataclass(frozen=True)
class _Progress:
    """How far one channel is read.

    newest: the latest message. checked: the run that last read the look-back window. gaps: pairs of times between
    which there is more to read. threads: of those that were answered within the window, the last answer.
    """

    name: str
    newest: str = "0"
    checked: str = ""
    gaps: Sequence[tuple[str, str]] = ()
    threads: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Listed:
    """What the calls for one portion gave. since, until: between which all was listed, within the window."""

    history: Sequence[Page]
    replies: Mapping[str, Sequence[Page]]
    since: datetime
    until: datetime


class Slack:
    """channels: the names of those to read; all of them where it is empty."""

    def __init__(
        self, api: SlackApi, *, now: datetime, lookback: timedelta = LOOKBACK, channels: Sequence[str] = ()
    ) -> None:
        self._api = api
        self._now = now
        self._lookback = lookback
        self._wanted = [name.removeprefix("#") for name in channels]
        self._listed: dict[str, _Listed | BadRecord] = {}
        self._refused: set[str] = set()

    @cached_property
    def source(self) -> str:
        """The same as that of an export of the workspace, which it goes on with."""
        return f"slack:{self._api.call('auth.test').said.get('team_id')}"

    def list_changes(self, cursor: str | None) -> Changes:
        """The next portion of the next channel. Channels that have a new name come first, and alone."""
        known = _read(cursor)
        renamed = {
            channel: name
            for channel, name in self._channels.items()
            if channel in known and known[channel].name != name
        }
        if renamed:
            changes = [Change(one, facts={"was": known[one].name, "name": name}) for one, name in renamed.items()]
            return Changes(
                changes, _written(known | {one: replace(known[one], name=renamed[one]) for one in renamed}), more=True
            )
        due = [channel for channel in self._channels if self._is_due(channel, known.get(channel))]
        if not due:
            return Changes([], _written(known))
        channel, name = due[0], self._channels[due[0]]
        known[channel] = self._list(channel, known.get(channel) or _Progress(name))
        more = len(due) > 1 or self._is_due(channel, known[channel])
        return Changes([Change(channel, facts={"name": name})], _written(known), more=more)

    def fetch(self, change: Change) -> Portion:
        listed = self._listed.pop(change.name)
        if isinstance(listed, BadRecord):
            raise listed
        return self._portion(self._channels[change.name], listed)

    @cached_property
    def _joined(self) -> dict[str, str]:
        """Names by id. Raises NotFound where there is nothing to read, or one that is asked for cannot be."""
        pages = self._api.pages("conversations.list", types="public_channel")
        found = [one for page in pages for one in page.said.get("channels") or () if one.get("is_member")]
        names = {str(one["id"]): str(one.get("name") or one["id"]) for one in found}
        remedy = "invite the app in the channel with /invite"
        if not names:
            raise NotFound(f"the Slack app is a member of no public channel: {remedy}")
        if missing := [name for name in self._wanted if name not in names.values()]:
            known = ", ".join(sorted(names.values()))
            raise NotFound(f"the Slack app is no member of a public channel '{missing[0]}', only of {known}: {remedy}")
        return names

    @cached_property
    def _channels(self) -> dict[str, str]:
        return {one: name for one, name in self._joined.items() if not self._wanted or name in self._wanted}

    @cached_property
    def _names(self) -> Names:
        users = [user for page in self._api.pages("users.list") for user in page.said.get("members") or ()]
        return Names(names_of(users), self._joined)

    def _is_due(self, channel: str, progress: _Progress | None) -> bool:
        if channel in self._refused:
            return False
        return progress is None or progress.checked != self._now.isoformat() or bool(progress.gaps)

    def _list(self, channel: str, before: _Progress) -> _Progress:
        """Where Slack refuses this channel, it is for `fetch` to say so, and nothing of its progress changes."""
        is_first = before.checked != self._now.isoformat()
        low, high = self._range(before) if is_first else before.gaps[-1]
        try:
            pages, rest = self._history(channel, low, high)
            asked = dict.fromkeys(_roots(pages)) | (dict.fromkeys(before.threads) if is_first else {})
            replies = {root: self._replies(channel, root) for root in asked}
        except BadRecord as refused:
            self._listed[channel] = refused
            self._refused.add(channel)
            return before
        # Slack hides old messages of some workspaces, which are not deleted for that: only the window counts.
        since = max(_instant(rest or low), self._window(before))
        self._listed[channel] = _Listed(pages, replies, since, _instant(high))
        gaps = [*(before.gaps if is_first else before.gaps[:-1]), *([(low, rest)] if rest else [])]
        return _Progress(
            name=before.name,
            newest=max([before.newest, *(_ts(item) for page in pages for item in _items(page))], key=float),
            checked=self._now.isoformat(),
            gaps=_merged(gaps),
            threads=self._active(before, replies),
        )

    def _range(self, before: _Progress) -> tuple[str, str]:
        """From the start for a channel that is new; else with the window as it was when it was last checked, so that
        what was edited while nothing ran is seen."""
        until = _stamp(self._now)
        if before.newest == "0":
            return "0", until
        return min(before.newest, _stamp(self._window(before)), key=float), until

    def _window(self, before: _Progress) -> datetime:
        checked = datetime.fromisoformat(before.checked) if before.checked else self._now
        return min(checked, self._now) - self._lookback

    def _history(self, channel: str, low: str, high: str) -> tuple[list[Page], str | None]:
        """Newest first. Also where the rest begins that was left for the next portion."""
        pages: list[Page] = []
        calls = self._api.pages("conversations.history", channel=channel, oldest=low, latest=high, inclusive="true")
        for page in calls:
            pages.append(page)
            stamps = [_ts(item) for item in _items(page)]
            if len(pages) >= PAGES_AT_ONCE and page.said.get("has_more") and stamps:
                return pages, min(stamps, key=float)
        return pages, None

    def _replies(self, channel: str, root: str) -> list[Page]:
        try:
            return list(self._api.pages("conversations.replies", channel=channel, ts=root))
        except BadRecord as refused:
            if refused.code != GONE:
                raise
            return []

    def _active(self, before: _Progress, replies: Mapping[str, Sequence[Page]]) -> dict[str, str]:
        """Threads older than the window go on to be answered; Slack lists that nowhere but in them."""
        window = float(_stamp(self._now - self._lookback))
        last = dict(before.threads)
        for root, pages in replies.items():
            last[root] = max([_ts(item) for page in pages for item in _items(page)], key=float, default="0")
        return {root: ts for root, ts in last.items() if float(ts) >= window}

    def _portion(self, channel: str, listed: _Listed) -> Portion:
        messages: dict[str, tuple[Message, str]] = {}
        bad: list[BadMessage] = []
        pages = [*listed.history, *(page for pages in listed.replies.values() for page in pages)]
        raw = {hashlib.sha256(page.raw).hexdigest(): page for page in pages}
        for sha256, page in raw.items():
            for item in _items(page):
                try:
                    message = read_message(self._names, channel, item)
                except BadRecord as refused:
                    bad.append(BadMessage(channel, None, refused.code, refused.reason, json.dumps(item).encode()))
                    continue
                if message is not None:
                    messages[message.message_id] = (message, sha256)
        return Portion(
            source=self.source,
            messages=tuple(message for message, _ in messages.values()),
            bad=tuple(bad),
            receipts=tuple(sha256 for _, sha256 in messages.values()),
            pages={sha256: page.raw for sha256, page in raw.items()},
            complete=Complete(
                channel=channel,
                since=listed.since,
                until=listed.until,
                threads=frozenset(listed.replies),
                listed=frozenset(_ts(item) for page in pages for item in _items(page)),
            ),
        )


def _items(page: Page) -> list[dict[str, Any]]:
    return [item for item in page.said.get("messages") or () if isinstance(item, dict)]


def _ts(item: Mapping[str, Any]) -> str:
    stamp = str(item.get("ts") or "0")
    return stamp if stamp.replace(".", "", 1).isdigit() else "0"


def _roots(pages: Sequence[Page]) -> list[str]:
    """Of the threads that are answered, also where only an answer is listed that was sent to the channel as well."""
    items = [item for page in pages for item in _items(page)]
    return [str(item["thread_ts"]) for item in items if item.get("thread_ts")]


def _stamp(when: datetime) -> str:
    return f"{when.timestamp():.6f}"


def _instant(stamp: str) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) if stamp == "0" else read_instant(stamp)


def _merged(gaps: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that overlap as one; the newest last, which is read first."""
    merged: list[tuple[str, str]] = []
    for low, high in sorted(gaps, key=lambda gap: float(gap[0])):
        if merged and float(low) <= float(merged[-1][1]):
            merged[-1] = (merged[-1][0], max(merged[-1][1], high, key=float))
        else:
            merged.append((low, high))
    return merged


def _read(cursor: str | None) -> dict[str, _Progress]:
    stored = json.loads(cursor)["channels"] if cursor else {}
    return {channel: _Progress(**said) for channel, said in stored.items()}


def _written(known: Mapping[str, _Progress]) -> str:
    return json.dumps({"channels": {channel: asdict(progress) for channel, progress in known.items()}})
