"""How large a request may be."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from copilot_api.problems import of_status, respond

MAX_BODY = 64 * 1024  # a question has at most 2,000 characters; the rest of a body is a few names
MAX_RECORDS = 8 << 20
MAX_UPLOAD = (20 << 20) + MAX_BODY  # a document, and the form around it
LARGER: Mapping[str, int] = {
    "/v1/ingest/telemetry": MAX_RECORDS,
    "/v1/ingest/messages": MAX_RECORDS,
    "/v1/ingest/documents": MAX_UPLOAD,
}


class BodyLimit:
    """Reads the body of a writing request before the app does, and answers 413 as soon as it is too large.

    Content-Length alone would not do: a chunked request has none.
    """

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"POST", "PUT", "PATCH"}:
            await self.app(scope, receive, send)
            return
        limit = LARGER.get(scope["path"], self.limit)
        messages = await self._read(receive, limit)
        if messages is None:
            fix = "split it" if scope["path"] in LARGER else "send only the question and its context"
            detail = f"the body is larger than {limit:,} bytes: {fix}"
            response = respond(of_status(413, detail, Request(scope).url.path), {"connection": "close"})
            await response(scope, receive, send)
            return

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, replay, send)

    async def _read(self, receive: Receive, limit: int) -> list[Message] | None:
        """None where the body is over the limit."""
        messages: list[Message] = []
        size = 0
        while not messages or messages[-1].get("more_body", False):
            messages.append(await receive())
            size += len(messages[-1].get("body", b""))
            if size > limit:
                return None
        return messages
