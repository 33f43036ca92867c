"""One page over HTTP: conditional, of bounded size and time, and never from a private address that nobody named."""

import ipaddress
import re
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

from lakehouse.connectors.retrying import TRANSIENT_STATUS, Patience, Transient, ask, seconds_to_wait
from lakehouse.errors import BadRecord, Misused
from lakehouse.sources.documents import LARGEST

MOST_REDIRECTS: Final = 10
PAGE_SECONDS: Final = 120.0
CONNECT_SECONDS: Final = 10.0
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
PERMANENT: Final = frozenset({301, 308})
GONE: Final = frozenset({404, 410})
META_CHARSET: Final = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?([\w.:-]+)""", re.I)


@dataclass(frozen=True)
class Page:
    """status: 200, 304, 404 or 410. moved_to: where permanent redirects lead, if to another place."""

    status: int
    moved_to: str | None = None
    media_type: str = ""
    charset: str | None = None
    content: bytes = b""
    etag: str | None = None
    modified: str | None = None

    @property
    def is_gone(self) -> bool:
        return self.status in GONE


class Forbidden(Exception):
    """An address that the given URLs do not reach by themselves."""


class HttpPages:
    """named: the URLs that a person gave. Only their own hosts may be private addresses. Close it when done."""

    def __init__(self, named: Collection[str], *, now: datetime, patience: Patience) -> None:
        self._now, self._patience = now, patience
        timeout = httpx.Timeout(patience.answer_seconds, connect=CONNECT_SECONDS)
        headers = {"User-Agent": "iotops"}
        self._client = httpx.Client(transport=_Guarded(named), timeout=timeout, headers=headers, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def get(
        self,
        url: str,
        *,
        etag: str | None = None,
        modified: str | None = None,
        may_visit: Callable[[str], bool] = lambda _: True,
    ) -> Page:
        """Raises BadRecord where this page is refused, and OriginUnavailable where its host does not answer."""
        headers = {name: value for name, value in (("If-None-Match", etag), ("If-Modified-Since", modified)) if value}
        moved_to, permanent, at = None, True, url
        for _ in range(MOST_REDIRECTS + 1):
            if not may_visit(at):
                raise BadRecord("other_host", f"it leads to {at}, on another host: allow it with --any-host")
            answer = ask(lambda at=at: self._get(at, headers), origin_of(at), self._patience)  # type: ignore[misc]
            if not isinstance(answer, _Redirect):
                return Page(**{**vars(answer), "moved_to": moved_to})
            at = _target(at, answer.location)
            permanent = permanent and answer.permanent
            moved_to = at if permanent and at != url else moved_to
        raise BadRecord("too_many_redirects", f"it redirects more than {MOST_REDIRECTS} times")

    def _get(self, url: str, headers: Mapping[str, str]) -> "Page | _Redirect":
        try:
            answer = self._client.send(self._client.build_request("GET", url, headers=headers), stream=True)
            try:
                return self._read(answer)
            finally:
                answer.close()
        except Forbidden as error:
            raise BadRecord("private_address", f"{error}: name that URL itself, if it is meant") from error
        except httpx.TransportError as error:
            raise Transient(_cause(error)) from error
        except (httpx.DecodingError, httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise BadRecord("bad_response", f"what its host answers cannot be read ({_cause(error)})") from error

    def _read(self, answer: httpx.Response) -> "Page | _Redirect":
        status = answer.status_code
        if status in TRANSIENT_STATUS:
            wait = seconds_to_wait(answer.headers.get("Retry-After"), self._now)
            raise Transient(f"it answers {status} {answer.reason_phrase}", wait)
        if status in REDIRECTS:
            return _Redirect(answer.headers.get("Location", ""), status in PERMANENT)
        if status in GONE or status == 304:
            return Page(status)
        if status != 200:
            reason = f"its host answers {status} {answer.reason_phrase}: see whether it can be read without a login"
            raise BadRecord(f"http_{status}", reason)
        content_type = answer.headers.get("Content-Type", "")
        return Page(
            status,
            media_type=content_type.partition(";")[0].strip().lower(),
            charset=answer.charset_encoding,
            content=_body(answer),
            etag=answer.headers.get("ETag"),
            modified=answer.headers.get("Last-Modified"),
        )


@dataclass(frozen=True)
class _Redirect:
    location: str
    permanent: bool


def check_url(url: str) -> str:
    """Without its fragment, which names a place on the page. Raises Misused."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misused(f"'{url}' is no address of a page: write it as https://host/path")
    return parts._replace(fragment="").geturl()


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def as_utf8(content: bytes, charset: str | None) -> bytes:
    """Pages in another encoding, by what their host or they themselves say of it, are stored as UTF-8."""
    named = META_CHARSET.search(content[:2048])
    charset = charset or (named[1].decode("ascii", "ignore") if named else None)
    if charset is None or charset.lower().replace("-", "") in ("utf8", "usascii"):
        return content
    try:
        return content.decode("utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else charset).encode()
    except (LookupError, UnicodeError):
        return content  # as it is: if that is no UTF-8 it is refused as such


def _body(answer: httpx.Response) -> bytes:
    """Counted as it is unpacked, and ended where it drips for ever."""
    started = time.monotonic()
    blocks, size = [], 0
    for block in answer.iter_bytes(1 << 16):
        size += len(block)
        if size > LARGEST:
            raise BadRecord("too_large", f"the page has over {LARGEST / 1e6:.0f} MB, and no more are read")
        if time.monotonic() - started > PAGE_SECONDS:
            raise httpx.ReadTimeout(f"it takes over {PAGE_SECONDS:.0f} s to send the page")
        blocks.append(block)
    return b"".join(blocks)


def _target(url: str, location: str) -> str:
    target = urljoin(url, location)
    if urlsplit(target).scheme not in ("http", "https") or not urlsplit(target).hostname or not location:
        raise BadRecord("bad_redirect", f"it redirects to '{location[:200]}', which is no http address")
    return urlsplit(target)._replace(fragment="").geturl()


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__


class _Guarded(httpx.HTTPTransport):
    """Looks at the address that it then connects to, so that no name can change its address in between."""

    def __init__(self, named: Collection[str]) -> None:
        super().__init__(trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(), network_backend=_GuardedNetwork(named), keepalive_expiry=5.0
        )


class _GuardedNetwork(httpcore.SyncBackend):
    def __init__(self, named: Collection[str]) -> None:
        super().__init__()
        self._named: set[tuple[str, int]] = set()
        for parts in map(urlsplit, named):
            ports = {80, 443, parts.port or 443}
            self._named |= {((parts.hostname or "").lower(), port) for port in ports}

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except OSError as error:
            raise httpcore.ConnectError(f"the name {host} has no address ({error})") from error
        if (host.lower(), port) not in self._named:
            for address in addresses:
                if not _is_public(address):
                    raise Forbidden(f"{host}:{port} is the private address {address}")
        failure: Exception = httpcore.ConnectError(f"the name {host} has no address")
        for address in addresses:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (mapped is None or mapped.is_global)
