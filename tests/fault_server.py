"""`python -m tests.fault_server PORT`: the process of `tests/fault_proxy.py`, before the server at that port.

A process of its own, because delta-rs holds the GIL while it waits for an answer. It is told by JSON lines on its
standard input, and answers each with one: the plan is replaced, and what was asked under the one before comes back.
"""

import asyncio
import json
import os
import random
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.fault_proxy import Asked, Chance, Strike

STATUSES: Final = {
    "403": (403, "AccessDenied"),
    "429": (429, "TooManyRequests"),
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "409": (409, "ConditionalRequestConflict"),
    "200": (200, "InternalError"),  # an error in the body of an answer that began well, as S3 has it
}
# Before the server saw the request: a status, `reset`, `silent`. After it did what was asked: `lost` (the connection is
# reset), `untold` (500), `late` (no answer until the client gives up), `cut` (half of the answer). `slow`: only that.
# `killed`: half of the request is passed on, then the process `pid` gets SIGKILL; `killed after`: when the server has
# answered. The client is told nothing.
UNANSWERED: Final = frozenset({"reset", "silent", "lost", "late", "killed", "killed after"})
SLOW: Final = 0.2
ABRUPTLY: Final = struct.pack("ii", 1, 0)


@dataclass
class _Plan:
    strikes: list[Strike] = field(default_factory=list)
    chance: Chance | None = None
    counts: Counter[str] = field(default_factory=Counter)
    asked: list[Asked] = field(default_factory=list)

    def fault_for(self, operation: str) -> Strike | None:
        self.counts[operation] += 1
        nth = self.counts[operation]
        for strike in self.strikes:
            if strike.operation in ("*", operation) and strike.nth <= nth < strike.nth + strike.times:
                return strike
        if self.chance is None:
            return None
        dice = random.Random(f"{self.chance.seed} {operation} {nth}")  # noqa: S311 - not for secrets
        return Strike(dice.choice(self.chance.faults)) if dice.random() < self.chance.rate else None


@dataclass(frozen=True)
class _Request:
    method: str
    target: str
    head: list[bytes]
    body: bytes

    @property
    def operation(self) -> str:
        """S3 tells most operations apart by what the query holds."""
        url = urlsplit(self.target)
        query = parse_qs(url.query, keep_blank_values=True)
        about = url.path + "".join(query.get("prefix", [])) + self.body[:500].decode("latin-1") * ("delete" in query)
        kind = "log" if "_delta_log" in about else "object" if "/objects/" in about else "part"
        return f"{self._verb(query, whole_bucket=url.path.strip('/').count('/') == 0)} {kind}"

    def _verb(self, query: dict[str, list[str]], *, whole_bucket: bool) -> str:
        if "uploadId" in query:
            verbs = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
            return verbs.get(self.method, "ListParts")
        if self.method == "POST":
            return "CreateMultipartUpload" if "uploads" in query else "DeleteObjects"
        return "LIST" if self.method == "GET" and whole_bucket else self.method


class _Server:
    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.plan = _Plan()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader, writer)) is not None:
                await self._answer(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, request: _Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plan, operation = self.plan, request.operation
        strike = plan.fault_for(operation)
        fault = strike.fault if strike else ""
        if strike and fault in STATUSES:
            answer = _error(request.method, *STATUSES[fault], strike.retry_after)
        elif fault in ("reset", "silent"):
            answer = b""
        else:
            await asyncio.sleep(SLOW if fault == "slow" else 0)
            answer = await self._forward(request, victim=strike.pid if strike and fault == "killed" else 0)
        if strike and fault == "killed after":
            os.kill(strike.pid, signal.SIGKILL)
        plan.asked.append(Asked(operation, fault, int(answer.split(b" ", 2)[1]) if answer else 0))
        if fault in ("silent", "late"):
            await reader.read()
        if fault in UNANSWERED or not answer:
            raise _broken(writer)
        if fault == "untold":
            answer = _error(request.method, *STATUSES["500"], retry_after=0)
        head, blank, body = answer.partition(b"\r\n\r\n")
        writer.write(head + blank + body[: len(body) // 2] if fault == "cut" else answer)
        await writer.drain()
        if fault == "cut":
            raise ConnectionResetError  # closed politely: after a reset, what was sent would be thrown away unread

    async def _forward(self, request: _Request, *, victim: int = 0) -> bytes:
        """The whole answer; nothing where the server was gone before its end, or a victim was to be killed."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            return b""
        try:
            head = [request.head[0], *(line for line in request.head[1:] if not _is_between_two(line))]
            whole = b"\r\n".join([*head, b"Connection: close", b"", b""]) + request.body
            writer.write(whole[: len(whole) - (len(request.body) + 1) // 2] if victim else whole)
            await writer.drain()
            if victim:
                await asyncio.sleep(0.01)  # so that a server may write down what it has of it
                os.kill(victim, signal.SIGKILL)
                return b""
            return await _read_answer(request.method, reader)
        except (OSError, asyncio.IncompleteReadError):
            return b""
        finally:
            writer.close()


def _broken(writer: asyncio.StreamWriter) -> ConnectionResetError:
    """The peer gets a reset rather than an end."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPTLY)
    writer.transport.abort()
    return ConnectionResetError()


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> _Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = head[0].decode().split(" ")
    named = _headers(head)
    if named.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in named.get("transfer-encoding", ""):
        raise RuntimeError("a request in chunks: the proxy knows none")
    return _Request(method, target, head, await reader.readexactly(int(named.get("content-length", "0"))))


def _headers(head: Sequence[bytes]) -> dict[str, str]:
    pairs = (line.decode("latin-1").partition(":") for line in head[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _is_between_two(line: bytes) -> bool:
    return line.partition(b":")[0].strip().lower() in (b"connection", b"expect", b"keep-alive")


async def _read_answer(method: str, reader: asyncio.StreamReader) -> bytes:
    """The server ends its connection after each answer; clients keep theirs to the proxy."""
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
    named = _headers(head)
    # rclone says 200 to a request for a range, which delta-rs takes for the whole.
    first = head[0].replace(b" 200 ", b" 206 ") if "content-range" in named else head[0]
    lines = [first, *(line for line in head[1:] if not _is_between_two(line))]
    if method == "HEAD" or first.split(b" ", 2)[1] == b"204":
        body = b""
    elif "content-length" in named:  # moto ends the connection 10 ms after the answer
        body = await reader.readexactly(int(named["content-length"]))
    else:
        body = await reader.read()
        if "chunked" not in named.get("transfer-encoding", ""):
            lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _error(method: str, status: int, code: str, retry_after: int) -> bytes:
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>struck</Message></Error>".encode()
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/xml\r\n"
    head += f"Retry-After: {retry_after}\r\n" if status in (429, 503) else ""
    return (head + f"Content-Length: {len(body)}\r\n\r\n").encode() + (b"" if method == "HEAD" else body)


async def _main(upstream: int) -> None:
    server = _Server(upstream)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 20)
    print(listening.sockets[0].getsockname()[1], flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        told: dict[str, Any] = json.loads(line)
        asked = server.plan.asked
        chance = Chance(**told["chance"]) if told["chance"] else None
        server.plan = _Plan([Strike(**strike) for strike in told["strikes"]], chance)
        print(json.dumps([[one.operation, one.fault, one.status] for one in asked]), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
