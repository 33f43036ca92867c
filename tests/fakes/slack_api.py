"""Slack's Web API on a port of this machine, over a workspace that a test writes to as people do.

Replies have the shapes of the wire: newest first, pages by cursor, answers only in their thread, what is deleted is
gone, or a tombstone while a thread hangs on it. Failures are scripted by method.
"""

import base64
import json
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

TOKEN = "xoxb-1-test"
TEAM = "T9"
Message = dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """behaviour: `reset` breaks the connection, `cut` half way through the body, `silent` answers after `seconds`."""

    status: int = 200
    body: str | dict[str, Any] = ""
    headers: dict[str, str] = field(default_factory=dict)
    behaviour: str = ""
    seconds: float = 0.0


def error(code: str, **more: Any) -> Failure:
    return Failure(body={"ok": False, "error": code, **more})


def rate_limited(seconds: int) -> Failure:
    return Failure(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": str(seconds)})


@dataclass
class Channel:
    id: str
    name: str
    is_member: bool = True
    messages: dict[str, Message] = field(default_factory=dict)


class Workspace:
    """most: entries of a page at most, whatever the client asks for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.most = 1000
        self.channels: dict[str, Channel] = {}
        self.users: list[dict[str, Any]] = []
        self.scripts: dict[str, list[Failure]] = defaultdict(list)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.closing = threading.Event()
        self._last = 0

    def add_channel(self, channel_id: str, name: str, *, is_member: bool = True) -> None:
        self.channels[channel_id] = Channel(channel_id, name, is_member)

    def add_user(self, user_id: str, display: str, real: str = "") -> None:
        profile = {"display_name": display, "real_name": real or display, "image_24": "https://a.slack-edge.com/24.png"}
        self.users.append(
            {"id": user_id, "team_id": TEAM, "name": user_id.lower(), "deleted": False, "profile": profile}
        )

    def say(
        self, channel: str, text: str, at: datetime, *, user: str | None = "U1", thread: str | None = None, **more: Any
    ) -> str:
        """The stamp of the message."""
        self._last += 1
        ts = f"{int(at.timestamp())}.{self._last:06d}"
        author = {"user": user, "team": TEAM, "client_msg_id": f"id-{self._last}"} if user else {}
        answering = {"thread_ts": thread, "parent_user_id": "U1"} if thread else {}
        self.channels[channel].messages[ts] = {"type": "message", **author, "text": text, "ts": ts, **answering, **more}
        return ts

    def edit(self, channel: str, ts: str, text: str, at: datetime) -> None:
        edited = {"user": "U1", "ts": f"{int(at.timestamp())}.000000"}
        self.channels[channel].messages[ts] |= {"text": text, "edited": edited}

    def delete(self, channel: str, ts: str) -> None:
        messages = self.channels[channel].messages
        if any(_answers(message, ts) for message in messages.values()):
            shown = {"type": "message", "subtype": "tombstone", "text": "This message was deleted."}
            messages[ts] = {**shown, "user": "USLACKBOT", "hidden": True, "ts": ts}
        else:
            del messages[ts]

    def fail(self, method: str, *failures: Failure) -> None:
        """What is answered there before the method works again, one after the other."""
        self.scripts[method] += failures

    def methods(self) -> list[str]:
        return [method for method, _ in self.asked]

    def answer(self, method: str, params: dict[str, str], token: str) -> dict[str, Any]:
        if token != f"Bearer {TOKEN}":
            return {"ok": False, "error": "invalid_auth"}
        if method == "auth.test":
            return {"ok": True, "url": "https://acme.slack.com/", "team": "acme", "team_id": TEAM, "bot_id": "B1"}
        if method == "users.list":
            return self._page("members", self.users, params)
        if method == "conversations.list":
            return self._page("channels", [_described(channel) for channel in self.channels.values()], params)
        channel = self.channels.get(params["channel"])
        if channel is None:
            return {"ok": False, "error": "channel_not_found"}
        if not channel.is_member:
            return {"ok": False, "error": "not_in_channel"}
        return self._history(channel, params) if method == "conversations.history" else self._replies(channel, params)

    def _history(self, channel: Channel, params: dict[str, str]) -> dict[str, Any]:
        found = [
            _with_thread(channel, message)
            for message in channel.messages.values()
            if message.get("thread_ts") in (None, message["ts"]) or message.get("subtype") == "thread_broadcast"
        ]
        within = [message for message in found if _is_within(message["ts"], params)]
        ordered = sorted(within, key=lambda message: float(message["ts"]), reverse=True)
        return self._page("messages", ordered, params) | {"pin_count": 0}

    def _replies(self, channel: Channel, params: dict[str, str]) -> dict[str, Any]:
        root = params["ts"]
        if root not in channel.messages:
            return {"ok": False, "error": "thread_not_found"}
        answers = [message for message in channel.messages.values() if _answers(message, root)]
        ordered = sorted(answers, key=lambda message: float(message["ts"]))
        return self._page("messages", [_with_thread(channel, channel.messages[root]), *ordered], params)

    def _page(self, name: str, entries: list[dict[str, Any]], params: dict[str, str]) -> dict[str, Any]:
        start = int(base64.b64decode(params["cursor"]).partition(b":")[2]) if params.get("cursor") else 0
        end = start + min(int(params.get("limit", 100)), self.most)
        following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(entries) else ""
        more = {"has_more": bool(following)} if name == "messages" else {}
        return {"ok": True, name: entries[start:end], **more, "response_metadata": {"next_cursor": following}}


def _answers(message: Message, root: str) -> bool:
    return bool(message.get("thread_ts") == root != message["ts"])


def _with_thread(channel: Channel, message: Message) -> Message:
    """As Slack shows a message: one that is answered knows its thread."""
    answers = [one for one in channel.messages.values() if _answers(one, message["ts"])]
    if not answers:
        return message
    last = max((one["ts"] for one in answers), key=float)
    users = sorted({one["user"] for one in answers if one.get("user")})
    counts = {"reply_count": len(answers), "reply_users_count": len(users), "reply_users": users}
    return message | {"thread_ts": message["ts"], **counts, "latest_reply": last, "is_locked": False}


def _is_within(ts: str, params: dict[str, str]) -> bool:
    oldest, latest = float(params.get("oldest", 0)), float(params.get("latest", "inf"))
    if params.get("inclusive") in ("true", "1"):
        return oldest <= float(ts) <= latest
    return oldest < float(ts) < latest


def _described(channel: Channel) -> dict[str, Any]:
    flags = {"is_channel": True, "is_archived": False, "is_private": False, "is_member": channel.is_member}
    return {"id": channel.id, "name": channel.name, "name_normalized": channel.name, **flags, "previous_names": []}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    workspace: Workspace

    def do_POST(self) -> None:
        method = self.path.removeprefix("/api/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        params = dict(parse_qsl(body))
        self.workspace.asked.append((method, params))
        script = self.workspace.scripts[method]
        failure = script.pop(0) if script else None
        if failure is None:
            said = self.workspace.answer(method, params, self.headers.get("Authorization") or "")
            self._reply(Failure(body=said))
        elif failure.behaviour == "reset":
            self._reset()
        else:
            if failure.behaviour == "silent":
                self.workspace.closing.wait(failure.seconds)
            self._reply(failure)

    def _reply(self, failure: Failure) -> None:
        text = failure.body if isinstance(failure.body, str) else json.dumps(failure.body)
        data = text.encode()
        self.send_response(failure.status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **failure.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if failure.behaviour == "cut" else data)
        if failure.behaviour == "cut":
            self._reset()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """A test's output is no log of requests."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up, or a connection that was broken on purpose."""


@contextmanager
def slack_api() -> Iterator[Workspace]:
    server = _Server(("127.0.0.1", 0), _Handler)
    workspace = Workspace(f"http://127.0.0.1:{server.server_address[1]}/api/")
    server.RequestHandlerClass = type("Handler", (_Handler,), {"workspace": workspace})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield workspace
    finally:
        workspace.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
