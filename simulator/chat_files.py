"""The same talk in two shapes: a Slack workspace export and JSON lines."""

import io
import json
import re
import uuid
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from simulator.chats import Conversation, Message
from simulator.draws import stream
from simulator.files import File
from simulator.fleet import Fleet, Person, Tenant

ZIP_TIME = (2020, 1, 1, 0, 0, 0)  # the clock must not reach the archive
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def slack_path(tenant_id: str) -> str:
    return f"{tenant_id}/chats/slack-export.zip"


def jsonl_path(tenant_id: str) -> str:
    return f"{tenant_id}/chats/chat.jsonl"


def chat_path(fleet: Fleet, tenant_id: str) -> str:
    """The first tenant uses Slack, the others a tool that writes JSON lines."""
    return slack_path(tenant_id) if tenant_id == fleet.tenants[0].tenant_id else jsonl_path(tenant_id)


def chat_files(fleet: Fleet, conversations: Sequence[Conversation]) -> Iterator[File]:
    for tenant in fleet.tenants:
        mine = [one for one in conversations if one.messages[0].tenant_id == tenant.tenant_id]
        path = chat_path(fleet, tenant.tenant_id)
        yield File(path, _slack(fleet, tenant, mine) if path.endswith(".zip") else _json_lines(mine).encode())


def _json_lines(conversations: Sequence[Conversation]) -> str:
    rows = []
    for one in conversations:
        for message in one.messages:
            row = {
                "channel": message.channel,
                "message_id": f"m{message.thread:03d}-{message.place:02d}",
                "thread_id": f"t{message.thread:03d}" if len(one.messages) > 1 else None,
                "author": message.author.name,
                "ts": message.ts.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "text": message.text,
            }
            rows.append((message.ts, message.thread, message.place, json.dumps(row, ensure_ascii=False) + "\n"))
    return "".join(row[-1] for row in sorted(rows))


def _slack(fleet: Fleet, tenant: Tenant, conversations: Sequence[Conversation]) -> bytes:
    ids = {person.handle: _id(fleet, "U", person.handle) for person in tenant.people.values()}
    channels = sorted({message.channel for one in conversations for message in one.messages})
    files: dict[str, Any] = {
        "channels.json": [_channel(fleet, tenant, name, ids) for name in channels],
        "users.json": [_user(fleet, tenant, person, ids[person.handle]) for person in tenant.people.values()],
    }
    rows = [(message.channel, row) for one in conversations for message, row in _thread(fleet, one, ids)]
    for name in channels:
        rows += [(name, row) for row in _joins(fleet, ids)]
    rows.sort(key=lambda row: (row[0], float(row[1]["ts"])))
    for (channel, day), group in groupby(rows, key=lambda row: (row[0], _day(row[1]["ts"]))):
        files[f"{channel}/{day}.json"] = [row for _, row in group]
    return _zip(files)


def _zip(files: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, value in files.items():
            info = zipfile.ZipInfo(name, ZIP_TIME)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(info, json.dumps(value, indent=4))
    return out.getvalue()


def _id(fleet: Fleet, letter: str, name: str) -> str:
    rng = stream(fleet.seed, "slack id", letter, name)
    return letter + "0" + "".join(ALPHABET[int(at)] for at in rng.integers(len(ALPHABET), size=9))


def _day(ts: str) -> str:
    return datetime.fromtimestamp(float(ts), UTC).strftime("%Y-%m-%d")


def _ts(message: Message) -> str:
    """Unique within a channel, as Slack's are: the place in the conversation ends it."""
    return f"{int(message.ts.timestamp())}.{message.thread * 100 + message.place:06d}"


def _thread(fleet: Fleet, one: Conversation, ids: dict[str, str]) -> list[tuple[Message, dict[str, Any]]]:
    first, *replies = one.messages
    out = []
    for message in one.messages:
        row: dict[str, Any] = {
            "client_msg_id": str(
                uuid.UUID(bytes=stream(fleet.seed, "slack message", _ts(message)).bytes(16), version=4)
            ),
            "type": "message",
            "text": _slack_text(message.text, ids),
            "user": ids[message.author.handle],
            "ts": _ts(message),
            "team": _id(fleet, "T", message.tenant_id),
        }
        if replies:
            row["thread_ts"] = _ts(first)
        if replies and message is first:
            users = list(dict.fromkeys(ids[reply.author.handle] for reply in replies))
            row |= {
                "reply_count": len(replies),
                "reply_users_count": len(users),
                "latest_reply": _ts(replies[-1]),
                "reply_users": users,
                "replies": [{"user": ids[reply.author.handle], "ts": _ts(reply)} for reply in replies],
                "is_locked": False,
                "subscribed": False,
            }
        elif replies:
            row["parent_user_id"] = ids[first.author.handle]
        if "fix" in message.marks:  # people correct the report that others will read
            edited = message.ts + timedelta(minutes=2)
            row["edited"] = {"user": ids[message.author.handle], "ts": f"{int(edited.timestamp())}.000000"}
        out.append((message, row))
    return out


def _slack_text(text: str, ids: dict[str, str]) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"@([a-z]+\.[a-z]+)", lambda found: f"<@{ids[found[1]]}>" if found[1] in ids else found[0], escaped)


def _joins(fleet: Fleet, ids: dict[str, str]) -> list[dict[str, Any]]:
    start = int(fleet.start.timestamp()) + 60
    return [
        {
            "user": user,
            "type": "message",
            "subtype": "channel_join",
            "text": f"<@{user}> has joined the channel",
            "ts": f"{start + at}.900000",
        }
        for at, user in enumerate(ids.values())
    ]


def _channel(fleet: Fleet, tenant: Tenant, name: str, ids: dict[str, str]) -> dict[str, Any]:
    creator = ids[tenant.people["lead"].handle]
    created = int(fleet.start.timestamp())
    return {
        "id": _id(fleet, "C", name),
        "name": name,
        "created": created,
        "creator": creator,
        "is_archived": False,
        "is_general": name == "general",
        "members": sorted(ids.values()),
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": f"All about {name}", "creator": creator, "last_set": created},
    }


def _user(fleet: Fleet, tenant: Tenant, person: Person, user_id: str) -> dict[str, Any]:
    first, last = person.name.split(" ", 1)
    team = _id(fleet, "T", tenant.tenant_id)
    return {
        "id": user_id,
        "team_id": team,
        "name": person.handle,
        "deleted": False,
        "color": "9f69e7",
        "real_name": person.name,
        "tz": "Etc/UTC",
        "tz_label": "Coordinated Universal Time",
        "tz_offset": 0,
        "profile": {
            "title": "",
            "phone": "",
            "real_name": person.name,
            "real_name_normalized": person.name,
            "display_name": person.handle,
            "display_name_normalized": person.handle,
            "first_name": first,
            "last_name": last,
            "team": team,
        },
        "is_admin": False,
        "is_owner": False,
        "is_bot": False,
        "is_app_user": False,
        "updated": int(fleet.start.timestamp()),
    }
