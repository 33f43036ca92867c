"""The process that opens strangers' files: `python -m lakehouse.sources.worker`. It may crash; its parent goes on.

A request on stdin is one line of JSON (`{"kind": "pdf", "size": 123}`) and `size` bytes. The reply on stdout is one
line with the size of a JSON document, and the document.
"""

import json
import resource
import sys
from typing import Any

from lakehouse.errors import BadRecord

MEMORY = 768 << 20
CPU_SECONDS = 30  # ends a worker whose parent was killed and can no longer end it
LONGEST_TEXT = 20_000_000  # characters; a bomb of a few kB unfolds to more


def main() -> None:
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    if sys.platform == "linux":  # macOS refuses a limit on address space
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    while line := requests.readline():
        request = json.loads(line)
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        reply = json.dumps(_answer(request["kind"], requests.read(request["size"]))).encode()
        replies.write(b"%d\n%b" % (len(reply), reply))
        replies.flush()


def _answer(kind: str, data: bytes) -> dict[str, Any]:
    try:
        text, title, meta = _read_pdf(data) if kind == "pdf" else _read_html(data)
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


def _clean(text: str) -> str:
    """Without what neither Postgres (NUL) nor UTF-8 (lone surrogates) can hold."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()


if __name__ == "__main__":
    main()
