"""A real site on a port of this machine: ETags and dates, redirects, refusals, time-outs and broken connections."""

import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Served:
    """behaviour: `reset` breaks the connection half way through, `silent` never answers."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    behaviour: str = ""


class Website:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.pages: dict[str, Served] = {}
        self.scripts: dict[str, list[Served]] = defaultdict(list)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.closing = threading.Event()

    def put(self, path: str, body: str | bytes, kind: str = "text/html; charset=utf-8", **headers: str) -> str:
        """A page with an ETag by its bytes; returns its address."""
        content = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        etag = (
            {} if "Last-Modified" in named or "No-Etag" in named else {"ETag": f'"{sha256(content).hexdigest()[:8]}"'}
        )
        self.pages[path] = Served(content, headers={"Content-Type": kind, **etag, **named})
        return self.url + path

    def redirect(self, path: str, to: str, status: int = 302) -> str:
        self.pages[path] = Served(status=status, headers={"Location": to})
        return self.url + path

    def remove(self, path: str, status: int = 404) -> None:
        self.pages[path] = Served(status=status)

    def first(self, path: str, *answers: Served) -> None:
        """What is answered there before the page itself, one after the other."""
        self.scripts[path] += answers

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Website

    def do_GET(self) -> None:
        self.site.asked.append((self.path, dict(self.headers)))
        script = self.site.scripts[self.path]
        self._send(script.pop(0) if script else self.site.pages.get(self.path, Served(status=404)))

    def _send(self, served: Served) -> None:
        if served.behaviour == "silent":
            self.site.closing.wait()
            self.close_connection = True
            return
        fresh = served.status == 200 and self._is_known(served)
        body = b"" if fresh else served.body
        self.send_response(304 if fresh else served.status)
        for name, value in served.headers.items():
            self.send_header(name, value)
        if not fresh:
            self.send_header("Content-Length", str(len(body) + (9 if served.behaviour == "reset" else 0)))
        self.end_headers()
        self.wfile.write(body)
        if served.behaviour == "reset":
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

    def _is_known(self, served: Served) -> bool:
        pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
        return any(served.headers.get(has) and self.headers.get(asks) == served.headers[has] for asks, has in pairs)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def website() -> Iterator[Website]:
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        site = Website(server.server_address[1])
        handler.site = site  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.closing.set()
            server.shutdown()
            thread.join()
