"""The process that opens strangers' files: `python -m lakehouse.sources.worker`. It may crash; its parent goes on.

A request on stdin is one line of JSON (`{"kind": "pdf", "size": 123}`) and `size` bytes. A reply on stdout is one
line with the size of a JSON document, and the document. For a `path` in place of bytes there are several: the last
says `end`, or why there is no more.
"""

import json
import resource
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from lakehouse.errors import BadRecord

MEMORY = 768 << 20
MEMORY_OF_STREAM = 400 << 20  # beyond what the process has mapped before
CPU_SECONDS = 30  # ends a worker whose parent was killed and can no longer end it
LONGEST_TEXT = 20_000_000  # characters; a bomb of a few kB unfolds to more


def main() -> None:
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    _limit_memory(MEMORY, MEMORY)
    while line := requests.readline():
        request = json.loads(line)
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime + request.get("seconds", 0)) + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        data = requests.read(request["size"])
        for answer in _stream(request) if "path" in request else [_answer(request["kind"], data)]:
            reply = json.dumps(answer).encode()
            replies.write(b"%d\n%b" % (len(reply), reply))
            replies.flush()


def _limit_memory(soft: int, hard: int) -> None:
    if sys.platform == "linux":  # macOS refuses a limit on address space
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _stream(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    _limit_memory(min(MEMORY, mapped * resource.getpagesize() + MEMORY_OF_STREAM), MEMORY)
    try:
        yield from chain(STREAMS[request["kind"]](request), [{"end": True}])
    except BadRecord as error:
        yield {"code": error.code, "reason": error.reason}
    except MemoryError:
        yield {"code": "out_of_memory", "reason": "reading it takes more memory than it may have: split it"}
    finally:
        _limit_memory(MEMORY, MEMORY)


def _read_chat(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    from lakehouse.sources.chat_wire import replies

    return replies(Path(request["path"]), request["sort"])


STREAMS = {"chat": _read_chat}


def _answer(kind: str, data: bytes) -> dict[str, Any]:
    try:
        text, title, meta = {"pdf": _read_pdf, "html": _read_html, "feed": _read_feed}[kind](data)
        if len(text) > LONGEST_TEXT:
            raise BadRecord("too_much_text", f"it unfolds to {len(text):,} characters of text: split it")
    except BadRecord as error:
        return {"code": error.code, "reason": error.reason}
    return {"text": _clean(text), "title": _clean(title or ""), "meta": meta}


def _read_pdf(data: bytes) -> tuple[str, str | None, dict[str, str]]:
    from lakehouse.sources.pdf import read_pdf

    pages = read_pdf(data)
    return pages.text, pages.title, {}


def _read_html(data: bytes) -> tuple[str, str | None, dict[str, str]]:
    from lakehouse.sources.html import read_html

    page = read_html(data.decode("utf-8-sig"))
    if not page.text.strip():
        raise BadRecord("no_text", "the page holds no text to read: scripts, navigation and pictures do not count")
    return page.text, page.title, page.meta


def _read_feed(data: bytes) -> tuple[str, str | None, dict[str, str]]:
    from lakehouse.sources.feeds import read_feed

    return json.dumps([[entry.link, entry.dated] for entry in read_feed(data)]), None, {}


def _clean(text: str) -> str:
    """Without what neither Postgres (NUL) nor UTF-8 (lone surrogates) can hold."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()


if __name__ == "__main__":
    main()
