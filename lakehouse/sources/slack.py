"""A Slack workspace export: a zip of `users.json`, `channels.json` and one file for each channel and day."""

import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import BadRecord
from lakehouse.sources.messages import BadMessage, Chat, Message, clean_text, day_of, read_instant

MOST_BYTES = 1_000_000_000  # unpacked
MOST_MEMBERS = 200_000
LARGEST_MEMBER = 100_000_000
LARGEST_KEPT = 4_000_000  # a larger member that is refused is kept within its export only
# JSON shrinks 5 to 20 times; a bomb shrinks 1000 times.
MOST_UNFOLDING = 200
HARMLESS_BYTES = 10_000_000
DAY_FILE = re.compile(r"([^/]+)/(\d{4}-\d{2}-\d{2})\.json")
# What the workspace says about itself, not what people say.
NOT_SAID = frozenset(
    [
        "channel_join",
        "channel_leave",
        "channel_topic",
        "channel_purpose",
        "channel_name",
        "channel_archive",
        "channel_unarchive",
        "channel_convert_to_private",
        "group_join",
        "group_leave",
        "group_topic",
        "group_purpose",
        "group_name",
        "group_archive",
        "group_unarchive",
        "bot_add",
        "bot_remove",
        "pinned_item",
        "unpinned_item",
        "reminder_add",
    ]
)
REFERENCE = re.compile(r"<([^<>]+)>")
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


@dataclass(frozen=True)
class Names:
    """By id, what people and channels are called."""

    people: Mapping[str, str]
    channels: Mapping[str, str]


def read_slack_export(path: Path) -> Iterator[Chat]:
    """Day by day. Raises BadRecord where the file is no export; a day that cannot be read is only left out, with the
    reason."""
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_bomb(archive)
            yield from _read(archive)
    except zipfile.BadZipFile as error:
        raise BadRecord("corrupt_zip", f"the zip archive cannot be opened ({error}): export it again") from error


def _refuse_bomb(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    size, packed = sum(member.file_size for member in members), sum(member.compress_size for member in members)
    if any(member.flag_bits & 1 for member in members):
        raise BadRecord("encrypted_zip", "the zip archive needs a password: save it without one")
    if len(members) > MOST_MEMBERS or size > MOST_BYTES:
        reason = f"it unpacks to {len(members):,} files of {size / 1e6:,.0f} MB: export a shorter time"
        raise BadRecord("zip_bomb", reason)
    if size > HARMLESS_BYTES and size > MOST_UNFOLDING * max(packed, 1):
        raise BadRecord("zip_bomb", f"{packed:,} bytes unpack to {size:,}: this is no export, but a zip bomb")


def _read(archive: zipfile.ZipFile) -> Iterator[Chat]:
    members = archive.namelist()
    root = next((name.removesuffix("users.json") for name in members if _is_top(name, "users.json")), "")
    days = sorted(name for name in members if name.startswith(root) and DAY_FILE.fullmatch(name.removeprefix(root)))
    if not days and f"{root}channels.json" not in members:
        raise BadRecord("not_a_slack_export", "the zip archive holds no channels.json and no days of any channel")
    bad: list[BadMessage] = []
    users = _load(archive, f"{root}users.json", bad) if f"{root}users.json" in members else []
    channels = _load(archive, f"{root}channels.json", bad) if f"{root}channels.json" in members else []
    names = Names(names_of(users), _ids(channels))
    team = next((str(user["team_id"]) for user in users if user.get("team_id")), None)
    source = f"slack:{team}" if team else "slack"
    yield Chat(source, (), tuple(bad))
    for name in days:
        yield _read_day(archive, root, name, names, source)


def _is_top(name: str, file: str) -> bool:
    return name == file or (name.endswith(f"/{file}") and name.count("/") == 1)


def _ids(channels: list[dict[str, Any]]) -> dict[str, str]:
    return {str(channel["id"]): str(channel.get("name") or channel["id"]) for channel in channels if "id" in channel}


def names_of(users: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {str(user["id"]): _name(user) for user in users if "id" in user}


def _load(archive: zipfile.ZipFile, name: str, bad: list[BadMessage]) -> list[dict[str, Any]]:
    """The objects of a member that is a JSON list; none where it cannot be read, which goes to `bad`."""
    raw = b""
    try:
        if archive.getinfo(name).file_size > LARGEST_MEMBER:
            raise ValueError(f"it has more than {LARGEST_MEMBER / 1e6:.0f} MB")
        raw = archive.read(name)
        items = json.loads(raw)
        if not isinstance(items, list):
            raise ValueError("it holds no list")
    except (*UNREADABLE, RecursionError, MemoryError) as error:
        kept = raw if len(raw) <= LARGEST_KEPT else None
        bad.append(BadMessage(name, None, "bad_json", f"it cannot be read as JSON ({error})", kept))
        return []
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            bad.append(BadMessage(name, number, "bad_json", "it is no object", json.dumps(item).encode()))
    return [item for item in items if isinstance(item, dict)]


def _read_day(archive: zipfile.ZipFile, root: str, member: str, names: Names, source: str) -> Chat:
    folder = member.removeprefix(root).partition("/")[0]
    channel = names.channels.get(folder, folder)
    bad: list[BadMessage] = []
    messages = []
    for number, item in enumerate(_load(archive, member, bad), start=1):
        try:
            message = read_message(names, channel, item)
        except BadRecord as refused:
            bad.append(BadMessage(member, number, refused.code, refused.reason, json.dumps(item).encode()))
            continue
        if message is not None:
            messages.append(message)
    return Chat(source, tuple(messages), tuple(bad))


def read_message(names: Names, channel: str, item: Mapping[str, Any]) -> Message | None:
    """As an export and the API say it. None for what nobody said. Raises BadRecord."""
    if item.get("type", "message") != "message" or item.get("subtype") in NOT_SAID:
        return None
    stamp = str(item.get("ts") or "")
    ts = read_instant(stamp)
    edited = item.get("edited")
    message = Message(
        channel=channel,
        message_id=stamp,
        thread_id=str(item.get("thread_ts") or day_of(ts)),
        author=_author(names, item),
        ts=ts,
        text=_text(names, item),
        edited_at=read_instant(str(edited["ts"])) if isinstance(edited, dict) and edited.get("ts") else None,
        deleted=item.get("subtype") == "tombstone",
    )
    return message if message.text or message.deleted else None


def _author(names: Names, item: Mapping[str, Any]) -> str | None:
    if user := item.get("user"):
        return names.people.get(str(user)) or _profile_name(item.get("user_profile")) or str(user)
    return item.get("username") or _profile_name(item.get("bot_profile")) or item.get("bot_id") or None


def _name(user: Mapping[str, Any]) -> str:
    return _profile_name(user.get("profile")) or user.get("name") or user.get("real_name") or str(user["id"])


def _profile_name(profile: Any) -> str | None:
    if not isinstance(profile, dict):
        return None
    return profile.get("display_name") or profile.get("real_name") or profile.get("name") or None


def _text(names: Names, item: Mapping[str, Any]) -> str:
    """What was written; of a bot that only attaches, what it attached; of a file, its name."""
    parts = [str(item.get("text") or "")]
    if not parts[0].strip():
        for attached in _objects(item, "attachments"):
            said = [attached.get(name) for name in ("pretext", "title", "text")]
            parts += [str(part) for part in said if part] or [str(attached.get("fallback") or "")]
    parts += [
        f"[file: {file.get('title') or file.get('name')}]" for file in _objects(item, "files") if file.get("name")
    ]
    text = REFERENCE.sub(lambda match: _reference(names, match[1]), "\n".join(part for part in parts if part.strip()))
    return clean_text(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


def _objects(item: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = item.get(name)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def _reference(names: Names, inside: str) -> str:
    """`@U1`, `#C1|general`, `!here` and `https://…|label`, as a person sees them."""
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return "@" + (names.people.get(target[1:]) or label or target[1:])
    if target.startswith("#"):
        return "#" + (label or names.channels.get(target[1:], target[1:]))
    if target.startswith("!"):
        return label or "@" + target[1:].partition("^")[0]
    address = target.removeprefix("mailto:")
    return address if not label or label in address else f"{label} ({address})"
